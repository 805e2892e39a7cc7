"""
Under which map the values of a unit were agreed on.

An integration may translate what its vendor shows (docs/mapping.md). Prints that were made under one map tell nothing
about values under another, so a base keeps with itself the marks of its units' maps. That a map has changed is found
out when the record is merged, whoever changed it and whenever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from shared.merge.fingerprints import alike, is_set, norm_of, print_of
from shared.merge.state import NEVER, Ours, Rules, State, StoredBase, UnitBase
from shared.model.enums import EntityType
from shared.model.fields import UNITS
from shared.model.records import JsonObject

KEY = "m"
"""Of a stored base: marks by unit; units that are taken as they come have none."""

Marks = Mapping[str, str]


def marks_of_units(entity: EntityType, fields: Marks) -> dict[str, str]:
    """Return the marks of units by those of their *fields*."""
    found = {
        unit.name: "+".join(f"{name}:{fields[name]}" for name in unit.members if name in fields)
        for unit in UNITS[entity].values()
    }
    return {name: mark for name, mark in found.items() if mark}


def under(base: StoredBase, ours: Ours, rules: Rules) -> StoredBase:
    """
    Return *base* as it holds under `rules.marks`.

    A unit whose map has changed since meets once again as at a first link. Only where *ours* still is what was agreed
    on does the vendor's value count as a changed one: it is what that side says now, and nobody here has said another.
    """
    known: Any = base.extra.get(KEY) or {}
    if known == rules.marks:
        return base
    kept = {}
    for name, unit in base.items():
        if known.get(name) == rules.marks.get(name):
            kept[name] = unit
        elif _is_as_agreed(name, unit, ours, rules):
            kept[name] = replace(unit, theirs=NEVER, expects=None)
    return StoredBase(kept, base.extra)


def signed(stored: JsonObject, marks: Marks) -> JsonObject:
    """Return the encoded base *stored*, all of whose units are agreed on under *marks*."""
    if marks:
        return {**stored, KEY: dict(marks)}
    if KEY in stored:
        return {key: value for key, value in stored.items() if key != KEY}
    return stored


def _is_as_agreed(name: str, base: UnitBase, ours: Ours, rules: Rules) -> bool:
    unit = UNITS[rules.entity].get(name)
    if unit is None or is_set(rules, unit) or base.state is not State.AGREED or base.intent is not None:
        return False
    if (base.norm, base.key_id) != (norm_of(rules, unit), rules.key_id):
        return False
    return alike(base.ours, print_of(rules, unit, ours.values, unit.members), unit)
