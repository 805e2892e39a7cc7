"""What elements of a set say beside their identity: whose details travel, and when (docs/merge.md, Sets)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import JsonValue

from shared.merge.merge import merge
from shared.merge.settle import settle, with_intents
from tests.unit.merge.lab import ALL, agreed, at, ours, rules, theirs

PHONES = "further_phones"


def phone(value: str, kind: str | None = None) -> JsonValue:
    return {"value": value, "type": kind}


@pytest.mark.parametrize(
    ("our_minute", "their_minute", "winner"), [(30, 40, "theirs"), (40, 30, "ours"), (30, 30, "ours")]
)
def test_details_of_one_element_go_to_the_later(our_minute: int, their_minute: int, winner: str) -> None:
    base = agreed({PHONES: [phone("+14155550100", "home")]})
    mine = ours({PHONES: [phone("+14155550100", "work")]}, our_minute)
    seen = theirs({PHONES: [phone("+1 (415) 555 0100", "mobile")]}, updated_at=at(their_minute))
    outcome = merge(base, mine, seen, rules())
    if winner == "theirs":
        assert (outcome.take, outcome.push) == ({PHONES: [phone("+1 (415) 555 0100", "mobile")]}, {})
    else:
        assert (outcome.take, outcome.push) == ({}, {PHONES: [phone("+14155550100", "work")]})


def test_details_that_one_side_changed_travel() -> None:
    base = agreed({PHONES: [phone("1", "home"), phone("2")]})
    old, new = [phone("1", "home"), phone("2")], [phone("1", None), phone("2", "work")]
    assert merge(base, ours({PHONES: old}), theirs({PHONES: new}), rules()).take == {PHONES: new}
    pushed = merge(base, ours({PHONES: new}), theirs({PHONES: old}), rules())
    assert (pushed.take, pushed.push) == ({}, {PHONES: new})
    # A crash before the call, and the answer after it.
    assert merge(pushed.base, ours({PHONES: new}), theirs({PHONES: old}, 70), rules()).push == {PHONES: new}
    known = settle(
        with_intents(pushed.base, pushed.intents), pushed.intents, pushed.push, theirs({PHONES: new}, 80), rules()
    )
    assert merge(known, ours({PHONES: new}), theirs({PHONES: new}, 90), rules()).decisions == ()


def test_details_whose_answer_was_lost_are_known_as_our_own() -> None:
    old, new, newer = ([phone("1", kind)] for kind in ("home", "work", "mobile"))
    sent = merge(agreed({PHONES: old}), ours({PHONES: new}, 50), theirs({PHONES: old}), rules())
    known = with_intents(sent.base, sent.intents)
    seen = theirs({PHONES: new}, 90, updated_at=at(80))
    outcome = merge(known, ours({PHONES: newer}, 70), seen, rules())
    assert (outcome.take, outcome.push) == ({}, {PHONES: newer})


def test_details_that_can_not_be_written_or_may_not_travel_stay() -> None:
    old, new = [phone("1", "home")], [phone("1", "work")]
    base = agreed({PHONES: old})
    fixed = merge(base, ours({PHONES: new}), theirs({PHONES: old}), rules(writable={PHONES: replace(ALL, value=False)}))
    assert fixed.is_quiet
    assert merge(fixed.base, ours({PHONES: new}), theirs({PHONES: old}, 70), rules()).is_quiet
    kept = merge(base, ours({PHONES: new}), theirs({PHONES: old}), rules(outbound=False))
    assert kept.is_quiet
    assert merge(kept.base, ours({PHONES: new}), theirs({PHONES: old}, 70), rules()).push == {PHONES: new}
    closed = merge(base, ours({PHONES: old}), theirs({PHONES: new}), rules(inbound=False))
    assert closed.is_quiet
    assert merge(closed.base, ours({PHONES: old}), theirs({PHONES: new}, 70), rules()).take == {PHONES: new}


def test_at_a_first_meeting_details_are_filled_and_never_cleared() -> None:
    bare, typed = [phone("1")], [phone("1", "home")]
    later = theirs({PHONES: bare}, updated_at=at(50))
    assert merge({}, ours({PHONES: typed}), later, rules()).push == {PHONES: typed}
    earlier = theirs({PHONES: typed}, updated_at=at(-50))
    assert merge({}, ours({PHONES: bare}), earlier, rules()).take == {PHONES: typed}
    both = theirs({PHONES: [phone("1", "work")]}, updated_at=at(50))
    assert merge({}, ours({PHONES: typed}), both, rules()).take == {PHONES: [phone("1", "work")]}


def test_details_that_the_vendor_is_known_to_drop_are_no_difference() -> None:
    def without_type(name: str, value: JsonValue) -> JsonValue:
        assert name == PHONES
        assert isinstance(value, list)
        return [{"value": each["value"]} for each in value if isinstance(each, dict)]

    plain = rules(expected=without_type)
    outcome = merge({}, ours({PHONES: [phone("1", "home")]}), theirs({PHONES: [phone("1")]}), plain)
    assert outcome.is_quiet
    assert outcome.base[PHONES].ours != outcome.base[PHONES].theirs


def test_details_that_changed_at_the_vendor_while_we_wrote_others_are_not_swallowed() -> None:
    mine = ours({PHONES: [phone("1"), phone("2")]})
    sent = merge(agreed({PHONES: [phone("1")]}), mine, theirs({PHONES: [phone("1")]}), rules())
    known = with_intents(sent.base, sent.intents)
    answer = theirs({PHONES: [phone("1", "home"), phone("2")]}, 70)
    known = settle(known, sent.intents, sent.push, answer, rules())
    outcome = merge(known, mine, answer, rules())
    assert (outcome.push, outcome.take) == ({}, {PHONES: [phone("1", "home"), phone("2")]})


def test_details_that_our_own_write_changed_there_are_settled_by_its_answer() -> None:
    def without_pagers(_name: str, value: JsonValue) -> JsonValue:
        elements = value if isinstance(value, list) else []
        return [each | {"type": "other"} if each == phone("1", "pager") else each for each in elements]  # type: ignore[operator]

    lossy = rules(expected=without_pagers)
    mine = ours({PHONES: [phone("1", "pager"), phone("2", "home")]})
    sent = merge(agreed({PHONES: [phone("1", "pager")]}), mine, theirs({PHONES: [phone("1", "pager")]}), lossy)
    known = with_intents(sent.base, sent.intents)
    answer = theirs({PHONES: [phone("1", "other"), phone("2", "home")]}, 70)
    known = settle(known, sent.intents, sent.push, answer, lossy)
    outcome = merge(known, mine, answer, lossy)
    assert outcome.is_quiet
    assert (outcome.base[PHONES].ours, outcome.base[PHONES].theirs) == (known[PHONES].ours, known[PHONES].theirs)
    # Somebody's edit in the same answer is none of it.
    edited = settle(
        with_intents(sent.base, sent.intents),
        sent.intents,
        sent.push,
        theirs({PHONES: [phone("1", "work"), phone("2", "home")]}, 70),
        lossy,
    )
    later = theirs({PHONES: [phone("1", "work"), phone("2", "home")]}, 80)
    assert merge(edited, mine, later, lossy).take == {PHONES: [phone("1", "work"), phone("2", "home")]}


def test_details_that_may_not_travel_yet_travel_once_they_may() -> None:
    bare, typed = [phone("1")], [phone("1", "home")]
    closed = rules(inbound=False)
    first = merge({}, ours({PHONES: [*bare, phone("2")]}), theirs({PHONES: typed}), closed)
    assert (first.take, first.push) == ({}, {PHONES: [*typed, phone("2")]})
    answer = theirs({PHONES: [*typed, phone("2")]}, 70)
    known = settle(with_intents(first.base, first.intents), first.intents, first.push, answer, closed)
    assert merge(known, ours({PHONES: [*bare, phone("2")]}), answer, closed).is_quiet
    taken = merge(known, ours({PHONES: [*bare, phone("2")]}), answer, rules())
    assert (taken.push, taken.take) == ({}, {PHONES: [*typed, phone("2")]})
    kept = merge({}, ours({PHONES: typed}), theirs({PHONES: bare}), rules(outbound=False))
    assert kept.is_quiet
    assert merge(kept.base, ours({PHONES: typed}), theirs({PHONES: bare}, 70), rules()).push == {PHONES: typed}


def test_a_lost_answer_does_not_touch_details_that_were_not_sent() -> None:
    bare, typed = phone("1"), phone("1", "home")

    def without_type(_name: str, value: JsonValue) -> JsonValue:
        return (
            [{"value": each["value"]} for each in value if isinstance(each, dict)] if isinstance(value, list) else value
        )

    plain = rules(expected=without_type)
    mine = ours({PHONES: [typed, phone("2")]})
    base = merge({}, ours({PHONES: [typed]}), theirs({PHONES: [bare]}, 0), plain).base
    sent = merge(base, mine, theirs({PHONES: [bare]}), plain)
    assert sent.push == {PHONES: [bare, phone("2")]}
    known = with_intents(sent.base, sent.intents)
    assert merge(known, mine, theirs({PHONES: [bare, phone("2")]}, 70), rules()).is_quiet
