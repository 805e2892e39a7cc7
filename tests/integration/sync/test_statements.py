"""Pages are written set by set: the number of statements does not grow with the number of records."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from psycopg import AsyncConnection

from shared.model import EntityType
from tests.integration.sync.world import World

OF_RECORDS = ("FROM records", "INTO records", "UPDATE records", "external_entity_map", "sync_logs", "record_history")
"""Items for people are few, and put one by one."""

WHEN_IN_DOUBT = "identity_pairs"
"""One statement more for a page on which somebody may be known already."""


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement that is executed from now on."""
    seen: list[str] = []
    execute: Any = AsyncConnection.execute

    async def noting(self: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        seen.append(str(query))
        return await execute(self, query, *arguments, **options)

    monkeypatch.setattr(AsyncConnection, "execute", noting)
    return seen


async def test_a_page_takes_as_many_statements_whatever_its_size(world: World, statements: list[str]) -> None:
    """Ten people come, then four hundred more: each time it is one page."""
    await world.pull(EntityType.CANDIDATE, mode="full")
    taken = []
    for people in (10, 400):
        await world.control.post("/fill", json={"people": people})
        statements.clear()
        run = await world.run_of(await world.pull(EntityType.CANDIDATE, mode="full"))
        assert (run["pages"], run["records_created"]) == (1, people)
        of_records = [each for each in statements if any(name in each for name in OF_RECORDS)]
        assert sum(WHEN_IN_DOUBT in each for each in of_records) <= 1
        taken.append(Counter(each for each in of_records if WHEN_IN_DOUBT not in each))
    assert taken[0] == taken[1]
    assert max(taken[1].values()) < 10
