"""An outbound run that takes longer than one invocation may."""

from __future__ import annotations

from shared.model import Direction, EntityType
from shared.sync.jobs.priorities import PUSH_MOVED
from shared.sync.reconciling import outbound
from shared.sync.reconciling.outbound import OutboundSweep
from tests.integration.sync.world import World


async def test_it_goes_on_from_the_record_that_was_last(world: World) -> None:
    await world.pull()
    people = await world.rows("SELECT id FROM records WHERE entity_type = 'candidate' ORDER BY id")
    moved = [row["id"] for row in people][:5]
    for each in moved:
        await world.edit_here(EntityType.CANDIDATE, each, current_title="Moved here")
    await world.rows("DELETE FROM sync_queue WHERE status = 'pending' RETURNING 1")
    run_id = await world.services.syncs.request(
        world.company_id, world.integration_id, direction=Direction.OUTBOUND, entity=EntityType.CANDIDATE
    )
    world.services.handlers[PUSH_MOVED] = OutboundSweep(
        world.services.database, world.services.store, time_budget_s=0.0, batch=2
    )
    await world.drain()
    run = await world.run_of(run_id)
    assert (run["status"], run["pages"], run["records_read"]) == ("complete", 3, len(moved))
    titles = {row["id"]: row["title"] for row in (await world.vendor_state())["candidates"]}
    assert list(titles.values()).count("Moved here") == len(moved)
    assert outbound.AFTER in (await world.row("SELECT payload FROM sync_queue WHERE action = 'push_moved'"))["payload"]
