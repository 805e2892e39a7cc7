"""
What a first sync would do, shown before it does anything.

The vendor's records are read as a pull reads them, then taken in by the very code of a pull, in a transaction that is
rolled back: so what is shown is what happens, record by record, in a world that nobody touches meanwhile. The
transaction begins when everything was read, and yields to whoever needs one of its locks.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from uuid import UUID

import psycopg
from pydantic import JsonValue

from shared.adapters.protocol import Adapter
from shared.errors import Conflict, Unavailable
from shared.mapping.reading import MAPPING
from shared.merge.rows import Row
from shared.model import UNITS, Direction, EntityType
from shared.store.connections import IntegrationRow
from shared.store.database import Database, Transaction
from shared.store.store import Store
from shared.sync.applying.apply import Applier
from shared.sync.jobs import waiting
from shared.sync.merging.observations import Observation, RuleBook, observe
from shared.sync.merging.one_record import Merged
from shared.sync.merging.work import Applied, Work
from shared.sync.vendors.adapters import Adapters

READING_S = 90.0
"""How long records are read for; an answer over HTTP has 230 s."""
REHEARSING_S = 10.0
"""How long the rehearsal may hold its locks: merges and decisions of the company wait for it. What there is no time for
is not shown, and the preview says that it is not whole."""
TRIES = 3
CALLS_PER_WRITE = 2
"""A write fetches the record first."""


class Action(StrEnum):
    """What would become of one record of the vendor's."""

    CREATE = "create"
    """A new record here."""
    LINK = "link"
    """A record that is here already gets its link."""
    CHANGE = "change"
    """A linked record changes here."""
    UNCHANGED = "unchanged"
    LEFT_OUT = "left_out"
    """The mapping does not want it brought in."""
    WAIT = "wait"
    """A parent is missing, or a person must say who it is."""
    REFUSED = "refused"
    """It can't be read, or the database refuses it."""
    SUPPRESSED = "suppressed"
    """Somebody who was erased: it stays away."""


_HELD = frozenset({Action.WAIT, Action.REFUSED})


@dataclass(frozen=True, slots=True)
class FieldDiff:
    """One field on both sides, and what is done about it: `take`, `push` or `hold`."""

    field: str
    ours: JsonValue
    theirs: JsonValue
    what: str
    becomes: JsonValue = None
    """The value that is taken or pushed: of lists, what both sides make of it. None where it is held."""


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """One record of the vendor's."""

    entity: EntityType
    external_id: str
    action: Action
    record_id: UUID | None = None
    """Ours, where it exists already."""
    fields: Sequence[FieldDiff] = ()


@dataclass(slots=True)
class EntityPreview:
    """What was read of one entity, and what it comes to."""

    entity: EntityType
    rows: list[PreviewRow] = field(default_factory=list)
    first_meetings: Counter[str] = field(default_factory=Counter)
    """By unit: both sides are filled and differ, and nobody knows which is newer than what."""
    parents: set[tuple[str, str]] = field(default_factory=set)
    """Entity and external id of what records wait for."""
    requests: int = 0
    is_whole: bool = False
    """The vendor's last page was read."""

    @property
    def was_read(self) -> bool:
        """Whether there is anything to see: some of it, or that there is nothing."""
        return self.is_whole or bool(self.rows)


@dataclass(frozen=True, slots=True)
class Preview:
    """
    All of it. *version*: of the integration as it was looked at. *seconds*: what reading took, and what applying and
    the writes at the vendor would take.
    """

    version: int
    entities: Sequence[EntityPreview]
    requests: int
    """Calls to the vendor in all: lists, missing parents, writes."""
    writes: int
    seconds: float


@dataclass(slots=True)
class _Read:
    """What was read of one entity, page by page."""

    entity: EntityType
    pages: list[list[Observation]] = field(default_factory=list)
    refused: list[str | None] = field(default_factory=list)
    requests: int = 0
    is_whole: bool = False


class Previews:
    """Rehearses first syncs."""

    def __init__(self, database: Database, store: Store, adapters: Adapters, applier: Applier) -> None:
        self._database = database
        self._store = store
        self._adapters = adapters
        self._applier = applier

    async def of(
        self, company_id: UUID, integration_id: UUID, *, most: int, mapping: Mapping[str, JsonValue] | None = None
    ) -> Preview:
        """
        Return what a full sync of the integration would do, reading up to *most* records of each entity.

        *mapping*: not as the integration maps, but as it would by this `config.mapping`. Raises NotFound, InvalidInput
        for a mapping that can't be one, AuthFailed and what else the vendor's answers raise, and Unavailable when the
        records are too busy to be rehearsed on.
        """
        began = time.monotonic()
        async with self._database.company(company_id) as tx:
            integration = await self._store.connections.get(tx, integration_id)
        lent = self._adapters.connected
        if mapping is not None:
            lent, integration = self._adapters.proposed, _mapped_as(integration, mapping)
        async with lent(integration) as adapter:
            wanted = [each for each in EntityType if integration.allows(each, Direction.INBOUND)]
            reads = [await self._read(adapter, integration, each, most, began + READING_S) for each in wanted]
            reading_s = time.monotonic() - began
            entities = await self._rehearsed(integration, type(adapter), reads)
        requests = sum(each.requests for each in reads)
        held = {(row.entity.value, row.external_id) for each in entities for row in each.rows if row.action in _HELD}
        # A parent that did not come in is asked for by its id; one that has a job which waits is not.
        parents = set[tuple[str, str]]().union(*(each.parents for each in entities)) - held
        writes = sum(any(diff.what == "push" for diff in row.fields) for each in entities for row in each.rows)
        by_id = len(parents) + writes * CALLS_PER_WRITE
        per_call_s = reading_s / max(requests, 1)
        return Preview(
            integration.version,
            entities,
            requests + by_id,
            writes,
            round(time.monotonic() - began + by_id * per_call_s, 1),
        )

    async def _read(
        self, adapter: Adapter, integration: IntegrationRow, entity: EntityType, most: int, until: float
    ) -> _Read:
        read, count = _Read(entity), 0
        book = self._applier.book(Work(integration, type(adapter), entity))
        pages = adapter.pages(entity, None)
        while count < most and time.monotonic() < until:
            async with self._database.dispatch() as tx:
                ticket = await self._store.links.ticket(tx)
            page = await anext(pages, None)
            if page is None:
                read.is_whole = True
                break
            read.pages.append(observe(page.records, ticket, context=book.context))
            read.refused.extend(each.external_id for each in page.refused)
            read.requests += page.requests
            count += len(page.records)
            read.is_whole = page.following is None
            if read.is_whole:
                break
        close = getattr(pages, "aclose", None)
        if close is not None:
            await close()
        return read

    async def _rehearsed(
        self, integration: IntegrationRow, adapter: type[Adapter], reads: Sequence[_Read]
    ) -> list[EntityPreview]:
        for attempt in range(1, TRIES + 1):
            try:
                until = time.monotonic() + REHEARSING_S
                async with self._database.rehearsal(integration.company_id) as tx:
                    return [
                        await self._applied(tx, Work(integration, adapter, each.entity), each, until) for each in reads
                    ]
            except (Unavailable, Conflict):
                if attempt == TRIES:
                    raise
        raise AssertionError("unreachable")

    async def _applied(self, tx: Transaction, work: Work, read: _Read, until: float) -> EntityPreview:
        found = EntityPreview(read.entity, requests=read.requests, is_whole=read.is_whole)
        book = self._applier.book(work)
        for observations in read.pages:
            if time.monotonic() > until:
                found.is_whole = False
                break
            await self._page(tx, work, found, observations, book)
        ids = [each for each in read.refused if each is not None]
        hidden = await self._applier.suppression.hidden_ids(tx, work.integration.id, read.entity, ids)
        found.rows.extend(
            PreviewRow(read.entity, each or "", Action.SUPPRESSED if each in hidden else Action.REFUSED)
            for each in read.refused
        )
        return found

    async def _page(
        self, tx: Transaction, work: Work, found: EntityPreview, observations: Sequence[Observation], book: RuleBook
    ) -> None:
        """Apply a page as a pull does: a row that the database refuses is found by halves, the others come in."""
        halves = [observations]
        while halves:
            half = halves.pop()
            try:
                async with tx.savepoint():
                    applied = await self._applier.apply(tx, work, half, book)
            except psycopg.DataError:
                if len(half) > 1:
                    halves += [half[len(half) // 2 :], half[: len(half) // 2]]
                else:
                    found.rows.append(PreviewRow(work.entity, half[0].external_id, Action.REFUSED))
                continue
            _tell(found, half, applied)


def _mapped_as(integration: IntegrationRow, mapping: Mapping[str, JsonValue]) -> IntegrationRow:
    return replace(integration, config={**integration.config, MAPPING: dict(mapping)})


def _tell(found: EntityPreview, observations: Sequence[Observation], applied: Applied) -> None:
    """Add to *found* what *applied* made of *observations*."""
    merged = {each.observation.external_id: each for each in applied.merged}
    reasons = [waiting.parts(each) for each in applied.waits.values()]
    found.parents.update((entity, key) for kind, entity, key in reasons if kind == "parent")
    for each in observations:
        if (known := merged.get(each.external_id)) is not None:
            found.rows.append(_row(known))
            found.first_meetings.update(_first_meetings(known))
            continue
        found.rows.append(PreviewRow(found.entity, each.external_id, _why_not(applied, each.external_id)))


def _why_not(applied: Applied, external_id: str) -> Action:
    """Return what becomes of a record that was not merged."""
    if external_id in applied.suppressed:
        return Action.SUPPRESSED
    if external_id in applied.left_out:
        return Action.LEFT_OUT
    return Action.WAIT if external_id in applied.waits else Action.UNCHANGED


def _row(merged: Merged) -> PreviewRow:
    entity = merged.rules.entity
    before: Mapping[str, JsonValue] = merged.before.data if merged.before is not None else {}
    is_linked_now = merged.link_write is not None and merged.link_write.based_on == 0
    if merged.is_new:
        action = Action.CREATE
    elif is_linked_now:
        action = Action.LINK
    else:
        action = Action.CHANGE if merged.taken_units or merged.outcome.push else Action.UNCHANGED
    shown = merged.observation.values
    diffs = (
        []
        if merged.is_new
        else [
            *(
                FieldDiff(name, before.get(name), shown.get(name), "take", to)
                for name, to in merged.outcome.take.items()
            ),
            *(
                FieldDiff(name, before.get(name), shown.get(name), "push", to)
                for name, to in merged.outcome.push.items()
            ),
            *(
                FieldDiff(name, held.ours.get(name), held.theirs.get(name), "hold")
                for held in merged.outcome.held
                for name in UNITS[entity][held.unit].members
            ),
        ]
    )
    return PreviewRow(
        entity, merged.observation.external_id, action, None if merged.is_new else merged.record_id, diffs
    )


def _first_meetings(merged: Merged) -> list[str]:
    """Return the units in which both sides are filled, differ, and had never met."""
    if merged.is_new:
        return []
    return [each.unit for each in merged.outcome.decisions if each.rule == Row.FIRST_MEETING]
