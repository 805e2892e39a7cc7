"""A worker that froze: renewed while it lives, and harmless once it has a successor."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from datetime import datetime

import pytest

from shared import telemetry
from shared.adapters.http import before_call
from shared.errors import LeaseLost
from shared.store.ledger import Job, JobRequest
from shared.sync.jobs.endings import Done, Ending
from shared.sync.jobs.lease import Lease
from shared.telemetry.capture import Captured
from tests.fixtures.waiting import until
from tests.integration.ledger.ground import Ground, Place
from tests.integration.ledger.workshop import NORMAL, Workshop, message_for

SHORT_S = 2.0
"""Short to wait for, and long enough that a slow machine gets its renewals done in time."""


async def vendor_call() -> None:
    """What a `VendorApi` does before it sends anything."""
    test = before_call.get()
    assert test is not None
    await test()


@pytest.mark.parametrize("way", ["writes", "ends", "fails"])
async def test_a_worker_that_wakes_after_its_successor_changes_nothing(
    workshop: Workshop, ground: Ground, place: Place, way: str
) -> None:
    asleep, wake = asyncio.Event(), asyncio.Event()
    turns: list[Job] = []

    async def handler(job: Job) -> Ending:
        turns.append(job)
        if len(turns) > 1:
            return Done("by the successor")
        asleep.set()
        await wake.wait()
        if way == "fails":
            raise ZeroDivisionError
        if way == "writes":
            async with ground.database.company(job.company_id) as tx:
                follow_up = place.request("follow-up")
                await ground.ledger.enqueue(tx, [follow_up])
                await ground.ledger.guard(tx, job)
        return Done()

    workshop.handle(handler)
    job_id = await place.ask("k")
    message = message_for(job_id, place.company_id)
    frozen = asyncio.create_task(workshop.runner().answer(message, NORMAL))
    await asleep.wait()
    await ground.expire(job_id)
    assert await workshop.runner().answer(message, NORMAL) == 1
    after = await ground.job_row(job_id)
    wake.set()
    if way == "fails":
        with pytest.raises(Exception, match="ZeroDivisionError"):
            await frozen
    else:
        assert await frozen == 1
    assert await ground.job_row(job_id) == after
    assert after["status"] == "completed"
    assert await ground.rows("SELECT 1 FROM sync_queue WHERE record_key = 'follow-up'") == []
    assert await place.letters() == []


async def test_a_worker_that_froze_calls_no_vendor_after_its_successor(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    called: list[int] = []

    async def handler(job: Job) -> Ending:
        await vendor_call()
        called.append(1)
        threading.Event().wait(SHORT_S * 1.2)  # the whole process stands still, and its heartbeat with it
        successor = await ground.claimed_job(job.id)
        assert successor.crashes == 1
        await vendor_call()
        called.append(2)
        return Done()

    workshop.handle(handler)
    job_id = await place.ask("k")
    assert await workshop.runner(lease_s=SHORT_S).answer(message_for(job_id, place.company_id), NORMAL) == 1
    assert called == [1]
    assert (await ground.job_row(job_id))["status"] == "processing"  # the successor's


async def test_a_worker_that_froze_and_has_no_successor_goes_on(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    async def handler(job: Job) -> Ending:
        threading.Event().wait(SHORT_S * 1.2)
        await vendor_call()
        return await workshop.done(job)

    workshop.handle(handler)
    job_id = await place.ask("k")
    assert await workshop.runner(lease_s=SHORT_S).answer(message_for(job_id, place.company_id), NORMAL) == 1
    assert (await ground.job_row(job_id))["status"] == "completed"


async def test_the_heartbeat_renews_the_lease_while_the_handler_works(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    seen: list[datetime] = []

    async def handler(job: Job) -> Ending:
        seen.append((await ground.job_row(job.id))["lease_until"])

        async def is_renewed_twice() -> bool:
            lease_until = (await ground.job_row(job.id))["lease_until"]
            if lease_until > seen[-1]:
                seen.append(lease_until)
            return len(seen) > 2

        await until(is_renewed_twice)
        return Done()

    workshop.handle(handler)
    job_id = await place.ask("k")
    await workshop.runner(lease_s=SHORT_S).answer(message_for(job_id, place.company_id), NORMAL)
    row = await ground.job_row(job_id)
    assert (row["status"], row["crashes"]) == ("completed", 0)


async def test_no_call_is_made_that_the_lease_might_not_outlast(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    """A claim that lay about for most of its lease: what is left is the database's to say, not the worker's."""
    job_id = await place.ask("k")
    claim = await ground.claim(job_id, ttl_s=60)
    assert claim is not None
    await ground.rows("UPDATE sync_queue SET lease_until = clock_timestamp() + interval '20 s'")
    job = await ground.job(claim)
    assert 15 < job.lease_left_s <= 20
    lease = Lease(workshop.database, ground.ledger, job, ttl_s=60, asked=asyncio.get_running_loop().time())
    workshop.database.away = True
    with pytest.raises(Exception, match="took the database away"):
        await lease.test()
    workshop.database.away = False
    await lease.test()
    row = await ground.row("SELECT extract(epoch FROM lease_until - clock_timestamp())::float AS s FROM sync_queue")
    assert row["s"] > 55


async def test_a_lease_that_was_lost_stays_lost(workshop: Workshop, ground: Ground, place: Place) -> None:
    job_id = await place.ask("k")
    job = await ground.claimed_job(job_id, ttl_s=20)
    await ground.expire(job_id)
    await ground.claimed_job(job_id)
    lease = Lease(workshop.database, ground.ledger, job, ttl_s=60, asked=asyncio.get_running_loop().time())
    for _ in range(2):
        with pytest.raises(LeaseLost):
            await lease.test()


async def test_the_heartbeat_outlives_what_nobody_foresaw(workshop: Workshop, ground: Ground, place: Place) -> None:
    """A renewal that raises something else than our own errors is told, and tried again."""

    async def handler(job: Job) -> Ending:
        before = (await ground.job_row(job.id))["lease_until"]
        await ground.admin.execute("REVOKE UPDATE ON sync_queue FROM liaison_app")
        await until(lambda: _has_logged(logged))
        await ground.admin.execute("GRANT UPDATE ON sync_queue TO liaison_app")
        await until(lambda: _is_later(ground, job, before))
        return Done()

    workshop.handle(handler)
    job_id = await place.ask("k")
    with telemetry.captured() as logged:
        await workshop.runner(lease_s=SHORT_S).answer(message_for(job_id, place.company_id), NORMAL)
    assert (await ground.job_row(job_id))["status"] == "completed"


async def _has_logged(logged: Sequence[Captured]) -> bool:
    return any(each.event == "lease_not_renewed" for each in logged)


async def test_the_heartbeat_outlives_a_database_that_was_away(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    async def handler(job: Job) -> Ending:
        before = (await ground.job_row(job.id))["lease_until"]
        workshop.database.away = True
        # The lease runs out meanwhile, as nobody else claims it.
        await until(lambda: _is_over(ground, job))
        workshop.database.away = False
        await until(lambda: _is_later(ground, job, before))
        return Done()

    workshop.handle(handler)
    job_id = await place.ask("k")
    await workshop.runner(lease_s=SHORT_S).answer(message_for(job_id, place.company_id), NORMAL)
    assert (await ground.job_row(job_id))["status"] == "completed"


async def _is_over(ground: Ground, job: Job) -> bool:
    return bool(
        await ground.rows("SELECT 1 FROM sync_queue WHERE id = %(id)s AND lease_until < clock_timestamp()", id=job.id)
    )


async def _is_later(ground: Ground, job: Job, before: datetime) -> bool:
    return bool((await ground.job_row(job.id))["lease_until"] > before)


async def test_a_failed_handler_of_a_lost_lease_asks_for_nothing(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    """Knocks of work that was rolled back are not sent."""

    async def handler(job: Job) -> Ending:
        await ground.expire(job.id)
        await ground.claimed_job(job.id)
        async with ground.database.company(job.company_id) as tx:
            request = JobRequest(job.integration_id, job.action, job.entity, "next", job.direction, 5)
            knocks = await ground.ledger.enqueue(tx, [request])
        return Done(knocks=knocks)

    workshop.handle(handler)
    job_id = await place.ask("k")
    claim = await ground.claim(job_id)
    assert claim is not None
    await workshop.runner().run(claim)
    assert await workshop.count(NORMAL) == 0
