"""Sets: additions and removals of both sides (docs/merge.md, Sets)."""

from __future__ import annotations

import pytest

from shared.merge.elements import listed
from shared.merge.merge import merge
from shared.merge.settle import dropped, is_apart, open_intents, refuse, settle, with_intents
from shared.merge.state import NEVER, Ours, State, UnitBase, Writable
from shared.model.fields import FIELDS, Policy
from tests.unit.merge.lab import CANDIDATE, HASHER, TAGS, agreed, applied, at, ours, rows, rules, theirs
from tests.unit.merge.lists import names


@pytest.mark.parametrize(
    ("base", "o", "t", "next_o", "next_t"),
    [
        ("", "a", "b", "ab", "ab"),  # no base: a plain union
        ("ab", "ab", "ab", "ab", "ab"),
        ("ab", "abc", "ab", "abc", "abc"),
        ("ab", "ab", "abc", "abc", "abc"),
        ("ab", "a", "ab", "a", "a"),
        ("ab", "ab", "a", "a", "a"),
        ("ab", "a", "b", "", ""),
        ("ab", "ac", "bd", "cd", "cd"),
        ("a", "ab", "ab", "ab", "ab"),
        ("ab", "a", "a", "a", "a"),
    ],
)
def test_additions_and_removals_of_both_sides_are_kept(base: str, o: str, t: str, next_o: str, next_t: str) -> None:
    known = agreed({TAGS: [*base]}) if base else {}
    outcome = merge(known, ours({TAGS: [*o]}), theirs({TAGS: [*t]}), rules())
    assert names(outcome.take.get(TAGS, [*o])) == {*next_o}
    assert names(outcome.push.get(TAGS, [*t])) == {*next_t}
    assert (TAGS in outcome.take, TAGS in outcome.push) == ({*o} != {*next_o}, {*t} != {*next_t})
    assert outcome.settled == {TAGS}
    assert rows(outcome) == ({TAGS: "union"} if outcome.take or outcome.push else {})


def test_the_order_of_a_list_is_never_a_change() -> None:
    base = agreed({TAGS: ["a", "b", "c"]})
    outcome = merge(base, ours({TAGS: ["b", "a", "c"]}), theirs({TAGS: ["c", " b", "a", "a", ""]}), rules())
    assert (outcome.is_quiet, outcome.decisions) == (True, ())
    assert outcome.base[TAGS].seen_at == at(60)


def test_what_is_taken_or_pushed_keeps_the_order_and_the_spelling_of_its_side() -> None:
    base = agreed({TAGS: ["b", "a"]})
    outcome = merge(base, ours({TAGS: ["b", "a", "New  one"]}), theirs({TAGS: ["a", "b", "z"]}), rules())
    assert outcome.take == {TAGS: ["b", "a", "New  one", "z"]}
    assert outcome.push == {TAGS: ["a", "b", "z", "New  one"]}


def test_add_beats_remove() -> None:
    # Removed at the vendor; here it had been refused once, is known to our half alone, and stands added.
    a, b = (listed(FIELDS[CANDIDATE][TAGS], [each], HASHER) for each in "ab")
    (ia,), (ib,) = a, b
    base = {TAGS: UnitBase({ia: ia}, {ia: ia, ib: ib}, at(0))}
    outcome = merge(base, ours({TAGS: ["a", "b"]}), theirs({TAGS: ["a"]}), rules())
    assert (outcome.take, outcome.push) == ({}, {TAGS: ["a", "b"]})
    assert set(outcome.base[TAGS].theirs) == {ia}
    # And the other way round.
    base = {TAGS: UnitBase({ia: ia, ib: ib}, {ia: ia}, at(0))}
    outcome = merge(base, ours({TAGS: ["a"]}), theirs({TAGS: ["a", "b"]}), rules())
    assert (outcome.take, outcome.push) == ({TAGS: ["a", "b"]}, {})


def test_what_is_agreed_stands_in_the_base_before_the_call() -> None:
    # Else a crash before the answer turns a later removal into an addition.
    base = agreed({TAGS: ["a"]})
    mine = ours({TAGS: ["a", "b"]})
    first = merge(base, mine, theirs({TAGS: ["a", "c"]}), rules())
    mine = applied(mine, first)
    removed = ours({TAGS: ["a", "b"]}, 70)  # the portal drops c again; the call never happened
    second = merge(first.base, removed, theirs({TAGS: ["a", "c"]}, 80), rules())
    assert names(mine.values[TAGS]) == {"a", "b", "c"}
    assert (second.take, names(second.push[TAGS])) == ({}, {"a", "b"})


def test_a_removal_of_ours_survives_a_crash_before_the_call() -> None:
    base = agreed({TAGS: ["a", "b"]})
    first = merge(base, ours({TAGS: ["a"]}), theirs({TAGS: ["a", "b"]}), rules())
    again = merge(first.base, ours({TAGS: ["a"]}), theirs({TAGS: ["a", "b"]}, 70), rules())
    assert (again.take, again.push) == ({}, {TAGS: ["a"]})


def test_row_2_an_addition_whose_answer_was_lost_can_be_removed_again() -> None:
    sent = merge(agreed({TAGS: ["a"]}), ours({TAGS: ["a", "b"]}), theirs({TAGS: ["a"]}), rules())
    known = with_intents(sent.base, sent.intents)
    outcome = merge(known, ours({TAGS: ["a"]}, 65), theirs({TAGS: ["a", "b"]}, 70), rules())
    assert (outcome.take, outcome.push) == ({}, {TAGS: ["a"]})
    assert [str(each.rule) for each in outcome.decisions] == ["own_write", "union"]
    assert not open_intents(outcome.base)


def test_row_2_a_removal_whose_answer_was_lost_can_be_added_again() -> None:
    sent = merge(agreed({TAGS: ["a", "b"]}), ours({TAGS: ["a"]}), theirs({TAGS: ["a", "b"]}), rules())
    known = with_intents(sent.base, sent.intents)
    outcome = merge(known, ours({TAGS: ["a", "b"]}, 65), theirs({TAGS: ["a"]}, 70), rules())
    assert (outcome.take, names(outcome.push[TAGS])) == ({}, {"a", "b"})


def test_row_2_what_landed_in_part_is_known_in_part() -> None:
    sent = merge(agreed({TAGS: ["a"]}), ours({TAGS: ["a", "b", "c"]}), theirs({TAGS: ["a"]}), rules())
    known = with_intents(sent.base, sent.intents)
    outcome = merge(known, ours({TAGS: ["a"]}, 65), theirs({TAGS: ["a", "c"]}, 70), rules())
    assert (outcome.take, outcome.push) == ({}, {TAGS: ["a"]})


def test_row_2_a_write_that_did_not_land_is_sent_again() -> None:
    mine = ours({TAGS: ["a", "b"]})
    sent = merge(agreed({TAGS: ["a", "x"]}), mine, theirs({TAGS: ["a", "x"]}), rules())
    known = with_intents(sent.base, sent.intents)
    outcome = merge(known, mine, theirs({TAGS: ["a", "x"]}, 70), rules())
    assert names(outcome.push[TAGS]) == {"a", "b"}
    assert [str(each.rule) for each in outcome.decisions] == ["union"]
    assert not open_intents(outcome.base)


def test_the_answer_settles_what_was_sent_and_nothing_else() -> None:
    mine = ours({TAGS: ["a", "b"]})
    sent = merge(agreed({TAGS: ["a"]}), mine, theirs({TAGS: ["a"]}), rules())
    known = with_intents(sent.base, sent.intents)
    # Somebody at the vendor added c between our read and our write.
    answer = theirs({TAGS: ["a", "b", "c"]}, 70)
    known = settle(known, sent.intents, sent.push, answer, rules())
    assert len(known[TAGS].theirs) == len(known[TAGS].ours) == 2
    outcome = merge(known, mine, answer, rules())
    assert (outcome.push, names(outcome.take[TAGS])) == ({}, {"a", "b", "c"})


def test_an_element_that_is_missing_from_the_answer_was_refused_and_is_not_sent_again() -> None:
    mine = ours({TAGS: ["a", "b"]})
    sent = merge(agreed({TAGS: ["a"]}), mine, theirs({TAGS: ["a"]}), rules())
    known = settle(with_intents(sent.base, sent.intents), sent.intents, sent.push, theirs({TAGS: ["a"]}, 70), rules())
    assert (len(known[TAGS].ours), len(known[TAGS].theirs)) == (2, 1)
    assert not open_intents(known)
    outcome = merge(known, mine, theirs({TAGS: ["a"]}, 80), rules())
    assert outcome.is_quiet
    # Dropped here, it is forgotten on both halves; added at the vendor, it is taken.
    gone = merge(outcome.base, ours({TAGS: ["a"]}), theirs({TAGS: ["a"]}, 90), rules())
    assert (gone.is_quiet, len(gone.base[TAGS].ours)) == (True, 1)
    there = merge(gone.base, ours({TAGS: ["a"]}), theirs({TAGS: ["a", "b"]}, 95), rules())
    assert names(there.take[TAGS]) == {"a", "b"}


def test_an_element_that_a_look_does_not_find_is_sent_once_more_and_no_more() -> None:
    """Found by the simulation (seed 547): a tag, taken away before we looked, stayed here alone for ever."""
    mine = ours({TAGS: ["a", "b", "c"]})
    first = merge(agreed({TAGS: ["a"]}), mine, theirs({TAGS: ["a"]}), rules())
    known = with_intents(first.base, first.intents)
    looked = settle(known, first.intents, first.push, theirs({TAGS: ["a", "b"]}, 70), rules(), is_look=True)
    assert open_intents(looked) == {TAGS}
    second = merge(looked, mine, theirs({TAGS: ["a", "b"]}, 80), rules())
    assert names(second.push[TAGS]) == {"a", "b", "c"}
    known = with_intents(second.base, second.intents)
    shown = theirs({TAGS: ["a", "b"]}, 90)
    base = settle(known, second.intents, second.push, shown, rules(), is_look=True, tried=looked)
    assert not open_intents(base)
    assert (dropped(looked, first.intents), dropped(base, second.intents)) == ([], [TAGS])
    assert is_apart(base[TAGS])
    assert merge(base, mine, theirs({TAGS: ["a", "b"]}, 95), rules()).is_quiet
    found = merge(base, mine, theirs({TAGS: ["a", "b", "c"]}, 99), rules())
    assert not is_apart(found.base[TAGS])


def test_a_removal_that_the_vendor_ignored_comes_back() -> None:
    sent = merge(agreed({TAGS: ["a", "b"]}), ours({TAGS: ["a"]}), theirs({TAGS: ["a", "b"]}), rules())
    known = with_intents(sent.base, sent.intents)
    known = settle(known, sent.intents, sent.push, theirs({TAGS: ["a", "b"]}, 70), rules())
    outcome = merge(known, ours({TAGS: ["a"]}), theirs({TAGS: ["a", "b"]}, 80), rules())
    assert names(outcome.take[TAGS]) == {"a", "b"}


def test_a_refused_list_stays_apart_knowingly() -> None:
    mine = ours({TAGS: ["a", "b"]})
    sent = merge(agreed({TAGS: ["a", "x"]}), mine, theirs({TAGS: ["a", "x"]}), rules())
    known = refuse(with_intents(sent.base, sent.intents), [TAGS], sent.intents, "no tags")
    assert (known[TAGS].state, open_intents(known)) == (State.DIVERGED, frozenset())
    assert merge(known, mine, theirs({TAGS: ["a", "x"]}, 70), rules()).is_quiet
    more = merge(known, ours({TAGS: ["a", "b", "c"]}), theirs({TAGS: ["a", "x"]}, 70), rules())
    assert names(more.push[TAGS]) == {"a", "x", "c"}


def test_a_list_that_is_shown_in_part_allows_additions_only() -> None:
    base = agreed({TAGS: ["a", "b", "c"]})
    cut = theirs({TAGS: ["a", "d"]}, cut=frozenset({TAGS}))
    outcome = merge(base, ours({TAGS: ["b", "c", "e"]}), cut, rules())
    assert names(outcome.take[TAGS]) == {"b", "c", "d", "e"}
    assert names(outcome.push[TAGS]) == {"a", "d", "e"}
    assert len(outcome.base[TAGS].theirs) == 4  # a, b, c as before, and d
    # The removal of a is made up for as soon as the whole list is seen.
    mine = applied(ours({TAGS: ["b", "c", "e"]}), outcome)
    whole = merge(outcome.base, mine, theirs({TAGS: ["a", "b", "c", "d", "e"]}, 70), rules())
    assert (whole.take, names(whole.push[TAGS])) == ({}, {"b", "c", "d", "e"})


def test_where_nothing_can_be_added_ours_keeps_it_to_itself() -> None:
    only_remove = rules(writable={TAGS: Writable(remove=True)})
    mine = ours({TAGS: ["a", "c"]})
    outcome = merge(agreed({TAGS: ["a", "b"]}), mine, theirs({TAGS: ["a", "b"]}), only_remove)
    assert outcome.push == {TAGS: ["a"]}
    assert len(outcome.base[TAGS].ours) == 3  # a, the addition, and the removal that is on its way
    later = merge(outcome.base, mine, theirs({TAGS: ["a"]}, 70), rules())
    assert later.is_quiet


def test_where_nothing_can_be_removed_theirs_keeps_it_to_itself() -> None:
    only_add = rules(writable={TAGS: Writable(add=True)})
    mine = ours({TAGS: ["a", "c"]})
    outcome = merge(agreed({TAGS: ["a", "b"]}), mine, theirs({TAGS: ["a", "b"]}), only_add)
    assert outcome.push == {TAGS: ["a", "b", "c"]}
    known = settle(
        with_intents(outcome.base, outcome.intents),
        outcome.intents,
        outcome.push,
        theirs({TAGS: ["a", "b", "c"]}, 65),
        only_add,
    )
    later = merge(known, mine, theirs({TAGS: ["a", "b", "c"]}, 70), rules())
    assert later.is_quiet


def test_not_outbound_keeps_our_changes_for_later() -> None:
    base, mine, seen = agreed({TAGS: ["a", "b"]}), ours({TAGS: ["a", "c"]}), theirs({TAGS: ["a", "b"]})
    closed = merge(base, mine, seen, rules(outbound=False))
    assert closed.is_quiet
    assert names(merge(closed.base, mine, seen, rules()).push[TAGS]) == {"a", "c"}


def test_not_inbound_keeps_their_changes_for_later() -> None:
    base, mine, seen = agreed({TAGS: ["a", "b"]}), ours({TAGS: ["a", "b", "c"]}), theirs({TAGS: ["a", "d"]})
    closed = merge(base, mine, seen, rules(inbound=False))
    assert (closed.take, names(closed.push[TAGS])) == ({}, {"a", "d", "c"})
    known = settle(
        with_intents(closed.base, closed.intents),
        closed.intents,
        closed.push,
        theirs({TAGS: ["a", "d", "c"]}, 65),
        rules(inbound=False),
    )
    outcome = merge(known, mine, theirs({TAGS: ["a", "d", "c"]}, 70), rules())
    assert (outcome.push, names(outcome.take[TAGS])) == ({}, {"a", "c", "d"})


def test_an_older_observation_says_nothing_new() -> None:
    base = agreed({TAGS: ["a"]})
    known = merge(base, ours({TAGS: ["a"]}), theirs({TAGS: ["a"]}, 60), rules()).base
    late = merge(known, ours({TAGS: ["a"]}), theirs({TAGS: ["b"]}, 55), rules())
    assert (late.is_quiet, rows(late), late.base) == (True, {TAGS: "outdated"}, known)
    assert merge(known, ours({TAGS: ["a"]}), theirs({TAGS: ["b"]}, 60), rules()).take


def test_a_set_with_another_policy_is_one_value() -> None:
    base = agreed({TAGS: ["a"]}, policies={TAGS: Policy.LWW})
    whole = rules(policies={TAGS: Policy.LWW})
    seen = theirs({TAGS: ["a", "t"]}, updated_at=at(30))
    assert merge(base, ours({TAGS: ["a", "o"]}, 20), seen, whole).take == {TAGS: ["a", "t"]}
    pushed = merge(base, ours({TAGS: ["a", "o"]}, 40), seen, whole)
    assert pushed.push == {TAGS: ["a", "o"]}
    known = refuse(with_intents(pushed.base, pushed.intents), [TAGS], pushed.intents, "no")
    assert merge(known, ours({TAGS: ["a", "o"]}, 40), seen, whole).is_quiet
    held = merge(base, ours({TAGS: ["a", "o"]}, 40), seen, rules(policies={TAGS: Policy.CRITICAL}))
    assert [each.unit for each in held.held] == [TAGS]
    # Back to union, with a base that such a push left pending.
    assert pushed.base[TAGS].ours == NEVER
    assert names(merge(pushed.base, ours({TAGS: ["o"]}), theirs({TAGS: ["t"]}, 70), rules()).take[TAGS]) == {"o", "t"}


def test_pain_22_a_cleared_list_travels() -> None:
    base = agreed({TAGS: ["a", "b"]})
    assert merge(base, ours({TAGS: ["a", "b"]}), theirs({TAGS: None}), rules()).take == {TAGS: []}
    assert merge(base, ours({TAGS: None}), theirs({TAGS: ["a", "b"]}), rules()).push == {TAGS: []}
    assert merge(base, Ours({}, {}), theirs({TAGS: []}), rules()).is_quiet


def test_a_list_asked_for_before_what_was_last_seen_is_looked_at_again() -> None:
    base = agreed({TAGS: ["a", "b"]})  # seen at noon
    late = merge(base, ours({TAGS: ["a", "b"]}), theirs({TAGS: ["a"]}, -10), rules())
    assert (late.is_quiet, late.wants_fetch, rows(late)) == (True, True, {TAGS: "outdated"})
    same = merge(base, ours({TAGS: ["a", "b"]}), theirs({TAGS: ["b", "a"]}, -10), rules())
    assert (same.is_quiet, same.wants_fetch) == (True, False)
