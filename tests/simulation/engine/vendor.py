"""
A vendor in memory: records, their past, and what its lists, fetches and writes make of them.

It knows nothing of Liaison. `shared.adapters.protocol.Adapter` is met by `tests.simulation.engine.adapter`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pydantic import JsonValue

from tests.simulation.engine.traits import Traits
from tests.simulation.engine.values import FIELDS, TAGS, UNIT_OF, made_of, number_of

START = datetime(2024, 3, 1, 9, tzinfo=UTC)
"""In the past of any machine, so that asking its wall clock how long it is until then always answers nought."""


def moment_of(at: float) -> datetime:
    """Return our clock *at* seconds after the world began."""
    return START + timedelta(seconds=at)


LATE_S = 4.0
"""After so long a late normaliser has done its work."""


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
    is_gone: bool = False


@dataclass(slots=True)
class VendorRecord:
    """One candidate at the vendor."""

    external_id: str
    person: int
    past: list[Sight] = field(default_factory=list)
    late: dict[str, tuple[float, JsonValue]] = field(default_factory=dict)
    """Fields that a late normaliser has yet to change: when, and into what."""
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


class MemoryVendor:
    """One account."""

    def __init__(self, traits: Traits, clock: Callable[[], float], written: Callable[[Write], None]) -> None:
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
        self._clock = clock
        self._written = written
        self._next_id = 100

    def time(self) -> datetime:
        """Return the vendor's clock."""
        moment = START + timedelta(seconds=self._clock() + self.traits.skew_s)
        ticks = (moment - START) // self.traits.resolution
        return START + ticks * self.traits.resolution

    def age(self, lag_s: float) -> float:
        """Return the moment that an index which lags by *lag_s* shows."""
        return self._clock() - lag_s

    def add(self, person: int, values: Mapping[str, JsonValue]) -> VendorRecord:
        """Add a record, as the vendor's people or a create of ours would."""
        self._next_id += 1
        record = VendorRecord(f"{self.traits.name}-{self._next_id}", person)
        self.records[record.external_id] = record
        shown: dict[str, JsonValue] = {name: [] if name == TAGS else None for name in FIELDS}
        record.past.append(Sight(self._clock(), shown | self._made(record, values), 1, self.time()))
        return record

    def settle_late(self) -> None:
        """Let late normalisers do what is due."""
        for record in self.records.values():
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
            if not trait.writable or (name != TAGS and trait.refused(number_of(name, value))):
                raise Refused(name)
        for unit in dict.fromkeys(UNIT_OF[name] for name in changes):
            members = [name for name in unit.members if name in changes]
            before = {name: record.now.values[name] for name in members}
            sent = {name: changes[name] for name in members}
            in_gap = record.edits.get(unit.name, 0) != seen.get(unit.name, 0)
            self._written(Write(self.traits, record, unit.name, before, sent, in_gap))
        self._change(record, self._made(record, changes))

    def delete(self, external_id: str) -> None:
        """Delete a record."""
        record = self.records[external_id]
        now = record.now
        record.past.append(Sight(self._clock(), now.values, now.version + 1, self.time(), is_gone=True))

    def listed(self) -> list[tuple[VendorRecord, Sight]]:
        """Return what a list shows now, by its lagging replica, in the order of its pages."""
        self.settle_late()
        if self.empty_lists > 0:
            self.empty_lists -= 1
            return []
        at = self._clock() - self.traits.list_lag_s
        found = [
            (record, sight) for record in self.records.values() if (sight := _at(record, at)) and not sight.is_gone
        ]
        if self._clock() < self.missing_until:
            found = found[::2]
        if self.traits.pages_shift:
            found.sort(key=lambda each: (each[1].updated_at, each[0].external_id))
        return found

    def _change(self, record: VendorRecord, values: Mapping[str, JsonValue]) -> None:
        now = record.now
        record.past.append(Sight(self._clock(), {**now.values, **values}, now.version + 1, self.time()))

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


def _at(record: VendorRecord, at: float) -> Sight | None:
    """Return the record as it stood at *at*; None if it did not exist."""
    for sight in reversed(record.past):
        if sight.at <= at:
            return sight
    return None
