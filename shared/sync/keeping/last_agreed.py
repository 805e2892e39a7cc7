"""
What both sides last agreed on, for people who have to choose.

Base keeps prints alone. The value itself stands in the record or in its history: it is the newest one whose print is
the base's, so no second copy of it is kept anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from pydantic import JsonValue

from shared.merge.fingerprints import alike, print_of
from shared.merge.state import Print, Rules
from shared.model import UNITS, JsonObject, Unit
from shared.security.aead import DataUnreadable
from shared.store.database import Transaction
from shared.store.history import PastChange, PersonKey
from shared.sync.keeping.held_values import Vault
from shared.sync.merging.one_record import Merged


async def last_agreed(
    tx: Transaction, vault: Vault, keys: Mapping[UUID, PersonKey], held: Sequence[Merged]
) -> dict[tuple[UUID, str], JsonObject]:
    """Return the values by record and unit; none where the two never agreed, or history does not reach so far."""
    wanted = [
        (each, UNITS[each.rules.entity][item.unit])
        for each in held
        if each.before is not None
        for item in each.outcome.held
        if item.unit in each.outcome.base
    ]
    if not wanted:
        return {}
    changes = await vault.history.of_units(
        tx, sorted({each.record_id for each, _ in wanted}), sorted({unit.name for _, unit in wanted})
    )
    found = {}
    for each, unit in wanted:
        past = _opened(tx, vault, keys[each.record_id], changes.get(each.record_id, ()))
        values = _agreed(each, unit, past)
        if values is not None:
            found[each.record_id, unit.name] = values
    return found


def _opened(
    tx: Transaction, vault: Vault, key: PersonKey, changes: Sequence[PastChange]
) -> list[Mapping[str, JsonValue]]:
    opened: list[Mapping[str, JsonValue]] = []
    for change in changes:
        try:
            opened.append(vault.open_change(tx.company, key, change.side, change.version, change.sealed).values)
        except DataUnreadable:
            break  # sealed under a key that is gone: older ones are gone as well
    return opened


def _agreed(merged: Merged, unit: Unit, past: Sequence[Mapping[str, JsonValue]]) -> JsonObject | None:
    """Walk back from the value of now to the one that base knows."""
    before = merged.before
    if before is None:
        return None
    shown = tuple(name for name in unit.members if name in merged.observation.values)
    known = merged.outcome.base[unit.name].ours
    values: JsonObject = {name: before.data.get(name) for name in unit.members}
    if _is(merged.rules, unit, values, shown, known):
        return values
    for old in past:
        replaced = {name: old[name] for name in unit.members if name in old}
        if not replaced:
            continue
        values = {**values, **replaced}
        if _is(merged.rules, unit, values, shown, known):
            return values
    return None


def _is(rules: Rules, unit: Unit, values: Mapping[str, JsonValue], shown: Sequence[str], known: Print) -> bool:
    return alike(print_of(rules, unit, values, shown), known, unit)
