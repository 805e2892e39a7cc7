"""Two records become one: what wins, what is kept beside it, and to whom later changes go back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import JsonValue

from shared.merge.joining import Joined, Keep, Parted, join, part
from shared.merge.state import Ours, Stamp
from shared.model import UNITS, EntityType
from tests.unit.merge.lab import CANDIDATE, at

NOW = Stamp(at(500), 0, "portal", "merge:jo")


def record(values: dict[str, JsonValue], minutes: float = 0, source: str = "portal", rank: int = 0) -> Ours:
    """A record all of whose values came from *source* at one time."""
    stamp = Stamp(at(minutes), rank, source)
    return Ours(values, {u.name: stamp for u in UNITS[CANDIDATE].values() if any(m in values for m in u.members)})


def joined(mine: Ours, theirs: Ours, **choices: Keep) -> Joined:
    return join(CANDIDATE, mine, theirs, choices, decided=NOW)


def test_an_empty_side_takes_the_others_value_with_its_origin() -> None:
    mine = record({"email": "a@x.org"})
    theirs = record({"phone": "+49301", "email": "A@x.org"}, 3, "vendor", 1)
    one = joined(mine, theirs)
    assert one.values == {"email": "a@x.org", "phone": "+49301"}
    assert one.stamps["phone"] == theirs.stamps["phone"]
    assert one.kept == {"phone": "other"}


def test_the_later_value_of_a_plain_field_wins_whatever_the_side() -> None:
    old, new = record({"current_title": "Dev"}, 1), record({"current_title": "Lead"}, 2, "vendor", 1)
    assert joined(old, new).values == joined(new, old).values == {"current_title": "Lead"}


def test_a_tie_is_the_portals_and_else_the_survivors() -> None:
    here = record({"current_title": "Dev"}, 1)
    second = timedelta(seconds=1)
    coarse = Stamp(at(1) + timedelta(milliseconds=900), 1, "vendor", resolution=second)
    there = Ours({"current_title": "Lead"}, {"current_title": coarse})
    assert joined(here, there).values == joined(there, here).values == {"current_title": "Dev"}
    twin = Ours({"current_title": "Chief"}, {"current_title": replace(coarse, source="another")})
    assert joined(there, twin).values == {"current_title": "Lead"}


def test_a_value_without_a_stamp_is_older_than_any_other() -> None:
    bare = Ours({"current_title": "Dev"}, {})
    stamped = record({"current_title": "Lead"})
    assert joined(bare, stamped).values == joined(stamped, bare).values == {"current_title": "Lead"}
    assert joined(bare, Ours({"current_title": "Old"}, {})).values == {"current_title": "Dev"}


def test_of_critical_fields_the_survivors_stay_and_the_others_are_kept_as_further_ones() -> None:
    mine = record({"email": "a@x.org", "phone": "+49301", "first_name": "Ann", "last_name": "Lee"})
    theirs = record({"email": "b@x.org", "phone": "+49302", "first_name": "Anna", "last_name": "Lee"}, 9)
    one = joined(mine, theirs)
    assert one.values == {
        **mine.values,
        "further_emails": [{"value": "b@x.org"}],
        "further_phones": [{"value": "+49302"}],
    }
    assert one.stamps["further_emails"] == one.stamps["further_phones"] == NOW
    assert one.stamps["email"] == mine.stamps["email"]


def test_a_person_chooses_and_the_choice_is_theirs() -> None:
    mine, theirs = record({"email": "a@x.org"}), record({"email": "b@x.org"})
    one = joined(mine, theirs, email=Keep.OTHER)
    assert one.values == {"email": "b@x.org", "further_emails": [{"value": "a@x.org"}]}
    assert one.stamps["email"] == NOW
    kept = joined(
        record({"current_title": "Dev"}, 1), record({"current_title": "Lead"}, 2), current_title=Keep.SURVIVOR
    )
    assert kept.values == {"current_title": "Dev"}
    assert kept.stamps["current_title"] == NOW


def test_an_address_that_is_a_further_one_already_is_not_listed_twice() -> None:
    mine = record({"email": "a@x.org", "further_emails": [{"value": "B@x.org", "type": "work"}]})
    one = joined(mine, record({"email": "b@x.org"}))
    assert one.values["further_emails"] == [{"value": "B@x.org", "type": "work"}]


def test_sets_unite_in_the_survivors_order_and_its_details() -> None:
    mine = record({"tags": ["b", "a"], "further_phones": [{"value": "+49 30 1", "type": "home"}]})
    theirs = record({"tags": ["a", "c"], "further_phones": [{"value": "+49301", "type": "work"}]})
    one = joined(mine, theirs)
    assert one.values["tags"] == ["b", "a", "c"]
    assert one.values["further_phones"] == [{"value": "+49 30 1", "type": "home"}]
    assert one.kept["tags"] == "both"


def test_a_fuller_name_takes_the_place_of_half_a_one() -> None:
    half, whole = record({"first_name": "Ann"}), record({"first_name": "ANN".title(), "last_name": "Lee"})
    assert joined(half, whole).values == joined(whole, half).values == whole.values
    assert joined(record({"first_name": "Bob"}), whole).values == {"first_name": "Bob"}


def test_a_stored_field_of_another_release_is_kept() -> None:
    mine, theirs = Ours({"of_tomorrow": {"a": 1}}, {}), Ours({"of_tomorrow": {"a": 2}, "older": 5}, {})
    assert joined(mine, theirs).values == {"of_tomorrow": {"a": 1}, "older": 5}


def test_what_no_field_is_known_for_is_compared_as_it_is() -> None:
    mine = Ours({"of_tomorrow": {"a": 1}, "blank": "", "list": [], "half": "\ud800"}, {})
    theirs = Ours({"of_tomorrow": {"a": 2}, "blank": None, "half": "\ud801", "older": 5}, {})
    one = joined(mine, theirs)
    assert one.kept == {"of_tomorrow": "survivor", "half": "survivor", "older": "other"}
    assert one.values == {"of_tomorrow": {"a": 1}, "half": "\ud800", "older": 5}
    assert join(EntityType.JOB, Ours({"email": "a"}, {}), Ours({"email": "b"}, {}), {}, decided=NOW).values == {
        "email": "a"
    }


def test_the_least_difference_of_two_times_decides() -> None:
    early, late = record({"current_title": "Dev"}), record({"current_title": "Lead"}, 1e-6 / 60)
    assert joined(early, late).values == joined(late, early).values == {"current_title": "Lead"}


def test_a_value_without_a_stamp_brings_none() -> None:
    cleared = record({"current_title": ""}, 3)
    one = joined(cleared, Ours({"current_title": "Lead"}, {}))
    assert (one.values, dict(one.stamps)) == ({"current_title": "Lead"}, {})
    assert joined(cleared, Ours({}, {})).values == {}


def test_what_is_further_already_stays_before_what_joins_it() -> None:
    mine = record({"email": "a@x.org", "further_emails": [{"value": "c@x.org", "type": "work"}]})
    assert joined(mine, record({"email": "b@x.org"})).values["further_emails"] == [
        {"value": "c@x.org", "type": "work"},
        {"value": "b@x.org"},
    ]


SIDES = {"one": Keep.SURVIVOR, "two": Keep.OTHER}


def parted(mine: Ours, theirs: Ours, **edits: tuple[JsonValue, str]) -> Parted:
    """Join, change fields from a source each, and part."""
    one = joined(mine, theirs)
    now = Ours(
        {**one.values, **{name: value for name, (value, _) in edits.items()}},
        {**one.stamps, **{name: Stamp(at(900), 1, source) for name, (_, source) in edits.items()}},
    )
    return part(CANDIDATE, survivor=mine, other=theirs, joined=Ours(one.values, one.stamps), now=now, owners=SIDES)


MINE = record({"email": "a@x.org", "current_title": "Dev", "tags": ["a", "b"]}, 1, "one", 1)
THEIRS = record({"email": "b@x.org", "current_title": "Lead", "tags": ["b", "c"]}, 2, "two", 2)


def test_what_did_not_change_is_restored() -> None:
    two = parted(MINE, THEIRS)
    assert (two.survivor, two.other) == (MINE, THEIRS)
    assert (two.changed, two.stayed) == ({Keep.SURVIVOR: (), Keep.OTHER: ()}, ())


@pytest.mark.parametrize(
    ("source", "side"),
    [("one", Keep.SURVIVOR), ("two", Keep.OTHER), ("portal", Keep.SURVIVOR), ("three", Keep.SURVIVOR)],
)
def test_a_later_change_goes_to_the_side_whose_system_gave_it(source: str, side: Keep) -> None:
    two = parted(MINE, THEIRS, current_title=("Chief", source))
    with_it, without = (two.survivor, two.other) if side is Keep.SURVIVOR else (two.other, two.survivor)
    assert with_it.values["current_title"] == "Chief"
    assert with_it.stamps["current_title"] == Stamp(at(900), 1, source)
    assert without == (THEIRS if side is Keep.SURVIVOR else MINE)
    assert two.stayed == (() if source in SIDES else ("current_title",))
    assert two.changed == {**dict.fromkeys(Keep, ()), side: ("current_title",)}


def test_a_change_without_a_stamp_stays_with_the_survivor() -> None:
    one = joined(MINE, THEIRS)
    now = Ours({**one.values, "work_mode": "remote"}, one.stamps)
    two = part(CANDIDATE, survivor=MINE, other=THEIRS, joined=Ours(one.values, one.stamps), now=now, owners=SIDES)
    assert (two.stayed, two.survivor.values["work_mode"], two.other) == (("work_mode",), "remote", THEIRS)


def test_of_a_set_the_additions_and_removals_since_are_made_again() -> None:
    two = parted(MINE, THEIRS, tags=(["a", "c", "d"], "two"))
    assert two.survivor == MINE
    assert two.other.values["tags"] == ["c", "d"]


@pytest.mark.parametrize("nothing", [None, ""])
def test_what_was_cleared_since_is_cleared_on_its_side(nothing: str | None) -> None:
    assert "current_title" not in parted(MINE, THEIRS, current_title=(nothing, "two")).other.values


def test_a_list_that_one_of_the_two_held_keeps_its_stamp() -> None:
    less, more = record({"tags": ["a"]}, 1), record({"tags": ["b", "a"]}, 2, "vendor", 1)
    assert joined(less, more).stamps["tags"] == joined(more, less).stamps["tags"] == more.stamps["tags"]
    assert joined(less, record({"tags": ["c"]}, 2)).stamps["tags"] == NOW
    # Nobody knows since when; from now on it is the decision's.
    assert joined(less, replace(more, stamps={})).stamps["tags"] == NOW
