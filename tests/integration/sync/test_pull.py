"""Pulls over a real database and a real HTTP vendor."""

from __future__ import annotations

from shared.model import EntityType
from tests.integration.sync.world import World


async def test_a_first_sync_brings_everything_in(world: World) -> None:
    run_id = await world.pull()
    run = await world.run_of(run_id)
    children = await world.rows("SELECT * FROM runs WHERE parent_id = %(id)s ORDER BY started_at", id=run_id)
    print([(c["entity_type"], c["status"], c["records_read"], c["records_created"], c["records_skipped"], c["records_quarantined"], c["error"]) for c in children])
    print(run)
    print(await world.rows("SELECT action, entity_type, status, hold_reason, record_key, error_message FROM sync_queue WHERE status <> 'completed' LIMIT 20"))
    print(await world.rows("SELECT * FROM quarantine"))
    assert run["status"] == "complete"
