"""Walking back: a record as it stood at a moment, and what each change made of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import JsonValue

from shared.merge.state import Stamp
from shared.model import UNITS, EntityType, JsonObject
from shared.past.changes import Change
from shared.store.history import HistorySide
from shared.store.records import StoredRecord
from shared.sync.merging.stamps import decode_stamps


@dataclass(frozen=True, slots=True)
class PastState:
    """A record as it stood."""

    data: JsonObject
    stamps: Mapping[str, Stamp]
    version: int


@dataclass(frozen=True, slots=True)
class FieldStep:
    """What one change did to one field."""

    field: str
    unit: str
    old: JsonValue
    new: JsonValue
    stamp: Stamp | None
    """Of the new value."""


@dataclass(frozen=True, slots=True)
class Step:
    """One change of a record with what stood before and after."""

    version: int
    """The version that it began."""
    at: datetime
    source: str
    job_id: UUID | None
    run_id: UUID | None
    fields: Sequence[FieldStep]


def as_at(record: StoredRecord, changes: Sequence[Change], moment: datetime) -> PastState | None:
    """Return *record* as it stood at *moment*; None when it did not exist yet. *changes*: newest first."""
    if moment < record.created_at:
        return None
    state = PastState(dict(record.data), decode_stamps(record.stamps), record.version)
    for change in changes:
        if change.side is HistorySide.OURS and change.at > moment:
            state = _before(state, change)
    return state


def steps(record: StoredRecord, changes: Sequence[Change]) -> list[Step]:
    """Return what each change here did, newest first. *changes*: newest first."""
    state = PastState(dict(record.data), decode_stamps(record.stamps), record.version)
    found = []
    for change in changes:
        if change.side is not HistorySide.OURS:
            continue
        fields = [
            FieldStep(name, unit := _unit_of(record.entity, name), old, state.data.get(name), state.stamps.get(unit))
            for name, old in change.values.items()
        ]
        found.append(Step(change.version + 1, change.at, change.source, change.job_id, change.run_id, fields))
        state = _before(state, change)
    return found


def _before(state: PastState, change: Change) -> PastState:
    data = dict(state.data)
    for name, old in change.values.items():
        if old is None:
            data.pop(name, None)
        else:
            data[name] = old
    return PastState(data, change.stamps, change.version)


def _unit_of(entity: EntityType, field: str) -> str:
    return next((unit.name for unit in UNITS[entity].values() if field in unit.members), field)
