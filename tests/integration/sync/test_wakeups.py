"""A wait that was over before it began is seen, whichever way the two transactions interleave."""

from __future__ import annotations

import asyncio

from shared.model import Direction, EntityType
from shared.store.ledger import JobRequest
from shared.sync.jobs import waiting
from shared.sync.jobs.priorities import RECONCILE
from shared.sync.jobs.wakeups import wake_what_is_over
from tests.integration.sync.world import World


async def held(world: World, reason: str) -> str:
    """Add a job that waits for *reason*."""
    async with world.services.database.company(world.company_id) as tx:
        request = JobRequest(
            world.integration_id,
            RECONCILE,
            EntityType.APPLICATION,
            "ext:child",
            Direction.INBOUND,
            5,
            hold_reason=reason,
        )
        await world.services.store.ledger.enqueue(tx, [request])
    return reason


async def is_waiting(world: World) -> bool:
    """Whether the job still waits."""
    row = await world.row("SELECT hold_reason FROM sync_queue WHERE record_key = 'ext:child'")
    return row["hold_reason"] is not None


async def test_a_parent_that_came_in_meanwhile_ends_the_wait(world: World) -> None:
    await world.pull(EntityType.CANDIDATE)
    known = (await world.vendor_state())["candidates"][0]["id"]
    reason = await held(world, waiting.parent(world.integration_id, EntityType.CANDIDATE, str(known)))
    async with world.services.database.company(world.company_id) as tx:
        (knock,) = await wake_what_is_over(tx, world.services.store, world.integration_id, [reason])
    assert knock.company_id == world.company_id
    assert not await is_waiting(world)


async def test_a_parent_that_is_not_there_is_waited_for(world: World) -> None:
    reason = await held(world, waiting.parent(world.integration_id, EntityType.CANDIDATE, "404"))
    async with world.services.database.company(world.company_id) as tx:
        assert await wake_what_is_over(tx, world.services.store, world.integration_id, [reason]) == []
    assert await is_waiting(world)


async def test_a_brake_that_was_decided_meanwhile_ends_the_wait_and_a_pulled_one_does_not(world: World) -> None:
    """Between the brake's answer and the wait somebody rejected: nobody else wakes the job."""
    reason = await held(world, waiting.brake(world.integration_id))
    brakes = world.services.store.delete_brakes
    async with world.services.database.company(world.company_id) as tx:
        await brakes.pull(tx, world.integration_id, EntityType.CANDIDATE, disappeared=2, allowed=1)
        assert await wake_what_is_over(tx, world.services.store, world.integration_id, [reason]) == []
    assert await is_waiting(world)
    async with world.services.database.company(world.company_id) as tx:
        assert await brakes.decide(tx, world.integration_id, state="rejected", by="jo") is not None
    async with world.services.database.company(world.company_id) as tx:
        (knock,) = await wake_what_is_over(tx, world.services.store, world.integration_id, [reason])
    assert knock.company_id == world.company_id
    assert not await is_waiting(world)


async def test_a_look_waits_for_whoever_is_just_ending_waits(world: World) -> None:
    """The parent's transaction released before the wait was there, and commits after: the look sees its link."""
    await world.pull(EntityType.CANDIDATE)
    known = str((await world.vendor_state())["candidates"][0]["id"])
    reason = waiting.parent(world.integration_id, EntityType.CANDIDATE, known)
    services = world.services
    await world.rows(
        "UPDATE external_entity_map SET external_id = 'hidden' WHERE external_id = %(id)s RETURNING 1", id=known
    )

    async def look() -> int:
        async with services.database.company(world.company_id) as tx:
            return len(await wake_what_is_over(tx, services.store, world.integration_id, [reason]))

    async with services.database.company(world.company_id) as parent:
        await parent.run("UPDATE external_entity_map SET external_id = %(id)s WHERE external_id = 'hidden'", id=known)
        assert await services.store.ledger.release_held(parent, world.integration_id, [reason]) == []
        await held(world, reason)
        looking = asyncio.create_task(look())
        done, _ = await asyncio.wait({looking}, timeout=0.3)
        assert not done
    assert await looking == 1
    assert not await is_waiting(world)
