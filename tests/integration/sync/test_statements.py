"""Pages are written set by set: the number of statements does not grow with the number of records."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg import AsyncConnection

from shared.model import EntityType
from tests.integration.sync.world import World


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
    """Forty people, then four hundred more, then a change of them all: each is one page."""
    taken = []
    for people in (0, 400):
        if people:
            await world.control.post("/fill", json={"people": people})
        statements.clear()
        run = await world.run_of(await world.pull(EntityType.CANDIDATE, mode="full"))
        assert run["pages"] == 1
        taken.append(len(statements))
    small, large = taken
    assert small <= large <= small + 2, taken
