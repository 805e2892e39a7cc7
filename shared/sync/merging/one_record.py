"""From an observation to the rows that it asks for: the merge applied to one record, still without any I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from uuid import UUID, uuid4

from pydantic import JsonValue

from shared.merge.base_codec import encode_base
from shared.merge.first import Newcomer, introduce
from shared.merge.marks import signed
from shared.merge.merge import merge
from shared.merge.rows import Row
from shared.merge.settle import open_intents, with_intents
from shared.merge.state import Base, Held, Ours, Outcome, Pin, Rules, Stamp, Theirs
from shared.merge.times import stamp_of
from shared.model import UNITS, JsonObject
from shared.store.links import Link, LinkWrite
from shared.store.records import RecordWrite, StoredRecord
from shared.sync.merging.bases import base_of
from shared.sync.merging.distrust import RESTORED, Distrust, restored, without_altered
from shared.sync.merging.observations import Observation, RuleBook
from shared.sync.merging.stamps import decode_stamps, encode_grouped, encode_stamps

UNFINISHED = frozenset({Row.INTENT_OPEN, Row.OUTDATED})
"""Rules that say: only a new fetch of the record tells what holds."""


@dataclass(slots=True)
class Told:
    """What is told of a newcomer by the process that decided on it: what its log row needs."""

    take: Mapping[str, JsonValue]
    taken_by: list[tuple[str, Sequence[str]]]


@dataclass(slots=True)
class Merged:
    """What one observation comes to. Never changed; not frozen only because a page makes hundreds."""

    observation: Observation
    record_id: UUID
    link_id: UUID
    decided: Outcome | Newcomer | Told
    rules: Rules
    before: StoredRecord | None
    """The record as it was; None for a new one."""
    base: Base
    """The link's base as it was."""
    record_write: RecordWrite | None
    """None: the record stays as it is."""
    link_write: LinkWrite | None
    """None: the link stays as it is."""

    @property
    def outcome(self) -> Outcome:
        """
        What was decided, in full; costs as much as the merge where nothing was there before.

        Raises LookupError if another process decided it: nobody asks that of a record that is new in a pull.
        """
        if isinstance(self.decided, Told):
            raise LookupError("the outcome stayed where it was decided")  # noqa: TRY004 - not the caller's mistake in kind
        return self.decided if isinstance(self.decided, Outcome) else self.decided.outcome

    @property
    def is_new(self) -> bool:
        """The record is made by this."""
        return self.before is None

    @property
    def take(self) -> Mapping[str, JsonValue]:
        """Fields of ours that change, with their new values."""
        return self.decided.take

    @property
    def push(self) -> Mapping[str, JsonValue]:
        """What is to be written at the vendor."""
        return self.decided.push if isinstance(self.decided, Outcome) else {}

    @property
    def held(self) -> tuple[Held, ...]:
        """What waits for a person."""
        return self.decided.held if isinstance(self.decided, Outcome) else ()

    @property
    def issues(self) -> tuple[str, ...]:
        """Units of which people must be told."""
        return self.decided.issues if isinstance(self.decided, Outcome) else ()

    @property
    def has_returned(self) -> bool:
        """The record was archived here, and is alive at the vendor again."""
        write = self.record_write
        return (
            self.before is not None
            and self.before.archived_at is not None
            and write is not None
            and (not write.is_archived)
        )

    @property
    def wants_fetch(self) -> bool:
        """Only a new fetch says what holds in some unit."""
        if not isinstance(self.decided, Outcome):
            return False
        return not UNFINISHED.isdisjoint([decision.rule for decision in self.decided.decisions])

    @property
    def taken_by(self) -> list[tuple[str, Sequence[str]]]:
        """Rules by which units of ours change, each with its units."""
        if isinstance(self.decided, Told):
            return self.decided.taken_by
        if isinstance(self.decided, Newcomer):
            return [(taken.row, taken.units) for taken in self.decided.taken]
        return [(each.rule, (each.unit,)) for each in self.decided.decisions if each.stamp is not None]

    @property
    def taken_units(self) -> tuple[str, ...]:
        """Units of ours that change."""
        return tuple([unit for _, units in self.taken_by for unit in units])


def merge_observation(
    observation: Observation,
    values: Mapping[str, JsonValue],
    *,
    book: RuleBook,
    record: StoredRecord | None,
    link: Link | None,
    job_id: UUID | None,
    pins: Mapping[str, Pin] = MappingProxyType({}),
    with_pushes: bool = False,
    distrust: Distrust | None = None,
) -> Merged:
    """
    Merge *values* (what *observation* shows, references resolved) into *record* over *link*.

    Without a record one is made; without a link one is made. *with_pushes*: what is to be written at the vendor goes
    out right after the commit, so the link keeps the intents. An observation that is not admitted must not come here.
    *distrust*: what of record and link was altered behind our back.
    """
    # A link whose record is lost keeps its id; what had been agreed on went with the record.
    record_id = record.id if record is not None else link.internal_id if link is not None else uuid4()
    link_id = link.id if link is not None else uuid4()
    rules = book.for_link(link_id, observation.record)
    if observation.record.anonymized or (record is not None and record.is_erased):
        return _forgotten(observation, rules, record_id, link_id, record, link)
    theirs = book.theirs(observation, values)
    if record is None and link is None and rules.inbound:
        return _arrived(observation, rules, record_id, link_id, introduce(theirs, rules), job_id)
    if distrust is not None and record is not None and link is not None and distrust.applies_to(record, link):
        return _mended(
            observation, distrust, theirs, rules, record, link, pins=pins, job_id=job_id, with_pushes=with_pushes
        )
    ours = ours_of(record, pins)
    base: Base = {}
    if link is not None and record is not None:
        base = base_of(link, ours, rules)
    outcome = merge(base, ours, theirs, rules)
    return Merged(
        observation=observation,
        record_id=record_id,
        link_id=link_id,
        decided=outcome,
        rules=rules,
        before=record,
        base=base,
        record_write=_record_write(
            record_id, record, outcome, observation, job_id, returns=_returns(record, link, outcome)
        ),
        link_write=_link_write(link_id, record_id, link, base, outcome, observation, rules, with_pushes=with_pushes),
    )


def _arrived(
    observation: Observation, rules: Rules, record_id: UUID, link_id: UUID, newcomer: Newcomer, job_id: UUID | None
) -> Merged:
    """The record is nowhere yet: what a merge would decide, with the rows that follow from it."""
    signer = None if job_id is None else str(job_id)
    stamps = [(stamp_of(taken.at, newcomer.theirs, taken.row, signer), taken.units) for taken in newcomer.taken]
    return Merged(
        observation=observation,
        record_id=record_id,
        link_id=link_id,
        decided=newcomer,
        rules=rules,
        before=None,
        base={},
        record_write=RecordWrite(
            record_id, observation.record.entity, without_empty(newcomer.take), encode_grouped(stamps)
        ),
        link_write=LinkWrite(
            link_id, record_id, observation.external_id, observation.digest, signed(newcomer.base, rules.marks)
        ),
    )


def _mended(
    observation: Observation,
    distrust: Distrust,
    theirs: Theirs,
    rules: Rules,
    record: StoredRecord,
    link: Link,
    *,
    pins: Mapping[str, Pin],
    job_id: UUID | None,
    with_pushes: bool,
) -> Merged:
    """Merge without what was altered; the record's history keeps what is taken away."""
    believed, base = without_altered(distrust, record.entity, record, link, theirs, rules)
    outcome = merge(base, ours_of(believed, pins), theirs, rules)
    stamp = Stamp(
        at=theirs.updated_at or theirs.observed_at,
        rank=theirs.rank,
        source=theirs.source,
        rule=RESTORED,
        resolution=theirs.resolution,
    )
    outcome = restored(distrust, record.entity, outcome, theirs, stamp, rules)
    return Merged(
        observation=observation,
        record_id=record.id,
        link_id=link.id,
        decided=outcome,
        rules=rules,
        before=record,
        base=base,
        record_write=_record_write(
            record.id, believed, outcome, observation, job_id, returns=_returns(record, link, outcome)
        ),
        link_write=_link_write(
            link.id, record.id, link, base, outcome, observation, rules, with_pushes=with_pushes, is_altered=True
        ),
    )


def _returns(record: StoredRecord | None, link: Link | None, outcome: Outcome) -> bool:
    """
    Whether an archived record is alive at the vendor again: it was gone there, or somebody works on it.

    That it is merely looked at once more, under other rules say, tells nothing. What a person archived comes back by a
    person alone, whatever becomes of it at the vendor.
    """
    if record is None or record.archived_at is None or link is None or record.archived_by is not None:
        return False
    return link.state != "live" or link.digest is None or bool(outcome.take)


def _forgotten(
    observation: Observation,
    rules: Rules,
    record_id: UUID,
    link_id: UUID,
    record: StoredRecord | None,
    link: Link | None,
) -> Merged:
    """
    The person is erased: nothing of them stays here, and their fingerprints go as well.

    What another link still shows of them is neither taken in nor emptied there.
    """
    entity = observation.record.entity
    units = frozenset(UNITS[entity])
    based_on = record.version if record is not None else 0
    # An erased person whose record is empty already is not erased a second time.
    is_known = record is not None and not record.data and link is not None and link.digest == observation.digest
    return Merged(
        observation=observation,
        record_id=record_id,
        link_id=link_id,
        decided=Outcome({}, {}, {}, {}, (), settled=units),
        rules=rules,
        before=record,
        base={},
        record_write=None if is_known else RecordWrite(record_id, entity, {}, {}, based_on, is_archived=True),
        link_write=None
        if is_known
        else LinkWrite(
            id=link_id,
            internal_id=record_id,
            external_id=observation.external_id,
            digest=observation.digest,
            base={},
            based_on=link.sync_version if link is not None else 0,
            fence=link.fence if link is not None else 0,
            is_primary=link.is_primary if link is not None else True,
        ),
    )


def ours_of(record: StoredRecord | None, pins: Mapping[str, Pin] = MappingProxyType({})) -> Ours:
    """Return *record* as a side of a merge, with what people decided; None is an empty one."""
    if record is None:
        return Ours({}, {})
    return Ours(record.data, decode_stamps(record.stamps), pins)


def without_empty(values: Mapping[str, JsonValue]) -> JsonObject:
    """Return *values* less what is empty: a missing key and an empty one say the same of a record of ours."""
    return {name: value for name, value in values.items() if value or value not in (None, "", [])}


def _record_write(
    record_id: UUID,
    record: StoredRecord | None,
    outcome: Outcome,
    observation: Observation,
    job_id: UUID | None,
    *,
    returns: bool,
) -> RecordWrite | None:
    if record is not None and not outcome.take and not returns:
        return None
    stamps = decode_stamps(record.stamps) if record is not None else {}
    signed: dict[int, Stamp] = {}
    for decision in outcome.decisions:
        given = decision.stamp
        if given is not None:
            # One object for all units that share it: a copy for each would cost more than merging the unit.
            if id(given) not in signed:
                signed[id(given)] = _with_job(given, job_id)
            stamps[decision.unit] = signed[id(given)]
    return RecordWrite(
        id=record_id,
        entity=observation.record.entity,
        data=without_empty({**(record.data if record is not None else {}), **outcome.take}),
        stamps=encode_stamps(stamps),
        based_on=record.version if record is not None else 0,
        is_archived=record is not None and record.archived_at is not None and not returns,
    )


def _with_job(stamp: Stamp, job_id: UUID | None) -> Stamp:
    return stamp if job_id is None else replace(stamp, job_id=str(job_id))


def _link_write(
    link_id: UUID,
    record_id: UUID,
    link: Link | None,
    base: Base,
    outcome: Outcome,
    observation: Observation,
    rules: Rules,
    *,
    with_pushes: bool,
    is_altered: bool = False,
) -> LinkWrite | None:
    # Where a write of ours may be under way, this look was not a whole one; the next shall not pass for known.
    is_whole = UNFINISHED.isdisjoint([decision.rule for decision in outcome.decisions])
    digest = observation.digest if is_whole else None
    is_same = link is not None and link.state == "live" and link.digest == digest
    new_base = with_intents(outcome.base, outcome.intents, outcome.expects) if with_pushes else outcome.base
    if is_same and new_base == base and not is_altered:
        return None
    return LinkWrite(
        id=link_id,
        internal_id=record_id,
        external_id=observation.external_id,
        digest=digest,
        base=signed(encode_base(new_base), rules.marks),
        based_on=link.sync_version if link is not None else 0,
        fence=_fence(link, base, observation),
        is_primary=link.is_primary if link is not None else True,
    )


def _fence(link: Link | None, base: Base, observation: Observation) -> int:
    """A fresh fetch that told how a lost write ended is what later observations are measured by."""
    if observation.is_fresh_fetch and open_intents(base):
        return observation.ticket.number
    return link.fence if link is not None else 0
