"""A message that failed five times: recorded with its cause, told, redriven; left alone where that is over."""

from __future__ import annotations

import pytest

from shared import telemetry
from shared.store.ledger import Job
from shared.sync.jobs.endings import Ending
from shared.sync.workers.faults import OrderedFault
from shared.sync.workers.runner import Unforeseen
from tests.integration.ledger.ground import Ground, Place
from tests.integration.ledger.workshop import NORMAL, Workshop, message_for

POISON = "sync-normal-poison"
DELIVERIES = 5  # host.json, maxDequeueCount


async def fail(job: Job) -> Ending:
    raise OrderedFault


async def _deliver(workshop: Workshop, message: bytes, times: int = DELIVERIES) -> None:
    """What the host does: the same message again and again, each time before the job is due for anybody else."""
    for _ in range(times):
        with pytest.raises(Unforeseen):
            await workshop.runner().answer(message, NORMAL)


async def test_five_failures_of_its_message_dead_letter_a_job_which_is_redriven_and_succeeds(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    workshop.handle(fail)
    job_id = await place.ask("k")
    message = message_for(job_id, place.company_id)
    await _deliver(workshop, message)
    with telemetry.captured() as events:
        assert await workshop.poison.record(message, NORMAL) == "dead_letter"
    (letter,) = await place.letters()
    assert (letter["code"], letter["queue"], letter["attempts"]) == ("poison", NORMAL, 5)
    assert letter["cause"] == "failed five times in a row: OrderedFault"
    assert [(each.event, each.level) for each in events] == [("dead_letter", "error")]
    assert (await ground.job_row(job_id))["status"] == "failed"

    workshop.handle(workshop.done)
    knock = await ground.redrive(place.company_id, letter["id"])
    assert knock is not None
    await workshop.knocker.send([knock])
    (sent,) = await workshop.take(NORMAL)
    assert sent["epoch"] == 1
    assert await workshop.runner().answer(message_for(job_id, place.company_id, epoch=1), NORMAL) == 1
    assert (await ground.job_row(job_id))["status"] == "completed"


async def test_nobody_else_takes_a_job_between_the_deliveries_of_its_message(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    """Else each of five messages would see one failure, and none of them all five."""
    workshop.handle(fail)
    job_id = await place.ask("k")
    message = message_for(job_id, place.company_id)
    for _ in range(DELIVERIES - 1):
        await _deliver(workshop, message, 1)
        assert await ground.claim() is None
        await workshop.sweep.sweep()
        assert await workshop.take(NORMAL) == []
        await ground.pass_time(30)  # visibilityTimeout
    await _deliver(workshop, message, 1)
    assert (await ground.job_row(job_id))["crashes"] == DELIVERIES


async def test_if_its_message_never_comes_again_the_sweep_takes_over(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    workshop.handle(fail)
    job_id = await place.ask("k")
    await _deliver(workshop, message_for(job_id, place.company_id), 1)
    await ground.pass_time(61)
    await workshop.sweep.sweep()
    assert [each["job_id"] for each in await workshop.take(NORMAL)] == [str(job_id)]


async def test_a_poisoned_job_that_succeeded_meanwhile_is_left_alone(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    job_id = await place.ask("k")
    await ground.finish(await ground.claimed_job(job_id))
    assert await workshop.poison.record(message_for(job_id, place.company_id), NORMAL) == "over"
    assert (await ground.job_row(job_id))["status"] == "completed"
    assert await place.letters() == []


async def test_a_message_from_before_a_redrive_buries_nothing(workshop: Workshop, ground: Ground, place: Place) -> None:
    job_id = await place.ask("k")
    letter_id = await ground.fail(await ground.claimed_job(job_id))
    assert letter_id is not None
    await ground.redrive(place.company_id, letter_id)
    await ground.postpone(await ground.claimed_job(job_id), wait_s=60)
    assert await workshop.poison.record(message_for(job_id, place.company_id, epoch=0), NORMAL) == "over"
    assert (await ground.job_row(job_id))["status"] == "pending"
    assert await workshop.poison.record(message_for(job_id, place.company_id, epoch=1), NORMAL) == "dead_letter"


async def test_a_poisoned_job_that_somebody_runs_just_now_is_looked_at_later(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    job_id = await place.ask("k")
    await ground.claimed_job(job_id)
    message = message_for(job_id, place.company_id)
    assert await workshop.poison.record(message, NORMAL) == "postponed"
    assert (await ground.job_row(job_id))["status"] == "processing"
    assert await workshop.count(POISON) == 1
    assert await workshop.take(POISON) == []  # not before a minute has passed
    await ground.expire(job_id)
    assert await workshop.poison.record(message, NORMAL) == "dead_letter"


async def test_a_poisoned_job_that_was_asked_for_since_runs_once_more(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    workshop.handle(fail)
    job_id = await place.ask("k")
    message = message_for(job_id, place.company_id)
    await _deliver(workshop, message)
    await place.ask("k")
    assert await workshop.poison.record(message, NORMAL) == "asked_again"
    assert await place.letters() == []
    await ground.pass_time(61)
    # It has failed five times already: the ledger buries it when it is claimed and nobody asked meanwhile.
    await workshop.runner().answer(message_for(job_id, place.company_id), NORMAL)
    (letter,) = await place.letters()
    assert letter["code"] == "crash_loop"


async def test_a_doubled_poison_message_makes_one_letter(workshop: Workshop, ground: Ground, place: Place) -> None:
    workshop.handle(fail)
    job_id = await place.ask("k")
    message = message_for(job_id, place.company_id)
    await _deliver(workshop, message)
    assert await workshop.poison.record(message, NORMAL) == "dead_letter"
    assert await workshop.poison.record(message, NORMAL) == "over"
    assert len(await place.letters()) == 1


async def test_without_a_database_poison_waits_in_its_queue(workshop: Workshop, ground: Ground, place: Place) -> None:
    job_id = await place.ask("k")
    workshop.database.away = True
    assert await workshop.poison.record(message_for(job_id, place.company_id), NORMAL) == "postponed"
    workshop.database.away = False
    assert await workshop.count(POISON) == 1
    assert await place.letters() == []


async def test_poison_that_names_no_job_is_told_and_ends(workshop: Workshop) -> None:
    with telemetry.captured() as events:
        assert await workshop.poison.record(b"not ours", NORMAL) == "unreadable"
    assert [each.event for each in events if each.level == "error"] == ["poison_message_unreadable"]


async def test_poison_of_another_company_reaches_nothing(workshop: Workshop, ground: Ground, place: Place) -> None:
    job_id = await place.ask("k")
    await ground.postpone(await ground.claimed_job(job_id), wait_s=60)
    stranger = await ground.company()
    assert await workshop.poison.record(message_for(job_id, stranger), NORMAL) == "over"
    assert (await ground.job_row(job_id))["status"] == "pending"
