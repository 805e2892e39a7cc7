"""A lease ends, a successor takes over, and whoever froze finds nothing that it may still do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from shared.errors import LeaseLost
from shared.store.database import Transaction
from shared.store.ledger import Job
from shared.store.schedules import Cadence, Schedules
from tests.integration.ledger.ground import CANDIDATE, Ground, Place

Statement = Callable[[Ground, Transaction, Job], Awaitable[Any]]

STATEMENTS: dict[str, Statement] = {
    "guard": lambda ground, tx, job: ground.ledger.guard(tx, job),
    "extend": lambda ground, tx, job: ground.ledger.extend(tx, job, 60),
    "finish": lambda ground, tx, job: ground.ledger.finish(tx, job),
    "postpone": lambda ground, tx, job: ground.ledger.postpone(tx, job, wait_s=1),
    "fail": lambda ground, tx, job: ground.ledger.fail(tx, job, queue="sync-normal", code="x", message="x"),
}


async def test_a_live_lease_is_nobody_elses(ground: Ground, place: Place) -> None:
    job_id = await place.ask("k")
    await ground.claimed_job(job_id)
    assert await ground.claim(job_id) is None
    assert await ground.claim() is None


@pytest.mark.parametrize("by_name", [True, False])
async def test_a_lease_that_ended_is_claimed_anew_and_the_crash_is_counted(
    ground: Ground, place: Place, by_name: bool
) -> None:
    job_id = await place.ask("k")
    first = await ground.claimed_job()
    await place.ask("k")
    await ground.expire(job_id)
    second = await ground.claimed_job(job_id if by_name else None)
    assert second.id == job_id
    assert second.token > first.token
    assert (second.crashes, second.retry_count) == (1, 0)
    row = await ground.job_row(job_id)
    assert row["claimed_seq"] == row["requested_seq"] == 2


@pytest.mark.parametrize("name", STATEMENTS)
async def test_after_a_successor_no_statement_of_the_old_worker_finds_a_row(
    ground: Ground, place: Place, name: str
) -> None:
    job_id = await place.ask("k")
    old = await ground.claimed_job()
    await ground.expire(job_id)
    await ground.claimed_job()
    before = await ground.job_row(job_id)
    await _refused(ground, old, name)
    assert await ground.job_row(job_id) == before
    assert await place.letters() == []


@pytest.mark.parametrize("name", STATEMENTS)
async def test_a_job_that_ended_is_nobodys_any_more(ground: Ground, place: Place, name: str) -> None:
    await place.ask("k")
    job = await ground.claimed_job()
    await ground.finish(job)
    await _refused(ground, job, name)


@pytest.mark.parametrize("name", STATEMENTS)
async def test_the_lost_lease_undoes_the_whole_transaction(ground: Ground, place: Place, name: str) -> None:
    """What a frozen worker wrote before it tried to settle is not there either."""
    job_id = await place.ask("k")
    old = await ground.claimed_job()
    await ground.expire(job_id)
    await ground.claimed_job()

    async def write_and_settle() -> None:
        async with ground.database.company(place.company_id) as tx:
            await Schedules().put(tx, place.integration_id, [Cadence(CANDIDATE, 300)])
            await STATEMENTS[name](ground, tx, old)

    with pytest.raises(LeaseLost):
        await write_and_settle()
    assert await ground.rows("SELECT 1 FROM schedules") == []


async def test_a_claim_that_came_too_late_to_be_read_is_no_claim(ground: Ground, place: Place) -> None:
    job_id = await place.ask("k")
    claim = await ground.claim()
    await ground.expire(job_id)
    await ground.claim()
    with pytest.raises(LeaseLost):
        await ground.job(claim)


async def test_renewing_lengthens_the_lease_from_now(ground: Ground, place: Place) -> None:
    await place.ask("k")
    job = await ground.claimed_job(ttl_s=5)
    async with ground.database.company(place.company_id) as tx:
        await ground.ledger.extend(tx, job, 60)
    row = await ground.row("SELECT extract(epoch FROM lease_until - clock_timestamp())::float AS s FROM sync_queue")
    assert 55 < row["s"] <= 60


async def test_a_worker_that_settles_is_no_crash(ground: Ground, place: Place) -> None:
    """A pull that is continued for hours outlives many releases: only deaths in a row count."""
    job_id = await place.ask("k")
    for _ in range(3):
        await ground.claimed_job(job_id)
        await ground.expire(job_id)
    job = await ground.claimed_job(job_id)
    assert job.crashes == 3
    await ground.postpone(job)
    assert (await ground.claimed_job(job_id)).crashes == 0


async def _refused(ground: Ground, job: Job, name: str) -> None:
    async with ground.database.company(job.company_id) as tx:
        with pytest.raises(LeaseLost):
            await STATEMENTS[name](ground, tx, job)
