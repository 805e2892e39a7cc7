"""A few seeds of the differential run; `python -m tests.contract.store.differential --seeds 1-500` for more."""

from __future__ import annotations

import pytest

from tests.contract.store import differential
from tests.contract.store.ground import MemoryGround, PostgresGround
from tests.simulation.store.memory import Memory


@pytest.mark.parametrize("seed", range(1, 9))
async def test_both_stores_do_the_same(postgres_ground: PostgresGround, seed: int) -> None:
    await differential.compare(seed, postgres_ground)


async def test_the_same_seed_tells_the_same_story() -> None:
    steps = differential.plan(1)
    assert await differential.play(MemoryGround(), steps) == await differential.play(MemoryGround(), steps)


async def test_a_store_that_is_not_the_same_is_noticed(
    postgres_ground: PostgresGround, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unique keys are what it forgets here."""

    class Forgetful(Memory):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments)  # type: ignore[arg-type]
            for table in self.tables.values():
                table._constraints = ()

    async def compare_some() -> None:
        for seed in range(1, 16):
            await differential.compare(seed, postgres_ground)

    monkeypatch.setattr("tests.simulation.store.memory.Memory", Forgetful)
    with pytest.raises(AssertionError, match="seed"):
        await compare_some()
