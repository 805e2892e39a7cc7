"""What an answer settles: the fields that were sent, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from shared.merge.merge import merge
from shared.merge.normal_forms import phone_version
from shared.merge.settle import dropped, is_apart, open_intents, refuse, settle, with_intents
from shared.merge.state import EMPTY, NEVER, Outcome, Rules, State, StoredBase
from shared.model.fields import NormalForm
from shared.model.records import JsonObject
from tests.unit.merge.lab import HASHER, PHONE, TITLE, Pair, agreed, at, ours, rules, theirs

NOBODY: JsonObject = {"first_name": None, "last_name": None}


def sent(
    values: Mapping[str, JsonValue], shown: Mapping[str, JsonValue], how: Rules | None = None
) -> tuple[StoredBase, Outcome]:
    outcome = merge(agreed(shown), ours(values, 5), theirs(shown), how or rules())
    return with_intents(outcome.base, outcome.intents, outcome.expects), outcome


def test_the_answer_settles_only_what_was_sent() -> None:
    known, outcome = sent({TITLE: "Cook", PHONE: "1"}, {TITLE: "Baker", PHONE: "1"})
    answer = theirs({TITLE: "Cook", PHONE: "2"}, 70)
    settled = settle(known, outcome.intents, outcome.push, answer, rules())
    assert settled[TITLE].ours == settled[TITLE].theirs == outcome.intents[TITLE]
    assert (settled[TITLE].state, settled[TITLE].seen_at) == (State.AGREED, at(70))
    assert settled[PHONE] == known[PHONE]
    assert not open_intents(settled)
    assert open_intents(known) == {TITLE}
    later = merge(settled, ours({TITLE: "Cook", PHONE: "1"}, 5), answer, rules())
    assert (later.take, later.push) == ({PHONE: "2"}, {})


def test_an_answer_without_the_field_leaves_the_intent() -> None:
    known, outcome = sent({TITLE: "Cook"}, {TITLE: "Baker"})
    for answer in (None, theirs({}, 70), theirs({PHONE: "1"}, 70)):
        settled = settle(known, outcome.intents, outcome.push, answer, rules())
        assert settled == known
        assert open_intents(settled) == {TITLE}
    readable = rules(writable={})
    assert open_intents(settle(known, outcome.intents, outcome.push, None, readable)) == {TITLE}


def test_what_the_vendor_makes_of_a_write_is_agreed_on_as_it_is() -> None:
    known, outcome = sent({TITLE: "Cook"}, {TITLE: "Baker"})
    answer = theirs({TITLE: "COOK (edited)"}, 70)
    settled = settle(known, outcome.intents, outcome.push, answer, rules())
    assert settled[TITLE].state is State.AGREED
    assert settled[TITLE].ours != settled[TITLE].theirs
    assert merge(settled, ours({TITLE: "Cook"}, 5), answer, rules()).is_quiet


def test_what_stands_where_a_value_was_cleared_is_the_vendors_own_change() -> None:
    known, outcome = sent({PHONE: None}, {PHONE: "1"})
    answer = theirs({PHONE: "2"}, 70)
    settled = settle(known, outcome.intents, outcome.push, answer, rules())
    assert (settled[PHONE].ours, settled[PHONE].theirs, settled[PHONE].state) == (EMPTY, EMPTY, State.AGREED)
    assert merge(settled, ours({PHONE: None}, 5), answer, rules()).take == {PHONE: "2"}
    # One that the vendor is known to make of nothing is none.
    filling = rules(expected=lambda name, value: "none" if name == PHONE and value is None else value)
    known, outcome = sent({PHONE: None}, {PHONE: "1"}, filling)
    answer = theirs({PHONE: "none"}, 70)
    settled = settle(known, outcome.intents, outcome.push, answer, filling)
    assert merge(settled, ours({PHONE: None}, 5), answer, filling).is_quiet


def test_a_write_that_was_ignored_is_no_agreement() -> None:
    known, outcome = sent({PHONE: "2"}, {PHONE: "1"})
    settled = settle(known, outcome.intents, outcome.push, theirs({PHONE: "1"}, 70), rules())
    assert settled[PHONE].state is State.DIVERGED
    assert merge(settled, ours({PHONE: "2"}, 5), theirs({PHONE: "1"}, 80), rules()).is_quiet
    edited = merge(settled, ours({PHONE: "2"}, 5), theirs({PHONE: "3"}, 80), rules())
    assert [held.unit for held in edited.held] == [PHONE]


def upper(_name: str, value: JsonValue) -> JsonValue:
    return value.upper() if isinstance(value, str) else value


def test_a_normaliser_that_comes_late_is_no_change() -> None:
    loud = rules(expected=upper)
    known, outcome = sent({TITLE: "Cook"}, {TITLE: "Baker"}, loud)
    settled = settle(known, outcome.intents, outcome.push, theirs({TITLE: "Cook"}, 70), loud)
    assert settled[TITLE].expects == outcome.expects[TITLE]
    # Ours was edited again before the vendor had come to it.
    late = merge(settled, ours({TITLE: "Chef"}, 75), theirs({TITLE: "COOK"}, 90, updated_at=at(85)), loud)
    assert late.push == {TITLE: "Chef"}
    at_once = settle(known, outcome.intents, outcome.push, theirs({TITLE: "COOK"}, 70), loud)
    assert (at_once[TITLE].expects, at_once[TITLE].state) == (None, State.AGREED)
    assert at_once[TITLE].theirs == outcome.expects[TITLE]


def test_a_value_that_the_vendor_makes_the_old_one_is_kept_not_ignored() -> None:
    def cut(_name: str, value: JsonValue) -> JsonValue:
        return value[:4] if isinstance(value, str) else value

    cutting = rules(expected=cut)
    known, outcome = sent({TITLE: "Cook"}, {TITLE: "Bake"}, cutting)
    settled = settle(known, outcome.intents, {TITLE: "Baker"}, theirs({TITLE: "Bake"}, 70), cutting)
    assert settled[TITLE].state is State.AGREED


def test_an_older_answer_never_turns_the_clock_back() -> None:
    known, outcome = sent({TITLE: "Cook"}, {TITLE: "Baker"})
    assert known[TITLE].seen_at == at(60)
    settled = settle(known, outcome.intents, outcome.push, theirs({TITLE: "Cook"}, 50), rules())
    assert settled[TITLE].seen_at == at(60)


def test_a_refusal_of_one_unit_leaves_the_others_open() -> None:
    known, outcome = sent({TITLE: "Cook", PHONE: "2"}, {TITLE: "Baker", PHONE: "1"})
    refused = refuse(known, [PHONE], outcome.intents, "not a number")
    assert open_intents(refused) == {TITLE}
    assert refused[TITLE] == known[TITLE]
    assert refused[PHONE].blocked == outcome.intents[PHONE]
    assert refused[PHONE].theirs != NEVER


def test_pain_20_the_echo_of_our_own_write_is_no_difference() -> None:
    pair = Pair(theirs={TITLE: "Baker"})
    pair.sync()
    pair.edit_ours(current_title="Cook")
    assert pair.sync().push == {TITLE: "Cook"}
    echo = pair.sync()
    assert (echo.is_quiet, echo.decisions, pair.writes) == (True, (), [{TITLE: "Cook"}])


def test_pain_20_an_edit_right_after_our_write_is_not_swallowed() -> None:
    pair = Pair(theirs={TITLE: "Baker"})
    pair.sync()
    pair.edit_ours(current_title="Cook")
    pair.sync()
    pair.edit_theirs(current_title="Chef")
    assert pair.sync().take == {TITLE: "Chef"}


def test_pain_22_clearing_travels_both_ways() -> None:
    pair = Pair(theirs={TITLE: "Baker", PHONE: "1"})
    pair.sync()
    pair.edit_ours(current_title=None)
    pair.edit_theirs(phone=None)
    outcome = pair.sync()
    assert (outcome.push, outcome.take) == ({TITLE: None}, {PHONE: None})
    assert pair.sync().is_quiet
    assert (pair.theirs[TITLE], pair.ours.values[PHONE]) == (None, None)


def test_an_answer_ends_all_that_was_open() -> None:
    known, outcome = sent({TITLE: "Cook"}, {TITLE: "Baker"}, rules(expected=upper))
    assert known[TITLE].intent_expects is not None
    settled = settle(known, outcome.intents, outcome.push, theirs({TITLE: "Chef"}, 70), rules(expected=upper, key_id=7))
    assert (settled[TITLE].intent_expects, settled[TITLE].key_id, settled[TITLE].norm) == (None, 7, 1)
    assert refuse(known, [TITLE], outcome.intents, "no")[TITLE].intent_expects is None


def test_prints_of_a_number_keep_the_form_that_made_them() -> None:
    how = rules(forms={NormalForm.PHONE: phone_version("DE")})
    intent = merge({}, ours({PHONE: "030 23125000"}), theirs({PHONE: None}), how).intents
    old = agreed({PHONE: "1"})
    settled = settle(old, intent, {PHONE: "030 23125000"}, theirs({PHONE: "+49 30 23125000"}, 70), how)
    assert (settled[PHONE].norm, settled[PHONE].theirs) == (phone_version("DE"), intent[PHONE])


def test_a_value_that_stood_there_already_is_agreed_on() -> None:
    base = agreed({TITLE: "Cook"})
    settled = settle(base, {TITLE: base[TITLE].theirs}, {TITLE: "Cook"}, theirs({TITLE: "Cook"}, 70), rules())
    assert settled[TITLE].state is State.AGREED


def test_an_answer_to_a_part_of_a_name_settles_that_part() -> None:
    half: JsonObject = {"first_name": "Ann", "last_name": None}
    outcome = merge(agreed(NOBODY), ours(half, 5), theirs({"first_name": None}), rules())
    known = with_intents(outcome.base, outcome.intents)
    ann, lee = HASHER("first_name", "Ann"), HASHER("last_name", "Lee")
    assert outcome.intents == {"name": f"{ann}.?"}
    part = settle(known, outcome.intents, outcome.push, theirs({"first_name": "Ann"}, 70), rules())["name"]
    assert (part.ours, part.theirs) == (f"{ann}.", f"{ann}.")
    # What the answer shows besides is nothing that was sent.
    whole = settle(known, outcome.intents, outcome.push, theirs({"first_name": "Ann", "last_name": "Lee"}, 70), rules())
    assert (whole["name"].ours, whole["name"].theirs) == (f"{ann}.", f"{ann}.")
    # Cleared under our hands.
    cleared = settle(known, outcome.intents, outcome.push, theirs({**NOBODY, "last_name": "Lee"}, 70), rules())["name"]
    assert (cleared.theirs, cleared.state) == ("", State.DIVERGED)
    assert lee not in cleared.theirs
    gone = settle(known, outcome.intents, outcome.push, theirs(NOBODY, 70), rules())["name"]
    assert (gone.theirs, gone.state) == ("", State.DIVERGED)


def test_an_answer_that_hides_a_part_ignores_no_more_than_it_shows() -> None:
    how = rules(expected=upper)
    nobody = agreed(NOBODY)
    cases: tuple[tuple[JsonObject, State], ...] = (
        ({"first_name": None}, State.DIVERGED),
        ({"first_name": "Bob"}, State.AGREED),
    )
    for shown, state in cases:
        outcome = merge(nobody, ours({"first_name": "Ann", "last_name": "Lee"}, 5), theirs(NOBODY), how)
        known = with_intents(outcome.base, outcome.intents, outcome.expects)
        settled = settle(known, outcome.intents, outcome.push, theirs(shown, 70), how)["name"]
        assert settled.state is state


def test_a_look_after_an_empty_answer_takes_no_edit_for_our_own_write() -> None:
    """Found by the simulation: what somebody wrote between an answer that showed nothing and our look was swallowed."""
    mine = ours({TITLE: "Keeper"}, 5)
    pushed = merge(agreed({TITLE: "Clerk"}), mine, theirs({TITLE: "Clerk"}), rules())
    intents = with_intents(pushed.base, pushed.intents)
    base = settle(intents, pushed.intents, pushed.push, theirs({TITLE: "Warden"}, 70), rules(), is_look=True)
    later = merge(base, mine, theirs({TITLE: "Warden"}, 80, updated_at=at(65)), rules())
    assert later.take == {TITLE: "Warden"}


def test_a_write_that_a_look_does_not_find_is_sent_once_more_and_no_more() -> None:
    """Found by the simulation: somebody had undone it before we looked, and the two sides stayed apart for ever."""
    mine, before = ours({TITLE: "Keeper"}, 5), theirs({TITLE: None})
    first = merge(agreed({TITLE: None}), mine, before, rules())
    known = with_intents(first.base, first.intents)
    looked = settle(known, first.intents, first.push, theirs({TITLE: None}, 70), rules(), is_look=True)
    assert open_intents(looked) == {TITLE}
    second = merge(looked, mine, theirs({TITLE: None}, 80), rules())
    assert second.push == {TITLE: "Keeper"}
    base = with_intents(second.base, second.intents)
    base = settle(base, second.intents, second.push, theirs({TITLE: None}, 90), rules(), is_look=True, tried=looked)
    assert (open_intents(base), base[TITLE].state) == (frozenset(), State.DIVERGED)
    assert merge(base, mine, theirs({TITLE: None}, 95), rules()).is_quiet


def test_what_a_vendor_answered_and_did_not_keep_is_known() -> None:
    mine, before = ours({TITLE: "Keeper"}, 5), theirs({TITLE: "Clerk"})
    first = merge(agreed({TITLE: "Clerk"}), mine, before, rules())
    known = with_intents(first.base, first.intents)
    looked = settle(known, first.intents, first.push, theirs({TITLE: "Clerk"}, 70), rules(), is_look=True)
    assert dropped(looked, first.intents) == [], "its second try is to come"
    assert dropped(known, first.intents) == [], "nothing was answered"
    shown = settle(known, first.intents, first.push, theirs({TITLE: "Clerk"}, 70), rules())
    assert dropped(shown, first.intents) == [TITLE]
    assert is_apart(shown[TITLE])
    kept = settle(known, first.intents, first.push, theirs({TITLE: "Keeper"}, 70), rules())
    assert dropped(kept, first.intents) == []
    assert not is_apart(kept[TITLE])
    assert not is_apart(None)


def test_another_value_after_one_that_was_not_found_has_a_second_try_of_its_own() -> None:
    known, outcome = sent({TITLE: "Cook"}, {TITLE: "Baker"})
    looked = settle(known, outcome.intents, outcome.push, theirs({TITLE: "Baker"}, 70), rules(), is_look=True)
    other = merge(looked, ours({TITLE: "Chef"}, 75), theirs({TITLE: "Baker"}, 80), rules())
    base = with_intents(other.base, other.intents)
    base = settle(base, other.intents, other.push, theirs({TITLE: "Baker"}, 90), rules(), is_look=True, tried=looked)
    assert open_intents(base) == {TITLE}
