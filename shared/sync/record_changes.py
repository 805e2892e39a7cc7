"""A change of a record by a person beyond a plain edit: written with the history that takes it back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from shared.model import UNITS, EntityType
from shared.store.database import Transaction
from shared.store.history import HistoryRow
from shared.store.records import RecordWrite, StoredRecord
from shared.store.store import Store
from shared.sync.held_values import Vault


@dataclass(frozen=True, slots=True)
class RecordChange:
    """What a locked record is to be."""

    before: StoredRecord
    data: Mapping[str, JsonValue]
    stamps: Mapping[str, JsonValue]
    is_archived: bool

    @property
    def changed(self) -> list[str]:
        """Fields whose value becomes another."""
        names = sorted({*self.before.data, *self.data})
        return [name for name in names if self.before.data.get(name) != self.data.get(name)]


async def write_changes(
    tx: Transaction, store: Store, vault: Vault, entity: EntityType, changes: Sequence[RecordChange], source: str
) -> None:
    """Write *changes* and keep in history what they replace, in a fixed number of statements."""
    if not changes:
        return
    keys = await vault.keys(tx, [each.before.id for each in changes])
    rows, writes = [], []
    for each in changes:
        before, changed = each.before, each.changed
        old: dict[str, JsonValue] = {name: before.data.get(name) for name in changed}
        sealed = vault.seal_change(tx.company, keys[before.id], before.version, old, before.stamps)
        units = [unit.name for unit in UNITS[entity].values() if any(name in changed for name in unit.members)]
        rows.append(HistoryRow(before.id, entity, before.version, units, sealed, source))
        writes.append(
            RecordWrite(before.id, entity, each.data, each.stamps, before.version, is_archived=each.is_archived)
        )
    await store.history.append(tx, rows)
    await store.records.update(tx, entity, writes)
