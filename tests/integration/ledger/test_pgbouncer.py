"""The engine behind PgBouncer in transaction mode: no session state, no prepared statements, the same answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from sandbox.vendors.greenhouse.server import GreenhouseSimulator
from sandbox.vendors.greenhouse.settings import Settings as SimulatorSettings
from shared.model import EntityType
from shared.store.ledger import Job
from shared.sync.jobs.endings import Done, Ending
from tests.fixtures.postgres import Database
from tests.fixtures.storage import StorageAccount
from tests.integration.ledger.ground import Ground
from tests.integration.ledger.workshop import Workshop, message_for
from tests.integration.sync.world import connect, settings_for


@pytest.fixture(params=["direct", "pgbouncer"])
async def any_ground(request: pytest.FixtureRequest, database: Database) -> AsyncIterator[Ground]:
    through = request.param == "pgbouncer"
    dsn = request.getfixturevalue("pgbouncer_dsn") if through else database.app_dsn
    made = await Ground.open(dsn, database.admin_dsn, prepared=not through)
    yield made
    await made.aclose()


async def test_a_jobs_life_is_the_same(any_ground: Ground, storage: StorageAccount) -> None:
    ground, workshop = any_ground, Workshop.of(any_ground, storage.connection_string)
    place, other = await ground.place(), await ground.place()
    seen: list[str] = []

    async def handler(job: Job) -> Ending:
        async with ground.database.company(job.company_id) as tx:
            await ground.ledger.guard(tx, job)
            rows = await tx.rows("SELECT DISTINCT company_id FROM sync_queue")
        seen.extend(str(row["company_id"]) for row in rows)
        return Done()

    workshop.handle(handler)
    workshop.database._prepared = ground.database._prepared
    for each in (place, other):
        await each.ask_for([each.request(str(number)) for number in range(10)])
    try:
        ran = await asyncio.gather(*(workshop.runner().answer(b"{}", "sync-normal") for _ in range(6)))
        assert sum(ran) == 20
        # Each transaction saw its own company alone, on connections that went from one to the other.
        assert sorted(seen) == sorted([str(place.company_id)] * 10 + [str(other.company_id)] * 10)
        job_id = await place.ask("again")
        job = await ground.claimed_job(job_id)
        await place.ask("again")
        assert await ground.finish(job) is not None
        letter_id = await ground.fail(await ground.claimed_job(job_id))
        assert letter_id is not None
        assert await ground.redrive(place.company_id, letter_id) is not None
        assert await workshop.runner().answer(message_for(job_id, place.company_id, epoch=1), "sync-normal") == 1
        await place.schedule()
        assert await workshop.sweep.start_due() == 1
        assert await workshop.sweep.sweep() == 1
    finally:
        await workshop.aclose()


async def test_twenty_claims_at_once_keep_the_cap(any_ground: Ground) -> None:
    place = await any_ground.place()
    await place.backlog(50)
    claims = await asyncio.gather(*(any_ground.claim() for _ in range(20)))
    assert sum(claim is not None for claim in claims) == 5


async def test_the_engine_pulls_through_pgbouncer(
    pgbouncer_dsn: str, database: Database, storage: StorageAccount
) -> None:
    async with GreenhouseSimulator(SimulatorSettings(people=40, seed=7, limiter=False)) as simulator:
        settings = settings_for(pgbouncer_dsn, storage.connection_string, DATABASE_PREPARED_STATEMENTS="false")
        world = await connect(settings, simulator, database.admin_dsn)
        try:
            run = await world.run_of(await world.pull())
            assert run["status"] == "complete"
            people = await world.row(
                "SELECT count(*) AS n FROM records WHERE entity_type = %(entity)s", entity=EntityType.CANDIDATE.value
            )
            assert people["n"] == 40
        finally:
            await world.control.aclose()
            await world.services.aclose()
