"""
The commonest unit of a first sync, decided by the shortest way: the two have never met and ours is empty.

Row 4 (or 3, where theirs is empty too) by itself; `merge_value` and `merge_set` would decide the same, which
tests/property/merge/test_laws.py holds them to.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from shared.merge.draft import Draft
from shared.merge.fingerprints import elements_of, is_empty, listed, norm_of, print_of
from shared.merge.rows import Row
from shared.merge.state import EMPTY, Print, State, UnitBase
from shared.merge.times import theirs_at
from shared.model.fields import FIELDS, Unit


def is_blank(values: Mapping[str, JsonValue], names: tuple[str, ...]) -> bool:
    """Tell whether *values* plainly hold nothing under *names*; white space is left to the normal forms."""
    for name in names:
        value = values.get(name)
        if value is not None and value not in ("", []):
            return False
    return True


def fill(draft: Draft, unit: Unit, shown: tuple[str, ...], *, is_union: bool) -> None:
    """Take what the vendor shows of *unit*; values must be allowed in."""
    rules, values = draft.rules, draft.theirs.values
    t: Print
    taken: dict[str, JsonValue] = {}
    if is_blank(values, shown) and len(shown) == len(unit.members):
        # Half of all fields; nothing of them needs a normal form.
        t = {} if is_union else EMPTY
    elif is_union:
        elements = listed(FIELDS[rules.entity][unit.name], values[unit.name], rules.hasher)
        t, taken = elements_of(elements), {unit.name: [element for _, element in elements.values()]}
    else:
        t, taken = print_of(rules, unit, values, shown), {name: values[name] for name in shown}
    expects = None
    if not is_empty(t):
        draft.take.update(taken)
        draft.decided(unit, Row.UNION if is_union else Row.FIRST_VALUE, theirs_at(unit.name, draft.theirs, None))
        expects = None if is_union else draft.expected(unit, draft.theirs, shown)
    elif not is_union:
        draft.decided(unit, Row.EQUAL)
    norm, seen_at = norm_of(rules, unit), draft.theirs.observed_at
    expects = None if expects == t else expects
    draft.base[unit.name] = UnitBase(t, t, seen_at, State.AGREED, norm, expects=expects, key_id=rules.key_id)
    draft.settled.append(unit.name)
