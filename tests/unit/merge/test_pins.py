"""A person's decision outranks automation, for as long as nobody shows what the person did not see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from pydantic import JsonValue

from shared.merge.fingerprints import link_hasher
from shared.merge.merge import merge
from shared.merge.normal_forms import VERSIONS
from shared.merge.pins import pinned
from shared.merge.state import NEVER, Fingerprint, Ours, Outcome, Pin, State, StoredBase, Writable
from shared.model.fields import UNITS, NormalForm, Policy
from tests.unit.merge.lab import CANDIDATE, HASHER, PHONE, TAGS, agreed, at, ours, rows, rules, theirs

OWN = link_hasher(b"a key of this app", "record/1")
SEEN = "020 1"


def pin(
    decision: Mapping[str, JsonValue], *shown: Mapping[str, JsonValue], unit: str = PHONE, before: Pin | None = None
) -> Pin:
    what = UNITS[CANDIDATE][unit]
    return pinned(rules(), what, decision, shown, hasher=OWN, key_id="k", decided_at=at(30), before=before)


def decided(
    shown: Mapping[str, JsonValue], base: StoredBase, *, known: Pin | None = None, **changes: object
) -> Outcome:
    """Ours is 020 2, chosen over 020 1."""
    mine = ours({PHONE: "020 2"}, 30)
    known = known or pin({PHONE: "020 2"}, {PHONE: SEEN}, {PHONE: "020 2"})
    return merge(base, replace(mine, pins={PHONE: known}), theirs(shown), rules(**changes))


def test_a_rejected_value_on_a_link_that_has_not_had_the_decision_is_overwritten() -> None:
    outcome = decided({PHONE: SEEN}, agreed({PHONE: "020 0"}))
    assert rows(outcome) == {PHONE: "pinned"}
    assert (outcome.push, outcome.held) == ({PHONE: "020 2"}, ())
    assert outcome.base[PHONE].ours == NEVER
    kept = agreed({PHONE: "020 0"})
    known = StoredBase({PHONE: replace(kept[PHONE], extra={"new": 1})})
    assert decided({PHONE: SEEN}, known).base[PHONE].extra == {"new": 1}


def test_a_pin_says_what_was_decided_and_when() -> None:
    known = pin({PHONE: "020 2"}, {PHONE: SEEN}, {PHONE: "020 2"})
    decision, rejected = OWN(PHONE, "0202"), OWN(PHONE, "0201")
    assert known == Pin(decision, frozenset({rejected}), at(30), OWN, 1, "k")


def test_a_rejected_value_put_back_by_the_vendor_is_held() -> None:
    outcome = decided({PHONE: SEEN}, agreed({PHONE: "020 2"}))
    assert rows(outcome) == {PHONE: "put_back"}
    assert (outcome.push, outcome.take) == ({}, {})
    assert [(held.unit, held.rule) for held in outcome.held] == [(PHONE, "put_back")]
    assert outcome.held[0].inputs == (HASHER(PHONE, "0202"), HASHER(PHONE, "0201"))


def test_a_value_that_the_person_never_saw_is_a_new_input() -> None:
    taken = decided({PHONE: "020 3"}, agreed({PHONE: "020 2"}))
    assert rows(taken) == {PHONE: "their_change"}
    held = decided({PHONE: "020 3"}, agreed({PHONE: "020 0"}))
    assert rows(held) == {PHONE: "both_changed"}
    assert held.held


def test_a_decision_that_the_vendor_can_not_take_rests() -> None:
    for writable in ({}, {PHONE: Writable()}):
        outcome = decided({PHONE: SEEN}, agreed({PHONE: "020 0"}), writable=writable)
        assert rows(outcome) == {PHONE: "cannot_write"}
        assert outcome.base[PHONE].state is State.DIVERGED
        assert decided({PHONE: SEEN}, StoredBase(outcome.base), writable=writable).is_quiet


def test_a_pin_counts_under_every_policy_of_a_value() -> None:
    outcome = decided({PHONE: SEEN}, agreed({PHONE: "020 2"}), policies={PHONE: Policy.LWW})
    assert rows(outcome) == {PHONE: "put_back"}


def test_a_pin_says_nothing_once_ours_is_something_else() -> None:
    other = pin({PHONE: "020 9"}, {PHONE: SEEN})
    assert rows(decided({PHONE: SEEN}, agreed({PHONE: "020 2"}), known=other)) == {PHONE: "their_change"}


def test_a_pin_is_one_for_all_links() -> None:
    """Two links have two keys, the record has its own."""
    keys = [link_hasher(b"a key of this app", f"link-{each}") for each in (1, 2)]
    for hasher in keys:
        outcome = decided({PHONE: SEEN}, agreed({PHONE: "020 2"}, hasher=hasher), hasher=hasher)
        assert rows(outcome) == {PHONE: "put_back"}


def test_a_second_decision_adds_to_what_was_rejected_less_its_own_choice() -> None:
    first = pin({PHONE: "020 2"}, {PHONE: "020 1"}, {PHONE: "020 2"})
    second = pin({PHONE: "020 3"}, {PHONE: "020 2"}, {PHONE: "020 3"}, before=first)
    back = pin({PHONE: "020 1"}, {PHONE: "020 3"}, before=second)
    hashes = {name: OWN(PHONE, name.replace(" ", "")) for name in ("020 1", "020 2", "020 3")}
    assert first.rejected == {hashes["020 1"]}
    assert second.rejected == {hashes["020 1"], hashes["020 2"]}
    assert back.decision == hashes["020 1"]
    assert back.rejected == {hashes["020 2"], hashes["020 3"]}


def test_what_was_rejected_under_another_key_or_form_is_not_carried_on() -> None:
    first = pin({PHONE: "020 2"}, {PHONE: "020 1"})
    for older in (replace(first, key_id="older"), replace(first, norm=first.norm + 1)):
        assert pin({PHONE: "020 3"}, {PHONE: "020 2"}, before=older).rejected == {OWN(PHONE, "0202")}


def test_a_pin_of_a_form_that_is_gone_has_ended() -> None:
    known = pin({PHONE: "020 2"}, {PHONE: SEEN})
    gone = replace(known, norm=VERSIONS[NormalForm.PHONE] + 7)
    assert rows(decided({PHONE: SEEN}, agreed({PHONE: "020 2"}), known=gone)) == {PHONE: "their_change"}


def test_a_side_that_did_not_show_the_unit_rejected_nothing() -> None:
    assert pin({PHONE: "020 2"}, {"email": "a@example.org"}).rejected == frozenset()


@pytest.mark.parametrize("shown", [{"first_name": "Ann"}, {"first_name": "Ann", "last_name": "Lee"}])
def test_a_group_is_pinned_in_the_members_that_are_shown(shown: dict[str, JsonValue]) -> None:
    known = pin({"first_name": "Anna", "last_name": "Lee"}, {"first_name": "Ann", "last_name": "Lee"}, unit="name")
    mine = {"first_name": "Anna", "last_name": "Lee"}
    base = agreed({name: mine[name] for name in shown})
    outcome = merge(base, replace(ours(mine, 30), pins={"name": known}), theirs(shown), rules())
    assert rows(outcome) == {"name": "put_back"}


@pytest.mark.parametrize(("last_name", "rule"), [("Lee", "put_back"), ("Li", "their_change")])
def test_a_member_that_was_hidden_from_the_person_is_rejected_with_the_rest_only_as_it_was_decided(
    last_name: str, rule: str
) -> None:
    """Found by a world: an edit of the hidden half was passed over as what the person had rejected."""
    mine = {"first_name": "Anna", "last_name": "Lee"}
    known = pin(mine, {"first_name": "Ann"}, unit="name")
    shown: dict[str, JsonValue] = {"first_name": "Ann", "last_name": last_name}
    outcome = merge(agreed(mine), replace(ours(mine, 30), pins={"name": known}), theirs(shown), rules())
    assert rows(outcome) == {"name": rule}


def test_a_list_that_is_one_value_can_be_pinned() -> None:
    how = rules(policies={TAGS: Policy.CRITICAL})
    known = pin({TAGS: ["a", "b"]}, {TAGS: ["a"]}, unit=TAGS)
    mine = replace(ours({TAGS: ["b", "a"]}, 30), pins={TAGS: known})
    base = StoredBase(merge({}, ours({TAGS: ["a", "b"]}, -60), theirs({TAGS: ["b", "a"]}, 0), how).base)
    assert rows(merge(base, mine, theirs({TAGS: ["a"]}), how)) == {TAGS: "put_back"}


def test_a_list_that_is_united_knows_no_pins() -> None:
    known = pin({TAGS: ["a", "b"]}, {TAGS: ["a"]}, unit=TAGS)
    mine = Ours({TAGS: ["a", "b"]}, {}, {TAGS: known})
    assert merge(agreed({TAGS: ["a", "b"]}), mine, theirs({TAGS: ["a"]}), rules()).take == {TAGS: ["a"]}


def test_prints_of_a_pin_hold_no_value() -> None:
    known = pin({PHONE: "020 2"}, {PHONE: SEEN})
    assert all(len(each) == len(HASHER("a", "b")) for each in (known.decision, *known.rejected))
    assert Fingerprint(SEEN) not in known.rejected
