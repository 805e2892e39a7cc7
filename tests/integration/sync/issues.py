"""The issues that people see."""

from __future__ import annotations

from tests.integration.sync.world import World


async def open_issues(world: World) -> set[str]:
    """Return the kinds of those that are open."""
    return {row["kind"] for row in await world.rows("SELECT kind FROM issues WHERE ended_at IS NULL")}
