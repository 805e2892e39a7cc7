"""Laws of pins, authority, append and objects; and that formatting never counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from shared.merge.elements import elements_of, listed
from shared.merge.fingerprints import link_hasher
from shared.merge.merge import merge
from shared.merge.normal_forms import phone_version
from shared.merge.pins import pinned
from shared.merge.settle import settle, with_intents
from shared.merge.state import Base, Elements, Ours, Rules, Theirs
from shared.model.fields import FIELDS, UNITS, NormalForm, Party, Policy
from tests.unit.merge.lab import CANDIDATE, HASHER, PHONE, TAGS, TITLE, agreed, applied, at, ours, rules, theirs

WORK = "work_history"
OWN = link_hasher(b"key", "record/1")

laws = settings(max_examples=80, deadline=None)
words = st.sampled_from(["a", "b", "c"])
tags: st.SearchStrategy[Any] = st.lists(st.sampled_from("abcd"), unique=True, max_size=4)
posts: st.SearchStrategy[Any] = st.lists(
    st.fixed_dictionaries(
        {"employer": st.sampled_from(["Acme", "ACME ", "Bolt"])},
        optional={"start": st.sampled_from([None, "2018", "2018-09"]), "title": words, "description": words},
    ),
    max_size=4,
)
minutes = st.integers(-30, 30)


def held(value: JsonValue) -> Elements:
    """The posts that a list holds, whatever their order and spelling."""
    return elements_of(listed(FIELDS[CANDIDATE][WORK], value, HASHER))


def contents(value: JsonValue) -> set[tuple[tuple[str, str], ...]]:
    """What the posts of a list say."""
    return {
        tuple(sorted((name, str(said).strip().lower()) for name, said in each.items() if said))
        for each in (value if isinstance(value, list) else [])
        if isinstance(each, dict)
    }


def settled_twice(base: Base, mine: Ours, seen: Theirs, how: Rules) -> None:
    """Applying an outcome and merging again decides nothing, and asks people the same."""
    first = merge(base, mine, seen, how)
    shown = replace(seen, values={**seen.values, **first.push}, observed_at=at(90))
    known = settle(with_intents(first.base, first.intents, first.expects), first.intents, first.push, shown, how)
    again = merge(known, applied(mine, first), replace(shown, observed_at=at(91)), how)
    assert (again.take, again.push) == ({}, {})
    assert [each.unit for each in again.held] == [each.unit for each in first.held]


@given(tags, tags, tags)
@laws
def test_append_takes_nothing_away_and_adds_what_is_new(old: Any, one: Any, other: Any) -> None:
    how = rules(policies={TAGS: Policy.APPEND})
    base = agreed({TAGS: old}, policies={TAGS: Policy.APPEND})
    mine, seen = ours({TAGS: one}, 5), theirs({TAGS: other})
    outcome = merge(base, mine, seen, how)
    after, theirs_after = set(outcome.take.get(TAGS, one)), set(outcome.push.get(TAGS, other))
    assert after == {*one, *(set(other) - set(old))}
    assert theirs_after == {*other, *(set(one) - set(old))}
    settled_twice(base, mine, seen, how)


@given(words, words, words, st.sampled_from(Party), minutes, minutes)
@laws
def test_the_authority_s_word_counts_whatever_the_times_and_only_if_it_spoke(
    old: str, one: str, other: str, party: Party, ours_at: int, theirs_at: int
) -> None:
    how = rules(policies={TITLE: Policy.AUTHORITY}, authorities={TITLE: party})
    mine, seen = ours({TITLE: one}, ours_at), theirs({TITLE: other}, updated_at=at(theirs_at))
    outcome = merge(agreed({TITLE: old}), mine, seen, how)
    ends = outcome.take.get(TITLE, one), outcome.push.get(TITLE, other)
    spoke = one if party is Party.PORTAL else other
    changed = [each for each in (one, other) if each != old]
    wanted = spoke if spoke != old else changed[0] if changed else old
    assert ends == (wanted, wanted)
    settled_twice(agreed({TITLE: old}), mine, seen, how)


@given(words, words, words, words, st.sets(words), st.sampled_from(list(Policy)[:2]))
@laws
def test_what_a_person_rejected_is_never_taken_over_the_decision(
    old_ours: str, old_theirs: str, decision: str, other: str, shown: set[str], policy: Policy
) -> None:
    how = rules(policies={PHONE: policy})
    seen = [{PHONE: each} for each in shown]
    unit = UNITS[CANDIDATE][PHONE]
    pin = pinned(how, unit, {PHONE: decision}, seen, hasher=OWN, key_id="k", decided_at=at(5))
    mine = replace(ours({PHONE: decision}, 5), pins={PHONE: pin})
    base: Base = agreed({PHONE: old_theirs})
    base = {**base, PHONE: replace(base[PHONE], ours=agreed({PHONE: old_ours})[PHONE].ours)}
    outcome = merge(base, mine, theirs({PHONE: other}), how)
    if other in shown - {decision}:
        assert outcome.take == {}
    assert outcome.push.get(PHONE, decision) == decision


@given(posts, posts, posts, minutes, minutes)
@laws
def test_posts_of_both_sides_end_alike_and_rest(old: Any, one: Any, other: Any, ours_at: int, theirs_at: int) -> None:
    base = agreed({WORK: old})
    mine, seen = ours({WORK: one}, ours_at), theirs({WORK: other}, updated_at=at(theirs_at))
    outcome = merge(base, mine, seen, rules())
    assert held(outcome.take.get(WORK, one)) == held(outcome.push.get(WORK, other))
    settled_twice(base, mine, seen, rules())


@given(posts, posts, st.randoms(use_true_random=False))
@laws
def test_the_place_of_a_post_means_nothing(old: Any, new: Any, random: Any) -> None:
    shuffled = [*new]
    random.shuffle(shuffled)
    base, mine = agreed({WORK: old}), ours({WORK: old})
    one, other = (merge(base, mine, theirs({WORK: each}), rules()) for each in (new, shuffled))
    assert held(one.take.get(WORK, old)) == held(other.take.get(WORK, old))
    assert merge(agreed({WORK: new}), ours({WORK: shuffled}), theirs({WORK: new}), rules()).is_quiet


@given(posts, posts)
@laws
def test_a_first_meeting_loses_no_post_and_invents_none(one: Any, other: Any) -> None:
    outcome = merge({}, ours({WORK: one}), theirs({WORK: other}), rules())
    after = outcome.take.get(WORK, one)
    said = {part for each in (*one, *other) for part in each.items() if part[1]}
    assert all(part in said for each in after for part in each.items() if part[1])
    employers = {dict(each)["employer"] for each in contents(one) | contents(other)}
    assert {dict(each)["employer"] for each in contents(after)} == employers


RESPELLED: Mapping[NormalForm, tuple[JsonValue, ...]] = {
    NormalForm.TEXT: ("Baker of bread", " Baker  of bread", "Baker of\tbread "),
    NormalForm.NAME: ("Zo\u00eb", "Zoe\u0308", " Zo\u00eb "),
    NormalForm.EMAIL: ("ann@example.org", "Ann@Example.org", " ANN@EXAMPLE.ORG "),
    NormalForm.PHONE: ("+442079460018", "+44 (0)20 7946 0018", "020 7946 0018", "0044 20 79460018"),
    NormalForm.URL: ("https://example.org/a", "HTTPS://Example.org:443/a/", " https://example.org/a"),
    NormalForm.WORD: ("Full time", "full  TIME", " FULL TIME "),
    NormalForm.MOMENT: ("2026-05-04T12:00:00+00:00", "2026-05-04T14:00:00+02:00", "2026-05-04T12:00:00.000Z"),
    NormalForm.DATE: ("2026-05-04", " 2026-05-04 ", "2026-05-04T23:00:00-05:00"),
    NormalForm.MONTH: ("2018-09", "2018-09-01", "2018-09-30"),
    NormalForm.AMOUNT: ("50000", "50,000.00", " 50000.0"),
    NormalForm.VALUE: (" 3", "3 ", 3, 3.0),
    NormalForm.EXACT: ("yes",),
}
EMPTIES: tuple[JsonValue, ...] = (None, "", "  ", [])


@st.composite
def spellings(draw: st.DrawFn, field: str) -> JsonValue:
    """One value of *field*, in any spelling."""
    what = FIELDS[CANDIDATE][field]
    if what.members:
        members: dict[str, JsonValue] = {
            name: draw(st.sampled_from(RESPELLED[form])) for name, form in what.members.items()
        }
        left_out = draw(st.booleans())
        return [members] if what.identity else {**members, **({} if left_out else {"unknown": None})}
    text = draw(st.sampled_from(RESPELLED[what.normal]))
    if what.identity:
        return [{"value": text, **({"type": None} if draw(st.booleans()) else {})}]
    return [text] if field in {name for name, each in FIELDS[CANDIDATE].items() if each.kind.value == "set"} else text


@given(st.data(), st.sampled_from(sorted(FIELDS[CANDIDATE])))
@settings(max_examples=300, deadline=None)
def test_formatting_never_counts_as_a_change(data: st.DataObject, field: str) -> None:
    how = rules(forms={NormalForm.PHONE: phone_version("GB")})
    values = st.sampled_from(EMPTIES) if data.draw(st.booleans()) else spellings(field)
    agreed_on, mine, shown = (data.draw(values) for _ in range(3))
    base = merge({}, ours({field: agreed_on}, -60), theirs({field: agreed_on}, 0), how).base
    outcome = merge(base, ours({field: mine}, 30), theirs({field: shown}), how)
    assert (outcome.take, outcome.push, outcome.held) == ({}, {}, ())
    first = merge({}, ours({field: mine}, 30), theirs({field: shown}), how)
    assert (first.take, first.push, first.held) == ({}, {}, ())
