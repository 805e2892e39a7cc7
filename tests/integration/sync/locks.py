"""Who waits for whose lock."""

from __future__ import annotations

from tests.integration.sync.world import World

WAITING = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


async def waiting(world: World, transactions: int) -> bool:
    """Whether that many transactions wait for another one's lock."""
    found = await world.rows(
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0"
    )
    return len(found) == transactions
