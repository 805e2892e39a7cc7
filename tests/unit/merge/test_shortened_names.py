"""A vendor that is known to shorten what tells elements apart: the list is at rest, and nothing of it is lost."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from shared.merge.merge import merge
from tests.unit.merge.lab import TAGS, Pair, ours, rows, rules, theirs

WORK = "work_history"


def namesakes(*titles: str) -> list[JsonValue]:
    """Posts that only their titles tell apart."""
    return [{"employer": "Acme", "title": title} for title in titles]


def longer(*titles: str) -> list[JsonValue]:
    """Namesakes under the name that the vendor shortens."""
    return [{"employer": "Acme and Sons", "title": title} for title in titles]


def shortening(name: str, value: JsonValue) -> JsonValue:
    """A vendor that keeps four letters of an employer."""
    if name != WORK or not isinstance(value, list):
        return value
    return [{**each, "employer": str(each["employer"])[:4]} for each in value if isinstance(each, dict)]


def cutting(name: str, value: JsonValue) -> JsonValue:
    """A vendor that keeps five letters of a tag."""
    return [str(each)[:5] for each in value] if name == TAGS and isinstance(value, list) else value


def test_a_lost_answer_that_shows_namesakes_under_a_shorter_name_is_recognised() -> None:
    pair = Pair(theirs={WORK: []}, rules=rules(expected=shortening))
    pair.edit_ours(work_history=longer("Baker", "Chef"))
    pair.call(pair.begin())
    assert pair.theirs[WORK] == namesakes("Baker", "Chef")
    outcome = pair.begin()
    assert (outcome.take, outcome.push, rows(outcome)) == ({}, {}, {WORK: "own_write"})


def test_namesakes_that_both_sides_hold_already_are_met_under_a_shorter_name() -> None:
    pair = Pair(theirs={WORK: namesakes("Chef", "Baker")}, rules=rules(expected=shortening))
    pair.edit_ours(work_history=longer("Baker", "Chef"))
    assert pair.sync().is_quiet
    assert pair.base[WORK].ours == pair.base[WORK].theirs
    pair.edit_ours(work_history=longer("Baker", "Cook"))
    assert pair.sync().push
    assert pair.theirs[WORK] == namesakes("Baker", "Cook")
    pair.edit_theirs(work_history=namesakes("Baker"))
    assert pair.sync().take == {WORK: longer("Baker")}
    assert pair.sync().is_quiet


def test_a_post_that_says_nothing_but_a_name_that_the_vendor_shortens_is_at_rest() -> None:
    pair = Pair(theirs={WORK: [{"employer": "Acme"}]}, rules=rules(expected=shortening))
    pair.edit_ours(work_history=[{"employer": "Acme and Sons"}])
    assert pair.sync().is_quiet
    pair.edit_theirs(work_history=namesakes("Baker"))
    assert pair.sync().take == {WORK: longer("Baker")}
    pair.edit_theirs(work_history=[{"employer": "Acme"}])
    assert pair.sync().take == {WORK: [{"employer": "Acme and Sons", "title": None}]}
    assert pair.sync().is_quiet


def test_what_a_bare_post_under_a_shorter_name_lacks_is_filled_at_a_first_meeting() -> None:
    pair = Pair(theirs={WORK: [{"employer": "Acme"}]}, rules=rules(expected=shortening))
    pair.edit_ours(work_history=longer("Baker"))
    outcome = pair.sync()
    assert (outcome.take, outcome.push) == ({}, {WORK: namesakes("Baker")})
    assert pair.sync().is_quiet


def nothing_else(name: str, value: JsonValue) -> JsonValue:
    """A vendor that keeps four letters of an employer and nothing else of a post."""
    short = shortening(name, value)
    if name != WORK or not isinstance(short, list):
        return value
    return [{"employer": each["employer"]} for each in short if isinstance(each, dict)]


def test_a_vendor_that_keeps_nothing_but_names_is_at_rest_with_what_it_shows() -> None:
    pair = Pair(theirs={WORK: [{"employer": "Acme"}]}, rules=rules(expected=nothing_else))
    pair.edit_ours(work_history=longer("Baker"))
    assert pair.sync().is_quiet


def test_what_our_write_of_another_post_leaves_of_a_post_is_its_own_doing() -> None:
    pair = Pair(theirs={WORK: namesakes("Baker")})
    pair.edit_ours(work_history=namesakes("Baker"))
    assert pair.sync().is_quiet
    pair.rules = rules(expected=nothing_else)
    pair.edit_ours(work_history=[*namesakes("Baker"), {"employer": "Bolt"}])
    assert pair.sync().push
    assert pair.theirs[WORK] == [{"employer": "Acme"}, {"employer": "Bolt"}]
    agreed_on = pair.base[WORK].theirs
    assert dict(agreed_on) == dict(zip(agreed_on, agreed_on, strict=True))  # type: ignore[arg-type]


def test_a_post_of_the_very_name_that_another_is_shortened_to_is_the_one_that_the_vendor_shows() -> None:
    mine, seen = [*longer("Baker"), *namesakes("Chef")], theirs({WORK: namesakes("Chef")})
    outcome = merge({}, ours({WORK: mine}), seen, rules(expected=shortening))
    assert (outcome.take, outcome.push) == ({}, {WORK: [*namesakes("Chef"), *longer("Baker")]})


@pytest.mark.parametrize("last", "abcdefgh")
def test_what_the_vendor_removes_goes_under_all_its_names(last: str) -> None:
    """Known as `long name` once, by the vendor's own spelling since, and by one more: whichever of them stands."""
    pair = Pair(theirs={TAGS: []}, rules=rules(expected=cutting))
    pair.edit_ours(tags=["long name"])
    pair.sync()
    assert pair.theirs[TAGS] == ["long "]
    pair.edit_ours(tags=["long ", f"long {last}"])
    pair.edit_theirs(tags=[])
    outcome = pair.sync()
    assert (outcome.take, outcome.push) == ({TAGS: []}, {})
