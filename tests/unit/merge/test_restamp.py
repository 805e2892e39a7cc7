"""A release that changes a normal form, or a new key, finds nothing changed that was not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import JsonValue

from shared.merge import normal_forms
from shared.merge.draft import Draft
from shared.merge.fingerprints import link_hasher, mark_of
from shared.merge.merge import merge
from shared.merge.restamp import restamped
from shared.merge.settle import open_intents, refuse, with_intents
from shared.merge.state import EMPTY, NEVER, Base, Rules, StoredBase
from shared.model.fields import UNITS, NormalForm, Policy
from shared.model.records import JsonObject
from tests.unit.merge.lab import CANDIDATE, HASHER, PHONE, TAGS, TITLE, agreed, at, ours, rows, rules, theirs

NEW_KEY = rules(hasher=link_hasher(b"another key", "link-1"), key_id=2, retired={1: HASHER})
NAME: JsonObject = {"first_name": "Ann", "last_name": "Lee"}
PHONES, WORK = "further_phones", "work_history"


def test_under_a_new_key_nothing_has_changed_and_everything_is_stamped_anew() -> None:
    values: JsonObject = {
        TITLE: "Baker",
        PHONE: None,
        TAGS: ["a", "b"],
        PHONES: [{"value": "1", "type": "home"}],
        **NAME,
    }
    base = agreed(values)
    outcome = merge(base, ours(values), theirs(values), NEW_KEY)
    assert (outcome.is_quiet, outcome.decisions) == (True, ())
    assert {unit.key_id for unit in outcome.base.values()} == {2}
    assert outcome.base == {
        name: replace(unit, seen_at=at(60))
        for name, unit in merge({}, ours(values), theirs(values), NEW_KEY).base.items()
    }


@pytest.mark.parametrize(("o", "t", "row"), [("Cook", "Baker", "our_change"), ("Baker", "Cook", "their_change")])
def test_a_change_of_one_side_stays_one(o: str, t: str, row: str) -> None:
    outcome = merge(agreed({TITLE: "Baker"}), ours({TITLE: o}, 5), theirs({TITLE: t}), NEW_KEY)
    assert rows(outcome) == {TITLE: row}
    assert (outcome.push, outcome.take) == (({TITLE: "Cook"}, {}) if o == "Cook" else ({}, {TITLE: "Cook"}))


def test_changes_of_both_sides_stay_two() -> None:
    outcome = merge(agreed({PHONE: "1"}), ours({PHONE: "2"}, 5), theirs({PHONE: "3"}), NEW_KEY)
    assert [held.rule for held in outcome.held] == ["both_changed"]


def test_a_removed_element_stays_removed() -> None:
    base = agreed({TAGS: ["a", "b", "c", "d"]})
    outcome = merge(base, ours({TAGS: ["a", "c"]}), theirs({TAGS: ["a", "b"]}), NEW_KEY)
    assert (outcome.take, outcome.push) == ({TAGS: ["a"]}, {TAGS: ["a"]})
    detailed = agreed({PHONES: [{"value": "1", "type": "home"}]})
    mine = ours({PHONES: [{"value": "1", "type": "work"}]}, 5)
    outcome = merge(detailed, mine, theirs({PHONES: [{"value": "1", "type": "home"}]}), NEW_KEY)
    assert outcome.push == {PHONES: [{"value": "1", "type": "work"}]}


def test_hidden_parts_of_a_group_are_met_anew() -> None:
    base = agreed(NAME)
    part = merge(base, ours(NAME), theirs({"first_name": "Ann"}), NEW_KEY)
    assert part.is_quiet
    whole = merge(part.base, ours(NAME), theirs({**NAME, "last_name": "Li"}, 70), NEW_KEY)
    assert [held.rule for held in whole.held] == ["first_meeting"]


def test_an_open_intent_and_a_refusal_are_carried_over() -> None:
    mine = ours({TITLE: "Cook"}, 5)
    sent = merge(agreed({TITLE: "Baker"}), mine, theirs({TITLE: "Baker"}), rules())
    known = with_intents(sent.base, sent.intents)
    landed = merge(known, mine, theirs({TITLE: "Cook"}, 70), NEW_KEY)
    assert (landed.is_quiet, open_intents(landed.base)) == (True, frozenset())
    assert "own_write" in {str(each.rule) for each in landed.decisions}
    refused = refuse(known, [TITLE], sent.intents, "no")
    quiet = merge(refused, mine, theirs({TITLE: "Baker"}, 70), NEW_KEY)
    assert (quiet.is_quiet, quiet.base[TITLE].blocked == quiet.base[TITLE].ours) == (True, True)
    # An intent that is neither side's present value can't be told any more: as if it had not landed.
    gone = merge(known, ours({TITLE: "Chef"}, 65), theirs({TITLE: "Baker"}, 70), NEW_KEY)
    assert (gone.push, open_intents(gone.base)) == ({TITLE: "Chef"}, frozenset())
    assert gone.base[TITLE].blocked is None
    edited = merge(refused, ours({TITLE: "Chef"}, 65), theirs({TITLE: "Baker"}, 70), NEW_KEY)
    assert (edited.push, edited.base[TITLE].blocked) == ({TITLE: "Chef"}, None)


def test_a_refused_list_is_carried_over_too() -> None:
    whole = {TAGS: Policy.LWW}
    mine = ours({TAGS: ["b"]}, 5)
    sent = merge(agreed({TAGS: ["a"]}, policies=whole), mine, theirs({TAGS: ["a"]}), rules(policies=whole))
    refused = refuse(sent.base, [TAGS], sent.intents, "no")
    quiet = merge(refused, mine, theirs({TAGS: ["a"]}, 70), replace(NEW_KEY, policies=whole))
    assert quiet.is_quiet
    assert quiet.base[TAGS].blocked == mark_of(quiet.base[TAGS].ours)


def test_late_normalisation_is_carried_over() -> None:
    def upper(_name: str, value: JsonValue) -> JsonValue:
        return value.upper() if isinstance(value, str) else value

    base = merge({}, ours({TITLE: "Baker"}), theirs({TITLE: "Baker"}, 0), rules(expected=upper)).base
    assert base[TITLE].expects is not None
    late = merge(base, ours({TITLE: "Cook"}, 5), theirs({TITLE: "BAKER"}), replace(NEW_KEY, expected=upper))
    assert late.push == {TITLE: "Cook"}


def test_what_the_vendor_was_to_make_of_ours_is_forgotten_where_nobody_shows_it() -> None:
    base = {TITLE: replace(agreed({TITLE: "Baker"})[TITLE], expects=HASHER(TITLE, "BAKER"))}
    assert merge(base, ours({TITLE: "Baker"}), theirs({TITLE: "Baker"}), NEW_KEY).base[TITLE].expects is None
    apart = merge(base, ours({TITLE: "Cook"}, 5), theirs({TITLE: "Baker"}), replace(NEW_KEY, outbound=False))
    assert apart.base[TITLE].expects is None


def test_details_that_both_changed_are_a_change_of_both() -> None:
    base = agreed({PHONES: [{"value": "1", "type": "home"}]})
    mine: list[JsonValue] = [{"value": "1"}]
    their: list[JsonValue] = [{"value": "1", "type": "work"}]
    outcome = merge(base, ours({PHONES: mine}, 30), theirs({PHONES: their}), NEW_KEY)
    assert (outcome.take, outcome.push) == ({}, {PHONES: mine})


def test_parts_of_a_name_that_both_changed_wait_for_a_person() -> None:
    mine = ours({**NAME, "first_name": "Anna"}, 5)
    outcome = merge(agreed(NAME), mine, theirs({"first_name": "Anne"}), NEW_KEY)
    assert [held.unit for held in outcome.held] == ["name"]


def test_a_namesake_that_was_removed_stays_removed() -> None:
    posts: list[JsonObject] = [{"employer": "Acme", "title": title} for title in ("Baker", "Chef")]
    first, second = posts
    base = agreed({WORK: [first, second]})
    outcome = merge(base, ours({WORK: [first]}, 5), theirs({WORK: [second, first]}), NEW_KEY)
    assert (outcome.take, outcome.push) == ({}, {WORK: [first]})
    outcome = merge(base, ours({WORK: [first]}, 5), theirs({WORK: [first]}), NEW_KEY)
    assert (outcome.is_quiet, outcome.decisions) == (True, ())


def test_one_of_two_namesakes_that_both_sides_kept_is_no_newcomer() -> None:
    posts: list[JsonValue] = [{"employer": "Acme", "title": title} for title in ("Baker", "Chef")]
    base, mine = agreed({WORK: posts}), ours({WORK: posts[:1]}, -30)
    outcome = merge(base, mine, theirs({WORK: []}), NEW_KEY)
    assert (outcome.take, outcome.push) == ({WORK: []}, {})


def test_counts_and_aliases_begin_anew() -> None:
    base = {TITLE: replace(agreed({TITLE: "Baker"})[TITLE], bounces=2, bounce=NEVER, aliases={NEVER: EMPTY})}
    unit = merge(base, ours({TITLE: "Baker"}, rank=2), theirs({TITLE: "Baker"}), NEW_KEY).base[TITLE]
    assert (unit.bounces, unit.bounce, unit.aliases) == (0, None, None)


def test_a_pending_decision_stays_pending() -> None:
    base = {TITLE: replace(agreed({TITLE: "Baker"})[TITLE], ours=NEVER)}
    assert merge(base, ours({TITLE: "Cook"}), theirs({TITLE: "Baker"}), NEW_KEY).push == {TITLE: "Cook"}


@pytest.fixture
def loud_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """A release whose TEXT folds case; the one before kept it."""
    before = normal_forms.form_of(NormalForm.TEXT)
    monkeypatch.setitem(normal_forms.PREVIOUS, (NormalForm.TEXT, 1), before)
    monkeypatch.setitem(normal_forms.VERSIONS, NormalForm.TEXT, 2)
    monkeypatch.setitem(normal_forms._FORMS, NormalForm.TEXT, lambda value: before(value).upper())


@pytest.mark.usefixtures("loud_text")
def test_a_new_form_compares_under_the_old_one_first() -> None:
    old = link_base()
    outcome = merge(
        old, ours({TITLE: "Baker", TAGS: ["a", "b"]}), theirs({TITLE: "Cook", TAGS: ["a", "B", "b"]}), rules()
    )
    assert outcome.take[TITLE] == "Cook"
    assert outcome.base[TITLE].norm == 2


def link_base() -> Base:
    hashed = {each: HASHER("tags", each) for each in "ab"}
    title = HASHER(TITLE, "Baker")
    tags = {hashed["a"]: hashed["a"], hashed["b"]: hashed["b"]}
    plain = agreed({TITLE: "x", TAGS: ["x"]})
    return {
        TITLE: replace(plain[TITLE], ours=title, theirs=title, norm=1),
        TAGS: replace(plain[TAGS], ours=tags, theirs=tags, norm=1),
    }


@pytest.mark.parametrize(
    "how", [rules(hasher=link_hasher(b"another key", "link-1"), key_id=2), replace(NEW_KEY, retired={7: HASHER})]
)
def test_under_a_key_that_is_gone_they_meet_for_the_first_time(how: Rules) -> None:
    base = agreed({PHONE: "1", TITLE: "Baker"})
    outcome = merge(base, ours({PHONE: "2", TITLE: "Baker"}, 5), theirs({PHONE: "1", TITLE: "Baker"}), how)
    assert [held.rule for held in outcome.held] == ["first_meeting"]
    assert PHONE not in outcome.base
    assert rows(outcome)[TITLE] == "equal"
    old = {TITLE: replace(agreed({TITLE: "Baker"})[TITLE], norm=9)}
    assert rows(merge(old, ours({TITLE: "Baker"}), theirs({TITLE: "Baker"}), rules())) == {TITLE: "equal"}


def test_all_that_a_base_keeps_is_made_anew() -> None:
    unit, old = UNITS[CANDIDATE][TITLE], agreed({TITLE: "Baker"})[TITLE]
    base = replace(old, intent=old.ours, intent_expects=old.ours, expects=old.ours)
    draft = Draft(ours({TITLE: "Baker"}), theirs({TITLE: "Baker"}), NEW_KEY, StoredBase({TITLE: base}))
    now = NEW_KEY.hasher(TITLE, "Baker")
    renewed = replace(base, ours=now, theirs=now, key_id=2, intent=now, intent_expects=now, expects=now)
    assert restamped(draft, unit, (TITLE,), base) == renewed
    assert draft.base[TITLE] == renewed


@pytest.mark.usefixtures("loud_text")
def test_a_base_says_which_form_it_was_made_anew_in() -> None:
    unit, both = UNITS[CANDIDATE][TITLE], {TITLE: "Baker"}
    base = link_base()[TITLE]
    draft = Draft(ours(both), theirs(both), rules(), StoredBase({TITLE: base}))
    now = HASHER(TITLE, "BAKER")
    assert restamped(draft, unit, (TITLE,), base) == replace(base, ours=now, theirs=now, norm=2)
