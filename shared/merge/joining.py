"""
Two records of one person become one, and two again. Pure: rows, links and locks are the caller's.

Joining decides unit by unit; where a person did not choose, nothing is lost that can be kept: an empty side takes the
other's value, sets unite, and a second e-mail address or phone number stays among the further ones. Parting restores
both as they were, and then gives each change made since to the record whose system made it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import JsonValue

from shared.merge.elements import told_apart
from shared.merge.first import is_blank
from shared.merge.normal_forms import canonical_json, normal
from shared.merge.state import Ours, Stamp
from shared.model import FIELDS, UNITS, EntityType, JsonObject
from shared.model.fields import Kind, Policy, Unit

Elements = dict[str, tuple[str, JsonValue]]
"""A set: normal form of each element's identity → (form of the rest, the element itself)."""


class Keep(StrEnum):
    """Which of the two records."""

    SURVIVOR = "survivor"
    OTHER = "other"


BOTH = "both"
"""Of a set: the elements of either."""

FURTHER: Mapping[str, str] = {"email": "further_emails", "phone": "further_phones"}
"""Where the value goes that is not kept: a person has one first address, and all the others too."""


@dataclass(frozen=True, slots=True)
class Joined:
    """One record made of two."""

    values: JsonObject
    stamps: Mapping[str, Stamp]
    kept: Mapping[str, str] = field(default_factory=dict)
    """By unit in which the two differ: `survivor`, `other` or `both`."""


@dataclass(frozen=True, slots=True)
class Parted:
    """Two records made of one. A side without units in *changed* is to the byte what it was."""

    survivor: Ours
    other: Ours
    changed: Mapping[Keep, tuple[str, ...]]
    """Units that changed since the two were joined, by the record that keeps the change."""
    stayed: tuple[str, ...]
    """Those among the survivor's that no system of only one side gave: a person's edits above all."""


def join(entity: EntityType, survivor: Ours, other: Ours, choices: Mapping[str, Keep], *, decided: Stamp) -> Joined:
    """
    Return *survivor* with what *other* adds.

    *choices* by unit are a person's and get the stamp *decided*, as does a set that holds more than either did; a value
    that is taken over keeps the stamp of its origin.
    """
    values: JsonObject = dict(survivor.values)
    stamps = dict(survivor.stamps)
    kept: dict[str, str] = {}
    for unit in _units(entity, survivor, other):
        if _alike(entity, unit, survivor, other):
            continue
        side = choices.get(unit.name) or _winner(entity, unit, survivor, other)
        kept[unit.name] = side
        if side == BOTH:
            united = _united(entity, unit, survivor.values, other.values)
            values[unit.name] = united
            _sign_united(entity, unit, united, (survivor, other), stamps, decided)
        elif side == Keep.OTHER:
            _copy(unit, other, values, stamps)
        if unit.name in choices:
            stamps[unit.name] = decided
    for name, further in FURTHER.items():
        if name in kept and further in UNITS[entity]:
            _keep_further(entity, name, further, (survivor, other), values, stamps, decided)
    return Joined({name: value for name, value in values.items() if value not in (None, "", [])}, stamps, kept)


def part(
    entity: EntityType, *, survivor: Ours, other: Ours, joined: Ours, now: Ours, owners: Mapping[str, Keep]
) -> Parted:
    """
    Return the two records as they were (*survivor*, *other*), with what changed from *joined* to *now* re-applied.

    *owners* says by source (an integration's id) whose links it holds; what no single side's system gave stays with the
    survivor.
    """
    sides = {
        Keep.SURVIVOR: Ours(dict(survivor.values), dict(survivor.stamps)),
        Keep.OTHER: Ours(dict(other.values), dict(other.stamps)),
    }
    changed: dict[Keep, list[str]] = {side: [] for side in Keep}
    stayed: list[str] = []
    for unit in _units(entity, joined, now):
        if all(joined.values.get(name) == now.values.get(name) for name in unit.members):
            continue
        stamp = now.stamps.get(unit.name)
        owner = owners.get(stamp.source) if stamp is not None else None
        if owner is None:
            stayed.append(unit.name)
            owner = Keep.SURVIVOR
        changed[owner].append(unit.name)
        sides[owner] = _again(entity, unit, sides[owner], joined, now)
    return Parted(
        sides[Keep.SURVIVOR],
        sides[Keep.OTHER],
        {side: tuple(units) for side, units in changed.items()},
        tuple(stayed),
    )


def _sign_united(
    entity: EntityType,
    unit: Unit,
    united: JsonValue,
    sides: tuple[Ours, Ours],
    stamps: dict[str, Stamp],
    decided: Stamp,
) -> None:
    """A set that one of the two held already keeps that side's stamp: nobody has changed it."""
    whole = Ours({unit.name: united}, {})
    holder = next((side for side in sides if _alike(entity, unit, whole, side)), None)
    stamps[unit.name] = decided if holder is None else holder.stamps.get(unit.name, decided)


def _units(entity: EntityType, one: Ours, other: Ours) -> list[Unit]:
    """Return every unit of *entity*, then each stored field that no unit names (an older or newer release's)."""
    units = list(UNITS[entity].values())
    named = {name for unit in units for name in unit.members}
    return units + [Unit(name, (name,)) for name in sorted({*one.values, *other.values} - named)]


def _winner(entity: EntityType, unit: Unit, survivor: Ours, other: Ours) -> str:
    if is_blank(other.values, unit.members):
        return Keep.SURVIVOR
    if is_blank(survivor.values, unit.members):
        return Keep.OTHER
    if _is_set(entity, unit):
        return BOTH
    if unit.policy is Policy.CRITICAL:
        return Keep.OTHER if _fills(entity, unit, other, survivor) else Keep.SURVIVOR
    return Keep.OTHER if _is_later(other.stamps.get(unit.name), survivor.stamps.get(unit.name)) else Keep.SURVIVOR


def _fills(entity: EntityType, unit: Unit, fuller: Ours, gaps: Ours) -> bool:
    """Whether *fuller* says all of a group that *gaps* says, and more."""
    pairs = [
        (_form(entity, name, fuller.values.get(name)), _form(entity, name, gaps.values.get(name)))
        for name in unit.members
    ]
    return all(theirs in (None, mine) for mine, theirs in pairs)


def _is_later(one: Stamp | None, other: Stamp | None) -> bool:
    """Whether *one* is newer; at the coarser of the two clocks a tie is the lower rank's, and then *other*'s."""
    if one is None or other is None:
        return other is None and one is not None
    coarse = max(one.resolution, other.resolution)
    ahead = (one.at - other.at) // coarse if one.at >= other.at else -((other.at - one.at) // coarse)
    return ahead > 0 or (ahead == 0 and one.rank < other.rank)


def _alike(entity: EntityType, unit: Unit, one: Ours, other: Ours) -> bool:
    if _is_set(entity, unit):
        mine, theirs = (_elements(entity, unit.name, side.values) for side in (one, other))
        return {key: whole for key, (whole, _) in mine.items()} == {key: whole for key, (whole, _) in theirs.items()}
    return all(
        _form(entity, name, one.values.get(name)) == _form(entity, name, other.values.get(name))
        for name in unit.members
    )


def _form(entity: EntityType, name: str, value: JsonValue) -> str | None:
    known = FIELDS[entity].get(name)
    if known is not None:
        return normal(known, value)
    return None if value in (None, "", []) else canonical_json(value).decode("utf-8", "surrogatepass")


def _is_set(entity: EntityType, unit: Unit) -> bool:
    known = FIELDS[entity].get(unit.members[0])
    return known is not None and known.kind is Kind.SET


def _elements(entity: EntityType, name: str, values: Mapping[str, JsonValue]) -> Elements:
    return told_apart(FIELDS[entity][name], values.get(name))


def _united(
    entity: EntityType, unit: Unit, mine: Mapping[str, JsonValue], theirs: Mapping[str, JsonValue]
) -> list[JsonValue]:
    united = _elements(entity, unit.name, theirs) | _elements(entity, unit.name, mine)
    ordered = [*_elements(entity, unit.name, mine), *_elements(entity, unit.name, theirs)]
    return [united[key][1] for key in dict.fromkeys(ordered)]


def _copy(unit: Unit, origin: Ours, values: JsonObject, stamps: dict[str, Stamp]) -> None:
    for name in unit.members:
        values[name] = origin.values.get(name)
    _copy_stamp(unit, origin, stamps)


def _copy_stamp(unit: Unit, origin: Ours, stamps: dict[str, Stamp]) -> None:
    stamp = origin.stamps.get(unit.name)
    if stamp is not None:
        stamps[unit.name] = stamp
    else:
        stamps.pop(unit.name, None)


def _keep_further(
    entity: EntityType,
    name: str,
    further: str,
    sides: tuple[Ours, Ours],
    values: JsonObject,
    stamps: dict[str, Stamp],
    decided: Stamp,
) -> None:
    """Put the first address or number that was not kept among the further ones."""
    what = FIELDS[entity][name]
    known = {form for form in [normal(what, values.get(name))] if form is not None}
    known |= set(_elements(entity, further, values))
    present = values.get(further)
    listed_already: list[JsonValue] = list(present) if isinstance(present, list) else []
    for side in sides:
        value = side.values.get(name)
        form = normal(what, value)
        if form is not None and form not in known:
            listed_already.append({"value": value})
            stamps[further] = decided
    if listed_already:
        values[further] = listed_already


def _again(entity: EntityType, unit: Unit, target: Ours, joined: Ours, now: Ours) -> Ours:
    """Return *target* with the change of *unit* from *joined* to *now* made to it."""
    values, stamps = dict(target.values), dict(target.stamps)
    if _is_set(entity, unit):
        before, after = (_elements(entity, unit.name, side.values) for side in (joined, now))
        mine = _elements(entity, unit.name, values)
        kept = {key: each for key, each in mine.items() if key in after or key not in before}
        kept |= {key: each for key, each in after.items() if before.get(key) != each}
        values[unit.name] = [element for _, element in kept.values()]
        _copy_stamp(unit, now, stamps)
    else:
        _copy(unit, now, values, stamps)
    return Ours({name: value for name, value in values.items() if value not in (None, "", [])}, stamps)
