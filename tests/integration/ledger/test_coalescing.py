"""Requests for one key become one job, and none of them is lost."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from shared.errors import NotFound
from shared.model import Direction
from shared.store.ledger import JobRequest
from tests.fixtures.waiting import until
from tests.integration.ledger.ground import APPLICATION, CANDIDATE, Ground, Place


async def test_requests_for_one_key_become_one_job_with_the_more_urgent_priority(ground: Ground, place: Place) -> None:
    first = await place.ask("k", priority=6)
    assert await place.ask("k", priority=2) == first
    assert await place.ask("k", priority=9) == first
    row = await ground.job_row(first)
    assert (row["priority"], row["requested_seq"], row["claimed_seq"]) == (2, 3, 0)


async def test_a_full_pull_covers_an_incremental_one_in_whatever_order_they_are_asked_for(
    ground: Ground, place: Place
) -> None:
    full, incremental = {"mode": "full", "a": 1}, {"mode": "incremental", "b": 2}
    for key, order in (("x", (full, incremental)), ("y", (incremental, full))):
        job_id = await place.ask(key, payload=order[0])
        await place.ask(key, payload=order[1])
        assert (await ground.job_row(job_id))["payload"] == {"mode": "full", "a": 1, "b": 2}
    await place.ask_for([place.request("z", payload=full), place.request("z", payload=incremental)])
    assert (await ground.job_row(await place.ask("z")))["payload"] == {"mode": "full", "a": 1, "b": 2}


async def test_the_direction_is_no_part_of_the_key(ground: Ground, place: Place) -> None:
    inbound = await place.ask("k", direction=Direction.INBOUND)
    assert await place.ask("k", direction=Direction.OUTBOUND) == inbound
    assert (await ground.job_row(inbound))["direction"] == "inbound"


async def test_action_entity_and_key_tell_jobs_apart(ground: Ground, place: Place) -> None:
    record_id = str(uuid4())
    ids = {
        await place.ask(record_id),
        await place.ask(f"ext:{record_id}"),
        await place.ask(record_id, action="pull"),
    }
    await place.ask_for([place.request(record_id, entity=APPLICATION)])
    found = await ground.rows("SELECT id FROM sync_queue")
    assert len(ids) == 3
    assert len(found) == 4


async def test_one_link_is_worked_by_one_worker_at_a_time(ground: Ground, place: Place) -> None:
    await place.ask("k", direction=Direction.INBOUND)
    await ground.claimed_job()
    await place.ask("k", direction=Direction.OUTBOUND, priority=1)
    assert await ground.claim() is None


async def test_a_request_while_the_job_runs_lets_it_run_again(ground: Ground, place: Place) -> None:
    await place.ask("k")
    job = await ground.claimed_job()
    knocks = await place.ask_for([place.request("k", priority=2)])
    assert knocks == []  # it runs just now: a knock would find nothing
    again = await ground.finish(job)
    assert again is not None
    assert (again.job_id, again.priority) == (job.id, 2)
    second = await ground.claimed_job(job.id)
    assert second.token != job.token
    assert await ground.finish(second) is None
    assert (await ground.job_row(job.id))["status"] == "completed"


async def test_no_request_falls_between_running_and_ended(ground: Ground, place: Place) -> None:
    """The request holds the row while the worker ends; the worker waits, and sees it."""
    job_id = await place.ask("k")
    job = await ground.claimed_job()
    async with ground.database.company(place.company_id) as tx:
        await ground.ledger.enqueue(tx, [place.request("k")])
        finishing = asyncio.create_task(ground.finish(job))
        await until(lambda: _is_blocked(ground))
    assert await finishing is not None
    assert (await ground.job_row(job_id))["status"] == "pending"


async def test_a_request_that_waited_for_the_end_becomes_a_job_of_its_own(ground: Ground, place: Place) -> None:
    """The worker holds the row while somebody asks; the request waits, and then finds no open job."""
    job_id = await place.ask("k")
    job = await ground.claimed_job()
    async with ground.database.company(place.company_id) as tx:
        assert await ground.ledger.finish(tx, job) is None
        asking = asyncio.create_task(place.ask_for([place.request("k")]))
        await until(lambda: _is_blocked(ground))
    (knock,) = await asking
    assert knock.job_id != job_id
    assert (await ground.job_row(job_id))["status"] == "completed"


async def _is_blocked(ground: Ground) -> bool:
    return bool(await ground.rows("SELECT 1 FROM pg_locks WHERE NOT granted"))


async def test_two_that_ask_for_many_keys_in_opposite_order_do_not_lock_each_other_out(
    ground: Ground, place: Place
) -> None:
    keys = [f"k{number:03}" for number in range(100)]
    requests = [place.request(key) for key in keys]
    for _ in range(5):
        await asyncio.gather(*(place.ask_for(each) for each in (requests, requests[::-1], requests, requests[::-1])))
    found = await ground.row("SELECT count(*) AS jobs, sum(requested_seq) AS asked FROM sync_queue")
    assert (found["jobs"], found["asked"]) == (100, 2000)


async def test_of_two_times_the_earlier_counts(ground: Ground, place: Place) -> None:
    later = datetime.now(UTC) + timedelta(hours=2)
    job_id = await place.ask("k", due_at=later)
    assert await ground.claim(job_id) is None
    await place.ask("k", due_at=later - timedelta(hours=1))
    assert 3500 < await ground.wait_s(job_id) < 3700
    await place.ask("k", due_at=later)
    assert 3500 < await ground.wait_s(job_id) < 3700
    assert len(await place.ask_for([place.request("k")])) == 1
    assert await ground.claim(job_id) is not None


async def test_who_asks_for_a_waiting_job_gives_it_all_its_attempts_back(ground: Ground, place: Place) -> None:
    job_id = await place.ask("k")
    await ground.postpone(await ground.claimed_job(), wait_s=960, attempts=1, code="unavailable", message="away")
    assert (await ground.job_row(job_id))["retry_count"] == 1
    await place.ask("k")
    row = await ground.job_row(job_id)
    assert row["retry_count"] == 0
    assert await ground.claim(job_id) is not None


async def test_a_held_job_stays_held_when_it_is_asked_for(ground: Ground, place: Place) -> None:
    job_id = await place.ask("k", hold_reason="parent:1")
    assert await place.ask_for([place.request("k")]) == []
    row = await ground.job_row(job_id)
    assert (row["hold_reason"], row["requested_seq"]) == ("parent:1", 2)
    assert await ground.claim(job_id) is None


async def test_a_job_that_is_due_does_not_begin_to_wait(ground: Ground, place: Place) -> None:
    job_id = await place.ask("k")
    await place.ask("k", hold_reason="parent:1")
    assert (await ground.job_row(job_id))["hold_reason"] is None
    assert await ground.claim(job_id) is not None


async def test_a_request_for_another_companys_integration_is_refused(ground: Ground, place: Place) -> None:
    other = await ground.place()
    stray = JobRequest(other.integration_id, "reconcile", CANDIDATE, "k", Direction.INBOUND, 5)
    with pytest.raises(NotFound):
        await place.ask_for([place.request("mine"), stray])
    assert await ground.rows("SELECT 1 FROM sync_queue") == []


async def test_what_is_asked_for_in_a_transaction_that_fails_was_never_asked_for(ground: Ground, place: Place) -> None:
    async def change_and_fail() -> None:
        async with ground.database.company(place.company_id) as tx:
            await ground.ledger.enqueue(tx, [place.request("k")])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await change_and_fail()
    assert await ground.rows("SELECT 1 FROM sync_queue") == []


async def test_the_number_of_attempts_is_the_integrations(ground: Ground) -> None:
    place = await ground.place(max_retries=5)
    job_id = await place.ask("k")
    assert (await ground.claimed_job(job_id)).max_retries == 5
    await ground.change_integration(place.integration_id, max_retries=0)
    await place.ask("k")
    assert (await ground.job_row(job_id))["max_retries"] == 0
