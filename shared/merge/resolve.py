"""
A person's decision on a conflict: one item per record and unit, whichever links it lists.

Every listed vendor is fetched first; if any of them moved since the person looked, `version_of` no longer matches and
the decision is refused by the caller. Ours becomes the decision; each link then pushes it where it differs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import JsonValue

from shared.errors import InvalidInput
from shared.merge.base_codec import encode_print
from shared.merge.draft import laid_over
from shared.merge.elements import with_left_out
from shared.merge.fingerprints import alike, mark_of, norm_of, pending, print_of
from shared.merge.normal_forms import canonical_json
from shared.merge.rows import Row
from shared.merge.state import Base, Ours, Print, Rules, Stamp, StoredBase, Theirs, UnitBase
from shared.model.fields import UNITS, Unit

OURS = "ours"
"""Names the portal's side in a decision; vendors' sides are named by link."""


@dataclass(frozen=True, slots=True)
class Side:
    """One link listed in a conflict: what its vendor shows now, fetched for this decision."""

    base: Base
    theirs: Theirs
    rules: Rules


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a decision changes. *values* are fields of ours; *bases* are whole, by link."""

    values: Mapping[str, JsonValue]
    stamp: Stamp
    bases: Mapping[str, StoredBase]


def resolve(
    unit: str,
    decision: str | Mapping[str, JsonValue],
    *,
    ours: Ours,
    sides: Mapping[str, Side],
    decided_at: datetime,
) -> Resolution:
    """
    Decide the conflict in *unit*: *decision* is `OURS`, a link named in *sides*, or the typed values by field.

    The decision counts as the portal's, of *decided_at*. The chosen vendor has agreed on it; for every other listed
    link ours counts as changed since, so that the next merge pushes it. Raises InvalidInput on a side that is not
    listed or does not show the unit, and on a field outside the unit.
    """
    rules = next((side.rules for side in sides.values()), None)
    what = None if rules is None else UNITS[rules.entity].get(unit)
    if what is None:
        raise InvalidInput("No conflict is open in this field", field=unit)
    values = _values(what, decision, ours, sides)
    known = {**ours.values, **values}
    return Resolution(
        values=values,
        stamp=Stamp(decided_at, 0, "portal", Row.DECIDED),
        bases={name: _decided(side, what, known) for name, side in sides.items()},
    )


def version_of(inputs: Mapping[str, tuple[Print, Print]]) -> str:
    """Return the version of a conflict from its links' `Held.inputs`: another one as soon as any side moved."""
    plain = {link: [encode_print(side) for side in pair] for link, pair in inputs.items()}
    return hashlib.blake2b(canonical_json(plain), digest_size=12).hexdigest()


def _values(
    unit: Unit, decision: str | Mapping[str, JsonValue], ours: Ours, sides: Mapping[str, Side]
) -> dict[str, JsonValue]:
    if not isinstance(decision, str):
        strange = sorted(decision.keys() - set(unit.members))
        if strange or not decision:
            raise InvalidInput("Give values for " + ", ".join(unit.members), field=next(iter(strange), unit.name))
        return dict(decision)
    if decision == OURS:
        return {name: ours.values.get(name) for name in unit.members}
    if decision not in sides:
        raise InvalidInput("Choose one of the listed sides, or give a value", field="side")
    shown, kept = sides[decision].theirs.values, sides[decision].rules.fields
    values = {name: shown[name] for name in unit.members if name in shown}
    for name in values.keys() & kept.keys():
        values[name] = with_left_out(kept[name], values[name], ours.values.get(name))
    if not values:
        raise InvalidInput("This side does not show the field any more", field="side")
    return values


def _decided(side: Side, unit: Unit, values: Mapping[str, JsonValue]) -> StoredBase:
    base = StoredBase(side.base)
    shown = tuple(name for name in unit.members if name in side.theirs.values)
    if not shown:
        return base
    decision = print_of(side.rules, unit, values, shown)
    theirs = print_of(side.rules, unit, side.theirs.values, shown)
    is_agreed = alike(decision, theirs, unit)
    fresh = UnitBase(
        decision if is_agreed else pending(theirs),
        theirs,
        side.theirs.observed_at,
        norm=norm_of(side.rules, unit),
        key_id=side.rules.key_id,
        decided=not is_agreed,
    )
    known = base.get(unit.name)
    if known is not None:
        fresh = replace(fresh, extra=known.extra)
        if known.blocked != mark_of(decision):  # who decides for what was refused asks for it anew
            fresh = replace(fresh, blocked=known.blocked, blocked_reason=known.blocked_reason)
        if (known.norm, known.key_id) == (fresh.norm, fresh.key_id):
            fresh = laid_over(fresh, known, unit)
    base[unit.name] = fresh
    return base
