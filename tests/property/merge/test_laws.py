"""The laws of a merge, for any three states of a record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from shared.merge.base_codec import decode_base, encode_base
from shared.merge.fingerprints import link_hasher
from shared.merge.merge import merge
from shared.merge.settle import settle, with_intents
from shared.merge.state import Base, Ours, Rules, Stamp, Theirs
from shared.model.fields import FIELDS, UNITS, Kind, Policy
from tests.unit.merge.lab import CANDIDATE, agreed, applied, at, rules, theirs

SCALARS = ("first_name", "last_name", "email", "phone", "current_title", "time_zone", "linkedin_url")
SETS = ("tags", "further_phones")
NAMES = (*SCALARS, *SETS)

texts = st.sampled_from([None, "", "a", "b", "c", "A ", "+14155550100", "x@y.org"])
tags = st.lists(st.sampled_from(["a", "b", "c", "d"]), unique=True, max_size=4)
phones = st.lists(
    st.fixed_dictionaries({"value": st.sampled_from("123"), "type": st.sampled_from([None, "home", "work"])}),
    unique_by=lambda each: each["value"],
    max_size=3,
)
record: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {**dict.fromkeys(SCALARS, texts), "tags": tags, "further_phones": phones}
)
partly: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {}, optional={**dict.fromkeys(SCALARS, texts), "tags": tags, "further_phones": phones}
)
minutes = st.integers(0, 30)
policies = st.dictionaries(
    st.sampled_from(["email", "current_title", "name"]), st.sampled_from([Policy.LWW, Policy.CRITICAL])
)

laws = settings(max_examples=80, deadline=None)


def stamped(values: Mapping[str, JsonValue], minute: int) -> Ours:
    return Ours(values, dict.fromkeys(UNITS[CANDIDATE], Stamp(at(minute), 0, "portal")))


@dataclass
class Meeting:
    """Any base, ours and theirs."""

    base: Base
    ours: Ours
    theirs: Theirs
    rules: Rules


@st.composite
def meetings(draw: st.DrawFn) -> Meeting:
    how = rules(policies=draw(policies), inbound=draw(st.booleans()), outbound=draw(st.booleans()))
    base = agreed(draw(partly)) if draw(st.booleans()) else {}
    seen = theirs(draw(partly), 60, updated_at=at(draw(minutes)))
    return Meeting(base, stamped(draw(record), draw(minutes)), seen, how)


def seen_by(field: str, value: JsonValue) -> Any:
    """What a value means, whatever its spelling and order."""
    if FIELDS[CANDIDATE][field].kind is Kind.SET:
        elements = value if isinstance(value, list) else []
        return sorted(str(sorted(each.items()) if isinstance(each, dict) else each) for each in elements)
    return (
        (str(value).strip().casefold() if field in ("email", "phone", "linkedin_url") else str(value).strip())
        if value
        else None
    )


@given(meetings())
@laws
def test_applying_an_outcome_and_merging_again_decides_nothing(meeting: Meeting) -> None:
    first = merge(meeting.base, meeting.ours, meeting.theirs, meeting.rules)
    mine = applied(meeting.ours, first)
    shown = replace(meeting.theirs, values={**meeting.theirs.values, **first.push}, observed_at=at(61))
    base = with_intents(first.base, first.intents, first.expects)
    known = settle(base, first.intents, first.push, shown, meeting.rules)
    again = merge(known, mine, shown, meeting.rules)
    assert (again.take, again.push, again.intents) == ({}, {}, {})
    assert {held.unit for held in again.held} == {held.unit for held in first.held}
    third = merge(again.base, mine, shown, meeting.rules)
    assert third.base == again.base


@given(meetings())
@laws
def test_a_crash_before_the_call_loses_no_push(meeting: Meeting) -> None:
    first = merge(meeting.base, meeting.ours, meeting.theirs, meeting.rules)
    base = with_intents(first.base, first.intents, first.expects)
    later = replace(meeting.theirs, observed_at=at(61))
    again = merge(base, applied(meeting.ours, first), later, meeting.rules)
    assert {name: seen_by(name, value) for name, value in again.push.items()} == {
        name: seen_by(name, value) for name, value in first.push.items()
    }


@given(meetings())
@laws
def test_no_value_is_ever_invented(meeting: Meeting) -> None:
    outcome = merge(meeting.base, meeting.ours, meeting.theirs, meeting.rules)
    for field, value in {**outcome.take, **outcome.push}.items():
        sources = [meeting.ours.values.get(field), meeting.theirs.values.get(field)]
        if FIELDS[CANDIDATE][field].kind is Kind.SET:
            known = [each for source in sources if isinstance(source, list) for each in source]
            assert isinstance(value, list)
            assert all(each in known for each in value)
        else:
            assert value in sources


@given(meetings())
@laws
def test_what_is_not_visible_is_never_written_and_never_counts(meeting: Meeting) -> None:
    outcome = merge(meeting.base, meeting.ours, meeting.theirs, meeting.rules)
    assert {*outcome.take, *outcome.push} <= set(meeting.theirs.values)
    for name, unit in UNITS[CANDIDATE].items():
        if not set(unit.members) & set(meeting.theirs.values):
            assert outcome.base.get(name) == meeting.base.get(name)
            assert name not in outcome.settled


@given(meetings())
@laws
def test_values_go_only_where_they_may(meeting: Meeting) -> None:
    outcome = merge(meeting.base, meeting.ours, meeting.theirs, meeting.rules)
    assert meeting.rules.inbound or not outcome.take
    assert meeting.rules.outbound or not (outcome.push or outcome.intents)
    assert set(outcome.settled) & {held.unit for held in outcome.held} == set()
    assert all(name in outcome.base for name in outcome.intents)


@given(record, minutes, minutes)
@laws
def test_nothing_changed_means_nothing_to_do(values: dict[str, JsonValue], ours_at: int, their_at: int) -> None:
    outcome = merge(agreed(values), stamped(values, ours_at), theirs(values, updated_at=at(their_at)), rules())
    assert (outcome.is_quiet, outcome.decisions) == (True, ())


@given(record, record, minutes, minutes)
@laws
def test_the_side_that_changed_alone_wins(
    old: dict[str, JsonValue], new: dict[str, JsonValue], ours_at: int, their_at: int
) -> None:
    seen = theirs(new, updated_at=at(their_at))
    taken = merge(agreed(old), stamped(old, ours_at), seen, rules())
    assert (taken.push, taken.held) == ({}, ())
    assert meaning({**old, **taken.take}) == meaning(new)
    pushed = merge(agreed(old), stamped(new, ours_at), theirs(old, updated_at=at(their_at)), rules())
    assert (pushed.take, pushed.held) == ({}, ())
    assert meaning({**old, **pushed.push}) == meaning(new)


def meaning(values: Mapping[str, JsonValue]) -> dict[str, object]:
    return {name: seen_by(name, value) for name, value in values.items()}


@given(record, record, record, minutes, minutes)
@laws
def test_swapping_the_sides_swaps_the_answer(
    old: dict[str, JsonValue], one: dict[str, JsonValue], other: dict[str, JsonValue], one_at: int, other_at: int
) -> None:
    if one_at == other_at:
        other_at += 1  # ties are the portal's, on either side
    left = merge(agreed(old), stamped(one, one_at), theirs(other, updated_at=at(other_at)), rules())
    right = merge(agreed(old), stamped(other, other_at), theirs(one, updated_at=at(one_at)), rules())
    assert meaning({**one, **left.take}) == meaning({**one, **right.push})
    assert meaning({**other, **left.push}) == meaning({**other, **right.take})
    assert {held.unit for held in left.held} == {held.unit for held in right.held}


@given(tags, tags, tags)
@laws
def test_additions_and_removals_of_sets_are_kept(
    old: list[JsonValue], one: list[JsonValue], other: list[JsonValue]
) -> None:
    outcome = merge(agreed({"tags": old}), stamped({"tags": one}, 5), theirs({"tags": other}), rules())
    mine, their = set(outcome.take.get("tags", one)), set(outcome.push.get("tags", other))  # type: ignore[arg-type]
    assert mine == their
    before = set(old)
    assert (set(one) - before) | (set(other) - before) <= mine
    assert not mine & ((before - set(one)) | (before - set(other)))


@given(st.sampled_from(SCALARS), st.sampled_from(["a", "b"]), st.booleans())
@laws
def test_pain_22_clearing_travels(field: str, value: str, is_ours: bool) -> None:
    base = agreed({field: value})
    if is_ours:
        assert merge(base, stamped({field: None}, 5), theirs({field: value}), rules()).push == {field: None}
    else:
        assert merge(base, stamped({field: value}, 5), theirs({field: ""}), rules()).take == {field: ""}


@given(st.permutations([1, 2, 1, 2, 1, 2]), st.tuples(minutes, minutes, minutes))
@laws
def test_the_order_of_arrival_does_not_matter(order: list[int], times: tuple[int, int, int]) -> None:
    keys = {rank: rules(hasher=link_hasher(b"key", str(rank))) for rank in (1, 2)}
    bases: dict[int, Base] = {rank: agreed({"current_title": "old"}, hasher=keys[rank].hasher) for rank in (1, 2)}
    mine, shown = stamped({"current_title": "edit 0"}, times[0]), {1: "edit 1", 2: "edit 2"}
    for turn, rank in enumerate([*order, 1, 2]):
        seen = theirs({"current_title": shown[rank]}, 60 + turn, updated_at=at(times[rank]), rank=rank)
        outcome = merge(bases[rank], mine, seen, keys[rank])
        mine, bases[rank] = applied(mine, outcome), outcome.base
        if outcome.push:
            shown[rank] = str(outcome.push["current_title"])
            answer = replace(seen, values={"current_title": shown[rank]})
            bases[rank] = settle(outcome.base, outcome.intents, outcome.push, answer, keys[rank])
    latest = max((0, 1, 2), key=lambda who: (times[who], -who))
    assert {mine.values["current_title"], *shown.values()} == {f"edit {latest}"}


@given(meetings())
@laws
def test_every_base_survives_its_row(meeting: Meeting) -> None:
    outcome = merge(meeting.base, meeting.ours, meeting.theirs, meeting.rules)
    base = with_intents(outcome.base, outcome.intents, outcome.expects)
    assert decode_base(encode_base(base)) == base


@given(partly, minutes, st.booleans())
@laws
def test_the_short_way_of_a_first_sync_decides_as_the_long_one(
    shown: dict[str, JsonValue], minute: int, is_dated: bool
) -> None:
    seen = theirs(shown, 60, updated_at=at(minute) if is_dated else None)
    # White space is empty as well, but only the long way knows that.
    blank: dict[str, JsonValue] = {name: [" "] if name in SETS else " " for name in NAMES}
    for expected in (
        lambda _name, value: value,
        lambda _name, value: value.upper() if isinstance(value, str) else value,
    ):
        how = rules(expected=expected)
        short, long = merge({}, Ours({}, {}), seen, how), merge({}, Ours(blank, {}), seen, how)
        assert short == long
