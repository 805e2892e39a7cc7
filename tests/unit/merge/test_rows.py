"""Rows 3 to 15 of the decision table in docs/merge.md, each test named by its row."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.merge.base_codec import encode_print
from shared.merge.merge import merge
from shared.merge.settle import open_intents, refuse, settle, with_intents
from shared.merge.state import NEVER, Base, Ours, State, UnitBase, Writable
from shared.model.fields import UNITS, Policy
from tests.unit.merge.lab import ALL, CANDIDATE, HASHER, PHONE, TITLE, agreed, applied, at, ours, rows, rules, theirs
from tests.unit.merge.prints import fingerprint

READ_ONLY = {name: Writable() for name in UNITS[CANDIDATE]}


def test_row_3_equal_values_agree_and_close_a_conflict() -> None:
    outcome = merge({}, ours({PHONE: "+1 415 555 0100"}), theirs({PHONE: "+14155550100"}), rules())
    assert (outcome.is_quiet, rows(outcome), outcome.settled) == (True, {PHONE: "equal"}, frozenset({PHONE}))
    assert outcome.base[PHONE].state is State.AGREED
    assert outcome.base[PHONE].ours == outcome.base[PHONE].theirs


def test_row_3_says_nothing_where_nothing_is_new() -> None:
    base = agreed({TITLE: "Baker"})
    outcome = merge(base, ours({TITLE: "Baker"}), theirs({TITLE: " Baker "}), rules())
    assert (outcome.decisions, outcome.settled) == ((), frozenset({TITLE}))
    assert outcome.base[TITLE].seen_at == at(60)


def test_row_3_what_the_vendor_makes_of_ours_agrees_with_it() -> None:
    cut = rules(expected=lambda _name, value: value[:4] if isinstance(value, str) else value)
    outcome = merge({}, ours({TITLE: "Bakery"}), theirs({TITLE: "Bake"}), cut)
    assert outcome.is_quiet
    assert outcome.base[TITLE].ours != outcome.base[TITLE].theirs
    assert rows(outcome) == {TITLE: "equal"}


def test_row_4_a_first_meeting_fills_either_side_and_clears_neither() -> None:
    outcome = merge({}, ours({TITLE: "Baker", PHONE: None}), theirs({TITLE: None, PHONE: "1"}), rules())
    assert (outcome.push, outcome.take) == ({TITLE: "Baker"}, {PHONE: "1"})
    assert rows(outcome) == {TITLE: "first_value", PHONE: "first_value"}
    # Until the vendor has answered, ours counts as changed.
    assert outcome.base[TITLE].ours == NEVER


def test_row_4_a_push_is_found_again_after_a_crash() -> None:
    mine = ours({TITLE: "Baker"})
    first = merge({}, mine, theirs({TITLE: None}), rules())
    assert merge(first.base, mine, theirs({TITLE: None}, 70), rules()).push == {TITLE: "Baker"}


@pytest.mark.parametrize(("our_minute", "their_minute", "winner"), [(1, 2, "theirs"), (2, 1, "ours"), (2, 2, "ours")])
def test_row_5_a_first_meeting_of_two_values_goes_to_the_later(our_minute: int, their_minute: int, winner: str) -> None:
    seen = theirs({TITLE: "Cook"}, updated_at=at(their_minute))
    outcome = merge({}, ours({TITLE: "Baker"}, our_minute), seen, rules())
    expected = ({TITLE: "Cook"}, {}) if winner == "theirs" else ({}, {TITLE: "Baker"})
    assert (outcome.take, outcome.push) == expected
    assert rows(outcome) == {TITLE: "first_meeting"}


def test_row_5_a_first_meeting_of_two_critical_values_is_held() -> None:
    outcome = merge({}, ours({PHONE: "1"}), theirs({PHONE: "2"}), rules())
    (held,) = outcome.held
    assert (held.unit, held.ours, held.theirs, held.rule) == (PHONE, {PHONE: "1"}, {PHONE: "2"}, "first_meeting")
    assert held.inputs == (fingerprint(PHONE, "1"), fingerprint(PHONE, "2"))
    assert (outcome.take, outcome.push, outcome.settled) == ({}, {}, frozenset())
    assert PHONE not in outcome.base


def test_row_6_what_is_known_to_differ_stays_as_it_is() -> None:
    base = {TITLE: UnitBase(fingerprint(TITLE, "Baker"), fingerprint(TITLE, "Bkr"), at(0))}
    outcome = merge(base, ours({TITLE: "Baker"}), theirs({TITLE: "Bkr"}), rules())
    assert (outcome.is_quiet, outcome.decisions, outcome.settled) == (True, (), frozenset({TITLE}))
    assert outcome.base[TITLE].seen_at == at(60)


def test_row_6_a_late_normaliser_has_changed_nothing() -> None:
    lower = rules(expected=lambda _name, value: value.lower() if isinstance(value, str) else value)
    base = merge({}, ours({TITLE: "Baker"}), theirs({TITLE: "Baker"}, 0), lower).base
    # Ours was edited before the vendor got round to its lower case: still a change of one side.
    outcome = merge(base, ours({TITLE: "Cook"}, 1), theirs({TITLE: "baker"}, 60, updated_at=at(59)), lower)
    assert (outcome.push, rows(outcome)) == ({TITLE: "Cook"}, {TITLE: "our_change"})


def test_row_9_a_known_divergence_is_no_agreement() -> None:
    read_only = rules(writable=READ_ONLY)
    base = agreed({PHONE: "1", TITLE: "Baker"})
    mine = ours({PHONE: "2", TITLE: "Cook"}, 5)
    apart = merge(base, mine, theirs({PHONE: "1", TITLE: "Baker"}, 10), read_only)
    assert {apart.base[name].state for name in (PHONE, TITLE)} == {State.DIVERGED}
    later = theirs({PHONE: "3", TITLE: "Pilot"}, 20, updated_at=at(15))
    outcome = merge(apart.base, mine, later, read_only)
    assert [held.unit for held in outcome.held] == [PHONE]
    assert outcome.take == {TITLE: "Pilot"}
    assert rows(outcome) == {PHONE: "both_changed", TITLE: "both_changed"}


def test_row_9_the_later_edit_of_ours_stays_known() -> None:
    read_only = rules(writable=READ_ONLY)
    mine = ours({TITLE: "Cook"}, 30)
    apart = merge(agreed({TITLE: "Baker"}), mine, theirs({TITLE: "Baker"}, 10), read_only)
    outcome = merge(apart.base, mine, theirs({TITLE: "Pilot"}, 20, updated_at=at(15)), read_only)
    assert outcome.is_quiet
    assert outcome.base[TITLE].state is State.DIVERGED
    assert outcome.base[TITLE].theirs == fingerprint(TITLE, "Pilot")


def test_row_9_a_push_that_a_permission_made_possible_is_not_lost_by_a_crash() -> None:
    mine = ours({TITLE: "Cook"}, 30)
    apart = merge(agreed({TITLE: "Baker"}), mine, theirs({TITLE: "Baker"}, 10), rules(writable=READ_ONLY))
    seen = theirs({TITLE: "Pilot"}, 20, updated_at=at(15))
    first = merge(apart.base, mine, seen, rules())
    assert first.push == {TITLE: "Cook"}
    assert merge(first.base, mine, theirs({TITLE: "Pilot"}, 40, updated_at=at(15)), rules()).push == {TITLE: "Cook"}


def test_row_10_their_change_alone_is_taken_with_its_origin() -> None:
    seen = theirs({TITLE: "Cook"}, updated_at=at(30), rank=3, source="vendor-b")
    outcome = merge(agreed({TITLE: "Baker"}), ours({TITLE: "Baker"}, -60), seen, rules())
    assert (outcome.take, outcome.push, rows(outcome)) == ({TITLE: "Cook"}, {}, {TITLE: "their_change"})
    (decision,) = outcome.decisions
    assert decision.stamp is not None
    assert (decision.stamp.at, decision.stamp.rank, decision.stamp.source) == (at(30), 3, "vendor-b")
    assert (decision.stamp.rule, decision.stamp.resolution) == ("their_change", seen.resolution)
    assert outcome.base[TITLE].ours == outcome.base[TITLE].theirs == fingerprint(TITLE, "Cook")


def test_row_10_the_same_change_a_third_time_is_an_oscillation() -> None:
    other = {"rank": 2, "source": "other vendor"}
    base: Base = agreed({TITLE: "baker"})
    outcome = merge(base, ours({}), theirs({}), rules())
    for turn in (1, 2, 3):
        mine = ours({TITLE: "baker"}, turn, **other)
        outcome = merge(base, mine, theirs({TITLE: "BAKER"}, turn * 10, updated_at=at(turn * 10)), rules())
        if turn < 3:
            assert (outcome.take, outcome.base[TITLE].bounces) == ({TITLE: "BAKER"}, turn)
            # Another link pushes the small letters again, and this vendor takes them.
            taken = applied(mine, outcome)
            back = merge(
                outcome.base, ours({TITLE: "baker"}, turn, **other), theirs({TITLE: "baker"}, turn * 10 + 1), rules()
            )
            assert taken.values[TITLE] == "BAKER"
            base = back.base
    assert (outcome.take, outcome.push, outcome.issues) == ({}, {}, (TITLE,))
    assert (outcome.base[TITLE].state, rows(outcome)) == (State.DIVERGED, {TITLE: "oscillation"})
    assert outcome.settled == {TITLE}
    assert (outcome.base[TITLE].ours, outcome.base[TITLE].bounces) == (fingerprint(TITLE, "baker"), 2)


def test_row_10_only_the_same_change_counts() -> None:
    first = merge(agreed({TITLE: "Baker"}), ours({TITLE: "Baker"}, rank=2), theirs({TITLE: "Chef"}), rules())
    # Bases that are stored hold it: it stays the same from release to release.
    assert first.base[TITLE].bounce == HASHER("bounce", f"{fingerprint(TITLE, 'Baker')}>{fingerprint(TITLE, 'Chef')}")
    twice = {TITLE: replace(agreed({TITLE: "Baker"})[TITLE], bounces=2, bounce=first.base[TITLE].bounce)}
    same = merge(twice, ours({TITLE: "Baker"}, rank=2), theirs({TITLE: "Chef"}), rules())
    assert rows(same) == {TITLE: "oscillation"}
    other = merge(twice, ours({TITLE: "Baker"}, rank=2), theirs({TITLE: "Cook"}), rules())
    assert (rows(other), other.base[TITLE].bounces) == ({TITLE: "their_change"}, 1)


def test_row_10_a_persons_edit_ends_the_count() -> None:
    base = {TITLE: replace(agreed({TITLE: "baker"})[TITLE], bounces=2, bounce=NEVER)}
    portal = merge(base, ours({TITLE: "baker"}), theirs({TITLE: "baker"}), rules())
    assert (portal.base[TITLE].bounces, portal.base[TITLE].bounce) == (0, None)
    other = merge(base, ours({TITLE: "baker"}, rank=2), theirs({TITLE: "baker"}), rules())
    assert (other.base[TITLE].bounces, other.base[TITLE].bounce) == (2, NEVER)
    unknown = merge(base, Ours({TITLE: "baker"}, {}), theirs({TITLE: "baker"}), rules())
    assert unknown.base[TITLE].bounces == 2


def test_row_10_other_changes_between_begin_a_new_count() -> None:
    base = {TITLE: replace(agreed({TITLE: "baker"})[TITLE], bounces=2, bounce=NEVER)}
    outcome = merge(base, ours({TITLE: "baker"}, rank=2), theirs({TITLE: "Cook"}), rules())
    assert outcome.base[TITLE].bounces == 1


def test_row_11_our_change_alone_is_pushed() -> None:
    outcome = merge(agreed({TITLE: "Baker"}), ours({TITLE: "Cook"}, 1), theirs({TITLE: "Baker"}), rules())
    assert (outcome.take, outcome.push, rows(outcome)) == ({}, {TITLE: "Cook"}, {TITLE: "our_change"})
    assert outcome.intents == {TITLE: fingerprint(TITLE, "Cook")}
    assert outcome.base[TITLE].ours == fingerprint(TITLE, "Baker")
    assert outcome.base[TITLE].intent is None


def test_row_12_what_can_not_be_written_diverges_quietly() -> None:
    read_only = rules(writable={TITLE: Writable(add=True, remove=True)})
    outcome = merge(agreed({TITLE: "Baker"}), ours({TITLE: "Cook"}, 1), theirs({TITLE: "Baker"}), read_only)
    assert (outcome.is_quiet, outcome.issues, rows(outcome)) == (True, (), {TITLE: "cannot_write"})
    assert (outcome.base[TITLE].state, outcome.base[TITLE].ours) == (State.DIVERGED, fingerprint(TITLE, "Cook"))
    assert outcome.settled == {TITLE}


def test_row_12_a_refused_value_is_not_sent_again_but_another_one_is() -> None:
    sent = merge(agreed({TITLE: "Baker"}), ours({TITLE: "Cook"}, 1), theirs({TITLE: "Baker"}), rules())
    known = refuse(with_intents(sent.base, sent.intents), [TITLE], sent.intents, "too short")
    assert (known[TITLE].state, known[TITLE].blocked_reason) == (State.DIVERGED, "too short")
    assert (known[TITLE].ours, known[TITLE].theirs) == (fingerprint(TITLE, "Cook"), fingerprint(TITLE, "Baker"))
    assert not open_intents(known)
    assert merge(known, ours({TITLE: "Cook"}, 1), theirs({TITLE: "Baker"}), rules()).is_quiet
    other = merge(known, ours({TITLE: "Chef"}, 2), theirs({TITLE: "Baker"}), rules())
    assert other.push == {TITLE: "Chef"}
    settled = settle(
        with_intents(other.base, other.intents), other.intents, other.push, theirs({TITLE: "Chef"}, 90), rules()
    )
    back = merge(settled, ours({TITLE: "Cook"}, 3), theirs({TITLE: "Chef"}, 95), rules())
    assert (back.push, rows(back)) == ({}, {TITLE: "refused"})
    assert back.base[TITLE].state is State.DIVERGED


def test_row_13_two_changes_of_a_critical_field_are_held() -> None:
    base = agreed({PHONE: "1", TITLE: "Baker"})
    seen = theirs({PHONE: "3", TITLE: "Cook"}, updated_at=at(30))
    outcome = merge(base, ours({PHONE: "2", TITLE: "Baker"}, 5), seen, rules())
    (held,) = outcome.held
    assert (held.ours, held.theirs, held.rule, held.theirs_at) == ({PHONE: "2"}, {PHONE: "3"}, "both_changed", at(30))
    assert outcome.base[PHONE] == base[PHONE]
    assert not outcome.is_quiet
    # The rest of the record goes on.
    assert (outcome.take, outcome.push, outcome.settled) == ({TITLE: "Cook"}, {}, frozenset({TITLE}))


def test_row_13_the_policy_of_an_integration_comes_first() -> None:
    base = agreed({PHONE: "1", TITLE: "Baker"})
    seen = theirs({PHONE: "3", TITLE: "Cook"}, updated_at=at(30))
    mine = ours({PHONE: "2", TITLE: "Chef"}, 5)
    swapped = rules(policies={PHONE: Policy.LWW, TITLE: Policy.CRITICAL})
    outcome = merge(base, mine, seen, swapped)
    assert ([held.unit for held in outcome.held], outcome.take) == ([TITLE], {PHONE: "3"})


def test_row_13_closes_when_one_side_goes_back() -> None:
    base = agreed({PHONE: "1"})
    held = merge(base, ours({PHONE: "2"}, 5), theirs({PHONE: "3"}), rules())
    back = merge(held.base, ours({PHONE: "2"}, 5), theirs({PHONE: "1"}, 70), rules())
    assert (back.held, back.settled, back.push) == ((), frozenset({PHONE}), {PHONE: "2"})


def test_row_15_of_two_changes_the_later_wins() -> None:
    base = agreed({TITLE: "Baker"})
    earlier = merge(base, ours({TITLE: "Chef"}, 40), theirs({TITLE: "Cook"}, updated_at=at(30)), rules())
    assert (earlier.push, rows(earlier)) == ({TITLE: "Chef"}, {TITLE: "both_changed"})
    later = merge(base, ours({TITLE: "Chef"}, 20), theirs({TITLE: "Cook"}, updated_at=at(30)), rules())
    assert (later.take, rows(later)) == ({TITLE: "Cook"}, {TITLE: "both_changed"})


def test_row_15_a_push_lost_by_a_crash_is_made_up_even_when_ours_went_back() -> None:
    base = agreed({TITLE: None})
    lost = merge(base, ours({TITLE: "Chef"}, 40), theirs({TITLE: "Cook"}, updated_at=at(30)), rules())
    back = merge(lost.base, ours({TITLE: None}, 50), theirs({TITLE: "Cook"}, 70, updated_at=at(30)), rules())
    assert back.push == {TITLE: None}


def test_not_inbound_takes_nothing_and_keeps_the_change_for_later() -> None:
    base = agreed({TITLE: "Baker"})
    mine, seen = ours({TITLE: "Baker"}), theirs({TITLE: "Cook"}, updated_at=at(30))
    closed = merge(base, mine, seen, rules(inbound=False))
    assert (closed.is_quiet, rows(closed), closed.base[TITLE]) == (True, {TITLE: "not_inbound"}, base[TITLE])
    assert closed.settled == {TITLE}
    assert merge(closed.base, mine, seen, rules()).take == {TITLE: "Cook"}


def test_not_outbound_pushes_nothing_and_keeps_the_change_for_later() -> None:
    base = agreed({TITLE: "Baker"})
    mine, seen = ours({TITLE: "Cook"}, 5), theirs({TITLE: "Baker"})
    closed = merge(base, mine, seen, rules(outbound=False))
    assert (closed.is_quiet, rows(closed), closed.base[TITLE]) == (True, {TITLE: "not_outbound"}, base[TITLE])
    assert closed.settled == {TITLE}
    assert merge(closed.base, mine, seen, rules()).push == {TITLE: "Cook"}


def test_pain_21_an_older_observation_never_beats_a_newer_one() -> None:
    base = agreed({TITLE: "Baker"})
    taken = merge(base, ours({TITLE: "Baker"}), theirs({TITLE: "Cook"}, 60, updated_at=at(50)), rules())
    mine = applied(ours({TITLE: "Baker"}), taken)
    late = merge(taken.base, mine, theirs({TITLE: "Baker"}, 55, is_fresh_fetch=False), rules())
    assert (late.is_quiet, rows(late), late.wants_fetch) == (True, {TITLE: "outdated"}, True)
    assert late.base == taken.base
    assert not taken.wants_fetch


def test_what_was_asked_for_at_the_very_time_of_what_was_last_seen_is_not_outdated() -> None:
    base = agreed({TITLE: "Baker"})
    assert merge(base, ours({TITLE: "Baker"}, -30), theirs({TITLE: "Cook"}, 0), rules()).take == {TITLE: "Cook"}


def test_a_reference_is_merged_over_our_ids() -> None:
    from shared.model.enums import EntityType

    linked = replace(rules(), entity=EntityType.APPLICATION, writable={"job_id": ALL})
    outcome = merge({}, Ours({}, {}), theirs({"job_id": "0d8c"}), linked)
    assert outcome.take == {"job_id": "0d8c"}
    assert encode_print(outcome.base["job_id"].ours) == outcome.base["job_id"].ours
