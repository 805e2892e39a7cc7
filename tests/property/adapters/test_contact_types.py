"""
Types that Greenhouse's documents don't name, in lists that are written whole: both sides rest, and know what differs.

The vendor is Greenhouse as docs/vendors/greenhouse.md has it, in memory, in either of the ways in which it may take a
word that no document names (6.13): a list that holds it already keeps it, or it is refused whatever the list holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from shared.adapters.greenhouse.adapter import GreenhouseAdapter
from shared.adapters.greenhouse.contact_writing import documented
from shared.merge.merge import merge
from shared.merge.state import Outcome, Theirs
from shared.model import EntityType, Policy
from tests.unit.merge.lab import Pair, rules, theirs

CANDIDATE = EntityType.CANDIDATE
TYPES: Mapping[str, frozenset[str]] = {
    "email_addresses": frozenset({"personal", "work", "other"}),
    "phone_numbers": frozenset({"mobile", "home", "work", "skype", "other"}),
    "addresses": frozenset({"home", "work", "other"}),
    "website_addresses": frozenset({"personal", "company", "portfolio", "blog", "other"}),
}
KEYS: Mapping[str, str] = {
    "further_emails": "email_addresses",
    "further_phones": "phone_numbers",
    "addresses": "addresses",
    "links": "website_addresses",
}
BLANK: Mapping[str, JsonValue] = {
    "id": 7,
    **{key: [] for key in TYPES},
    "email_addresses": [{"value": "first@example.org", "type": "personal"}],
    "phone_numbers": [{"value": "+44 20 7946 0199", "type": "mobile"}],
    "social_media_addresses": [],
    "tags": [],
}

Entries = list[Any]


def entries_of(value: JsonValue) -> Entries:
    return [dict(each) for each in value if isinstance(each, dict)] if isinstance(value, list) else []


@dataclass
class Greenhouse(Pair):
    """A pair whose vendor is a row of Greenhouse's."""

    row: dict[str, Any] = field(default_factory=lambda: deepcopy(dict(BLANK)))
    keeps_words: bool = True
    """A word that a list holds already is taken again."""

    def __post_init__(self) -> None:
        lww = dict.fromkeys(("email", "phone"), Policy.LWW)
        self.rules = rules(policies=lww, expected=partial(GreenhouseAdapter.expected, CANDIDATE))

    def shown(self, *, is_fresh: bool = True) -> Theirs:
        self.minute += 1
        values = GreenhouseAdapter.to_canonical(CANDIDATE, self.row).visible()
        return theirs(values, self.minute, updated_at=self.changed_at, is_fresh_fetch=is_fresh)

    def call(self, outcome: Outcome) -> Theirs:
        self.writes.append(dict(outcome.push))
        record = GreenhouseAdapter.to_canonical(CANDIDATE, self.row)
        body = dict(GreenhouseAdapter.from_canonical(CANDIDATE, outcome.push, record))
        if not self.takes(body):
            body = documented(body)
            assert self.takes(body)
        self.edit_row(**body)
        return self.shown()

    def takes(self, body: Mapping[str, Any]) -> bool:
        for key, words in TYPES.items():
            known = words | {each["type"] for each in self.row[key]} if self.keeps_words else words
            if any(each["type"] not in known for each in body.get(key, ())):
                return False
        return True

    def edit_row(self, **values: Any) -> None:
        super().edit_theirs()
        self.row.update(deepcopy(values))

    def is_in_step(self) -> bool:
        """Whether a merge would write nothing and change no base: what a comparison asks."""
        outcome = merge(self.base, self.ours, self.shown(), self.rules)
        halves = [{name: (unit.ours, unit.theirs) for name, unit in base.items()} for base in (outcome.base, self.base)]
        return outcome.is_quiet and halves[0] == halves[1]


def types_by_value(entries: Iterable[Mapping[str, Any]]) -> dict[str, str | None]:
    return {each["value"]: each.get("type") for each in entries}


FIELDS = st.sampled_from(sorted(KEYS))
PLACES = st.integers(0, 4)
WORDS = st.sampled_from(["home", "work", "other", "personal", "blog", "pager", "school", "Home"])
"""Known to some lists, known to none, and known in another case."""
OUR_WORDS = WORDS | st.none()
EDITS = st.lists(
    st.tuples(st.sampled_from(["ours", "theirs"]), FIELDS, PLACES, OUR_WORDS)
    | st.tuples(st.sampled_from(["sync", "drop ours", "drop theirs", "skype"]), FIELDS, PLACES, st.none()),
    max_size=12,
)


def value_of(name: str, place: int) -> str:
    forms = {"further_emails": "a{}@example.org", "further_phones": "+44 20 7946 010{}", "links": "https://a{}.example"}
    return forms.get(name, "{} Mill Lane").format(place)


def play(pair: Greenhouse, what: str, name: str, place: int, word: str | None) -> None:
    key, value = KEYS[name], value_of(name, place)
    here, there = entries_of(pair.ours.values.get(name)), pair.row[key]
    rest_here, rest_there = ([each for each in side if each["value"] != value] for side in (here, there))
    match what:
        case "ours":
            if not any(pair.ours.values.get(first) == value for first in ("email", "phone")):
                pair.edit_ours(**{name: [*rest_here, {"value": value, "type": word}]})
        case "theirs":
            pair.edit_row(**{key: [*rest_there, {"value": value, "type": word or "other"}]})
        case "drop ours":
            pair.edit_ours(**{name: rest_here})
        case "drop theirs":
            pair.edit_row(**{key: rest_there})
        case "skype":
            pair.edit_row(phone_numbers=[*pair.row["phone_numbers"], {"value": f"live:{place}", "type": "Skype"}])
        case _:
            outcome = pair.sync()
            if outcome.push and not outcome.push.keys() & {"email", "phone"}:
                assert pair.is_in_step(), "a comparison after the write finds a difference"


@given(EDITS, st.booleans())
@settings(max_examples=200)
def test_both_sides_rest_and_differ_by_what_is_declared_alone(
    edits: list[tuple[str, str, int, str | None]], keeps_words: bool
) -> None:
    pair = Greenhouse(keeps_words=keeps_words)
    for edit in edits:
        play(pair, *edit)
    for _ in range(3):
        pair.sync()
    assert pair.sync().is_quiet
    assert pair.is_in_step()
    shown = pair.shown().values
    for name in KEYS:
        here, there = types_by_value(entries_of(pair.ours.values.get(name))), types_by_value(entries_of(shown[name]))
        made = types_by_value(entries_of(GreenhouseAdapter.expected(CANDIDATE, name, pair.ours.values.get(name))))
        assert here.keys() == there.keys(), name
        assert all(there[value] in (here[value], made[value]) for value in here), name


@pytest.mark.parametrize(("first", "key"), [("email", "email_addresses"), ("phone", "phone_numbers")])
def test_a_primary_that_is_cleared_gives_way_to_the_next_on_both_sides(first: str, key: str) -> None:
    pair, rest = Greenhouse(), f"further_{first}s"
    pair.edit_row(**{key: [*pair.row[key], {"value": value_of(rest, 1), "type": "work"}]})
    pair.sync()
    pair.edit_ours(**{first: None})
    for _ in range(2):
        pair.sync()
    shown = pair.shown().values
    assert pair.is_in_step()
    assert pair.ours.values[first] == shown[first] == value_of(rest, 1)
    assert pair.ours.values[rest] == shown[rest] == []
    assert len(pair.writes) == 1


def in_another_spelling(value: str) -> str:
    """What the merge takes for the same: brackets, capitals, a slash at the end, spaces."""
    if value.startswith("+44"):
        return value.replace(" 20 ", " (20) ")
    if value.startswith("https:"):
        return f"{value}/"
    return value.upper() if "@" in value else value.replace(" ", "  ")


HELD = st.lists(
    st.tuples(
        st.sampled_from(sorted(KEYS)),
        PLACES,
        st.sampled_from(["work", "other", "pager", "school", "Home"]),
        st.booleans(),
    ),
    max_size=8,
)


@given(HELD, FIELDS, OUR_WORDS)
@settings(max_examples=200)
def test_what_nobody_touched_stands_at_the_vendor_as_it_stood(
    held: list[tuple[str, int, str, bool]], edited: str, word: str | None
) -> None:
    pair = Greenhouse()
    for name, place, kind, is_odd in held:
        key, value = KEYS[name], value_of(name, place)
        # One value under several types and in several spellings, as imports leave behind.
        entry = {"value": in_another_spelling(value) if is_odd else value, "type": kind}
        pair.edit_row(**{key: [*pair.row[key], entry]})
    pair.edit_row(phone_numbers=[*pair.row["phone_numbers"], {"value": "live:zoe", "type": "skype"}], tags=[" C++ "])
    pair.sync()
    before = deepcopy(pair.row)
    new = {"value": value_of(edited, 9), "type": word}
    pair.edit_ours(**{edited: [*entries_of(pair.ours.values.get(edited)), new]}, tags=["C++", "new"])
    pair.sync()
    for key, entries in before.items():
        assert not isinstance(entries, list) or all(each in pair.row[key] for each in entries), key
    assert pair.is_in_step()


@pytest.mark.parametrize("name", sorted(KEYS))
def test_a_word_that_is_refused_is_other_there_and_stays_here(name: str) -> None:
    pair, key = Greenhouse(keeps_words=False), KEYS[name]
    pair.edit_row(**{key: [*pair.row[key], {"value": value_of(name, 1), "type": "pager"}]})
    pair.sync()
    here = entries_of(pair.ours.values.get(name))
    pair.edit_ours(**{name: [*here, {"value": value_of(name, 2), "type": "work"}]})
    pair.sync()
    assert pair.is_in_step(), "a comparison after the write finds a difference"
    assert types_by_value(entries_of(pair.ours.values[name]))[value_of(name, 1)] == "pager"
    assert types_by_value(pair.row[key])[value_of(name, 1)] == "other"
    pair.edit_row(
        **{key: [{**each, "type": "home"} if each["value"] == value_of(name, 1) else each for each in pair.row[key]]}
    )
    pair.sync()
    assert types_by_value(entries_of(pair.ours.values[name]))[value_of(name, 1)] == "home", "an edit there comes in"
