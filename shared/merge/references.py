"""
References: whose a record is. Nobody edits one in the portal, so whatever a vendor shows otherwise is its own change.

Ours moves by a merge of two records or its end alone. By then the vendor's ids stand for other records of ours than
they did when the base was agreed on, so what had been agreed on tells nothing about who has moved.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pydantic import JsonValue

from shared.merge.fingerprints import norm_of, print_of
from shared.merge.state import Ours, Rules, StoredBase, UnitBase
from shared.model import FIELDS, UNITS, EntityType, Kind, Unit

REFERENCES: Mapping[EntityType, tuple[Unit, ...]] = {
    entity: tuple(
        unit for unit in units.values() if any(FIELDS[entity][name].kind is Kind.REFERENCE for name in unit.members)
    )
    for entity, units in UNITS.items()
}


def named(values: Mapping[str, JsonValue], unit: Unit, rules: Rules, at: datetime) -> UnitBase:
    """Return the base of a reference that is agreed to be what *values* of ours have."""
    ours = print_of(rules, unit, values, unit.members)
    return UnitBase(ours, ours, at, norm=norm_of(rules, unit), key_id=rules.key_id)


def as_named(base: StoredBase, ours: Ours, rules: Rules) -> StoredBase:
    """Return *base* with every reference that it holds agreed to be *ours*."""
    held = [unit for unit in REFERENCES[rules.entity] if unit.name in base]
    moved = {}
    for unit in held:
        agreed = named(ours.values, unit, rules, base[unit.name].seen_at)
        if agreed.ours != base[unit.name].ours:
            moved[unit.name] = agreed
    return StoredBase({**base, **moved}, base.extra) if moved else base
