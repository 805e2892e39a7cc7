"""
What is kept of every change, so that it can be explained and taken back: values that were replaced, and by whom.

Reverse deltas, sealed under the person's own key: the newest state is the record itself, and a first import keeps none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from pydantic import JsonValue

from shared.merge.rows import Row
from shared.model import UNITS, EntityType, JsonObject
from shared.store.database import Transaction
from shared.store.history import History, HistoryRow, HistorySide, PersonKey
from shared.store.records import StoredRecord
from shared.sync.keeping.held_values import PastValues, Vault
from shared.sync.merging.one_record import Merged
from shared.sync.merging.work import Work

CONTESTED = frozenset({Row.BOTH_CHANGED, Row.FIRST_MEETING, Row.AUTHORITY, Row.RESTORED, Row.PINNED})
"""Decisions between two values that somebody wanted; the one that loses is kept."""


@dataclass(frozen=True, slots=True)
class Chronicle:
    """Writes history."""

    history: History
    vault: Vault

    async def after_merge(self, tx: Transaction, work: Work, merged: Sequence[Merged], *, with_pushes: bool) -> None:
        """Keep what *merged* replaced here and, where its pushes go out now, what lost against ours."""
        changed = [each for each in merged if each.before is not None and each.taken_units]
        lost = [(each, units) for each in merged if with_pushes and (units := _lost_units(each))]
        keys = await self.vault.keys(tx, [each.record_id for each in [*changed, *(each for each, _ in lost)]])
        rows = [self._replaced_here(tx, work, each, keys[each.record_id]) for each in changed]
        for each, units in lost:
            rows.append(self._theirs(tx, work, each, units, HistorySide.LOST, keys[each.record_id]))
        await self.history.append(tx, rows)

    async def after_write(self, tx: Transaction, work: Work, merged: Merged, units: Collection[str]) -> None:
        """Keep what a write of *units* replaced at the vendor."""
        key = (await self.vault.keys(tx, [merged.record_id]))[merged.record_id]
        await self.history.append(tx, [self._theirs(tx, work, merged, units, HistorySide.THEIRS, key)])

    async def after_edit(
        self,
        tx: Transaction,
        record: StoredRecord,
        changed: Collection[str],
        units: Sequence[str],
        *,
        source: str,
        run_id: UUID | None = None,
    ) -> None:
        """Keep what a person's edit of the fields *changed* replaced in *record*."""
        key = (await self.vault.keys(tx, [record.id]))[record.id]
        past = PastValues({name: record.data.get(name) for name in changed}, record.stamps)
        sealed = self.vault.seal_change(tx.company, key, HistorySide.OURS, record.version, past)
        row = HistoryRow(record.id, record.entity, record.version, units, sealed, source, run_id=run_id)
        await self.history.append(tx, [row])

    async def after_decision(
        self,
        tx: Transaction,
        record: StoredRecord,
        unit: str,
        decision: Mapping[str, JsonValue],
        shown: Sequence[tuple[UUID, Mapping[str, JsonValue]]],
    ) -> None:
        """Keep what a person's *decision* on *unit* of *record* rejects of the values that integrations had *shown*."""
        key = (await self.vault.keys(tx, [record.id]))[record.id]
        rows = []
        for integration_id, values in shown:
            rejected = {name: values[name] for name in decision if name in values}
            if all(decision[name] == value for name, value in rejected.items()):
                continue
            past = PastValues(rejected, {})
            sealed = self.vault.seal_change(tx.company, key, HistorySide.LOST, record.version, past)
            source, side = str(integration_id), HistorySide.LOST
            rows.append(HistoryRow(record.id, record.entity, record.version, [unit], sealed, source, side=side))
        await self.history.append(tx, rows)

    def _replaced_here(self, tx: Transaction, work: Work, merged: Merged, key: PersonKey) -> HistoryRow:
        before = merged.before
        if before is None:
            raise AssertionError("a new record replaces nothing")
        observed_at = merged.observation.ticket.at.isoformat()
        seen: JsonObject = {
            unit: [known.seen_at.isoformat() if (known := merged.base.get(unit)) is not None else None, observed_at]
            for unit in merged.taken_units
        }
        past = PastValues({name: before.data.get(name) for name in merged.take}, before.stamps, seen)
        sealed = self.vault.seal_change(tx.company, key, HistorySide.OURS, before.version, past)
        return _row(work, merged, before.version, merged.taken_units, sealed, HistorySide.OURS)

    def _theirs(
        self, tx: Transaction, work: Work, merged: Merged, units: Collection[str], side: HistorySide, key: PersonKey
    ) -> HistoryRow:
        version = merged.before.version if merged.before is not None else 1
        shown = merged.observation.values
        members = [name for unit in units for name in UNITS[work.entity][unit].members]
        past = PastValues({name: shown.get(name) for name in members}, {})
        sealed = self.vault.seal_change(tx.company, key, side, version, past)
        return _row(work, merged, version, sorted(units), sealed, side)


def _row(
    work: Work, merged: Merged, version: int, units: Sequence[str], sealed: bytes, side: HistorySide
) -> HistoryRow:
    return HistoryRow(
        record_id=merged.record_id,
        entity=work.entity,
        version=version,
        units=units,
        sealed=sealed,
        source=str(work.integration.id),
        job_id=work.job_id,
        run_id=work.run_id,
        side=side,
    )


def _lost_units(merged: Merged) -> list[str]:
    """Return the units in which ours is written over a value that the vendor's side had changed to."""
    if not merged.push:
        return []
    return [
        each.unit
        for each in merged.outcome.decisions
        if each.rule in CONTESTED and each.stamp is None and _is_pushed(merged.rules.entity, each.unit, merged)
    ]


def _is_pushed(entity: EntityType, unit: str, merged: Merged) -> bool:
    return any(name in merged.push for name in UNITS[entity][unit].members)
