"""A company's own fields: told apart by name, compared whatever their type, and only those that a mapping names."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import JsonValue

from shared.merge.draft import Draft
from shared.merge.elements import elements_of, listed, with_left_out
from shared.merge.fingerprints import print_of
from shared.merge.merge import merge
from shared.merge.resolve import Side, resolve
from shared.merge.settle import settle, with_intents
from shared.merge.state import Base, Rules, State, StoredBase
from shared.model.fields import CUSTOM_FIELDS, FIELDS, UNITS, Policy
from tests.unit.merge.lab import CANDIDATE, HASHER, agreed, applied, at, ours, rules, theirs

FIELD = FIELDS[CANDIDATE][CUSTOM_FIELDS]


def fields(**values: JsonValue) -> JsonValue:
    return [{"name": name, "value": value} for name, value in values.items()]


def whole(value: JsonValue) -> object:
    return elements_of(listed(FIELD, [{"name": "x", "value": value}], HASHER))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Zo\u00eb", " Zoe\u0308 "),
        ("a b", "a \n b"),
        (3, 3.0),
        (3, "3"),
        (0.1, "0.1"),
        (10**12, 1e12),
        (True, "true"),
        (False, "false"),
        (["Java", "Go"], ["Go", "Java ", "Go"]),
        ([], None),
        ([" "], ""),
    ],
)
def test_how_a_value_is_written_never_counts(one: JsonValue, other: JsonValue) -> None:
    assert whole(one) == whole(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("007", "7"), ("1,000", "1000"), (True, 1), (False, None), (0, None), ("a", "A"), (["a"], "a"), (["a"], ["b"])],
)
def test_what_a_value_says_counts(one: JsonValue, other: JsonValue) -> None:
    assert whole(one) != whole(other)


def test_both_sides_change_fields_of_their_own() -> None:
    base = agreed({CUSTOM_FIELDS: fields(notice="1 month", level=3, gone="x")})
    mine = ours({CUSTOM_FIELDS: fields(notice="2 months", level=3, gone="x")}, 30)
    seen = theirs({CUSTOM_FIELDS: fields(notice="1 month", level=4, extra=True)})
    outcome = merge(base, mine, seen, rules())
    both = fields(notice="2 months", level=4, extra=True)
    assert sorted(outcome.take[CUSTOM_FIELDS], key=str) == sorted(both, key=str)  # type: ignore[arg-type]
    assert sorted(outcome.push[CUSTOM_FIELDS], key=str) == sorted(both, key=str)  # type: ignore[arg-type]
    shown = replace(seen, values={CUSTOM_FIELDS: outcome.push[CUSTOM_FIELDS]}, observed_at=at(90))
    known = settle(with_intents(outcome.base, outcome.intents), outcome.intents, outcome.push, shown, rules())
    assert merge(known, applied(mine, outcome), replace(shown, observed_at=at(91)), rules()).is_quiet


def narrowed(*names: str, **changes: object) -> Rules:
    """The rules of an integration that keeps *names* in step."""
    return rules(fields={CUSTOM_FIELDS: replace(FIELD, only=frozenset(names))}, **changes)


def test_a_field_that_is_not_in_step_here_neither_goes_out_nor_is_taken_away() -> None:
    mine = ours({CUSTOM_FIELDS: fields(notice="1 month", Elsewhere="secret")}, 30)
    seen = theirs({CUSTOM_FIELDS: fields(notice="1 month")})
    first = merge({}, mine, seen, narrowed("notice"))
    assert (first.take, first.push) == ({}, {})
    moved = replace(seen, values={CUSTOM_FIELDS: fields(notice="2 months")}, observed_at=at(70), updated_at=at(70))
    second = merge(first.base, applied(mine, first), moved, narrowed("notice"))
    assert second.take == {CUSTOM_FIELDS: fields(notice="2 months", Elsewhere="secret")}
    assert second.push == {}
    gone = replace(moved, values={CUSTOM_FIELDS: []}, observed_at=at(80))
    third = merge(second.base, applied(mine, second), gone, narrowed("notice"))
    assert third.take == {CUSTOM_FIELDS: fields(Elsewhere="secret")}


def test_what_another_system_changes_does_not_concern_this_one() -> None:
    how = narrowed("notice")
    held = {CUSTOM_FIELDS: fields(notice="1 month", elsewhere="x")}
    base = merge({}, ours(held, -60), theirs({CUSTOM_FIELDS: fields(notice="1 month")}, 0), how).base
    edited = ours({CUSTOM_FIELDS: fields(notice="3 months", elsewhere="y", third="z")}, 30)
    outcome = merge(base, edited, theirs({CUSTOM_FIELDS: fields(notice="1 month")}), how)
    assert outcome.push == {CUSTOM_FIELDS: fields(notice="3 months")}
    assert outcome.take == {}


def out_of_sight(*names: str, **changes: object) -> Rules:
    """The rules for a record that shows *names* and not the field `lost`, which is kept in step as well."""
    return replace(narrowed(*names, **changes), unseen={CUSTOM_FIELDS: frozenset({"lost"})})


def test_what_a_record_does_not_show_stays_as_agreed_on_until_it_returns() -> None:
    in_sight, hidden = narrowed("notice", "lost"), out_of_sight("notice")
    held = ours({CUSTOM_FIELDS: fields(notice="1 month", lost="a")}, -60)
    base = merge({}, held, theirs({CUSTOM_FIELDS: fields(notice="1 month", lost="a")}, 0), in_sight).base
    less = merge(base, held, theirs({CUSTOM_FIELDS: fields(notice="2 months")}), hidden)
    assert less.take == {CUSTOM_FIELDS: fields(notice="2 months", lost="a")}
    assert less.push == {}
    mine = ours({CUSTOM_FIELDS: fields(notice="3 months", lost="b")}, 70)
    edited = merge(less.base, mine, theirs({CUSTOM_FIELDS: fields(notice="2 months")}, 80), hidden)
    assert edited.push == {CUSTOM_FIELDS: fields(notice="3 months")}
    answer = theirs({CUSTOM_FIELDS: fields(notice="3 months")}, 90)
    base = settle(with_intents(edited.base, edited.intents), edited.intents, edited.push, answer, hidden)
    assert merge(base, mine, replace(answer, observed_at=at(91)), hidden).is_quiet
    back = merge(base, mine, theirs({CUSTOM_FIELDS: fields(notice="3 months", lost="a")}, 95), in_sight)
    assert (back.take, back.push) == ({}, {CUSTOM_FIELDS: fields(notice="3 months", lost="b")})
    cleared = merge(base, held, theirs({CUSTOM_FIELDS: fields(notice="3 months")}, 95), in_sight)
    assert "lost" not in str(cleared.take[CUSTOM_FIELDS])


def test_a_removal_travels_beside_what_a_record_does_not_show() -> None:
    held = fields(notice="1 month", bonus="5", lost="a")
    base = merge({}, ours({CUSTOM_FIELDS: held}, -60), theirs({CUSTOM_FIELDS: held}, 0), rules()).base
    seen = theirs({CUSTOM_FIELDS: fields(notice="1 month")})
    gone = merge(base, ours({CUSTOM_FIELDS: held}, -60), seen, out_of_sight("notice", "bonus"))
    assert (gone.take, gone.push) == ({CUSTOM_FIELDS: fields(notice="1 month", lost="a")}, {})


@pytest.mark.parametrize("policy", [Policy.LWW, Policy.CRITICAL])
def test_as_one_value_too_what_is_not_shown_stays(policy: Policy) -> None:
    in_sight = narrowed("notice", "lost", policies={CUSTOM_FIELDS: policy})
    held = ours({CUSTOM_FIELDS: fields(notice="1 month", lost="a")}, -60)
    base = merge({}, held, theirs({CUSTOM_FIELDS: fields(notice="1 month", lost="a")}, 0), in_sight).base
    hidden = out_of_sight("notice", policies={CUSTOM_FIELDS: policy})
    outcome = merge(base, held, theirs({CUSTOM_FIELDS: fields(notice="1 month")}), hidden)
    assert (outcome.take, outcome.push, outcome.held) == ({}, {}, ())


@pytest.mark.parametrize("policy", [Policy.LWW, Policy.CRITICAL])
def test_as_one_value_too_it_is_compared_and_taken_in_part(policy: Policy) -> None:
    how = narrowed("notice", policies={CUSTOM_FIELDS: policy})
    held = {CUSTOM_FIELDS: fields(notice="1 month", elsewhere="x")}
    base: Base = merge({}, ours(held, -60), theirs({CUSTOM_FIELDS: fields(notice="1 month")}, 0), how).base
    assert base[CUSTOM_FIELDS].state is State.AGREED
    seen = theirs({CUSTOM_FIELDS: fields(notice="2 months")})
    outcome = merge(base, ours(held, -60), seen, how)
    assert outcome.take == {CUSTOM_FIELDS: fields(notice="2 months", elsewhere="x")}


def test_a_side_that_is_chosen_in_a_conflict_takes_nothing_along() -> None:
    how = narrowed("notice", policies={CUSTOM_FIELDS: Policy.CRITICAL})
    mine = ours({CUSTOM_FIELDS: fields(notice="1 month", elsewhere="x")}, 0)
    side = Side(StoredBase({}), theirs({CUSTOM_FIELDS: fields(notice="2 months")}), how)
    decided = resolve(CUSTOM_FIELDS, "link", ours=mine, sides={"link": side}, decided_at=at(5))
    assert decided.values == {CUSTOM_FIELDS: fields(notice="2 months", elsewhere="x")}
    assert decided.bases["link"][CUSTOM_FIELDS].state is State.AGREED


def test_nothing_is_left_out_where_all_are_in_step() -> None:
    held = fields(a="1", b="2")
    assert with_left_out(FIELD, held, fields(c="3")) is held
    unit = UNITS[CANDIDATE][CUSTOM_FIELDS]
    draft = Draft(ours({}), theirs({}), rules(), StoredBase({}))
    assert draft.outcome().take == {}
    assert print_of(rules(), unit, {CUSTOM_FIELDS: held}, unit.members) != print_of(
        narrowed("a"), unit, {CUSTOM_FIELDS: held}, unit.members
    )
