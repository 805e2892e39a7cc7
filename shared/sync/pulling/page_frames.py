"""
Pages that another process has read, as bytes between the two.

Pickle, and so for a process of our own alone: whoever can write the bytes can run what they like here. What the rules
say is not sent: both sides have the same row of the integration, and make the same rules of it.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from shared.adapters.protocol import Page
from shared.errors import LiaisonError
from shared.merge.first import Newcomer
from shared.model import EntityType, JsonValue, record_type
from shared.store.connections import IntegrationRow
from shared.store.ledger import Job
from shared.store.links import LinkWrite, Ticket, encoded_link
from shared.store.records import RecordWrite, encoded_record
from shared.sync.merging.observations import Observation
from shared.sync.merging.one_record import Merged, Told
from shared.sync.pulling.reading import Read, Source

_Newcomer = tuple[bytes, Mapping[str, JsonValue], Sequence[tuple[str, Sequence[str]]], bytes, bytes]
"""Both ids, what is taken, by which rules, the rows of record and link."""
PROTOCOL = 5
UUID_BYTES = 16


def pack(read: Read) -> bytes:
    """
    Return *read* as bytes.

    Of a newcomer its rows are sent as their statements take them. What was foreseen besides is left out: it is merged
    when it is written.
    """
    ticket = read.observations[0].ticket if read.observations else None
    foreseen = read.foreseen
    rows = [
        (
            *(each.external_id, each.values, each.digest, each.version, each.record.about()),
            _newcomer(foreseen.get(each.external_id)),
        )
        for each in read.observations
    ]
    return pickle.dumps((read.page, ticket, rows), PROTOCOL)


def _newcomer(merged: Merged | None) -> _Newcomer | None:
    if merged is None or not isinstance(merged.decided, Newcomer):
        return None
    record, link = merged.record_write, merged.link_write
    if record is None or link is None:
        raise AssertionError("a newcomer has both rows")
    ids = merged.record_id.bytes + merged.link_id.bytes
    return ids, merged.take, merged.taken_by, encoded_record(record), encoded_link(link)


def unpack(frame: bytes, source: Source) -> Read:
    """Return what *frame* holds, a page of *source*."""
    page: Page
    ticket: Ticket
    page, ticket, rows = pickle.loads(frame)  # noqa: S301 - written by our own child
    entity = source.work.entity
    make, rules = record_type(entity).of, source.book.for_link("")  # no print is made here: any link's would do
    observations, foreseen = list[Observation](), dict[str, Merged]()
    for external_id, values, digest, version, about, newcomer in rows:
        observation = Observation(make(about), values, digest, version, ticket, False, external_id)
        observations.append(observation)
        if newcomer is not None:
            ids, take, taken_by, record, link = newcomer
            record_id, link_id = UUID(bytes=ids[:UUID_BYTES]), UUID(bytes=ids[UUID_BYTES:])
            foreseen[external_id] = Merged(
                observation=observation,
                record_id=record_id,
                link_id=link_id,
                decided=Told(take, taken_by),
                rules=rules,
                before=None,
                base={},
                record_write=RecordWrite(record_id, entity, {}, {}, encoded=record),
                link_write=LinkWrite(link_id, record_id, external_id, digest, {}, encoded=link),
            )
    return Read(page, observations, foreseen)


def pack_error(error: LiaisonError) -> bytes:
    """Return *error* with its fields; made anew without its `__init__`, which may ask for what only they hold."""
    return pickle.dumps((type(error), error.args, error.__dict__), PROTOCOL)


def unpack_error(frame: bytes) -> LiaisonError:
    """Return the error in *frame*."""
    kind: type[LiaisonError]
    kind, words, fields = pickle.loads(frame)  # noqa: S301 - written by our own child
    error = kind.__new__(kind, *words)
    error.__dict__.update(fields)
    return error


def pack_source(source: Source) -> bytes:
    """Return what *source* is made of, its credentials sealed as they are stored."""
    work = source.work
    return pickle.dumps((work.integration, work.entity, work.job, work.run_id, source.start, source.is_first), PROTOCOL)


def unpack_source(frame: bytes) -> tuple[IntegrationRow, EntityType, Job | None, UUID | None, Any, bool]:
    """Return the parts of the source in *frame*."""
    parts: tuple[IntegrationRow, EntityType, Job | None, UUID | None, Any, bool]
    parts = pickle.loads(frame)  # noqa: S301 - written by the process that started this one
    return parts
