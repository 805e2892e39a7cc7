"""Posts, degrees, certificates: matched by who they are, never by place, and merged member by member."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import JsonValue

from shared.merge.base_codec import decode_base, encode_base
from shared.merge.elements import elements_of, listed, spread_base, told_apart
from shared.merge.merge import merge
from shared.merge.normal_forms import normal
from shared.merge.settle import settle, with_intents
from shared.merge.state import NEVER, Base, Fingerprint, Ours, Rules, UnitBase, Writable
from shared.model.fields import FIELDS, Policy
from tests.unit.merge.lab import CANDIDATE, HASHER, NOON, Pair, agreed, at, ours, rules, theirs

WORK, SALARY = "work_history", "salary_expectation"
POST: dict[str, JsonValue] = {
    "employer": "Acme",
    "start": "2018-09",
    "title": "Baker",
    "end": "2020-01",
    "description": "Bread",
}


def post(**changes: JsonValue) -> dict[str, JsonValue]:
    return {**POST, **changes}


def namesakes(*titles: str) -> list[dict[str, JsonValue]]:
    """Posts that only their titles tell apart."""
    return [{"employer": "Acme", "title": title} for title in titles]


def both(base: list[Any], mine: list[Any], their: list[Any], **changes: object) -> tuple[list[Any], list[Any]]:
    """What either side holds after one merge."""
    known = agreed({WORK: base}) if base else {}
    outcome = merge(known, ours({WORK: mine}), theirs({WORK: their}), rules(**changes))
    one, other = outcome.take.get(WORK, mine), outcome.push.get(WORK, their)
    assert isinstance(one, list)
    assert isinstance(other, list)
    return one, other


def test_members_of_one_post_are_merged_one_by_one() -> None:
    merged = post(title="Chef", description="Cakes")
    assert both([POST], [post(title="Chef")], [post(description="Cakes")]) == ([merged], [merged])


def test_posts_are_matched_by_employer_and_start_however_they_are_written_or_ordered() -> None:
    other = post(employer="Bolt", start="2020-02", title="Cook")
    mine: JsonValue = [POST, other]
    their: JsonValue = [other, post(employer="  ACME ", start="2018-09-01")]
    outcome = merge(agreed({WORK: mine}), ours({WORK: mine}), theirs({WORK: their}), rules())
    assert outcome.is_quiet


@pytest.mark.parametrize(("ours_at", "title"), [(30, "Chef"), (-30, "Cook")])
def test_of_one_member_changed_on_both_sides_the_later_stands(ours_at: int, title: str) -> None:
    outcome = merge(
        agreed({WORK: [POST]}),
        ours({WORK: [post(title="Chef", end=None)]}, ours_at),
        theirs({WORK: [post(title="Cook")]}),
        rules(),
    )
    merged = [post(title=title, end=None)]
    assert (outcome.take.get(WORK, merged), outcome.push.get(WORK, merged)) == (merged, merged)


def test_each_list_is_of_its_own_time() -> None:
    base, mine = agreed({WORK: [POST]}), ours({WORK: [post(title="Chef")]}, 30)
    seen: dict[str, JsonValue] = {WORK: [post(title="Cook")]}
    assert merge(base, mine, theirs(seen, field_times={WORK: at(50)}), rules()).take == seen
    assert merge(base, mine, theirs(seen, field_times={"tags": at(50)}), rules()).push == mine.values


def test_what_one_side_alone_has_agreed_on_is_no_first_meeting() -> None:
    """An addition of ours that the vendor's answer hid: its details are ours to clear."""
    base = agreed({WORK: [POST]})
    hidden = {WORK: replace(base[WORK], theirs={})}
    mine = ours({WORK: [{"employer": "Acme", "start": "2018-09"}]}, 30)
    outcome = merge(hidden, mine, theirs({WORK: [POST]}), rules())
    assert (outcome.take, outcome.push) == ({}, {WORK: [post(title=None, end=None, description=None)]})


@pytest.mark.parametrize("their", [POST, post(title="Cook")], ids=["ours alone", "both"])
def test_a_detail_that_may_not_go_out_leaves_what_was_agreed_on(their: dict[str, JsonValue]) -> None:
    base = agreed({WORK: [POST]})
    outcome = merge(base, ours({WORK: [post(title="Chef")]}, 30), theirs({WORK: [their]}), rules(outbound=False))
    assert (outcome.base[WORK].ours, outcome.base[WORK].theirs) == (base[WORK].ours, base[WORK].theirs)


def test_at_a_first_meeting_each_side_fills_what_the_other_leaves_out() -> None:
    mine: dict[str, JsonValue] = {"employer": "Acme", "start": "2018-09", "title": "Baker"}
    assert both([], [mine], [post(title=None)]) == ([POST], [POST])


def test_posts_that_cannot_be_told_apart_by_identity_are_all_kept() -> None:
    first, second, third = namesakes("Baker", "Chef", "Cook")
    assert both([first, second], [first, second, third], [second]) == ([second, third], [second, third])
    one, other = both([], [first], [first, second])
    assert (one, other) == ([first, second], [first, second])


def test_a_post_that_gets_a_namesake_stays_the_one_it_was() -> None:
    first, second = namesakes("Chef", "Baker")
    assert both([first], [first], [second, first]) == ([first, second], [second, first])
    assert both([first], [], [second, first]) == ([second], [second])
    assert both([first], [first, second], []) == ([second], [second])


def test_an_edit_among_namesakes_travels() -> None:
    first, second = namesakes("Baker", "Chef")
    edited = {**first, "title": "Cook"}
    assert both([first, second], [first, second], [edited, second]) == ([second, edited], [edited, second])


def test_each_side_s_removal_among_namesakes_travels_once_no_list_has_two_of_them() -> None:
    first, second, third = namesakes("Baker", "Chef", "Cook")
    assert both([first, second, third], [first], [second]) == ([], [])


def test_a_lost_answer_that_named_namesakes_is_recognised_once_no_list_has_two_of_them() -> None:
    first, second = namesakes("Baker", "Chef")
    pair = Pair(theirs={WORK: []})
    pair.sync()
    pair.edit_ours(work_history=[first, second])
    pair.call(pair.begin())
    pair.edit_theirs(work_history=[first])
    pair.edit_ours(work_history=[first])
    outcome = pair.begin()
    assert (outcome.take, outcome.push) == ({}, {})


def test_what_says_nothing_is_no_element() -> None:
    field = FIELDS[CANDIDATE][WORK]
    assert listed(field, [{}, {"employer": " "}, None, "Acme"], HASHER) == {}
    assert len(listed(field, [{"title": "Baker"}, {"title": "Chef"}, {"title": " Baker"}], HASHER)) == 2


def test_objects_are_told_apart_by_form_where_no_link_is_at_hand() -> None:
    field = FIELDS[CANDIDATE][WORK]
    first, second = namesakes("Baker", "Chef")
    found = told_apart(field, [first, {"employer": "ACME ", "title": "Chef"}, second, {}, post(), {"employer": "Bolt"}])
    assert {key: rest for key, (rest, _) in found.items()} == {
        'acme\0\0{"title":"Baker"}': '{"title":"Baker"}',
        'acme\0\0{"title":"Chef"}': '{"title":"Chef"}',
        "acme\x002018-09": '{"description":"Bread","end":"2020-01","title":"Baker"}',
        "bolt\0": "",
    }


def test_a_base_keeps_eight_signs_for_each_member_and_none_of_its_values() -> None:
    spoken: JsonValue = [{"language": "German", "level": "C1"}, {"language": "Dutch"}]
    base = agreed({WORK: [POST], "languages": spoken})
    (whole,) = dict(base[WORK].theirs).values()  # type: ignore[arg-type]
    assert [len(part) for part in whole.split(".")] == [8, 8, 0, 8]
    assert sorted(map(len, dict(base["languages"].theirs).values())) == [8, 16]  # type: ignore[arg-type]
    assert decode_base(encode_base(base)) == base


def test_a_member_that_is_known_to_differ_is_left_alone() -> None:
    closed = rules(writable={WORK: Writable(value=False, add=True, remove=True)})
    first = merge(agreed({WORK: [POST]}), ours({WORK: [post(title="Chef")]}, 30), theirs({WORK: [POST]}), closed)
    assert first.is_quiet
    again = merge(first.base, ours({WORK: [post(title="Chef")]}, 30), theirs({WORK: [post(end=None)]}, 70), closed)
    assert again.take == {WORK: [post(title="Chef", end=None)]}


def test_a_detail_that_both_changed_and_that_may_not_come_in_keeps_what_was_agreed_on() -> None:
    base = agreed({WORK: [POST]})
    seen = theirs({WORK: [post(title="Cook")]}, updated_at=at(50))
    kept = merge(base, ours({WORK: [post(title="Chef")]}, 30), seen, rules(inbound=False))
    assert (kept.is_quiet, kept.base[WORK].ours, kept.base[WORK].theirs) == (True, base[WORK].ours, base[WORK].theirs)


@pytest.mark.parametrize("how", [{"inbound": False}, {"outbound": False}])
def test_members_that_may_not_travel_yet_travel_once_they_may(how: dict[str, object]) -> None:
    mine, seen = ours({WORK: [post(title="Chef")]}, 30), theirs({WORK: [post(end=None)]})
    first = merge(agreed({WORK: [POST]}), mine, seen, rules(**how))
    base = first.base
    if first.push:
        seen = replace(seen, values=first.push, observed_at=at(70))
        base = settle(with_intents(base, first.intents), first.intents, first.push, seen, rules(**how))
    mine = Ours({**mine.values, **first.take}, mine.stamps)
    after = merge(base, mine, replace(seen, observed_at=at(80)), rules())
    merged = [post(title="Chef", end=None)]
    assert (after.take.get(WORK, merged), after.push.get(WORK, merged)) == (merged, merged)
    assert not after.is_quiet


def test_details_that_may_not_come_in_at_a_first_meeting_stay_a_change() -> None:
    closed = rules(inbound=False, outbound=False)
    first = merge({}, ours({WORK: [post(title=None)]}), theirs({WORK: [POST]}), closed)
    assert first.is_quiet
    assert merge(first.base, ours({WORK: [post(title=None)]}), theirs({WORK: [POST]}, 70), rules()).take


def test_an_edit_at_the_vendor_of_another_member_during_our_write_is_not_swallowed() -> None:
    pair = Pair(theirs={WORK: [POST]})
    pair.sync()
    pair.edit_ours(work_history=[post(title="Chef")])
    outcome = pair.begin()
    pair.call(outcome)
    pair.edit_theirs(work_history=[post(title="Chef", description="Cakes")])
    pair.base = settle(pair.base, outcome.intents, outcome.push, pair.shown(), pair.rules)
    assert pair.sync().take == {WORK: [post(title="Chef", description="Cakes")]}
    assert pair.sync().is_quiet


def test_a_lost_answer_to_a_change_of_one_member_is_recognised() -> None:
    pair = Pair(theirs={WORK: [POST]})
    pair.sync()
    pair.edit_ours(work_history=[post(title="Chef")])
    pair.call(pair.begin())
    pair.edit_ours(work_history=[post(title="Cook")])
    outcome = pair.begin()
    assert (outcome.take, outcome.push) == ({}, {WORK: [post(title="Cook")]})
    assert "own_write" in {str(decision.rule) for decision in outcome.decisions}


def test_a_lost_answer_to_the_clearing_of_the_last_member_is_recognised() -> None:
    bare: dict[str, JsonValue] = {"employer": "Acme", "start": "2018-09"}
    sent = merge(agreed({WORK: [POST]}), ours({WORK: [bare]}, 5), theirs({WORK: [POST]}), rules())
    known = with_intents(sent.base, sent.intents)
    seen = theirs({WORK: [bare]}, 90, updated_at=at(80))
    outcome = merge(known, ours({WORK: [post(end=None, description=None)]}, 70), seen, rules())
    assert (outcome.take, outcome.push) == ({}, {WORK: [{**bare, "title": "Baker"}]})


def test_a_lost_answer_of_a_call_that_never_arrived_is_sent_again() -> None:
    pair = Pair(theirs={WORK: [POST]})
    pair.sync()
    pair.edit_ours(work_history=[post(title="Chef"), post(employer="Bolt")])
    pair.begin()
    assert pair.sync().push == {WORK: [post(title="Chef"), post(employer="Bolt")]}
    assert pair.sync().is_quiet


def test_a_namesake_that_appears_during_our_write_costs_nothing() -> None:
    first, second = namesakes("Chef", "Baker")
    edited = {**first, "title": "Head chef"}
    pair = Pair(theirs={WORK: [first]})
    pair.sync()
    pair.edit_ours(work_history=[edited])
    outcome = pair.begin()
    pair.call(outcome)
    pair.edit_theirs(work_history=[edited, second])
    pair.base = settle(pair.base, outcome.intents, outcome.push, pair.shown(), pair.rules)
    pair.sync()
    assert pair.ours.values[WORK] == [edited, second] == pair.theirs[WORK]
    assert pair.sync().is_quiet


def test_a_pending_element_that_gets_a_namesake_is_known_by_what_the_vendor_shows() -> None:
    field = FIELDS[CANDIDATE][WORK]
    shown = elements_of(listed(field, [POST], HASHER))
    (identity,) = shown
    pending = UnitBase({identity: NEVER}, shown, NOON)
    mine, their, intent = spread_base(pending, frozenset({identity}))
    assert mine == their
    assert intent is None
    assert spread_base(replace(pending, ours=NEVER), frozenset()) == ({}, {}, None)


def test_what_the_vendor_is_known_to_make_of_a_member_is_no_change() -> None:
    def cut(name: str, value: JsonValue) -> JsonValue:
        if name != WORK or not isinstance(value, list):
            return value
        return [{**each, "description": str(each["description"])[:3]} for each in value if isinstance(each, dict)]

    how = rules(expected=cut)
    mine = ours({WORK: [post(title="Chef")]}, 30)
    outcome = merge(agreed({WORK: [POST]}), mine, theirs({WORK: [post(description="Bre")]}), how)
    assert (outcome.take, outcome.push) == ({}, {WORK: [post(title="Chef", description="Bre")]})


def test_a_stored_whole_of_another_number_of_members_counts_as_changed() -> None:
    base = agreed({WORK: [POST]})
    known: Base = {WORK: replace(base[WORK], ours=dict.fromkeys(map(Fingerprint, base[WORK].ours), Fingerprint("x.y")))}
    assert merge(known, ours({WORK: [POST]}), theirs({WORK: [POST]}), rules()).is_quiet


@pytest.mark.parametrize("policy", [Policy.LWW, Policy.CRITICAL])
def test_a_history_can_be_one_value(policy: Policy) -> None:
    how: Rules = rules(policies={WORK: policy})
    outcome = merge(
        merge({}, ours({WORK: [POST]}, -60), theirs({WORK: [POST]}, 0), how).base,
        ours({WORK: [post(title="Chef")]}, 30),
        theirs({WORK: [post(end=None)]}),
        how,
    )
    assert outcome.push == ({WORK: [post(title="Chef")]} if policy is Policy.LWW else {})


def test_a_salary_wins_as_a_whole() -> None:
    old: JsonValue = {"amount_min": 50000, "currency": "EUR", "period": "year"}
    mine: JsonValue = {"amount_min": 60000, "currency": "EUR", "period": "year"}
    their: JsonValue = {"amount_min": 50000, "currency": "USD", "period": "year"}
    outcome = merge(agreed({SALARY: old}), ours({SALARY: mine}, 30), theirs({SALARY: their}), rules())
    assert (outcome.take, outcome.push) == ({}, {SALARY: mine})


def test_formatting_of_a_salary_is_no_change() -> None:
    field = FIELDS[CANDIDATE][SALARY]
    one: JsonValue = {"amount_min": 50000, "currency": "EUR"}
    other: JsonValue = {"amount_min": 50000.0, "amount_max": None, "currency": " eur ", "period": ""}
    assert normal(field, one) == normal(field, other)
    assert normal(field, {"amount_min": None, "currency": ""}) is None
    with pytest.raises(LookupError):
        normal(field, one, version=7)
