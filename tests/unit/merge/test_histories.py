"""The histories of docs/merge.md on which such systems break, those that this cut covers."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest
from pydantic import JsonValue

from shared.merge.fingerprints import link_hasher
from shared.merge.merge import merge
from shared.merge.resolve import version_of
from shared.merge.settle import open_intents, settle, with_intents
from shared.merge.state import Ours, State, Writable
from shared.model.fields import UNITS
from tests.unit.merge.lab import (
    ALL,
    CANDIDATE,
    PHONE,
    TAGS,
    TITLE,
    Pair,
    agreed,
    applied,
    at,
    ours,
    rows,
    rules,
    theirs,
)


def test_history_1_first_link_both_filled_and_different() -> None:
    seen = theirs({TITLE: "Cook", PHONE: "2", TAGS: ["b"]}, updated_at=at(30))
    outcome = merge({}, ours({TITLE: "Baker", PHONE: "1", TAGS: ["a"]}), seen, rules())
    assert outcome.take == {TITLE: "Cook", TAGS: ["a", "b"]}
    assert outcome.push == {TAGS: ["b", "a"]}
    assert [held.unit for held in outcome.held] == [PHONE]


@pytest.mark.parametrize("order", list(permutations((1, 2))))
@pytest.mark.parametrize(("portal", "a", "b", "winner"), [(1, 2, 3, "b"), (3, 2, 1, "portal"), (2, 3, 3, "a")])
def test_history_2_three_edits_of_one_field_end_at_the_latest_in_any_order(
    order: tuple[int, int], portal: int, a: int, b: int, winner: str
) -> None:
    mine = ours({TITLE: "portal"}, portal)
    shown = {1: "a", 2: "b"}
    times = {1: a, 2: b}
    keys = {rank: rules(hasher=link_hasher(b"key", f"link-{rank}")) for rank in (1, 2)}
    bases = {rank: agreed({TITLE: "old"}, hasher=keys[rank].hasher) for rank in (1, 2)}
    for turn, rank in enumerate((*order, *order, *order)):
        seen = theirs({TITLE: shown[rank]}, 60 + turn, updated_at=at(times[rank]), rank=rank, source="_ab"[rank])
        outcome = merge(bases[rank], mine, seen, keys[rank])
        mine, known = applied(mine, outcome), with_intents(outcome.base, outcome.intents)
        if outcome.push:
            shown[rank] = str(outcome.push[TITLE])
            answer = replace(seen, values={TITLE: shown[rank]})
            known = settle(known, outcome.intents, outcome.push, answer, keys[rank])
        bases[rank] = known
    assert {mine.values[TITLE], *shown.values()} == {winner}


def test_history_3_three_edits_of_a_critical_field_are_one_item_with_three_sides() -> None:
    mine = ours({PHONE: "1"}, -60)
    base = agreed({PHONE: "1"})
    first = merge(base, mine, theirs({PHONE: "2"}, source="a"), rules())
    assert first.take == {PHONE: "2"}
    mine = applied(mine, first)
    second = merge(base, mine, theirs({PHONE: "3"}, rank=2, source="b"), rules())
    third = merge(base, mine, theirs({PHONE: "4"}, rank=3, source="c"), rules())
    inputs = {"b": second.held[0].inputs, "c": third.held[0].inputs}
    assert version_of(inputs) != version_of({"b": second.held[0].inputs})


def test_history_4_a_vendor_that_counts_in_seconds_ties_with_the_portal() -> None:
    mine = ours({TITLE: "Chef"}, 5.7 / 60)
    seen = theirs({TITLE: "Cook"}, updated_at=at(5 / 60), resolution=timedelta(seconds=1))
    assert merge(agreed({TITLE: "Baker"}), mine, seen, rules()).push == {TITLE: "Chef"}


@pytest.mark.parametrize("how", [str.lower, lambda value: value[:40]])
def test_history_5_a_vendor_that_changes_the_case_or_cuts_is_left_in_peace(how: object) -> None:
    def made(_name: str, value: JsonValue) -> JsonValue:
        return how(value) if isinstance(value, str) else value  # type: ignore[operator]

    for known in (made, lambda _name, value: value):  # declared, or found out by the answer
        pair = Pair(theirs={TITLE: None}, rules=rules(expected=made))
        pair.edit_ours(current_title="Baker of very good Bread, and Cakes at Times")
        outcome = pair.begin()
        answer = pair.call(outcome)
        pair.rules = rules(expected=known)
        pair.base = settle(pair.base, outcome.intents, outcome.push, answer, pair.rules)
        assert [pair.sync().is_quiet for _ in range(3)] == [True, True, True]
        assert str(pair.ours.values[TITLE]).startswith("Baker of")


def test_history_6_two_late_normalisers_come_to_rest() -> None:
    upper, lower = Pair(theirs={TITLE: "x"}), Pair(theirs={TITLE: "x"})
    issues, outcome = 0, upper.sync()
    for turn in range(12):
        for pair, other, change in ((upper, lower, str.upper), (lower, upper, str.lower)):
            outcome = pair.sync()
            issues += len(outcome.issues)
            value = str(pair.theirs[TITLE])
            if change(value) != value:
                pair.edit_theirs(current_title=change(value))
            stamps = {unit: replace(stamp, rank=1 + (pair is lower)) for unit, stamp in pair.ours.stamps.items()}
            other.ours, other.minute = Ours(pair.ours.values, stamps), max(pair.minute, other.minute)
        if turn > 8:
            assert outcome.is_quiet
    assert issues > 0


def test_history_7_a_field_that_can_not_be_written_is_edited_here_then_there() -> None:
    read_only = {name: replace(ALL, value=False) for name in UNITS[CANDIDATE]}
    pair = Pair(theirs={TITLE: "Baker", PHONE: "1"}, rules=rules(writable=read_only))
    pair.sync()
    pair.edit_ours(current_title="Cook", phone="2")
    assert rows(pair.sync()) == {TITLE: "cannot_write", PHONE: "cannot_write"}
    assert pair.base[TITLE].state is State.DIVERGED
    pair.edit_theirs(current_title="Chef", phone="3")
    outcome = pair.sync()
    assert (outcome.take, [held.unit for held in outcome.held]) == ({TITLE: "Chef"}, [PHONE])


def test_history_8_a_held_item_gets_a_new_version_when_a_side_moves() -> None:
    base = agreed({PHONE: "1"})
    held = merge(base, ours({PHONE: "2"}, 5), theirs({PHONE: "3"}), rules())
    moved = merge(held.base, ours({PHONE: "2"}, 5), theirs({PHONE: "4"}, 70), rules())
    same = merge(held.base, ours({PHONE: "2"}, 5), theirs({PHONE: " 3"}, 70), rules())
    versions = [version_of({"a": outcome.held[0].inputs}) for outcome in (held, moved, same)]
    assert versions[0] != versions[1]
    assert versions[0] == versions[2]
    closed = merge(held.base, ours({PHONE: "3"}, 80), theirs({PHONE: "3"}, 90), rules())
    assert (closed.held, closed.settled) == ((), frozenset({PHONE}))


def test_history_9_a_permission_goes_the_value_changes_and_the_permission_returns() -> None:
    pair = Pair(theirs={TITLE: "Baker", PHONE: "1"})
    pair.sync()
    shown = dict(pair.theirs)
    pair.theirs = {}
    assert pair.sync().is_quiet
    pair.theirs = shown
    pair.edit_theirs(current_title="Cook", phone="2")
    pair.edit_ours(phone="3")
    outcome = pair.sync()
    assert (outcome.take, [held.unit for held in outcome.held]) == ({TITLE: "Cook"}, [PHONE])


def test_history_10_a_removal_travels_and_an_addition_stays() -> None:
    a, b = Pair(theirs={TAGS: ["x", "y"]}), Pair(theirs={TAGS: ["x", "y"]})
    a.sync()
    b.ours = a.ours
    b.sync()
    a.edit_theirs(tags=["y"])
    b.edit_theirs(tags=["x", "y", "z"])
    a.edit_ours(tags=["y"])
    for _ in range(2):
        a.sync()
        b.ours, b.minute = a.ours, a.minute
        b.sync()
        a.ours, a.minute = b.ours, b.minute
    assert sorted(map(str, a.theirs[TAGS])) == sorted(map(str, b.theirs[TAGS])) == ["y", "z"]  # type: ignore[arg-type]


def test_history_12_half_of_a_write_landed() -> None:
    pair = Pair(theirs={TITLE: "Baker", "time_zone": "UTC"})
    pair.sync()
    pair.edit_ours(current_title="Cook", time_zone="CET")
    outcome = pair.begin()
    # The first call is answered; the second one lands and its answer is lost; then the portal edits both.
    pair.theirs.update(outcome.push)
    first = {TITLE: outcome.intents[TITLE]}
    answer = replace(pair.shown(), values={TITLE: "Cook"})
    pair.base = settle(pair.base, first, outcome.push, answer, pair.rules)
    assert open_intents(pair.base) == {"time_zone"}
    pair.edit_ours(time_zone="EET")
    again = pair.sync()
    assert again.push == {"time_zone": "EET"}
    assert pair.sync().is_quiet


def test_history_15_a_page_read_before_our_write_and_merged_after_it() -> None:
    pair = Pair(theirs={TITLE: "Baker"})
    pair.sync()
    page = pair.shown(is_fresh=False)
    pair.edit_ours(current_title="Cook")
    pair.sync()
    outcome = pair.begin(page)
    assert (outcome.is_quiet, outcome.wants_fetch, rows(outcome)) == (True, True, {TITLE: "outdated"})
    # And one that was read before a write that crashed, merged before anybody looked.
    page = pair.shown(is_fresh=False)
    pair.edit_ours(current_title="Chef")
    pair.call(pair.begin())
    pair.begin(page)
    pair.sync()
    assert (pair.ours.values[TITLE], pair.theirs[TITLE]) == ("Chef", "Chef")


def test_a_vendors_wrong_clock_does_not_win_for_ever() -> None:
    ahead = theirs({TITLE: "Cook"}, 10, updated_at=at(9000))
    taken = merge(agreed({TITLE: "Baker"}), ours({TITLE: "Baker"}, -60), ahead, rules())
    mine = applied(ours({TITLE: "Baker"}, -60), taken)
    assert mine.stamps[TITLE].at == at(10)
    edited = Ours({TITLE: "Chef"}, ours({TITLE: "Chef"}, 20).stamps)
    other = merge(taken.base, edited, theirs({TITLE: "Pilot"}, 15, updated_at=at(9000)), rules())
    assert other.push == {TITLE: "Chef"}


def test_write_only_and_unmapped_fields_of_a_vendor_cost_nothing() -> None:
    outcome = merge({}, ours({TITLE: "Baker"}), theirs({"shoe_size": 43}), rules(writable={TITLE: Writable()}))
    assert outcome.is_quiet
    assert outcome.base == {}
