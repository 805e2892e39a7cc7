"""
What the Functions host and other people's queues have done to others, by the number of the report.

`test_pain_…`: rows of docs/pains.md. `test_host_pain_…`: issues of Azure/azure-functions-host and azure-webjobs-sdk.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from shared.errors import AuthFailed
from shared.store.ledger import Job
from shared.sync.jobs.endings import Done, Ending
from shared.sync.workers.runner import Unforeseen
from tests.integration.ledger.ground import Ground, Place
from tests.integration.ledger.workshop import NORMAL, Workshop, message_for

POISON = "sync-normal-poison"


async def test_pain_11_a_pull_that_was_refused_is_no_success(workshop: Workshop, ground: Ground, place: Place) -> None:
    async def refuse(job: Job) -> Ending:
        raise AuthFailed("403 on every list")

    workshop.handle(refuse)
    job_id = await place.ask("k")
    await workshop.runner().answer(message_for(job_id, place.company_id), NORMAL)
    assert (await ground.job_row(job_id))["status"] == "pending"
    (logged,) = await ground.rows("SELECT status FROM sync_logs")
    assert logged["status"] == "failed"


async def test_pain_19_create_and_update_that_arrive_together_are_one_job(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    """Doubled, out of order, at once: one record, one worker at a time, and a last look after the last signal."""
    at_once = most_at_once = 0

    async def look(job: Job) -> Ending:
        nonlocal at_once, most_at_once
        at_once += 1
        most_at_once = max(most_at_once, at_once)
        await ground.job_row(job.id)
        at_once -= 1
        return await workshop.done(job)

    workshop.handle(look)

    async def signal() -> None:
        for knock in await place.ask_for([place.request("ext:7", priority=5)]):
            await workshop.runner().answer(message_for(knock.job_id, place.company_id), NORMAL)

    await asyncio.gather(*(signal() for _ in range(20)))
    assert most_at_once == 1
    assert 1 <= len(workshop.ran) <= 20
    assert (
        await ground.rows("SELECT 1 FROM sync_queue WHERE requested_seq > claimed_seq OR status <> 'completed'") == []
    )


async def test_pain_28_a_job_that_was_cut_off_goes_on_where_it_was(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    """What a worker noted with its page is what its successor starts from."""
    job_id = await place.ask("k")
    await ground.postpone(await ground.claimed_job(), payload={"position": "page 3"})
    await ground.claimed_job(job_id)
    await ground.expire(job_id)
    await workshop.runner().answer(message_for(job_id, place.company_id), NORMAL)
    assert [job.payload for job in workshop.ran] == [{"position": "page 3"}]


async def test_host_pain_10373_a_message_that_is_served_after_ten_minutes(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    job_id = await place.ask("k")
    late = message_for(job_id, place.company_id)
    await workshop.sweep.sweep()
    (knock,) = await workshop.take(NORMAL)
    assert knock["job_id"] == str(job_id)
    assert await workshop.runner().answer(late, NORMAL) == 1
    assert await workshop.runner().answer(late, NORMAL) == 0  # the late one, at last
    assert len(workshop.ran) == 1


async def test_host_pain_8814_a_time_out_leaves_the_message_locked_and_it_runs_twice(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    started, never = asyncio.Event(), asyncio.Event()

    async def hang(job: Job) -> Ending:
        if not started.is_set():
            started.set()
            await never.wait()
        return await workshop.done(job)

    workshop.handle(hang)
    job_id = await place.ask("k")
    message = message_for(job_id, place.company_id)
    hanging = asyncio.create_task(workshop.runner().answer(message, NORMAL))
    await started.wait()
    hanging.cancel()  # the host killed the worker
    with pytest.raises(asyncio.CancelledError):
        await hanging
    await ground.expire(job_id)
    await workshop.sweep.sweep()
    assert len(await workshop.take(NORMAL)) == 1
    assert await workshop.runner().answer(message, NORMAL) == 1
    assert await workshop.runner().answer(message, NORMAL) == 0
    assert len(workshop.ran) == 1
    assert (await ground.job_row(job_id))["status"] == "completed"


async def test_host_pain_844_and_1257_a_failed_message_that_comes_back_at_once(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    """However soon or late it comes, it finds its job and is counted."""

    async def fail(job: Job) -> Ending:
        raise ZeroDivisionError

    workshop.handle(fail)
    job_id = await place.ask("k")
    message = message_for(job_id, place.company_id)
    for wait_s in (0, 0, 30, 61, 600):
        await ground.pass_time(wait_s)
        with pytest.raises(Unforeseen):
            await workshop.runner().answer(message, NORMAL)
    assert (await ground.job_row(job_id))["crashes"] == 5


async def test_host_pain_3022_messages_that_never_reach_the_poison_queue_under_load(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    """The job fails under five different messages, none of which is its own."""

    async def by_key(job: Job) -> Ending:
        if job.record_key == "bad":
            raise ZeroDivisionError
        return Done()

    workshop.handle(by_key)
    bad = await place.ask("bad")
    for number in range(6):
        other = await place.ask(f"other{number}", priority=4)
        await workshop.runner().answer(message_for(other, place.company_id), NORMAL)
        await ground.pass_time(61)
    assert (await ground.job_row(bad))["status"] == "failed"
    (letter,) = await place.letters()
    assert (letter["code"], letter["attempts"]) == ("crash_loop", 5)


async def test_host_pain_1414_a_foreign_app_that_drains_the_queue(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    """It takes every message, fails, and moves all to the poison queue: the jobs have not failed and still run."""
    ids = [await place.ask(f"k{number}") for number in range(3)]
    await workshop.sweep.sweep()
    stolen = await workshop.take(NORMAL)
    assert {each["job_id"] for each in stolen} == {str(each) for each in ids}
    for each in stolen:
        message = json.dumps(each).encode()
        assert await workshop.poison.record(message, NORMAL) == "asked_again"
    assert await place.letters() == []
    await workshop.sweep.sweep()
    assert len(await workshop.take(NORMAL)) == 3
    assert await workshop.runner().answer(b"{}", NORMAL) == 3


async def test_host_pain_1600_a_message_whose_receipt_is_out_of_date_comes_again(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    """The host could not delete it after success; it is answered again and finds nothing."""
    job_id = await place.ask("k")
    message = message_for(job_id, place.company_id)
    assert [await workshop.runner().answer(message, NORMAL) for _ in range(5)] == [1, 0, 0, 0, 0]


def test_the_host_is_set_as_these_tests_assume() -> None:
    host = json.loads((Path(__file__).resolve().parents[3] / "host.json").read_text(encoding="utf-8"))
    queues = host["extensions"]["queues"]
    assert (queues["maxDequeueCount"], queues["visibilityTimeout"]) == (5, "00:00:30")
    assert queues["messageEncoding"] == "base64"
