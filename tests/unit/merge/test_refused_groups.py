"""Groups that a vendor refused, of which it shows some members only while another one changes."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from shared.merge.merge import merge
from shared.merge.resolve import Side, resolve
from shared.merge.settle import refuse, settle, with_intents
from shared.merge.state import Ours, StoredBase
from tests.unit.merge.lab import agreed, at, ours, rows, rules, theirs


def name(first: str | None, last: str | None) -> dict[str, JsonValue]:
    return {"first_name": first, "last_name": last}


def refused_beside(mine: tuple[str, str], shown_first: str | None) -> tuple[StoredBase, Ours]:
    """Ann L7, at the vendor Ann Lee, was refused; then ours became *mine*, and it showed *shown_first* alone."""
    asked = merge(agreed(name("Ann", "Lee")), ours(name("Ann", "L7"), 30), theirs(name("Ann", "Lee")), rules())
    apart = refuse(with_intents(asked.base, asked.intents), ["name"], asked.intents, "no")
    edited = ours(name(*mine), 65)
    half = merge(apart, edited, theirs({"first_name": shown_first}, 70), rules())
    known = with_intents(half.base, half.intents)
    if half.push:
        known = settle(known, half.intents, half.push, theirs({"first_name": half.push["first_name"]}, 75), rules())
    return known, edited


@pytest.mark.parametrize("shown_first", ["Ann", "Anna"])
def test_what_was_refused_with_another_first_name_is_sent_again_when_it_is_shown(shown_first: str) -> None:
    """Found by the simulation: the last name stayed apart for ever, which nobody had refused with this first name."""
    known, mine = refused_beside(("Anna", "L7"), shown_first)
    again = merge(known, mine, theirs(name("Anna", "Lee"), 80), rules())
    assert (again.push, rows(again)) == (name("Anna", "L7"), {"name": "our_change"})
    # What has moved there meanwhile is one of both.
    beside = merge(known, mine, theirs(name("Anna", "Lo"), 80), rules())
    assert (beside.take, beside.push, [held.unit for held in beside.held]) == ({}, {}, ["name"])


def test_what_was_refused_where_nobody_stands_is_sent_again_without_its_first_name() -> None:
    nobody = name(None, None)
    asked = merge(agreed(nobody), ours(name("Ann", "L7"), 30), theirs(nobody), rules())
    apart = refuse(with_intents(asked.base, asked.intents), ["name"], asked.intents, "no")
    mine = ours(name(None, "L7"), 65)
    half = merge(apart, mine, theirs({"first_name": None}, 70), rules())
    assert merge(half.base, mine, theirs(nobody, 80), rules()).push == name(None, "L7")


def test_what_was_refused_with_this_first_name_is_not_sent_again() -> None:
    known, mine = refused_beside(("Ann", "L7"), "Ann")
    outcome = merge(known, mine, theirs(name("Ann", "Lee"), 80), rules())
    assert (outcome.is_quiet, outcome.decisions) == (True, ())


def test_what_a_vendor_ignored_is_not_sent_again_because_another_member_moves() -> None:
    """People are told of it (`value_refused`): a third try would be no better than the second."""
    asked = merge(agreed(name("Ann", "Lee")), ours(name("Ann", "L7"), 30), theirs(name("Ann", "Lee")), rules())
    ignored = theirs(name("Ann", "Lee"), 65)
    apart = settle(with_intents(asked.base, asked.intents), asked.intents, asked.push, ignored, rules())
    mine = ours(name("Anna", "L7"), 66)
    half = merge(apart, mine, theirs({"first_name": "Anna"}, 70), rules())
    assert merge(half.base, mine, theirs(name("Anna", "Lee"), 80), rules()).is_quiet


def test_what_was_refused_once_and_is_agreed_on_since_stays_so() -> None:
    """The vendor shouts, so that its last name is another text than ours: an edit there is its own alone."""
    how = rules(expected=lambda _, value: value.upper() if isinstance(value, str) else value)
    mine = ours(name("Ann", "Li"), 30)
    asked = merge(agreed(name("ANN", "LEE")), mine, theirs(name("ANN", "LEE")), how)
    apart = refuse(with_intents(asked.base, asked.intents), ["name"], asked.intents, "no")
    known = merge(apart, mine, theirs(name("ANN", "LI"), 65), how).base
    edited = ours(name("Anna", "Li"), 66)
    half = merge(known, edited, theirs({"first_name": "ANNA"}, 70), how)
    assert merge(half.base, edited, theirs(name("ANNA", "LO"), 80), how).take == name("ANNA", "LO")


def test_a_decision_on_the_first_name_sends_the_refused_last_name_again() -> None:
    known, mine = refused_beside(("Ann", "L7"), "Ann")
    seen = Side(known, theirs({"first_name": "Nan"}, 76), rules())
    made = resolve("name", {"first_name": "Anna"}, ours=mine, sides={"a": seen}, decided_at=at(77))
    decided = ours({**mine.values, **made.values}, 77)
    sent = merge(made.bases["a"], decided, theirs({"first_name": "Nan"}, 78), rules())
    assert sent.push == {"first_name": "Anna"}
    answer = theirs({"first_name": "Anna"}, 79)
    settled = settle(with_intents(sent.base, sent.intents), sent.intents, sent.push, answer, rules())
    assert merge(settled, decided, theirs(name("Anna", "Lee"), 80), rules()).push == name("Anna", "L7")
