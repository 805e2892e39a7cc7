"""
A vendor in memory: records, their past, and what its lists, fetches and writes make of them.

It knows nothing of Liaison. `shared.adapters.protocol.Adapter` is met by `tests.simulation.engine.adapter`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from pydantic import JsonValue

from shared.model import EntityType
from tests.simulation.engine.traits import Traits
from tests.simulation.engine.values import FURTHER, OWN_FIELDS, SETS, TAGS, UNIT_OF, made_of, number_of, text_of

START = datetime(2024, 3, 1, 9, tzinfo=UTC)
"""In the past of any machine, so that asking its wall clock how long it is until then always answers nought."""


def moment_of(at: float) -> datetime:
    """Return our clock *at* seconds after the world began."""
    return START + timedelta(seconds=at)


LATE_S = 4.0
"""After so long a late normaliser has done its work."""


CANDIDATE, APPLICATION = EntityType.CANDIDATE, EntityType.APPLICATION

Whose = Callable[["MemoryVendor", EntityType, Mapping[str, JsonValue], Mapping[str, str]], int]
"""Tells whom a create is about: the vendor, the entity, what was sent and the references."""


class Refused(Exception):
    """The vendor does not take a value of the field *name*."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(slots=True)
class Sight:
    """A record as it stood from *at* on."""

    at: float
    values: dict[str, JsonValue]
    version: int
    updated_at: datetime
    field_times: Mapping[str, datetime] = field(default_factory=dict)
    """By field: when it changed last."""
    references: Mapping[str, str] = field(default_factory=dict)
    """Of an application: the ids of its candidate and its job."""
    is_gone: bool = False


@dataclass(slots=True)
class VendorRecord:
    """One candidate, application or job at the vendor."""

    external_id: str
    person: int
    """Who it is about; an application or a job has a number of its own kind."""
    entity: EntityType = EntityType.CANDIDATE
    past: list[Sight] = field(default_factory=list)
    late: dict[str, tuple[float, JsonValue]] = field(default_factory=dict)
    """Fields that a late normaliser has yet to change: when, and into what."""
    is_made_by_us: bool = False
    edits: dict[str, int] = field(default_factory=dict)
    """By unit: how often the vendor's own people have edited it. A fetch carries it, so that a write knows its gap."""

    @property
    def now(self) -> Sight:
        """The record as it is."""
        return self.past[-1]


@dataclass(frozen=True, slots=True)
class Write:
    """A write that the vendor took: what one unit showed before, and what it was made to show."""

    traits: Traits
    record: VendorRecord
    unit: str
    before: Mapping[str, JsonValue]
    sent: Mapping[str, JsonValue]
    in_gap: bool
    """Its own people edited the unit since the record was fetched for this write."""

    @property
    def vendor(self) -> str:
        """Return the vendor's name."""
        return self.traits.name

    def held(self, name: str, value: JsonValue) -> bool:
        """Whether the vendor held *value* already, or what its adapter knows that it makes of it."""
        trait = self.traits.of(name)
        made = made_of(trait.makes, value) if trait.is_declared else value
        return self.before[name] in (value, made)


class MemoryVendor:
    """One account."""

    def __init__(
        self, traits: Traits, clock: Callable[[], float], written: Callable[[Write], None], whose: Whose
    ) -> None:
        self.traits = traits
        self.records: dict[str, VendorRecord] = {}
        self.hidden: set[str] = set()
        """Fields that our key may not read for now."""
        self.empty_lists = 0
        """So many lists to come are empty by mistake."""
        self.missing_until = 0.0
        """Until then every second record is missing from lists."""
        self.expired_cursors = 0
        self.limited_until = 0.0
        self.requests = 0
        self._clock, self._began = clock, clock()
        self._written = written
        self._whose = whose
        self._next_id = 100

    def time(self) -> datetime:
        """Return the vendor's clock."""
        moment = START + timedelta(seconds=self._clock() + self.traits.skew_s)
        ticks = (moment - START) // self.traits.resolution
        return START + ticks * self.traits.resolution

    def age(self, lag_s: float) -> float:
        """Return the moment that an index which lags by *lag_s* shows; it has what stood before the world began."""
        return max(self._began, self._clock() - lag_s)

    def add(
        self,
        person: int,
        values: Mapping[str, JsonValue],
        entity: EntityType = CANDIDATE,
        references: Mapping[str, str] = MappingProxyType({}),
    ) -> VendorRecord:
        """Add a record, as the vendor's people or a create of ours would."""
        self._next_id += 1
        record = VendorRecord(f"{self.traits.name}-{self._next_id}", person, entity)
        self.records[record.external_id] = record
        shown: dict[str, JsonValue] = {name: [] if name in SETS else None for name in OWN_FIELDS[entity]}
        made = shown | self._made(record, values)
        record.past.append(
            Sight(self._clock(), made, 1, self.time(), dict.fromkeys(made, self.time()), dict(references))
        )
        return record

    def create(self, entity: EntityType, fields: Mapping[str, JsonValue]) -> tuple[VendorRecord, VendorRecord | None]:
        """
        Take a create of ours, all of it or nothing; what we may not write there is left out. Raises Refused.

        With a candidate comes the application for `job_id`, if this vendor makes it along.
        """
        values = {name: fields[name] for name in OWN_FIELDS[entity] if fields.get(name) not in (None, "", [])}
        # By the address what was made is found again: one that can't be changed later is taken at birth all the same.
        values = {name: value for name, value in values.items() if name == "email" or self.traits.of(name).writable}
        for name, value in values.items():
            if name not in SETS and self.traits.of(name).refused(number_of(name, value)):
                raise Refused(name)
        references = {name: str(fields[name]) for name in ("candidate_id", "job_id") if entity is APPLICATION}
        record = self.add(self._whose(self, entity, fields, references), values, entity, references)
        record.is_made_by_us = True
        if entity is not CANDIDATE or not self.traits.creates_along or fields.get("job_id") is None:
            return record, None
        along = {"candidate_id": record.external_id, "job_id": str(fields["job_id"])}
        application = self.add(self._whose(self, APPLICATION, {}, along), {}, APPLICATION, along)
        application.is_made_by_us = True
        return record, application

    def ever_had(self, person: int) -> bool:
        """Whether a record of *person* is here, or was."""
        return any(each.person == person for each in self.records.values())

    def applications_of(self, external_id: str) -> list[VendorRecord]:
        """Return the living applications of a candidate."""
        return [
            each
            for each in self.records.values()
            if not each.now.is_gone and each.now.references.get("candidate_id") == external_id
        ]

    def settle_late(self) -> None:
        """Let late normalisers do what is due."""
        for record in self.records.values():
            if record.now.is_gone:
                record.late.clear()
            due = {name: value for name, (at, value) in record.late.items() if at <= self._clock()}
            if due:
                for name in due:
                    del record.late[name]
                self._change(record, due)

    def edit(self, external_id: str, changes: Mapping[str, JsonValue]) -> None:
        """Change a record, as the vendor's own people would."""
        record = self.records[external_id]
        for name in changes:
            record.edits[UNIT_OF[name].name] = record.edits.get(UNIT_OF[name].name, 0) + 1
        self._change(record, self._made(record, changes))

    def write(self, external_id: str, changes: Mapping[str, JsonValue], seen: Mapping[str, int]) -> None:
        """Take a write of ours, all of it or nothing. *seen*: `edits` as they were fetched. Raises Refused."""
        record = self.records[external_id]
        for name, value in changes.items():
            trait = self.traits.of(name)
            if not trait.writable or (name not in SETS and trait.refused(number_of(name, value))):
                raise Refused(name)
        for unit in dict.fromkeys(UNIT_OF[name] for name in changes):
            members = [name for name in unit.members if name in changes]
            before = {name: record.now.values[name] for name in members}
            sent = {name: changes[name] for name in members}
            in_gap = record.edits.get(unit.name, 0) != seen.get(unit.name, 0)
            self._written(Write(self.traits, record, unit.name, before, sent, in_gap))
        self._change(record, self._made(record, changes))

    def delete(self, external_id: str) -> None:
        """Delete a record, and a candidate's applications with it. Nobody is told: that is the caller's."""
        record = self.records[external_id]
        for each in (*self.applications_of(external_id), record):
            now = each.now
            each.late.clear()
            gone = Sight(
                self._clock(), now.values, now.version + 1, self.time(), now.field_times, now.references, is_gone=True
            )
            each.past.append(gone)

    def merge(self, loser_id: str, survivor_id: str) -> None:
        """
        Make one record of two, as the vendor's own people would: the loser's id is gone.

        The survivor takes what it lacks, the tags of both, the other's address among its further ones, and its
        applications.
        """
        loser, survivor = self.records[loser_id].now.values, self.records[survivor_id].now.values
        changes: dict[str, JsonValue] = {
            name: value for name, value in loser.items() if name not in SETS and survivor[name] in (None, "") and value
        }
        changes[TAGS] = _united(survivor[TAGS], loser[TAGS])
        address: list[JsonValue] = [{"value": loser["email"]}, *_elements(loser[FURTHER])]
        own = str(survivor["email"] or "").lower()
        changes[FURTHER] = _united(survivor[FURTHER], [each for each in address if text_of(each).lower() != own])
        record = self.records[survivor_id]
        for name in changes:
            record.edits[UNIT_OF[name].name] = record.edits.get(UNIT_OF[name].name, 0) + 1
        self._change(record, self._made(record, changes))
        for each in self.applications_of(loser_id):
            now = each.now
            moved = {**now.references, "candidate_id": survivor_id}
            each.past.append(Sight(self._clock(), now.values, now.version + 1, self.time(), now.field_times, moved))
        self.delete(loser_id)

    def listed(self, entity: EntityType) -> list[tuple[VendorRecord, Sight]]:
        """Return what a list shows now, by its lagging replica, in the order of its pages."""
        self.settle_late()
        if self.empty_lists > 0:
            self.empty_lists -= 1
            return []
        at = self._clock() - self.traits.list_lag_s
        found = [
            (record, sight)
            for record in self.records.values()
            if record.entity is entity and (sight := _at(record, at)) and not sight.is_gone
        ]
        if self._clock() < self.missing_until:
            found = found[::2]
        if self.traits.pages_shift:
            found.sort(key=lambda each: (each[1].updated_at, each[0].external_id))
        return found

    def _change(self, record: VendorRecord, values: Mapping[str, JsonValue]) -> None:
        now = record.now
        changed, at = {**now.values, **values}, self.time()
        times = {**now.field_times, **dict.fromkeys(values, at)}
        record.past.append(Sight(self._clock(), changed, now.version + 1, at, times, now.references))

    def _made(self, record: VendorRecord, changes: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        made: dict[str, JsonValue] = {}
        for name, value in changes.items():
            trait = self.traits.of(name)
            record.late.pop(name, None)
            later = made_of(trait.makes, value)
            if trait.is_late and later != value:
                record.late[name] = (self._clock() + LATE_S, later)
                later = value
            made[name] = later
        return made


def _elements(value: JsonValue) -> list[JsonValue]:
    return list(value) if isinstance(value, list) else []


def _united(one: JsonValue, other: JsonValue) -> list[JsonValue]:
    """Return the elements of both, each once, however it is spelled."""
    known: dict[str, JsonValue] = {}
    for each in [*_elements(one), *_elements(other)]:
        known.setdefault(text_of(each).lower(), each)
    return list(known.values())


def _at(record: VendorRecord, at: float) -> Sight | None:
    """Return the record as it stood at *at*; None if it did not exist."""
    for sight in reversed(record.past):
        if sight.at <= at:
            return sight
    return None
