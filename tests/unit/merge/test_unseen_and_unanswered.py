"""Rows 1 and 2 of the decision table in docs/merge.md: what is not visible, and an intent that is open."""

from __future__ import annotations

from dataclasses import replace

from shared.merge.fingerprints import mark_of
from shared.merge.merge import merge
from shared.merge.settle import open_intents, refuse, settle, with_intents
from shared.merge.state import EMPTY, NEVER, Writable
from tests.unit.merge.lab import PHONE, TITLE, agreed, at, ours, rows, rules, theirs
from tests.unit.merge.prints import fingerprint


def test_row_1_what_is_not_visible_changes_nothing() -> None:
    base = agreed({TITLE: "Baker", PHONE: "1"})
    outcome = merge(base, ours({TITLE: "Cook", PHONE: "1"}), theirs({PHONE: "1"}), rules())
    assert outcome.is_quiet
    assert outcome.base[TITLE] == base[TITLE]
    assert TITLE not in outcome.settled


def test_pain_10_not_visible_never_blanks() -> None:
    base = agreed({TITLE: "Baker"})
    hidden = merge(base, ours({TITLE: "Baker"}), theirs({}), rules())
    assert (hidden.take, hidden.push, hidden.base) == ({}, {}, base)


def test_row_1_a_field_that_is_never_shown_is_pushed_only_where_it_is_write_only() -> None:
    mine = ours({TITLE: "Baker"})
    assert not merge({}, mine, theirs({}), rules()).push
    blind = rules(writable={TITLE: Writable(value=True, blind=True)})
    first = merge({}, mine, theirs({}), blind)
    assert (first.push, rows(first)) == ({TITLE: "Baker"}, {TITLE: "write_only"})
    assert first.base[TITLE].ours == NEVER
    assert first.base[TITLE].theirs == EMPTY
    known = with_intents(first.base, first.intents)
    # A crash here pushes once more; an answer that shows nothing settles it.
    assert merge(known, mine, theirs({}), blind).push == {TITLE: "Baker"}
    assert merge(known, mine, theirs({}, is_fresh_fetch=False), blind).push == {}
    known = settle(known, first.intents, first.push, None, blind)
    assert not open_intents(known)
    assert known[TITLE].ours == first.intents[TITLE]
    assert merge(known, mine, theirs({}), blind).is_quiet
    assert merge(known, ours({TITLE: None}), theirs({}), blind).push == {TITLE: None}
    assert not merge(known, ours({TITLE: "Cook"}), theirs({}), replace(blind, outbound=False)).push


def test_row_1_a_write_only_value_that_may_have_landed_is_overwritten_by_what_we_hold_now() -> None:
    blind = rules(writable={TITLE: Writable(value=True, blind=True)})
    first = merge({}, ours({TITLE: "Baker"}), theirs({}), blind)
    known = settle(with_intents(first.base, first.intents), first.intents, first.push, None, blind)
    second = merge(known, ours({TITLE: "Cook"}, 5), theirs({}, 70), blind)
    # On a page nothing is sent: gone back in time, there is nothing to send.
    assert merge(second.base, ours({TITLE: "Baker"}, 75), theirs({}, 80), blind).is_quiet
    # Sent, and the answer was lost: the vendor may have it.
    lost = with_intents(second.base, second.intents, {TITLE: fingerprint(TITLE, "COOK")})
    third = merge(lost, ours({TITLE: "Baker"}, 75), theirs({}, 80), blind)
    assert (third.push, rows(third)) == ({TITLE: "Baker"}, {TITLE: "write_only"})
    assert (third.base[TITLE].ours, third.base[TITLE].intent, third.base[TITLE].intent_expects) == (NEVER, None, None)
    # What the vendor refused before is no more sent for that, and the intent ends all the same.
    refused = {TITLE: replace(lost[TITLE], blocked=mark_of(fingerprint(TITLE, "Baker")), extra={"new": 1})}
    quiet = merge(refused, ours({TITLE: "Baker"}, 75), theirs({}, 80), blind)
    assert (quiet.is_quiet, open_intents(quiet.base)) == (True, frozenset())
    again = merge(quiet.base, ours({TITLE: "Chef"}, 85), theirs({}, 90), blind)
    assert (again.push, again.base[TITLE].extra) == ({TITLE: "Chef"}, {"new": 1})


def test_row_1_a_group_is_sent_blindly_as_a_whole() -> None:
    blind = rules(writable={"name": Writable(value=True, blind=True)})
    assert merge({}, ours({"first_name": "Ann"}), theirs({}), blind).push == {"first_name": "Ann", "last_name": None}


def test_row_1_a_refused_value_is_not_sent_blindly_again() -> None:
    blind = rules(writable={TITLE: Writable(value=True, blind=True)})
    first = merge({}, ours({TITLE: "Baker"}), theirs({}), blind)
    known = refuse(first.base, [TITLE], first.intents, "no")
    assert merge(known, ours({TITLE: "Baker"}), theirs({}), blind).is_quiet
    assert merge(known, ours({TITLE: "Cook"}), theirs({}), blind).push == {TITLE: "Cook"}
    known = with_intents(known, {TITLE: fingerprint(TITLE, "Cook")})
    known = settle(known, {TITLE: fingerprint(TITLE, "Cook")}, {TITLE: "Cook"}, None, blind)
    assert merge(known, ours({TITLE: "Baker"}), theirs({}), blind).is_quiet


def test_row_2_a_lost_answer_is_recognised_and_a_later_edit_of_ours_wins() -> None:
    base = agreed({TITLE: "Baker"})
    sent = merge(base, ours({TITLE: "Cook"}, 1), theirs({TITLE: "Baker"}), rules())
    known = with_intents(sent.base, sent.intents, sent.expects)
    # The write landed, its answer was lost, and the portal edited meanwhile.
    seen = theirs({TITLE: "Cook"}, 90, updated_at=at(80))
    outcome = merge(known, ours({TITLE: "Chef"}, 70), seen, rules())
    assert rows(outcome) == {TITLE: "our_change"}  # the last word
    assert [str(decision.rule) for decision in outcome.decisions] == ["own_write", "our_change"]
    assert outcome.push == {TITLE: "Chef"}
    assert not open_intents(outcome.base)


def test_row_2_what_the_vendor_is_known_to_make_of_a_write_is_recognised_too() -> None:
    lower = rules(expected=lambda _name, value: value.lower() if isinstance(value, str) else value)
    base = agreed({TITLE: "baker"})
    sent = merge(base, ours({TITLE: "Cook"}, 1), theirs({TITLE: "baker"}), lower)
    assert set(sent.expects) == {TITLE}
    known = with_intents(sent.base, sent.intents, sent.expects)
    outcome = merge(known, ours({TITLE: "Chef"}, 70), theirs({TITLE: "cook"}, 90), lower)
    assert outcome.push == {TITLE: "Chef"}
    assert "own_write" in {str(decision.rule) for decision in outcome.decisions}


def test_row_2_a_page_never_resolves_an_intent() -> None:
    base = agreed({TITLE: "Baker"})
    sent = merge(base, ours({TITLE: "Cook"}, 1), theirs({TITLE: "Baker"}), rules())
    known = with_intents(sent.base, sent.intents)
    page = merge(known, ours({TITLE: "Cook"}, 1), theirs({TITLE: "Pilot"}, is_fresh_fetch=False), rules())
    assert (page.is_quiet, rows(page), page.wants_fetch) == (True, {TITLE: "intent_open"}, True)
    assert page.base[TITLE] == known[TITLE]


def test_row_2_a_write_that_did_not_land_is_sent_again() -> None:
    base = agreed({TITLE: "Baker"})
    mine = ours({TITLE: "Cook"}, 1)
    sent = merge(base, mine, theirs({TITLE: "Baker"}), rules())
    known = with_intents(sent.base, sent.intents)
    again = merge(known, mine, theirs({TITLE: "Baker"}, 90), rules())
    assert (again.push, open_intents(again.base)) == ({TITLE: "Cook"}, frozenset())
    assert open_intents(known) == {TITLE}


def test_row_2_whoever_puts_back_what_was_agreed_on_may_have_replaced_our_write() -> None:
    """Seed 5614: the write had landed and its answer was lost; there somebody changed it, and changed it back."""
    unit, mine, then, shown = "phone", "020 2", "020 1", "020 3"
    edited = ours({unit: mine}, 1)
    sent = merge(agreed({unit: then}), edited, theirs({unit: then}), rules())
    replaced = merge(with_intents(sent.base, sent.intents), edited, theirs({unit: shown}, 90), rules())
    assert [each.theirs for each in replaced.held] == [{unit: shown}]
    back = merge(replaced.base, edited, theirs({unit: then}, 120), rules())
    assert ([each.theirs for each in back.held], back.push) == ([{unit: then}], {})
    agree = merge(back.base, edited, theirs({unit: mine}, 150), rules())
    assert (agree.held, agree.is_quiet, agree.settled) == ((), True, frozenset({unit}))


def test_row_2_members_that_are_hidden_then_keep_what_was_agreed_on() -> None:
    names = {"first_name": "Ann", "last_name": "Baker"}
    edited = ours({**names, "first_name": "Nan"}, 1)
    sent = merge(agreed(names), edited, theirs(names), rules())
    known = with_intents(sent.base, sent.intents)
    replaced = merge(known, edited, theirs({"first_name": "Anna"}, 90), rules())
    assert [each.theirs for each in replaced.held] == [{"first_name": "Anna"}]
    back = merge(replaced.base, edited, theirs(names, 120), rules())
    assert [each.theirs for each in back.held] == [names]
    shown_alone = merge(replaced.base, ours(names), theirs({"last_name": "Baker"}, 120), rules())
    assert (shown_alone.is_quiet, shown_alone.held) == (True, ())


def test_row_2_a_fresh_fetch_without_the_field_leaves_the_intent() -> None:
    base = agreed({TITLE: "Baker"})
    sent = merge(base, ours({TITLE: "Cook"}, 1), theirs({TITLE: "Baker"}), rules())
    known = with_intents(sent.base, sent.intents)
    assert open_intents(merge(known, ours({TITLE: "Cook"}, 1), theirs({}), rules()).base) == {TITLE}
