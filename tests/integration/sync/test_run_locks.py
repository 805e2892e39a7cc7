"""Runs and the runs under them are locked in one order: parents first, so that nobody waits in a circle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import psycopg

from shared.model import Direction, EntityType, RunStatus
from shared.store.ledger import Claim
from tests.fixtures.waiting import until
from tests.integration.sync.locks import waiting
from tests.integration.sync.world import World


async def test_an_outbound_run_that_ends_and_the_cancelling_of_its_parent_wait_for_one_another(world: World) -> None:
    await world.drain()
    parent_id = await asked_for(world, Direction.OUTBOUND)
    claim = await claimed(world)
    job = await world.row("SELECT run_id FROM sync_queue WHERE id = %(id)s", id=claim.job_id)

    async with locked(world, job["run_id"]):
        working = asyncio.create_task(world.services.runner.run(claim))
        await until(lambda: waiting(world, 1))
        cancelling = asyncio.create_task(world.services.syncs.cancel(world.company_id, parent_id))
        await until(lambda: waiting(world, 2))

    await asyncio.gather(working, cancelling)
    assert (await world.run_of(job["run_id"]))["status"] == "complete", "the first time it was tried"
    assert (await world.run_of(parent_id))["cancel_requested_at"] is not None


async def test_the_end_of_a_run_and_the_cancelling_of_its_parent_wait_for_one_another(world: World) -> None:
    parent_id = await asked_for(world, Direction.INBOUND)
    # The parent's row now lies behind its children's, where a statement over all of them comes last.
    await world.execute("UPDATE runs SET started_at = started_at - interval '1 ms' WHERE id = %(id)s", id=parent_id)
    child_id = await child_of(world, parent_id, EntityType.CANDIDATE)

    async with locked(world, parent_id):
        ending = asyncio.create_task(end(world, child_id))
        await until(lambda: waiting(world, 1))
        cancelling = asyncio.create_task(world.services.syncs.cancel(world.company_id, parent_id))
        await until(lambda: waiting(world, 2))

    await asyncio.gather(ending, cancelling)
    assert (await world.run_of(child_id))["status"] == "complete"
    assert (await world.run_of(parent_id))["cancel_requested_at"] is not None


async def test_runs_of_two_parents_end_in_one_order(world: World) -> None:
    """An entity that is switched off ends its runs under several parents in one transaction."""
    parents = sorted([await asked_for(world, Direction.INBOUND), await asked_for(world, Direction.OUTBOUND)])
    of_first, of_second = [await child_of(world, each, EntityType.CANDIDATE) for each in parents]

    async with locked(world, parents[0]):
        one = asyncio.create_task(end(world, of_first, of_second))
        await until(lambda: waiting(world, 1))
        other = asyncio.create_task(end(world, of_second, of_first))
        await until(lambda: waiting(world, 2))

    await asyncio.gather(one, other)
    assert {(await world.run_of(each))["status"] for each in (of_first, of_second)} == {"complete"}


async def asked_for(world: World, direction: Direction) -> UUID:
    """Ask for a sync of every entity; return the run over them."""
    return await world.services.syncs.request(world.company_id, world.integration_id, direction=direction)


async def claimed(world: World) -> Claim:
    """Claim the first job of the outbound run."""
    async with world.services.database.dispatch() as tx:
        claim = await world.services.store.ledger.claim(tx, None, low=1, high=10, ttl_s=60, per_integration=5)
    assert claim is not None
    return claim


async def child_of(world: World, parent_id: UUID, entity: EntityType) -> UUID:
    found = await world.row(
        "SELECT id FROM runs WHERE parent_id = %(parent)s AND entity_type = %(entity)s",
        parent=parent_id,
        entity=entity.value,
    )
    return UUID(str(found["id"]))


async def end(world: World, *run_ids: UUID) -> None:
    """End runs in one transaction, as a pull and a switch that is turned off do."""
    runs = world.services.store.runs
    async with world.services.database.company(world.company_id) as tx:
        found = [run for each in run_ids if (run := await runs.get(tx, each)) is not None]
        await runs.lock(tx, found)
        for run in found:
            await runs.end(tx, run, RunStatus.COMPLETE, evidence={"pages": 1})


@asynccontextmanager
async def locked(world: World, run_id: UUID) -> AsyncIterator[None]:
    """Hold a run's row from a connection of its own."""
    async with await psycopg.AsyncConnection.connect(world.admin_dsn) as connection:
        await connection.execute("SELECT 1 FROM runs WHERE id = %s FOR UPDATE", (run_id,))
        yield
