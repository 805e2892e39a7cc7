"""Reading what was, for people: a record's explanation, its history, and its state at a moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.errors import NotFound
from shared.model import EntityType, JsonObject
from shared.past.changes import Change, changes_of
from shared.past.explanation import Known, explain, origin_of, rule_and_actor
from shared.past.rollback import Step, as_at, steps
from shared.store.database import Transaction
from shared.store.records import StoredRecord
from shared.store.store import Store
from shared.sync.keeping.held_values import Vault


@dataclass(frozen=True, slots=True)
class Chronicles:
    """Answers questions about the past of one record. Each method raises NotFound for a record that is not there."""

    store: Store
    vault: Vault

    async def explain(self, tx: Transaction, entity: EntityType, record_id: UUID) -> JsonObject:
        """Return why each field says what it says (`shared.past.explanation.explain`)."""
        record, changes = await self._record(tx, entity, record_id)
        links = (await self.store.links.of_records(tx, [record_id])).get(record_id, [])
        items = await self.store.conflicts.open_of(tx, [record_id])
        conflicts = {unit: item.id for (_, unit), item in items.items()}
        platforms = await self.store.connections.platforms(tx)
        return explain(Known(record, changes, links, platforms, conflicts))

    async def history(
        self, tx: Transaction, entity: EntityType, record_id: UUID, *, below: int | None, limit: int
    ) -> list[dict[str, Any]]:
        """Return up to *limit* changes that began versions under *below* (None: all), newest first."""
        record, changes = await self._record(tx, entity, record_id)
        platforms = await self.store.connections.platforms(tx)
        found = [each for each in steps(record, changes) if below is None or each.version < below]
        return [_shown(each, platforms) for each in found[:limit]]

    async def at(
        self, tx: Transaction, entity: EntityType, record_id: UUID, moment: datetime
    ) -> tuple[StoredRecord, JsonObject, int]:
        """Return the record of now, and its data and version at *moment*."""
        record, changes = await self._record(tx, entity, record_id)
        state = as_at(record, changes, moment)
        if state is None:
            raise NotFound(
                f"{entity.value} {record_id} did not exist then",
                remedy=f"ask for a moment after {record.created_at.isoformat()}",
            )
        return record, state.data, state.version

    async def _record(self, tx: Transaction, entity: EntityType, record_id: UUID) -> tuple[StoredRecord, list[Change]]:
        record = await self.store.records.fetch(tx, entity, record_id)
        return record, await changes_of(tx, self.vault, record_id)


def _shown(step: Step, platforms: Mapping[UUID, str]) -> dict[str, Any]:
    fields = []
    for each in step.fields:
        rule, actor = rule_and_actor(each.stamp) if each.stamp is not None else (None, None)
        fields.append(
            {
                "field": each.field,
                "old": each.old,
                "new": each.new,
                "changed_at": None if each.stamp is None else each.stamp.at,
                "rule": rule,
                "actor": actor,
            }
        )
    return {
        "version": step.version,
        "at": step.at,
        **origin_of(step.source, platforms),
        "job_id": step.job_id,
        "run_id": step.run_id,
        "fields": fields,
    }
