"""Why each field of a record says what it says: who gave it, when, by which rule, and what lost against it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import JsonValue

from shared.merge.base_codec import decode_base
from shared.merge.rows import Row
from shared.merge.state import Base, Stamp, State
from shared.model import UNITS, JsonObject, Unit
from shared.past.changes import Change
from shared.store.history import HistorySide
from shared.store.links import Link
from shared.store.records import StoredRecord
from shared.sync.keeping.chronicle import CONTESTED
from shared.sync.merging.stamps import decode_stamps

_CONTESTED = frozenset(str(rule) for rule in (*CONTESTED, Row.DECIDED))


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known of one record."""

    record: StoredRecord
    changes: Sequence[Change]
    """Newest first, of every side."""
    links: Sequence[Link]
    platforms: Mapping[UUID, str]
    """By integration."""
    conflicts: Mapping[str, UUID]
    """Open items by unit."""


def explain(known: Known) -> JsonObject:
    """
    Return, by field: value, source, time (with the bracket in which a vendor's edit lies), rule, job, run, actor,
    the values that lost against it, how each linked system stands to it, and the conflict that holds it.
    """
    stamps = decode_stamps(known.record.stamps)
    bases = [(link, decode_base(link.base)) for link in known.links if link.state == "live"]
    fields: JsonObject = {}
    for unit in UNITS[known.record.entity].values():
        stamp = stamps.get(unit.name)
        last = next((each for each in _of(known, unit, HistorySide.OURS)), None)
        for name in unit.members:
            value = known.record.data.get(name)
            if stamp is None and value is None:
                continue  # never set by anyone
            fields[name] = {
                "value": value,
                "field_group": unit.name if len(unit.members) > 1 else None,
                **_origin(known, stamp),
                **_bracket(last, unit, stamp),
                "run_id": None if last is None or last.run_id is None else str(last.run_id),
                "lost": [*_lost(known, unit, name, stamp, last)],
                "systems": [_system(known, link, base, unit) for link, base in bases],
                "conflict_id": str(held) if (held := known.conflicts.get(unit.name)) is not None else None,
            }
    return fields


def origin_of(source: str, platforms: Mapping[UUID, str]) -> JsonObject:
    """Return who stands behind *source*: `portal`, or an integration with its platform."""
    if source == "portal":
        return {"source": "portal", "integration_id": None}
    return {"source": platforms.get(UUID(source), "unknown"), "integration_id": source}


def rule_and_actor(stamp: Stamp) -> tuple[str, str | None]:
    """Return a stamp's rule, and who edited where a person did."""
    rule, _, actor = stamp.rule.partition(":")
    return rule, actor or None


def _of(known: Known, unit: Unit, *sides: HistorySide) -> Iterator[Change]:
    return (each for each in known.changes if each.side in sides and unit.name in each.units)


def _origin(known: Known, stamp: Stamp | None) -> JsonObject:
    if stamp is None:
        return {"source": None, "integration_id": None, "at": None, "rule": None, "actor": None, "job_id": None}
    rule, actor = rule_and_actor(stamp)
    return {
        **origin_of(stamp.source, known.platforms),
        "at": stamp.at.isoformat(),
        "rule": rule,
        "actor": actor,
        "job_id": stamp.job_id,
    }


def _bracket(last: Change | None, unit: Unit, stamp: Stamp | None) -> JsonObject:
    """Where a vendor has no time of the field itself, its edit lies after the one moment and not after the other."""
    since: datetime | None = None
    until: datetime | None = None
    if last is not None and stamp is not None and last.source == stamp.source and unit.name in last.seen:
        since, until = last.seen[unit.name]
    return {
        "changed_after": None if since is None else since.isoformat(),
        "seen_at": None if until is None else until.isoformat(),
    }


def _lost(known: Known, unit: Unit, name: str, stamp: Stamp | None, last: Change | None) -> Iterator[JsonObject]:
    """Yield the values that lost against the one that stands; against a decision, all that it replaced anywhere."""
    rule = None if stamp is None else rule_and_actor(stamp)[0]
    if last is not None and rule in _CONTESTED and name in last.values:
        older = last.stamps.get(unit.name)
        if last.values[name] != known.record.data.get(name):
            yield {
                "value": last.values[name],
                **origin_of(older.source if older is not None else "portal", known.platforms),
                "at": None if older is None else older.at.isoformat(),
            }
    sides = (HistorySide.LOST, HistorySide.THEIRS) if rule == Row.DECIDED else (HistorySide.LOST,)
    seen: list[tuple[JsonValue, str]] = []
    for change in _of(known, unit, *sides):
        if last is not None and change.at < last.at:
            return  # lost against a value that is gone as well
        told = (change.values.get(name), change.source)
        if name in change.values and told[0] != known.record.data.get(name) and told not in seen:
            seen.append(told)
            yield {
                "value": change.values[name],
                **origin_of(change.source, known.platforms),
                "at": change.at.isoformat(),
            }


def _system(known: Known, link: Link, base: Base, unit: Unit) -> JsonObject:
    entry = base.get(unit.name)
    if entry is None:
        state, reason = "never_met", None
    elif entry.intent is not None:
        state, reason = "being_written", None
    elif entry.blocked is not None:
        state, reason = "refused", entry.blocked_reason
    else:
        state, reason = ("agreed" if entry.state is State.AGREED else "differs_knowingly"), None
    return {
        "integration_id": str(link.integration_id),
        "platform": known.platforms.get(link.integration_id),
        "external_id": link.external_id,
        "state": state,
        "reason": reason,
        "last_seen_at": None if entry is None else entry.seen_at.isoformat(),
    }
