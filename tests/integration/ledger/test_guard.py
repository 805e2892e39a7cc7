"""A worker's guard keeps successors out and lets requests in."""

from __future__ import annotations

import asyncio

from tests.fixtures.waiting import GENEROUS_S
from tests.integration.ledger.ground import Ground, Place


async def test_a_request_for_a_job_does_not_wait_for_the_worker_that_guards_it(ground: Ground, place: Place) -> None:
    """An edit holds its record while it asks; a worker that held up the request would wait for the record: deadlock."""
    job_id = await place.ask("k")
    job = await ground.claimed_job()
    async with asyncio.timeout(GENEROUS_S), ground.database.company(place.company_id) as tx:
        await ground.ledger.guard(tx, job)
        assert await place.ask("k") == job_id
    assert await ground.finish(job) is not None  # asked again while it ran


async def test_a_guarded_job_is_nobody_elses_even_after_its_lease(ground: Ground, place: Place) -> None:
    job_id = await place.ask("k")
    job = await ground.claimed_job()
    async with ground.database.company(place.company_id) as tx:
        await ground.ledger.guard(tx, job)
        await ground.expire(job_id)
        assert await ground.claim(job_id) is None
        assert await ground.claim() is None
