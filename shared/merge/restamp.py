"""
Prints that an older normal form or an earlier key made: compared as they were made, then made anew.

Without this, a release that changes a normal form would find every record changed on both sides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from shared.merge.draft import Draft
from shared.merge.elements import crowds, listed
from shared.merge.fingerprints import alike, is_set, mark_of, norm_of, print_of
from shared.merge.state import EMPTY, NEVER, Fingerprint, Hasher, Print, UnitBase
from shared.model.fields import Unit


@dataclass(frozen=True, slots=True)
class _Renewal:
    """The present values of both sides, in prints as they were made then and as they are made now."""

    unit: Unit
    values: Sequence[tuple[Print, Print]]
    elements: Mapping[Fingerprint, Fingerprint]
    """Of a set: identity then → now."""
    wholes: Mapping[Fingerprint, Fingerprint]

    def of(self, value: Print) -> Print:
        """Return *value* as it is made now; NEVER, which counts as changed, where it is no present value."""
        if not isinstance(value, str):
            return {
                self.elements[each]: self.wholes.get(whole, NEVER)
                for each, whole in value.items()
                if each in self.elements  # the others are gone on both sides
            }
        if value in (EMPTY, NEVER):
            return value
        return next((now for then, now in self.values if alike(value, then, self.unit)), NEVER)

    def if_known(self, value: Print | None) -> Print | None:
        """Return *value* as it is made now; None where there is none or it is no present value."""
        renewed = None if value is None else self.of(value)
        return None if renewed == NEVER else renewed


def restamped(draft: Draft, unit: Unit, shown: tuple[str, ...], base: UnitBase) -> UnitBase | None:
    """
    Return *base* in today's prints, which is what the draft then holds too.

    None where the form or the key is no longer to be had: the two sides meet as if for the first time.
    """
    rules = draft.rules
    if base.norm == norm_of(rules, unit) and base.key_id == rules.key_id:
        return base
    hasher = rules.hasher if base.key_id == rules.key_id else rules.retired.get(base.key_id)
    try:
        renewal = None if hasher is None else _renewal(draft, unit, shown, base, hasher)
    except LookupError:
        renewal = None
    if renewal is None:
        del draft.base[unit.name]
        return None
    (ours_then, ours_now), _ = renewal.values
    draft.base[unit.name] = replace(
        base,
        ours=renewal.of(base.ours),
        theirs=renewal.of(base.theirs),
        intent=renewal.if_known(base.intent),
        intent_expects=renewal.if_known(base.intent_expects),
        expects=renewal.if_known(base.expects),
        blocked=mark_of(ours_now) if base.blocked == mark_of(ours_then) else None,
        bounces=0,
        bounce=None,
        aliases=None,
        norm=norm_of(rules, unit),
        key_id=rules.key_id,
    )
    return draft.base[unit.name]


def _renewal(draft: Draft, unit: Unit, shown: tuple[str, ...], base: UnitBase, hasher: Hasher) -> _Renewal:
    """Raises LookupError when the base's version of the form is gone."""
    rules, sides, version = draft.rules, (draft.ours.values, draft.theirs.values), base.norm
    then = [print_of(rules, unit, values, shown, version=version, hasher=hasher) for values in sides]
    now = [print_of(rules, unit, values, shown) for values in sides]
    elements: dict[Fingerprint, Fingerprint] = {}
    wholes: dict[Fingerprint, Fingerprint] = {}
    if is_set(rules, unit):
        what = rules.field_of(unit.name)
        crowded = crowds(*(half for half in (base.ours, base.theirs, *then) if not isinstance(half, str)))
        for values in sides:
            value = values.get(unit.name)
            renewed = listed(what, value, rules.hasher, rules.forms.get(what.normal))
            places = {id(element): (identity, whole) for identity, (whole, element) in renewed.items()}
            for identity, (whole, element) in listed(what, value, hasher, version, crowded=crowded).items():
                if id(element) in places:
                    elements[identity], wholes[whole] = places[id(element)]
    return _Renewal(unit, list(zip(then, now, strict=True)), elements, wholes)
