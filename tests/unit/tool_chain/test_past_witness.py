"""The witness of the past: what it lets a record have been at a moment, and what not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from tests.past_proof.witness import Data, Look, Witness

PERSON = UUID(int=1)
START = datetime(2026, 1, 1, tzinfo=UTC)
ONE, OTHER = ("one", "7"), ("other", "8")
BEFORE: Data = {"first_name": "Ada", "last_name": "King", "current_title": "old", "phone": "+1", "tags": ["a", "b"]}
AFTER: Data = {"first_name": "Ada", "last_name": "Byron", "current_title": "new", "phone": "+2", "tags": ["a", "c"]}


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


@pytest.fixture
def witness() -> Witness:
    """One round of workers, from second 10 to second 20, brought what the people of two vendors had written."""
    links = {PERSON: frozenset({ONE, OTHER})}
    known = Witness(Look(at(0), at(0), {PERSON: BEFORE}, links))
    known.wrote_there(ONE, BEFORE, {**BEFORE, "current_title": "between"}, at(1), at(2))
    known.looks.append(Look(at(10), at(20), {PERSON: AFTER}, links))
    return known


@pytest.mark.parametrize(("second", "stood"), [(0, BEFORE), (9.9, BEFORE), (20, AFTER), (30, AFTER)])
def test_between_steps_one_answer_is_right(witness: Witness, second: float, stood: Data) -> None:
    standing = witness.at(at(second), PERSON)
    assert standing.is_certain
    assert [each for each in (BEFORE, AFTER, {**BEFORE, "phone": "+2"}, None) if standing.admits(each)] == [stood]


@pytest.mark.parametrize(
    "told",
    [
        BEFORE,
        AFTER,
        pytest.param({**BEFORE, "phone": "+2"}, id="one vendor's job is done, the other's is not"),
        pytest.param({**AFTER, "current_title": "between"}, id="what the second job replaces"),
        pytest.param({**AFTER, "tags": ["a", "b", "c"]}, id="a list to which the second job gives its part"),
    ],
)
def test_while_workers_run_each_unit_is_judged_by_itself(witness: Witness, told: Data) -> None:
    standing = witness.at(at(15), PERSON)
    assert not standing.is_certain
    assert standing.admits(told)


@pytest.mark.parametrize(
    "told",
    [
        None,
        pytest.param({**AFTER, "current_title": "invented"}, id="a value nobody wrote"),
        pytest.param({**AFTER, "last_name": None}, id="a value gone"),
        pytest.param({**AFTER, "tags": ["a", "z"]}, id="an element nobody wrote"),
        pytest.param({**AFTER, "current_company": "invented"}, id="a field that was empty"),
    ],
)
def test_what_nobody_wrote_is_never_right(witness: Witness, told: Data | None) -> None:
    assert not witness.at(at(15), PERSON).admits(told)
