"""Each planted bug is noticed by the world recorded for it; `test_engine_worlds.py` has that it holds without."""

from __future__ import annotations

import pytest

from tests.simulation.engine.plan import plan_of
from tests.simulation.engine.play import play
from tests.simulation.planted.mutant import Mutant
from tests.simulation.planted.mutants import MUTANTS

ENOUGH = 25
MOST_SEED = 2_000
FEWEST_LETTERS = 10


def test_there_are_enough_and_each_has_a_seed_of_its_own_to_show() -> None:
    assert len(MUTANTS) >= ENOUGH
    assert len({each.name for each in MUTANTS}) == len(MUTANTS)
    assert all(1 <= each.seed <= MOST_SEED for each in MUTANTS)
    assert [each.name for each in MUTANTS if len(each.words) < FEWEST_LETTERS or "raised" in each.words] == []


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda each: each.name.replace(" ", "_"))
def test_a_planted_bug_is_noticed(mutant: Mutant) -> None:
    with mutant.planted():
        noticed = play(plan_of(mutant.seed))
    assert noticed.failure is not None, f"pain {mutant.pain}: nobody notices"
    assert mutant.words in noticed.failure


def test_a_bug_is_gone_when_its_block_ends() -> None:
    for mutant in MUTANTS:
        before = mutant.planted_name()
        with mutant.planted():
            assert mutant.planted_name() is not before
        assert mutant.planted_name() is before
