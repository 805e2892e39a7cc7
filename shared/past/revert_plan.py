"""
What taking a run back comes to for one record: field by field, where nothing newer stands in the way. Pure.

A unit goes back to the value that the run's first change of it replaced, here or at the vendor. It stays when anybody
changed it after the run, or when it waits for a person.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from pydantic import JsonValue

from shared.model import UNITS, JsonObject
from shared.past.changes import Change
from shared.store.history import HistorySide
from shared.store.records import StoredRecord


class Obstacle(StrEnum):
    """Why something is not taken back."""

    NEWER_CHANGE = "newer_change"
    CONFLICT_OPEN = "conflict_open"
    IN_USE = "in_use"
    MERGED = "merged"
    """The record is part of another one: nobody would see what is written to it, and to part the two takes it away."""
    ERASED = "erased"
    """Of the record nothing can be opened any more, or the value was an erased person's."""


@dataclass(frozen=True, slots=True)
class UnitPlan:
    """One unit of one record."""

    unit: str
    before: Mapping[str, JsonValue]
    """Its fields now."""
    after: Mapping[str, JsonValue]
    """What they go back to."""
    obstacle: Obstacle | None = None


@dataclass(frozen=True, slots=True)
class RecordPlan:
    """One record. *archive*: the run brought it in, and it goes."""

    record: StoredRecord
    units: Sequence[UnitPlan] = ()
    archive: bool = False
    obstacle: Obstacle | None = None
    """Why it does not go, where the run brought it in."""

    @property
    def changes(self) -> JsonObject:
        """Fields to write here."""
        return {name: value for unit in self.units if unit.obstacle is None for name, value in unit.after.items()}

    @property
    def after(self) -> JsonObject:
        """What all its fields would go back to, whatever stands in the way."""
        return {name: value for unit in self.units for name, value in unit.after.items()}

    def as_merged(self) -> RecordPlan:
        """Return the plan of which nothing is done, since the record is part of another one."""
        return replace(self, units=[replace(unit, obstacle=Obstacle.MERGED) for unit in self.units])

    def without(self, fields: Collection[str]) -> RecordPlan:
        """Return the plan in which no unit with one of *fields* goes back: an erased person's are not even shown."""
        units = [
            unit if unit.after.keys().isdisjoint(fields) else replace(unit, after={}, obstacle=Obstacle.ERASED)
            for unit in self.units
        ]
        return replace(self, units=units)


def plan_changed(
    record: StoredRecord,
    changes: Sequence[Change],
    *,
    run_id: UUID,
    reverting: UUID | None,
    held: Collection[str],
) -> RecordPlan:
    """
    Plan for a record that the run changed. *changes*: all since the run began, oldest first.

    *reverting*: the run that takes it back, whose own changes are no obstacle. *held*: units with an open conflict.
    """
    plans = []
    for unit in UNITS[record.entity].values():
        of_unit = [each for each in changes if unit.name in each.units]
        done = [each for each in of_unit if each.run_id == run_id]
        if not done or any(each.run_id == reverting for each in of_unit if reverting is not None):
            continue
        first, last = done[0], done[-1]
        # What the change itself made travels on to other systems: only what was changed *here* later is newer.
        newer = [each for each in of_unit if each.side is HistorySide.OURS and each.at > last.at]
        before = {name: record.data.get(name) for name in unit.members}
        after = {name: first.values.get(name, before[name]) for name in unit.members}
        if before == after:
            continue
        obstacle = Obstacle.NEWER_CHANGE if newer else Obstacle.CONFLICT_OPEN if unit.name in held else None
        plans.append(UnitPlan(unit.name, before, after, obstacle))
    return RecordPlan(record, plans)


def plan_created(
    record: StoredRecord,
    newer: Sequence[UUID | None],
    *,
    run_id: UUID,
    is_merged: bool,
    is_in_use: bool,
    has_conflict: bool,
) -> RecordPlan:
    """
    Plan for a record that the run brought in. *newer*: the runs (None: none) of all its changes.

    *is_merged*: it is part of another record by now.
    """
    if is_merged:
        return RecordPlan(record, obstacle=Obstacle.MERGED)
    if any(each != run_id for each in newer):
        return RecordPlan(record, obstacle=Obstacle.NEWER_CHANGE)
    if has_conflict:
        return RecordPlan(record, obstacle=Obstacle.CONFLICT_OPEN)
    if is_in_use:
        return RecordPlan(record, obstacle=Obstacle.IN_USE)
    return RecordPlan(record, archive=True)
