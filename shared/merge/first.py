"""
What a first sync mostly decides, by the shortest way: the two have never met and ours is empty.

Row 4 (or 3, where theirs is empty too) by itself; `merge_value` and `merge_set` would decide the same, which
tests/property/merge/test_laws.py holds them to.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pydantic import JsonValue

from shared.merge.draft import Draft, expected_print
from shared.merge.fingerprints import elements_of, is_empty, is_set, listed, norm_of, print_of
from shared.merge.normal_forms import VERSIONS, normal
from shared.merge.rows import Row
from shared.merge.state import EMPTY, Decision, Outcome, Print, Rules, Stamp, StoredBase, Theirs, UnitBase
from shared.merge.times import stamp_of, theirs_at
from shared.model.fields import FIELDS, SET_POLICIES, UNITS, Kind, Unit

_PLANS = {
    entity: tuple(
        (
            *(unit, unit.name, field := FIELDS[entity][unit.members[0]]),
            *(len(unit.members) == 1, field.kind is Kind.SET, Decision(unit.name, Row.EQUAL)),
        )
        for unit in units.values()
    )
    for entity, units in UNITS.items()
}
"""Of each unit: itself, its name, its (first) field, whether that is all of it, whether it is a set, and the decision
that both sides are empty."""


def is_blank(values: Mapping[str, JsonValue], names: tuple[str, ...]) -> bool:
    """Tell whether *values* plainly hold nothing under *names*; white space is left to the normal forms."""
    for name in names:
        value = values.get(name)
        if value is not None and value not in ("", []):
            return False
    return True


def meet(theirs: Theirs, rules: Rules) -> Outcome:
    """
    Return what `merge` decides where nothing of ours is there yet; values must be allowed in.

    Every record of a first sync comes through here: `fill` for all units at once, with whatever units share made once.
    """
    values, seen_at, key_id = theirs.values, theirs.observed_at, rules.key_id
    take: dict[str, JsonValue] = {}
    base, decisions, settled = StoredBase(), list[Decision](), list[str]()
    # A base is never changed in place, so that one will do for every empty unit: half of all.
    blanks: dict[tuple[int, bool], UnitBase] = {}
    hasher, expected, policies = rules.hasher, rules.expected, rules.policies
    stamps: dict[Row, Stamp] = {}
    for unit, name, field, is_single, has_elements, nothing_decided in _PLANS[rules.entity]:
        shown = unit.members if name in values else () if is_single else _members_in(unit, values)
        if not shown:
            continue
        settled.append(name)
        norm = VERSIONS[field.normal]
        is_union = has_elements and policies.get(name, unit.policy) in SET_POLICIES
        t: Print
        expects: Print | None = None
        if is_single and not has_elements:
            value = values[name]
            form = None if value is None else normal(field, value)
            is_taken = form is not None
            t = EMPTY if form is None else hasher(name, form)
            if is_taken:
                take[name] = value
                made = expected(name, value)
                expects = None if made is value or made == value else print_of(rules, unit, {name: made}, shown)
        else:
            t, taken = _shown_of(rules, unit, shown, values, is_union=is_union)
            is_taken = bool(taken)
            take.update(taken)
            expects = None if is_union or not taken else expected_print(rules, unit, taken)
        if is_taken:
            row = Row.UNION if is_union else Row.FIRST_VALUE
            stamp = stamps.get(row)
            if stamp is None or theirs.field_times:
                stamp = stamps[row] = stamp_of(theirs_at(name, theirs, None), theirs, row)
            decisions.append(Decision(name, row, stamp))
        elif not is_union:
            decisions.append(nothing_decided)
        if not t:
            if (norm, has_elements) not in blanks:
                blanks[norm, has_elements] = UnitBase(t, t, seen_at, norm=norm, key_id=key_id)
            base[name] = blanks[norm, has_elements]
            continue
        known = None if expects == t else expects
        base[name] = UnitBase(t, t, seen_at, norm=norm, expects=known, key_id=key_id)
    return Outcome(take, {}, base, {}, tuple(decisions), settled=frozenset(settled))


def _members_in(unit: Unit, values: Mapping[str, JsonValue]) -> tuple[str, ...]:
    return tuple([each for each in unit.members if each in values])


def fill(draft: Draft, unit: Unit, shown: tuple[str, ...], *, is_union: bool) -> None:
    """Take what the vendor shows of *unit*; values must be allowed in."""
    rules, theirs = draft.rules, draft.theirs
    t, taken = _shown_of(rules, unit, shown, theirs.values, is_union=is_union)
    expects = None
    if taken:
        draft.take.update(taken)
        draft.decided(unit, Row.UNION if is_union else Row.FIRST_VALUE, theirs_at(unit.name, theirs, None))
        expects = None if is_union else expected_print(rules, unit, taken)
    elif not is_union:
        draft.decided(unit, Row.EQUAL)
    draft.base[unit.name] = _agreed(rules, unit, t, expects, theirs.observed_at)
    draft.settled.append(unit.name)


def _shown_of(
    rules: Rules, unit: Unit, shown: tuple[str, ...], values: Mapping[str, JsonValue], *, is_union: bool
) -> tuple[Print, dict[str, JsonValue]]:
    """Return the print of what *values* show of *unit*, and the fields to take: none where that is empty."""
    if len(shown) == len(unit.members) and is_blank(values, shown):
        # Half of all fields; nothing of them needs a normal form.
        return {} if is_set(rules, unit) else EMPTY, {}
    if is_union:
        elements = listed(FIELDS[rules.entity][unit.name], values[unit.name], rules.hasher)
        taken: dict[str, JsonValue] = {unit.name: [element for _, element in elements.values()]} if elements else {}
        return elements_of(elements), taken
    t = print_of(rules, unit, values, shown)
    return t, {} if is_empty(t) else {name: values[name] for name in shown}


def _agreed(rules: Rules, unit: Unit, t: Print, expects: Print | None, seen_at: datetime) -> UnitBase:
    known = None if expects == t else expects
    return UnitBase(t, t, seen_at, norm=norm_of(rules, unit), expects=known, key_id=rules.key_id)
