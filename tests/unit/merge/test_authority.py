"""One party has the last word in a unit; the other side's edits are requests to it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import JsonValue

from shared.merge.merge import merge
from shared.merge.settle import refuse, with_intents
from shared.merge.state import Rules, State, StoredBase, Writable
from shared.model.fields import Party, Policy
from tests.unit.merge.lab import PHONE, TAGS, TITLE, agreed, applied, ours, rows, rules, theirs

PORTAL, INTEGRATION = Party


def ruled_by(party: Party | None, **changes: object) -> Rules:
    authorities = {} if party is None else {TITLE: party}
    return rules(policies={TITLE: Policy.AUTHORITY}, authorities=authorities, **changes)


@pytest.mark.parametrize("party", [PORTAL, INTEGRATION, None])
@pytest.mark.parametrize("ours_at", [-30, 30])
def test_where_both_changed_the_authority_s_value_stands_whatever_the_times(party: Party | None, ours_at: int) -> None:
    outcome = merge(agreed({TITLE: "Baker"}), ours({TITLE: "Chef"}, ours_at), theirs({TITLE: "Cook"}), ruled_by(party))
    assert rows(outcome) == {TITLE: "authority"}
    taken, pushed = ({TITLE: "Cook"}, {}) if party is INTEGRATION else ({}, {TITLE: "Chef"})
    assert (outcome.take, outcome.push) == (taken, pushed)


@pytest.mark.parametrize(("party", "take"), [(PORTAL, {}), (INTEGRATION, {TITLE: "Cook"})])
def test_at_a_first_meeting_the_authority_s_value_stands(party: Party, take: dict[str, JsonValue]) -> None:
    outcome = merge({}, ours({TITLE: "Chef"}, 30), theirs({TITLE: "Cook"}), ruled_by(party))
    assert (rows(outcome), outcome.take) == ({TITLE: "first_meeting"}, take)


@pytest.mark.parametrize("party", Party)
def test_an_authority_that_did_not_change_overrides_nobody(party: Party) -> None:
    base = agreed({TITLE: "Baker"})
    pushed = merge(base, ours({TITLE: "Chef"}, 30), theirs({TITLE: "Baker"}), ruled_by(party))
    assert (rows(pushed), pushed.push) == ({TITLE: "our_change"}, {TITLE: "Chef"})
    taken = merge(base, ours({TITLE: "Baker"}), theirs({TITLE: "Cook"}), ruled_by(party))
    assert (rows(taken), taken.take) == ({TITLE: "their_change"}, {TITLE: "Cook"})


def test_a_request_that_the_authority_refuses_is_taken_back_and_told() -> None:
    how, mine = ruled_by(INTEGRATION), ours({TITLE: "Chef"}, 30)
    asked = merge(agreed({TITLE: "Baker"}), mine, theirs({TITLE: "Baker"}), how)
    base = refuse(with_intents(asked.base, asked.intents), [TITLE], asked.intents, "not now")
    undone = merge(base, mine, theirs({TITLE: "Baker"}, 70), how)
    assert (rows(undone), undone.take, undone.issues) == ({TITLE: "restored"}, {TITLE: "Baker"}, (TITLE,))
    rest = merge(undone.base, applied(mine, undone), theirs({TITLE: "Baker"}, 80), how)
    assert (rest.is_quiet, rest.issues) == (True, ())
    again = merge(undone.base, mine, theirs({TITLE: "Baker"}, 90), how)
    assert again.push == {TITLE: "Chef"}, "asked once more, it is a new request"


def test_an_edit_of_what_the_authority_can_not_be_asked_is_taken_back() -> None:
    how = ruled_by(INTEGRATION, writable={TITLE: Writable()})
    outcome = merge(agreed({TITLE: "Baker"}), ours({TITLE: "Chef"}, 30), theirs({TITLE: "Baker"}), how)
    assert (rows(outcome), outcome.take) == ({TITLE: "restored"}, {TITLE: "Baker"})


@pytest.mark.parametrize("how", [ruled_by(PORTAL, writable={}), ruled_by(INTEGRATION, writable={}, inbound=False)])
def test_what_can_not_come_back_stays_apart(how: Rules) -> None:
    outcome = merge(agreed({TITLE: "Baker"}), ours({TITLE: "Chef"}, 30), theirs({TITLE: "Baker"}), how)
    assert (rows(outcome), outcome.take, outcome.issues) == ({TITLE: "cannot_write"}, {}, ())
    assert outcome.base[TITLE].state is State.DIVERGED


@pytest.mark.parametrize("unit", [TITLE, PHONE])
@pytest.mark.parametrize("party", Party)
def test_on_first_link_one_side_can_be_preferred(unit: str, party: Party) -> None:
    how = rules(first_link=party)
    mine, shown = ours({unit: "020 1"}, 30), theirs({unit: "020 2"})
    outcome = merge({}, mine, shown, how)
    assert (rows(outcome), outcome.held) == ({unit: "first_meeting"}, ())
    assert outcome.take == ({} if party is PORTAL else {unit: "020 2"})
    assert outcome.push == ({unit: "020 1"} if party is PORTAL else {})


def test_a_preference_on_first_link_says_nothing_later() -> None:
    how = rules(first_link=INTEGRATION)
    outcome = merge(agreed({PHONE: "020 0"}), ours({PHONE: "020 1"}, 30), theirs({PHONE: "020 2"}), how)
    assert outcome.held


def test_a_list_that_is_appended_to_loses_nothing_on_either_side() -> None:
    how = rules(policies={TAGS: Policy.APPEND})
    base = StoredBase(merge({}, ours({TAGS: ["a", "b", "c"]}, -60), theirs({TAGS: ["a", "b", "c"]}, 0), how).base)
    mine, shown = ours({TAGS: ["a", "b", "d"]}, 30), theirs({TAGS: ["b", "c", "e"]})
    outcome = merge(base, mine, shown, how)
    assert outcome.take == {TAGS: ["a", "b", "d", "e"]}, "c was removed here, and stays so"
    assert outcome.push == {TAGS: ["b", "c", "e", "d"]}, "a was removed there, and stays so"
    settled = merge(
        with_intents(outcome.base, {}), applied(mine, outcome), replace(shown, values={TAGS: ["b", "c", "e", "d"]}), how
    )
    assert settled.is_quiet
