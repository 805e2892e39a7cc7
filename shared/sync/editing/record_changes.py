"""A change of a record by a person beyond a plain edit: written with the history that takes it back, and pinned."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue

from shared.model import FIELDS, UNITS, EntityType
from shared.model.fields import Kind
from shared.store.database import Transaction
from shared.store.records import RecordWrite, StoredRecord
from shared.store.store import Store
from shared.sync.editing.edits import PORTAL, units_touched
from shared.sync.keeping.chronicle import Chronicle
from shared.sync.keeping.pinning import Pinner


@dataclass(frozen=True, slots=True)
class RecordChange:
    """What a locked record is to be."""

    before: StoredRecord
    data: Mapping[str, JsonValue]
    stamps: Mapping[str, JsonValue]
    is_archived: bool

    @property
    def changed(self) -> dict[str, JsonValue]:
        """Fields whose value becomes another, with the new one."""
        names = sorted({*self.before.data, *self.data})
        return {name: self.data.get(name) for name in names if self.before.data.get(name) != self.data.get(name)}


@dataclass(frozen=True, slots=True)
class RecordChanges:
    """Writes changes of several records at once."""

    store: Store
    chronicle: Chronicle
    pinner: Pinner

    async def write(self, tx: Transaction, entity: EntityType, changes: Sequence[RecordChange]) -> None:
        """Write *changes* of one entity and keep in history what they replace."""
        for each in changes:
            units = units_touched(entity, each.changed)
            await self.chronicle.after_edit(tx, each.before, list(each.changed), units, source=PORTAL)
        await self.store.records.update(
            tx,
            entity,
            [
                RecordWrite(
                    each.before.id, entity, each.data, each.stamps, each.before.version, is_archived=each.is_archived
                )
                for each in changes
            ],
        )

    async def pin(
        self,
        tx: Transaction,
        change: RecordChange,
        units: Collection[str],
        shown: Sequence[Mapping[str, JsonValue]],
        *,
        at: datetime,
        by: str,
    ) -> None:
        """Pin what *change* says in *units* as the decision of a person who had seen *shown*; sets can't be pinned."""
        entity = change.before.entity
        for unit in sorted(units):
            members = UNITS[entity][unit].members
            if FIELDS[entity][members[0]].kind is Kind.SET:
                continue
            decision, *seen = ({name: each.get(name) for name in members} for each in (change.data, *shown))
            await self.pinner.decide(tx, entity, change.before.id, unit, decision, seen, at=at, by=by)
