"""What a deleted integration may not leave behind."""

from __future__ import annotations

from tests.integration.sync.world import World

LEFT = (
    "SELECT 1 FROM issues WHERE ended_at IS NULL",
    "SELECT 1 FROM quarantine WHERE ended_at IS NULL",
    "SELECT 1 FROM dead_letters WHERE state = 'open'",
    "SELECT 1 FROM create_intents WHERE state = 'open'",
    "SELECT 1 FROM sync_queue WHERE integration_id = %(old)s AND status = 'pending' AND action = 'reconcile'",
)


async def nothing_waits(world: World) -> bool:
    """Whether nothing is left that waits for the deleted integration, jobs, issues and letters alike."""
    return not any(await world.rows_of(LEFT, old=world.integration_id))
