"""What a decision leaves in the base besides the two prints, and by whose time it is made."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import JsonValue

from shared.merge.merge import merge
from shared.merge.normal_forms import phone_version
from shared.merge.settle import refuse, with_intents
from shared.merge.state import NEVER, Base, Fingerprint, State, Theirs, Writable
from shared.model.fields import NormalForm, Party, Policy
from shared.model.records import JsonObject
from tests.unit.merge.lab import HASHER, PHONE, TAGS, TITLE, agreed, at, ours, rows, rules, theirs

BASE = agreed({TITLE: "Baker", PHONE: "1"})


def undated(**values: JsonValue) -> Theirs:
    """Shown by a vendor that dates nothing."""
    return theirs(values, updated_at=None)


def test_a_value_that_the_vendor_does_not_date_is_of_the_time_when_the_old_one_was_last_seen() -> None:
    outcome = merge(BASE, ours({TITLE: "Chef"}, -30), undated(current_title="Cook"), rules())
    assert (rows(outcome), outcome.take) == ({TITLE: "both_changed"}, {TITLE: "Cook"})
    (decision,) = outcome.decisions
    assert decision.stamp is not None
    assert decision.stamp.at == at(0)


def test_a_list_that_the_vendor_does_not_date_is_of_the_time_when_the_old_one_was_last_seen() -> None:
    outcome = merge(agreed({TAGS: ["a"]}), ours({TAGS: ["a"]}, -30), undated(tags=["a", "b"]), rules())
    (decision,) = outcome.decisions
    assert decision.stamp is not None
    assert decision.stamp.at == at(0)


def test_a_conflict_says_when_the_vendor_s_value_came_to_be() -> None:
    mine = ours({PHONE: "2"}, 5)
    (held,) = merge(BASE, mine, undated(phone="3"), rules()).held
    assert held.theirs_at == at(0)
    (held,) = merge(BASE, mine, theirs({PHONE: "3"}, field_times={PHONE: at(40)}), rules()).held
    assert held.theirs_at == at(40)


def test_what_was_refused_is_not_sent_because_the_vendor_changed_its_own() -> None:
    refused = refuse(BASE, [TITLE], {TITLE: HASHER(TITLE, "Chef")}, "no")
    outcome = merge(refused, ours({TITLE: "Chef"}, 50), theirs({TITLE: "Cook"}), rules())
    assert (rows(outcome), outcome.push) == ({TITLE: "refused"}, {})


def test_keys_of_another_release_outlive_a_decision() -> None:
    known: Base = {TITLE: replace(BASE[TITLE], extra={"new": 1})}
    taken = merge(known, ours({TITLE: "Chef"}, -30), theirs({TITLE: "Cook"}, updated_at=at(40)), rules())
    assert (taken.take, taken.base[TITLE].extra) == ({TITLE: "Cook"}, {"new": 1})


def test_a_request_that_the_authority_did_not_take_leaves_no_trace_of_its_refusal() -> None:
    how = rules(policies={TITLE: Policy.AUTHORITY}, authorities={TITLE: Party.INTEGRATION})
    refused = refuse(BASE, [TITLE], {TITLE: HASHER(TITLE, "Chef")}, "no")
    known: Base = {TITLE: replace(refused[TITLE], extra={"new": 1})}
    back = merge(known, ours({TITLE: "Chef"}, 5), theirs({TITLE: "Baker"}), how)
    assert (rows(back), back.take) == ({TITLE: "restored"}, {TITLE: "Baker"})
    unit = back.base[TITLE]
    assert (unit.blocked, unit.blocked_reason, unit.extra) == (None, None, {"new": 1})


def test_until_the_vendor_has_answered_all_else_that_was_agreed_on_stands() -> None:
    before = replace(BASE[TITLE], state=State.DIVERGED, expects=HASHER(TITLE, "BAKER"), extra={"new": 1})
    outcome = merge({TITLE: before}, ours({TITLE: "Chef"}, 5), theirs({TITLE: "Baker"}), rules())
    assert outcome.push == {TITLE: "Chef"}
    assert outcome.base[TITLE] == replace(before, seen_at=at(60))


def test_what_can_not_be_written_leaves_the_rest_of_the_base_as_it_was() -> None:
    known: Base = {TITLE: replace(BASE[TITLE], extra={"new": 1})}
    outcome = merge(known, ours({TITLE: "Chef"}, 5), theirs({TITLE: "Baker"}), rules(writable={}))
    assert rows(outcome) == {TITLE: "cannot_write"}
    assert outcome.base[TITLE].extra == {"new": 1}


def test_a_request_to_an_authority_that_can_not_be_written_to_is_taken_back() -> None:
    how = rules(policies={TITLE: Policy.AUTHORITY}, authorities={TITLE: Party.INTEGRATION}, writable={})
    back = merge(BASE, ours({TITLE: "Chef"}, 5), theirs({TITLE: "Baker"}), how)
    assert (rows(back), back.take) == ({TITLE: "restored"}, {TITLE: "Baker"})
    assert back.base[TITLE] == replace(BASE[TITLE], seen_at=at(60))


def test_a_part_that_the_vendor_has_just_shown_to_be_empty_is_a_change_until_it_is_filled() -> None:
    base = agreed({"first_name": "Ann"})
    ann = HASHER("first_name", "Ann")
    seen = {"name": replace(base["name"], theirs=Fingerprint(f"{ann}."))}
    mine = ours({"first_name": "Ann", "last_name": "Lee"})
    outcome = merge(seen, mine, theirs({"first_name": "Ann", "last_name": None}), rules())
    assert (outcome.push, outcome.base["name"].ours) == (mine.values, NEVER)


def test_a_member_that_one_half_of_the_base_lacks_has_never_been_met() -> None:
    base = agreed({"first_name": "Ann"})
    ann = HASHER("first_name", "Ann")
    half = {"name": replace(base["name"], ours=Fingerprint(f"{ann}."))}
    outcome = merge(half, ours({"first_name": "Ann"}), theirs({"first_name": "Ann", "last_name": "Lee"}), rules())
    assert rows(outcome) == {"name": "first_value"}


def test_a_name_of_which_something_else_was_expected_can_be_cleared() -> None:
    name: JsonObject = {"first_name": "Ann", "last_name": "Lee"}
    base = agreed(name)
    expecting = {"name": replace(base["name"], expects=base["name"].ours)}
    outcome = merge(expecting, ours(name, -30), theirs(dict.fromkeys(name), updated_at=at(40)), rules())
    assert (rows(outcome), outcome.take) == ({"name": "their_change"}, dict.fromkeys(name))


def test_a_write_that_has_not_landed_leaves_nothing_of_itself() -> None:
    title = replace(BASE[TITLE], intent=HASHER(TITLE, "Chef"), intent_expects=HASHER(TITLE, "CHEF"))
    outcome = merge({TITLE: title}, ours({TITLE: "Baker"}, -30), theirs({TITLE: "Baker"}), rules())
    assert outcome.base[TITLE] == replace(BASE[TITLE], seen_at=at(60))


def test_a_write_that_has_landed_leaves_the_rest_of_the_base_as_it_was() -> None:
    title = replace(BASE[TITLE], intent=HASHER(TITLE, "Chef"), extra={"new": 1})
    outcome = merge({TITLE: title}, ours({TITLE: "Chef"}, 5), theirs({TITLE: "Chef"}), rules())
    assert outcome.base[TITLE].extra == {"new": 1}


def test_a_part_of_a_name_that_was_being_written_may_be_cleared_meanwhile() -> None:
    name: JsonObject = {"first_name": "Ann", "last_name": "Lee"}
    base, anna = agreed(name)["name"], HASHER("first_name", "Anna")
    sent = replace(base, intent=Fingerprint(f"{anna}.?"), intent_expects=Fingerprint(f"{anna}x.?"))
    mine = ours({**name, "first_name": "Anna"}, 5)
    outcome = merge({"name": sent}, mine, theirs(dict.fromkeys(name), updated_at=at(40)), rules())
    assert [held.rule for held in outcome.held] == ["both_changed"]


def test_a_person_s_edit_ends_the_count_of_bounces_and_nothing_else() -> None:
    bounced = replace(BASE[PHONE], bounces=2, bounce=NEVER)
    held = merge({PHONE: bounced}, ours({PHONE: "2"}, 5), theirs({PHONE: "3"}), rules())
    assert rows(held) == {PHONE: "both_changed"}
    assert held.base[PHONE] == BASE[PHONE]


@pytest.mark.parametrize(
    ("mine", "their"), [("Lee", None), (None, "Lee"), ("Lee", "Ray")], ids=["pushed", "taken", "by time"]
)
def test_a_part_that_is_met_late_leaves_the_rest_of_the_base_as_it_was(mine: str | None, their: str | None) -> None:
    base = agreed({"first_name": "Ann"})
    known = {"name": replace(base["name"], extra={"new": 1})}
    seen = theirs({"first_name": "Ann", "last_name": their})
    how = rules(policies={"name": Policy.LWW})
    outcome = merge(known, ours({"first_name": "Ann", "last_name": mine}), seen, how)
    assert bool(outcome.take) is not bool(outcome.push)
    assert outcome.base["name"].extra == {"new": 1}


def test_a_part_that_was_cleared_by_our_write_and_the_other_by_somebody() -> None:
    name: JsonObject = {"first_name": "Ann", "last_name": "Lee"}
    sent = replace(agreed(name)["name"], intent=Fingerprint(".?"))
    mine = ours({**name, "first_name": None}, 5)
    outcome = merge({"name": sent}, mine, theirs(dict.fromkeys(name), updated_at=at(40)), rules())
    assert outcome.take == dict.fromkeys(name)


def test_a_name_that_the_vendor_has_not_is_brought_there() -> None:
    name: JsonObject = {"first_name": "Ann", "last_name": "Lee"}
    outcome = merge({}, ours(name), theirs(dict.fromkeys(name)), rules())
    assert (outcome.push, outcome.take) == (name, {})


def test_of_nothing_nothing_else_is_expected() -> None:
    how = rules(expected=lambda _name, value: value or "none")
    gone = merge(BASE, ours({TITLE: "Baker"}, -30), theirs({TITLE: None}), how)
    assert (gone.take, gone.base[TITLE].expects) == ({TITLE: None}, None)


@pytest.mark.parametrize("nothing", [None, " "])
def test_what_a_vendor_makes_of_nothing_is_something_where_the_two_first_meet(nothing: str | None) -> None:
    how = rules(expected=lambda _name, value: "none" if value in (None, " ") else value)
    assert merge({}, ours({TITLE: nothing}), theirs({TITLE: "none"}), how).take == {TITLE: "none"}


@pytest.mark.parametrize("shown", [{"first_name": "Bob"}, {"first_name": "Bob", "last_name": "Lee"}])
def test_a_name_of_which_something_else_was_expected_can_be_outdated(shown: JsonObject) -> None:
    name: JsonObject = {"first_name": "Ann", "last_name": "Lee"}
    base = agreed(name)
    expecting = {"name": replace(base["name"], expects=base["name"].ours)}
    late = merge(expecting, ours(name), theirs(shown, -10), rules())
    assert (rows(late), late.base) == ({"name": "outdated"}, expecting)


def test_of_a_name_that_nobody_had_a_half_that_has_not_landed_is_sent_again() -> None:
    nobody: JsonObject = {"first_name": None, "last_name": None}
    mine = ours({"first_name": "Ann", "last_name": "Lee"}, 5)
    sent = merge(agreed(nobody), mine, theirs(nobody), rules())
    known = with_intents(sent.base, sent.intents)
    assert merge(known, mine, theirs({"first_name": None}, 70), rules()).push == {"first_name": "Ann"}


def test_a_half_of_a_name_that_is_shown_to_be_cleared_was_our_own_clearing() -> None:
    name: JsonObject = {"first_name": "Ann", "last_name": "Lee"}
    mine = ours(dict.fromkeys(name), 5)
    sent = merge(agreed(name), mine, theirs(name), rules())
    known = with_intents(sent.base, sent.intents)
    half = merge(known, mine, theirs({"first_name": None}, 70), rules())
    assert (rows(half), half.push) == ({"name": "own_write"}, {})


def test_an_agreement_to_which_one_side_alone_had_to_come_is_one() -> None:
    mine = ours({TITLE: "Cook"}, 5)
    apart = merge(BASE, mine, theirs({TITLE: "Baker"}), rules(writable={})).base
    assert apart[TITLE].state is State.DIVERGED
    assert rows(merge(apart, mine, theirs({TITLE: "Cook"}, 70), rules())) == {TITLE: "equal"}


def test_what_was_expected_and_has_come_is_expected_no_more() -> None:
    loud = rules(expected=lambda _name, value: value.upper() if isinstance(value, str) else value)
    outcome = merge(BASE, ours({TITLE: "Baker"}), theirs({TITLE: "BAKER"}), loud)
    assert outcome.is_quiet
    assert outcome.base[TITLE].expects is None


def test_a_value_that_is_taken_ends_what_was_expected_and_decided_of_the_one_before() -> None:
    title = replace(BASE[TITLE], expects=HASHER(TITLE, "BAKER"), decided=True)
    taken = merge({TITLE: title}, ours({TITLE: "Baker"}, -30), theirs({TITLE: "Cook"}), rules())
    assert taken.take == {TITLE: "Cook"}
    assert (taken.base[TITLE].expects, taken.base[TITLE].decided) == (None, False)


def test_what_is_sent_after_both_have_changed_was_decided_by_nobody() -> None:
    sent = merge(BASE, ours({TITLE: "Chef"}, 50), theirs({TITLE: "Cook"}, updated_at=at(40)), rules())
    assert sent.push == {TITLE: "Chef"}
    assert (sent.base[TITLE].ours, sent.base[TITLE].decided) == (NEVER, False)


def test_what_is_written_unseen_is_known_by_the_key_and_the_form_of_now() -> None:
    how = rules(
        writable={PHONE: Writable(value=True, blind=True)}, forms={NormalForm.PHONE: phone_version("DE")}, key_id=7
    )
    sent = merge(BASE, ours({PHONE: "030 23125000"}, 5), theirs({}), how)
    assert sent.push == {PHONE: "030 23125000"}
    assert (sent.base[PHONE].norm, sent.base[PHONE].key_id) == (phone_version("DE"), 7)


def test_of_two_that_differ_the_half_that_moved_is_the_later_one() -> None:
    nobody: JsonObject = {"first_name": None, "last_name": None}
    apart = {"name": replace(agreed(nobody)["name"], state=State.DIVERGED)}
    seen = theirs({"first_name": "Ann"}, updated_at=at(5))
    outcome = merge(apart, ours(nobody, 5), seen, rules(policies={"name": Policy.LWW}))
    assert outcome.take == {"first_name": "Ann"}


def test_two_names_that_come_to_agree_in_one_half_stay_apart_in_the_other() -> None:
    nobody: JsonObject = {"first_name": None, "last_name": None}
    known = agreed({"first_name": "Ann", "last_name": "Lee"})["name"]
    apart = {"name": replace(known, ours=agreed(nobody)["name"].ours, state=State.DIVERGED)}
    outcome = merge(apart, ours(nobody), theirs({"first_name": None}), rules())
    assert rows(outcome) == {"name": "equal"}
    assert outcome.base["name"].state is State.DIVERGED


def test_a_list_that_is_seen_late_was_seen_when_it_was_seen_last() -> None:
    base = agreed({TAGS: ["a"]})
    outcome = merge(base, ours({TAGS: ["a"]}), theirs({TAGS: ["a"]}, -10), rules())
    assert outcome.base[TAGS].seen_at == at(0)


def test_a_fresh_fetch_ends_all_of_what_was_sent_of_a_list() -> None:
    before = agreed({TAGS: ["a"]})[TAGS]
    sent = {TAGS: replace(before, intent=before.ours, intent_expects=before.ours)}
    outcome = merge(sent, ours({TAGS: ["a"]}), theirs({TAGS: ["a"]}), rules())
    assert outcome.base[TAGS] == replace(before, seen_at=at(60))
