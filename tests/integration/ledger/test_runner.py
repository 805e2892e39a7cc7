"""What a worker makes of a knock, and of each way in which a job can end."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from shared import telemetry
from shared.errors import AuthFailed, Conflict, LiaisonError, OutcomeUnknown, RateLimited, Rejected, Unavailable
from shared.store.ledger import Job
from shared.sync.jobs.endings import Continue, Done, Ending, Hold
from shared.sync.workers.runner import Unforeseen
from tests.fixtures.waiting import GENEROUS_S, until
from tests.integration.ledger.ground import Ground, Place
from tests.integration.ledger.workshop import BULK, NORMAL, URGENT, Workshop, message_for


def raising(error: Exception) -> object:
    async def handler(job: Job) -> Ending:
        raise error

    return handler


async def test_a_knock_runs_its_job_and_then_whatever_is_due(workshop: Workshop, place: Place) -> None:
    await place.ask("a", priority=4)
    named = await place.ask("b", priority=7)
    await place.ask("c", priority=6)
    await place.ask("bulk", priority=9)
    assert await workshop.runner().answer(message_for(named, place.company_id), NORMAL) == 3
    assert [job.record_key for job in workshop.ran] == ["b", "a", "c"]


async def test_a_doubled_or_late_message_costs_nothing(workshop: Workshop, ground: Ground, place: Place) -> None:
    job_id = await place.ask("k")
    message = message_for(job_id, place.company_id)
    found = await asyncio.gather(*(workshop.runner().answer(message, NORMAL) for _ in range(4)))
    assert sum(found) == 1
    assert await workshop.runner().answer(message, NORMAL) == 0
    assert (await ground.job_row(job_id))["status"] == "completed"


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"[]", b"7", b'"x"', b"{}", b'{"company_id": 1, "job_id": 2, "epoch": 3}']
)
async def test_an_unreadable_message_still_looks_through_its_queue(
    workshop: Workshop, place: Place, body: bytes
) -> None:
    await place.ask("k")
    assert await workshop.runner().answer(body, NORMAL) == 1


async def test_a_job_that_goes_on_runs_again_at_once_and_spends_nothing(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    turns = 0

    async def pull(job: Job) -> Ending:
        nonlocal turns
        turns += 1
        return Continue() if turns < 4 else Done()

    workshop.handle(pull)
    job_id = await place.ask("k")
    assert await workshop.runner().answer(message_for(job_id, place.company_id), NORMAL) == 4
    assert (await ground.job_row(job_id))["status"] == "completed"


@pytest.mark.parametrize(("wait_s", "messages"), [(90, 1), (900, 0)])
async def test_a_job_that_goes_on_later_has_a_message_that_sleeps_or_is_left_to_the_sweep(
    workshop: Workshop, ground: Ground, place: Place, wait_s: int, messages: int
) -> None:
    async def pull(job: Job) -> Ending:
        return Continue(wait_s=wait_s)

    workshop.handle(pull)
    job_id = await place.ask("k")
    assert await workshop.runner().answer(message_for(job_id, place.company_id), NORMAL) == 1
    row = await ground.job_row(job_id)
    assert (row["status"], row["retry_count"]) == ("pending", 0)
    assert wait_s - 10 < await ground.wait_s(job_id) <= wait_s
    assert (await workshop.count(NORMAL), await workshop.queues.visible(NORMAL)) == (messages, 0)


async def test_a_short_retry_need_not_wait_for_the_sweep(workshop: Workshop, ground: Ground, place: Place) -> None:
    """Its message comes when it is due; waits of more than minutes are the sweep's."""
    workshop.handle(raising(Unavailable("down")))  # type: ignore[arg-type]
    job_id = await place.ask("k")
    await workshop.runner().answer(message_for(job_id, place.company_id), NORMAL)
    assert (await ground.job_row(job_id))["retry_count"] == 1
    assert (await workshop.count(NORMAL), await workshop.queues.visible(NORMAL)) == (1, 0)


async def test_a_held_job_waits_for_its_event(workshop: Workshop, ground: Ground, place: Place) -> None:
    async def wait(job: Job) -> Ending:
        return Hold("event:7", "its job is not here yet")

    workshop.handle(wait)
    job_id = await place.ask("k")
    await workshop.runner().answer(message_for(job_id, place.company_id), NORMAL)
    row = await ground.job_row(job_id)
    assert (row["is_held"], row["hold_reason"], row["error_code"]) == (True, "event:7", "held")
    assert (row["retry_count"], row["error_message"]) == (0, "its job is not here yet")


@pytest.mark.parametrize(("max_retries", "waits"), [(3, [60, 120, 240]), (5, [60, 120, 240, 480, 960]), (0, [])])
@pytest.mark.parametrize("error", [Unavailable("away"), OutcomeUnknown("no answer")])
async def test_what_may_pass_is_tried_again_after_one_two_four_eight_and_sixteen_minutes(
    workshop: Workshop, ground: Ground, max_retries: int, waits: list[int], error: LiaisonError
) -> None:
    place = await ground.place(max_retries=max_retries)
    workshop.handle(raising(error))  # type: ignore[arg-type]
    job_id = await place.ask("k")
    runner = workshop.runner()
    for wait in waits:
        await runner.answer(message_for(job_id, place.company_id), NORMAL)
        assert wait - 5 < await ground.wait_s(job_id) <= wait
        await ground.pass_time(wait)
    with telemetry.captured() as events:
        await runner.answer(message_for(job_id, place.company_id), NORMAL)
    (letter,) = await place.letters()
    assert (letter["code"], letter["cause"]) == (error.code, str(error))
    assert letter["attempts"] == max_retries + 1
    (alert,) = [each for each in events if each.event == "dead_letter"]
    assert alert.level == "error"
    assert alert.fields["letter_id"] == str(letter["id"])
    logged = await ground.rows("SELECT status, retry_count FROM sync_logs ORDER BY synced_at")
    assert [row["status"] for row in logged] == ["failed"] * (max_retries + 1)
    assert [row["retry_count"] for row in logged] == list(range(max_retries + 1))


async def test_a_rate_limit_blocks_the_integration_and_spends_no_attempt(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    workshop.handle(raising(RateLimited("slow down", wait_s=1200.0)))  # type: ignore[arg-type]
    first = await place.ask("a", priority=4)
    second = await place.ask("b", priority=5)
    assert await workshop.runner().answer(message_for(first, place.company_id), NORMAL) == 1
    for job_id in (first, second):
        row = await ground.job_row(job_id)
        assert (row["status"], row["retry_count"]) == ("pending", 0)
    wait = "SELECT extract(epoch FROM blocked_until - clock_timestamp()) AS s FROM integrations WHERE id = %(id)s"
    assert 1000 < (await ground.row(wait, id=place.integration_id))["s"] <= 1200  # by the database's clock
    assert await ground.claim(second) is None


async def test_refused_credentials_pause_once_and_tell_once(workshop: Workshop, ground: Ground, place: Place) -> None:
    """Several jobs were under way when the key was withdrawn."""
    both_run = asyncio.Barrier(2)

    async def refuse(job: Job) -> Ending:
        await both_run.wait()
        raise AuthFailed("the key was withdrawn")

    workshop.handle(refuse)
    ids = [await place.ask(key) for key in ("a", "b")]
    with telemetry.captured() as events:
        await asyncio.gather(*(workshop.runner().answer(message_for(i, place.company_id), NORMAL) for i in ids))
    assert [each.event for each in events if each.level == "error"] == ["integration_paused"]
    found = await ground.row("SELECT attention FROM integrations WHERE id = %(id)s", id=place.integration_id)
    assert found["attention"] == "auth_failed"
    for job_id in ids:
        row = await ground.job_row(job_id)
        assert (row["status"], row["retry_count"], row["error_code"]) == ("pending", 0, "auth_failed")
    assert await place.letters() == []
    claimed = await ground.claimed_job(ids[0])
    assert claimed.action == "retest", "of an integration that needs people nothing else runs"
    assert (await ground.row("SELECT count(*) AS open FROM issues WHERE ended_at IS NULL"))["open"] == 1
    await ground.rows("UPDATE sync_queue SET scheduled_at = clock_timestamp() WHERE scheduled_at = 'infinity'")
    assert await ground.claim(ids[0]) is None
    await ground.change_integration(place.integration_id, attention=None)
    assert await ground.claim(ids[0]) is not None


async def test_a_refusal_is_a_dead_letter_at_once_with_the_vendors_words(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    workshop.handle(raising(Rejected("phone is too long", request_id="req-1")))  # type: ignore[arg-type]
    record_id = str(uuid4())
    job_id = await place.ask(record_id)
    await workshop.runner().answer(message_for(job_id, place.company_id), NORMAL)
    (letter,) = await place.letters()
    assert (letter["code"], letter["cause"], letter["attempts"]) == ("rejected", "phone is too long", 1)
    assert letter["queue"] == NORMAL
    (logged,) = await ground.rows("SELECT entity_id, request_id, status, details, job_id FROM sync_logs")
    assert (str(logged["entity_id"]), logged["request_id"], logged["job_id"]) == (record_id, "req-1", job_id)
    assert (logged["status"], logged["details"]) == ("failed", {"code": "rejected"})


async def test_who_was_overtaken_reads_again_and_spends_no_attempt(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    workshop.handle(raising(Conflict("its version moved")))  # type: ignore[arg-type]
    job_id = await place.ask("k")
    await workshop.runner().answer(message_for(job_id, place.company_id), NORMAL)
    row = await ground.job_row(job_id)
    assert (row["status"], row["retry_count"]) == ("pending", 0)
    assert await ground.wait_s(job_id) <= 1


async def test_what_nobody_foresaw_is_given_back_and_raised(workshop: Workshop, ground: Ground, place: Place) -> None:
    workshop.handle(raising(ZeroDivisionError("with a person's name in it")))  # type: ignore[arg-type]
    job_id = await place.ask("k")
    with pytest.raises(Unforeseen, match="ZeroDivisionError"):
        await workshop.runner().answer(message_for(job_id, place.company_id), NORMAL)
    row = await ground.job_row(job_id)
    assert (row["status"], row["retry_count"], row["crashes"]) == ("pending", 0, 1)
    assert (row["error_code"], row["error_message"]) == ("unforeseen", "ZeroDivisionError")
    assert 50 < await ground.wait_s(job_id) <= 60


async def test_an_unknown_action_is_unforeseen(workshop: Workshop, place: Place) -> None:
    job_id = await place.ask("k", action="of a newer release")
    with pytest.raises(Unforeseen):
        await workshop.runner().answer(message_for(job_id, place.company_id), NORMAL)


async def test_another_jobs_failure_is_no_fault_of_the_message(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    """Else five failures of one job would bury the innocent one that the message names."""

    async def by_key(job: Job) -> Ending:
        if job.record_key == "bad":
            raise ZeroDivisionError
        return await workshop.done(job)

    workshop.handle(by_key)
    good = await place.ask("good", priority=4)
    bad = await place.ask("bad", priority=5)
    await place.ask("last", priority=7)
    assert await workshop.runner().answer(message_for(good, place.company_id), NORMAL) == 3
    assert [job.record_key for job in workshop.ran] == ["good", "last"]
    assert (await ground.job_row(bad))["crashes"] == 1


async def test_a_job_that_never_ends_settled_is_buried_by_the_ledgers_own_count(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    """Under load no message may ever see the same job fail five times; the row has counted."""
    job_id = await place.ask("k")
    for turn in range(5):
        if turn % 2:
            workshop.handle(raising(ZeroDivisionError()))  # type: ignore[arg-type]
            assert await workshop.runner().answer(b"{}", NORMAL) == 1
            await ground.pass_time(61)
        else:
            await ground.claimed_job(job_id)
            await ground.expire(job_id)
    with telemetry.captured() as events:
        assert await workshop.runner().answer(message_for(job_id, place.company_id), NORMAL) == 1
    (letter,) = await place.letters()
    assert (letter["code"], letter["attempts"]) == ("crash_loop", 5)
    assert "ZeroDivisionError" in letter["cause"]
    assert "dead_letter" in [each.event for each in events]
    assert (await ground.job_row(job_id))["status"] == "failed"


async def test_bulk_takes_half_of_the_slots_at_the_most(workshop: Workshop, ground: Ground) -> None:
    """Urgent work does not sit behind bulk in one worker."""
    places = [await ground.place() for _ in range(6)]
    release, running = asyncio.Event(), 0

    async def slow(job: Job) -> Ending:
        nonlocal running
        if job.priority < 8:
            return await workshop.done(job)
        running += 1
        await release.wait()
        return Done()

    workshop.handle(slow)
    runner = workshop.runner(at_once=4)
    ids = [(await each.ask("bulk", priority=9), each.company_id) for each in places]
    bulk = [asyncio.create_task(runner.answer(message_for(*each), BULK)) for each in ids]
    await until(lambda: _is(lambda: running == 2))
    urgent = await places[0].ask("urgent", priority=2)
    async with asyncio.timeout(GENEROUS_S):
        assert await runner.answer(message_for(urgent, places[0].company_id), URGENT) == 1
    assert running == 2
    release.set()
    assert sum(await asyncio.gather(*bulk)) == 6


async def _is(condition: object) -> bool:
    assert callable(condition)
    return bool(condition())
