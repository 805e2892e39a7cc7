"""
What a first sync mostly decides, by the shortest way: the two have never met and ours is empty.

Row 4 (or 3, where theirs is empty too) by itself; `merge_value` and `merge_set` would decide the same, which
tests/property/merge/test_first_meetings.py holds them to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from pydantic import JsonValue

from shared.merge.base_codec import BETWEEN, decode_base, decode_print, encode_print, encode_unit, encoded
from shared.merge.draft import Draft, expected_print
from shared.merge.elements import crowds, elements_of, listed, told_apart, whole_form, whole_name
from shared.merge.fingerprints import HIDDEN, is_empty, is_set, joined, norm_of, print_of
from shared.merge.normal_forms import VERSIONS, Form, form_of, normal
from shared.merge.rows import Row
from shared.merge.sets import Aliases, aliases_of
from shared.merge.state import EMPTY, Decision, Outcome, Print, Rules, Theirs, UnitBase
from shared.merge.times import stamp_of, theirs_at
from shared.model.enums import EntityType
from shared.model.fields import FIELDS, SET_POLICIES, UNITS, Field, Kind, NormalForm, Unit
from shared.model.records import JsonObject


class _Single(NamedTuple):
    """A unit of one plain field, with the form of its texts."""

    name: str
    unit: Unit
    field: Field
    form: Form


class _Plan(NamedTuple):
    """The units of an entity by their kind, so that none is asked for it again with each record."""

    groups: tuple[tuple[Unit, tuple[Field, ...]], ...]
    singles: tuple[_Single, ...]
    sets: tuple[tuple[str, Unit, Field], ...]


@cache
def _plan_of(entity: EntityType, forms: tuple[tuple[NormalForm, int], ...]) -> _Plan:
    """Return the plan of *entity*; *forms* are those of the rules."""
    fields, versions = FIELDS[entity], dict(forms)
    groups, singles, sets = list[Any](), list[_Single](), list[Any]()
    for name, unit in UNITS[entity].items():
        members = tuple(fields[member] for member in unit.members)
        if len(members) > 1:
            groups.append((unit, members))
        elif members[0].kind is Kind.SET:
            sets.append((name, unit, members[0]))
        else:
            form = form_of(members[0].normal, versions.get(members[0].normal))
            singles.append(_Single(name, unit, members[0], form))
    return _Plan(tuple(groups), tuple(singles), tuple(sets))


class Taken(NamedTuple):
    """Units of which one row took theirs, with the time of origin."""

    row: Row
    at: datetime
    units: list[str]


@dataclass(slots=True)
class Newcomer:
    """
    What `merge` decides of a record that is nowhere yet, in the form in which it is stored.

    Every record of a first sync is one, and few of them are asked for the *outcome* that says the same in full.
    """

    theirs: Theirs
    rules: Rules
    take: dict[str, JsonValue]
    taken: Sequence[Taken]
    base: JsonObject
    """As `encode_base` writes it. All that stands in it is settled."""

    @property
    def outcome(self) -> Outcome:
        """The outcome of `merge`."""
        base = decode_base(self.base)
        rows = {name: (row, stamp_of(at, self.theirs, row)) for row, at, units in self.taken for name in units}
        decisions = []
        for name, unit in UNITS[self.rules.entity].items():
            if name in rows:
                decisions.append(Decision(name, *rows[name]))
            elif name in base and not _is_union(self.rules, unit):
                decisions.append(Decision(name, Row.EQUAL))
        return Outcome(self.take, {}, base, {}, tuple(decisions), settled=frozenset(base))


class _Notes:
    """What was noted of a newcomer, unit by unit. What is to be hashed is hashed at once, at the end."""

    __slots__ = (
        *("aliases", "expects", "firsts", "groups", "rules", "sets", "singles"),
        *("take", "texts", "unions", "units", "values"),
    )

    def __init__(self, values: Mapping[str, JsonValue], rules: Rules) -> None:
        self.values = values
        self.rules = rules
        self.take: dict[str, JsonValue] = {}
        self.firsts: list[str] = []
        """Units that are taken as they are."""
        self.unions: list[str] = []
        """Sets of which every element is taken."""
        self.units: JsonObject = {}
        """Their encoded prints."""
        self.groups: list[tuple[str, list[str | None]]] = []
        """Of each group the parts of its print; None: to be hashed."""
        self.singles: list[str] = []
        self.sets: list[tuple[str, list[bool]]] = []
        """Of each set, of each element: whether the whole of it is hashed after its identity."""
        self.texts: list[str] = []
        """To be hashed: of groups, singles, sets."""
        self.expects: dict[str, Print | None] = {}
        """Of units of which the vendor is known to make something else: what."""
        self.aliases: dict[str, Aliases] = {}
        """Of sets of whose elements it is: `UnitBase.aliases`."""

    def group(self, unit: Unit, members: tuple[Field, ...]) -> None:
        """Note a unit of several fields."""
        shown, parts, texts = dict[str, JsonValue](), list[str | None](), self.texts
        has_text = False
        for field in members:
            name = field.name
            if name not in self.values:
                parts.append(HIDDEN)
                continue
            value = shown[name] = self.values[name]
            form = normal(field, value)
            if form is None:
                parts.append(EMPTY)
            else:
                parts.append(None)
                texts.append(f"{name}\0{form}")
                has_text = True
        if has_text:
            self.take |= shown
            self.groups.append((unit.name, parts))
            self.firsts.append(unit.name)
            self._expect(unit, shown)
        elif shown:
            self.units[unit.name] = joined([part or EMPTY for part in parts])

    def single(self, plan: _Single, value: JsonValue) -> None:
        """Note a plain value."""
        name, unit, field, form_of_text = plan
        if type(value) is not str:
            form = normal(field, value, version=self.rules.forms.get(field.normal))
        else:
            form = None if not value or value.isspace() else form_of_text(value)
        if form is None:
            self.units[name] = EMPTY
            return
        self.texts.append(f"{name}\0{form}")
        self.singles.append(name)
        self.firsts.append(name)
        self.take[name] = value
        made = self.rules.expected(name, value)
        if made is not value and made != value:
            self.expects[name] = print_of(self.rules, unit, {name: made}, unit.members)

    def set(self, unit: Unit, field: Field, value: JsonValue) -> None:
        """Note a set that holds something."""
        if field.members:
            self._objects(unit, field, value)
            return
        name, texts, has_more = unit.name, self.texts, list[bool]()
        elements = told_apart(field, value, self.rules.forms.get(field.normal))
        if not elements:
            self.units[name] = []
            return
        name_of_wholes = whole_name(name)
        for form, (whole, _) in elements.items():
            texts.append(f"{name}\0{form}")
            has_more.append(bool(whole))
            if whole:
                texts.append(f"{name_of_wholes}\0{whole_form(form, whole)}")
        self.sets.append((name, has_more))
        self._take(unit, value, [element for _, element in elements.values()])

    def _objects(self, unit: Unit, field: Field, value: JsonValue) -> None:
        """Note a set of objects whose members are merged one by one."""
        elements = listed(field, value, self.rules.hasher)
        self.units[unit.name] = encode_print(elements_of(elements))
        if elements:
            self._take(unit, value, [element for _, element in elements.values()])

    def _take(self, unit: Unit, value: JsonValue, elements: list[JsonValue]) -> None:
        if self.rules.policy_of(unit) in SET_POLICIES:
            self.take[unit.name] = elements
            self.unions.append(unit.name)
            aliases = _aliases(self.rules, unit, value)
            if aliases is not None:
                self.aliases[unit.name] = aliases
        else:
            self.take[unit.name] = value
            self.firsts.append(unit.name)
            self._expect(unit, {unit.name: value})

    def _expect(self, unit: Unit, taken: Mapping[str, JsonValue]) -> None:
        expects = expected_print(self.rules, unit, taken)
        if expects is not None:
            self.expects[unit.name] = expects

    def encode(self) -> None:
        """Encode every unit whose print is to be hashed."""
        prints = iter(self.rules.hasher.many(self.texts))
        for name, parts in self.groups:
            self.units[name] = joined([next(prints) if part is None else part for part in parts])
        self.units.update(zip(self.singles, prints, strict=False))
        for name, has_more in self.sets:
            found = [f"{next(prints)}{BETWEEN}{next(prints)}" if more else next(prints) for more in has_more]
            found.sort()
            self.units[name] = [*found]


def is_blank(values: Mapping[str, JsonValue], names: tuple[str, ...]) -> bool:
    """Tell whether *values* plainly hold nothing under *names*; white space is left to the normal forms."""
    for name in names:
        value = values.get(name)
        if value is not None and value not in ("", []):
            return False
    return True


def meet(theirs: Theirs, rules: Rules) -> Outcome:
    """Return what `merge` decides where nothing of ours is there yet; values must be allowed in."""
    return introduce(theirs, rules).outcome


def introduce(theirs: Theirs, rules: Rules) -> Newcomer:
    """
    Return what `merge` decides where nothing of ours is there yet; values must be allowed in.

    `fill` for all units, unrolled, since nearly every unit is a single value or an empty set.
    """
    values, forms = theirs.values, rules.forms
    plan = _plan_of(rules.entity, tuple(forms.items()))
    notes = _Notes(values, rules)
    units = notes.units
    for unit, members in plan.groups:
        notes.group(unit, members)
    for single in plan.singles:
        value = values.get(single.name)
        if value is not None:
            notes.single(single, value)
        elif single.name in values:
            units[single.name] = EMPTY
    for name, unit, field in plan.sets:
        value = values.get(name)
        if value:
            notes.set(unit, field, value)
        elif name in values:
            units[name] = []
    notes.encode()
    if notes.expects or notes.aliases or forms or set(VERSIONS.values()) != {1}:
        _encode_unlike(notes, theirs.observed_at)
    taken = _taken(theirs, notes.firsts, notes.unions)
    return Newcomer(theirs, rules, notes.take, taken, encoded(units, theirs.observed_at, rules.key_id))


def _encode_unlike(notes: _Notes, seen_at: datetime) -> None:
    """Encode anew the units of which more is to be kept than their print."""
    rules, units = notes.rules, notes.units
    for name, stored in units.items():
        unit = UNITS[rules.entity][name]
        if name in notes.expects or name in notes.aliases or norm_of(rules, unit) != 1:
            base = _agreed(rules, unit, decode_print(stored), notes.expects.get(name), seen_at, notes.aliases.get(name))
            units[name] = encode_unit(base, seen_at, rules.key_id)


def _taken(theirs: Theirs, firsts: list[str], unions: list[str]) -> list[Taken]:
    """Return what was taken, by row and time."""
    both = ((Row.FIRST_VALUE, firsts), (Row.UNION, unions))
    if not theirs.field_times:
        at = theirs_at("", theirs, None)
        return [Taken(row, at, names) for row, names in both if names]
    return [Taken(row, theirs_at(name, theirs, None), [name]) for row, names in both for name in names]


def _is_union(rules: Rules, unit: Unit) -> bool:
    return is_set(rules, unit) and rules.policy_of(unit) in SET_POLICIES


def fill(draft: Draft, unit: Unit, shown: tuple[str, ...], *, is_union: bool) -> None:
    """Take what the vendor shows of *unit*; values must be allowed in."""
    rules, theirs = draft.rules, draft.theirs
    t, taken = _shown_of(rules, unit, shown, theirs.values, is_union=is_union)
    expects, aliases = None, None
    if taken:
        draft.take.update(taken)
        draft.decided(unit, Row.UNION if is_union else Row.FIRST_VALUE, theirs_at(unit.name, theirs, None))
        if is_union:
            aliases = _aliases(rules, unit, theirs.values[unit.name])
        else:
            expects = expected_print(rules, unit, taken)
    elif not is_union:
        draft.decided(unit, Row.EQUAL)
    draft.base[unit.name] = _agreed(rules, unit, t, expects, theirs.observed_at, aliases)
    draft.settled.append(unit.name)


def _shown_of(
    rules: Rules, unit: Unit, shown: tuple[str, ...], values: Mapping[str, JsonValue], *, is_union: bool
) -> tuple[Print, dict[str, JsonValue]]:
    """Return the print of what *values* show of *unit*, and the fields to take: none where that is empty."""
    if len(shown) == len(unit.members) and is_blank(values, shown):
        # Half of all fields; nothing of them needs a normal form.
        return {} if is_set(rules, unit) else EMPTY, {}
    if is_union:
        field = rules.field_of(unit.name)
        elements = listed(field, values[unit.name], rules.hasher, rules.forms.get(field.normal))
        taken: dict[str, JsonValue] = {unit.name: [element for _, element in elements.values()]} if elements else {}
        return elements_of(elements), taken
    t = print_of(rules, unit, values, shown)
    return t, {} if is_empty(t) else {name: values[name] for name in shown}


def _aliases(rules: Rules, unit: Unit, value: JsonValue) -> Aliases | None:
    """Return `UnitBase.aliases` where all elements of *value* are taken: what the vendor is known to make of them."""
    field = rules.field_of(unit.name)
    if rules.expected(field.name, value) == value:
        return None
    taken = listed(field, value, rules.hasher, rules.forms.get(field.normal))
    return aliases_of(rules, field, taken, None, crowds(taken)) or None


def _agreed(
    rules: Rules, unit: Unit, t: Print, expects: Print | None, seen_at: datetime, aliases: Aliases | None
) -> UnitBase:
    known = None if expects == t else expects
    return UnitBase(t, t, seen_at, norm=norm_of(rules, unit), expects=known, key_id=rules.key_id, aliases=aliases)
