"""Waits that no test sits out: what would be due, or shown, only later."""

from __future__ import annotations

from tests.integration.sync.world import World


async def due_now(world: World) -> None:
    """Let every pending job be due: the clock is not waited for."""
    await world.rows(
        "UPDATE sync_queue SET scheduled_at = clock_timestamp() WHERE status = 'pending' AND hold_reason IS NULL"
        " RETURNING 1"
    )


async def after_the_lag(world: World) -> None:
    """Let the vendor's search show everything, and everything that waits be done."""
    await world.rows("UPDATE create_intents SET sent_at = sent_at - interval '5 min' RETURNING 1")
    for _ in range(3):
        await due_now(world)
        await world.drain()
