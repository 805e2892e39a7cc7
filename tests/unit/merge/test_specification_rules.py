"""
The specification's own rules (S-191 to S-200), which hold as a special case of the table in docs/merge.md.

Last write wins by timestamp; equal times, or no time, are the portal's; e-mail, phone and name wait for a person.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import JsonValue

from shared.merge.merge import merge
from shared.merge.state import Theirs
from tests.unit.merge.lab import NOON, agreed, at, ours, rows, rules, theirs

OLD, PORTAL, VENDOR = "Baker", "Chef", "Cook"
SECOND = timedelta(seconds=1)


def seen(values: dict[str, JsonValue], **changes: object) -> Theirs:
    return theirs(values, 60, **changes)


@pytest.mark.parametrize(
    ("edited_here", "shown", "wins"),
    [
        pytest.param(at(-1), {"updated_at": NOON}, VENDOR, id="the vendor's is newer"),
        pytest.param(at(1), {"updated_at": NOON}, PORTAL, id="the portal's is newer"),
        pytest.param(NOON, {"updated_at": NOON}, PORTAL, id="equal times"),
        pytest.param(at(0.01), {"updated_at": NOON, "resolution": SECOND}, PORTAL, id="equal to the second"),
        pytest.param(at(-0.01), {"updated_at": at(0.005), "resolution": SECOND}, VENDOR, id="a second apart"),
        pytest.param(at(1), {"updated_at": None}, PORTAL, id="no time"),
        pytest.param(at(5), {"updated_at": at(9), "field_times": {"current_title": at(2)}}, PORTAL, id="field's time"),
    ],
)
def test_s_191_last_write_wins_and_ties_are_the_portal_s(edited_here: Any, shown: dict[str, object], wins: str) -> None:
    minutes = (edited_here - NOON) / timedelta(minutes=1)
    outcome = merge(
        agreed({"current_title": OLD}),
        ours({"current_title": PORTAL}, minutes),
        seen({"current_title": VENDOR}, **shown),
        rules(),
    )
    expected = ({"current_title": VENDOR}, {}) if wins == VENDOR else ({}, {"current_title": PORTAL})
    assert (outcome.take, outcome.push) == expected


def test_s_192_fields_win_by_themselves_and_no_whole_record_does() -> None:
    base: dict[str, JsonValue] = {"current_title": OLD, "current_company": "Acme", "time_zone": "UTC"}
    outcome = merge(
        agreed(base),
        ours({**base, "current_title": PORTAL}, 1),
        seen({**base, "current_company": "Bolt"}),
        rules(),
    )
    assert (outcome.take, outcome.push) == ({"current_company": "Bolt"}, {"current_title": PORTAL})


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("email", ("a@example.org", "b@example.org", "c@example.org")),
        ("phone", ("+14155550100", "+14155550101", "+14155550102")),
        ("first_name", ("Ann", "Anna", "Anne")),
        ("last_name", ("Lee", "Leigh", "Li")),
        ("preferred_name", ("Ann", "Annie", "Nan")),
    ],
)
def test_s_193_an_email_phone_or_name_changed_on_both_sides_waits_for_a_person(
    field: str, values: tuple[str, str, str]
) -> None:
    old, mine, their = values
    known: dict[str, JsonValue] = {"current_company": "Acme"}
    outcome = merge(
        agreed({**known, field: old}),
        ours({**known, field: mine}, 1),
        seen({"current_company": "Bolt", field: their}),
        rules(),
    )
    assert field not in {**outcome.take, **outcome.push}
    assert len(outcome.held) == 1
    assert outcome.take == {"current_company": "Bolt"}, "the rest goes on"


@pytest.mark.parametrize("field", ["email", "phone", "first_name"])
def test_s_193_one_side_s_change_of_them_is_no_conflict(field: str) -> None:
    taken = merge(agreed({field: "a"}), ours({field: "a"}), seen({field: "b"}), rules())
    pushed = merge(agreed({field: "a"}), ours({field: "b"}, 1), seen({field: "a"}), rules())
    assert (taken.take, taken.held) == ({field: "b"}, ())
    assert (pushed.push, pushed.held) == ({field: "b"}, ())


def test_s_194_lists_unite_and_removals_travel() -> None:
    for field in ("skills", "tags"):
        outcome = merge(agreed({field: ["a", "b"]}), ours({field: ["a", "c"]}), seen({field: ["a", "b", "d"]}), rules())
        assert outcome.take == {field: ["a", "c", "d"]}
        assert outcome.push == {field: ["a", "d", "c"]}


def test_s_197_what_is_not_visible_never_overwrites_and_clearing_is_explicit() -> None:
    base = agreed({"current_title": OLD})
    assert merge(base, ours({"current_title": OLD}), seen({}), rules()).is_quiet
    assert merge(base, ours({"current_title": OLD}), seen({"current_title": None}), rules()).take == {
        "current_title": None
    }


@pytest.mark.parametrize(
    ("field", "one", "other"),
    [
        ("email", "Ann@Example.org ", "ann@example.org"),
        ("phone", "+1 (415) 555-0100", "+14155550100"),
        ("first_name", "Zoe\u0308", "Zo\u00eb"),
        ("current_title", " Head  baker", "Head baker"),
        ("earliest_start", "2026-09-01T00:00:00+02:00", "2026-09-01"),
        ("experience_years", 6.0, "6"),
        ("notice_period", "", None),
    ],
)
def test_s_200_spellings_of_one_value_are_one_value(field: str, one: JsonValue, other: JsonValue) -> None:
    base = agreed({field: one})
    assert merge(base, ours({field: one}), seen({field: other}), rules()).is_quiet
    assert merge(base, ours({field: other}), seen({field: one}), rules()).is_quiet
    first = rows(merge({}, ours({field: one}), seen({field: other}), rules()))
    assert set(first.values()) == {"equal"}
