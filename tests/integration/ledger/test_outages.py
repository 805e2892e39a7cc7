"""What a worker does while the database or the queues are away: its job is left to its lease, and to the sweep."""

from __future__ import annotations

from uuid import uuid4

import pytest

from sandbox.services.process import free_ports
from shared import telemetry
from shared.errors import AuthFailed, LiaisonError, RateLimited, Rejected
from shared.store.database import Database
from shared.store.ledger import Job
from shared.store.queues import Knocker, Queues
from shared.sync.jobs.endings import Done, Ending
from shared.sync.workers.runner import Runner, Unforeseen
from tests.integration.ledger.ground import Ground, Place
from tests.integration.ledger.workshop import LIMITS, NORMAL, URGENT, Workshop, message_for


async def test_without_a_database_a_message_ends_and_the_sweep_finds_the_job(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    job_id = await place.ask("k")
    workshop.database.away = True
    with telemetry.captured() as events:
        assert await workshop.runner().answer(message_for(job_id, place.company_id), NORMAL) == 0
    assert [each.event for each in events] == ["claim_not_made"]
    workshop.database.away = False
    await workshop.sweep.sweep()
    assert [each["job_id"] for each in await workshop.take(NORMAL)] == [str(job_id)]


async def test_a_server_that_is_not_there_is_a_database_that_is_away(workshop: Workshop, ground: Ground) -> None:
    nowhere = Database(f"host=127.0.0.1 port={free_ports(1)[0]} dbname=x")
    runner = Runner(nowhere, ground.store, workshop.knocker, workshop.handlers, LIMITS)
    assert await runner.answer(message_for(uuid4(), uuid4()), NORMAL) == 0
    await nowhere.aclose()


@pytest.mark.parametrize("how", ["ends", "fails", "raises"])
async def test_a_database_that_goes_while_the_job_runs_leaves_the_job_to_its_lease(
    workshop: Workshop, ground: Ground, place: Place, how: str
) -> None:
    async def handler(job: Job) -> Ending:
        workshop.database.away = True
        if how == "fails":
            raise Rejected("no")
        if how == "raises":
            raise ZeroDivisionError
        return Done()

    workshop.handle(handler)
    job_id = await place.ask("k")
    runner = workshop.runner()
    if how == "raises":
        with pytest.raises(Unforeseen):
            await runner.answer(message_for(job_id, place.company_id), NORMAL)
    else:
        assert await runner.answer(message_for(job_id, place.company_id), NORMAL) == 1
    workshop.database.away = False
    assert (await ground.job_row(job_id))["status"] == "processing"
    assert await place.letters() == []
    await ground.expire(job_id)
    await workshop.sweep.sweep()
    assert [each["job_id"] for each in await workshop.take(NORMAL)] == [str(job_id)]


@pytest.mark.parametrize("error", [Rejected("no"), AuthFailed("no"), RateLimited("slowly", wait_s=1e9)])
async def test_a_settlement_that_loses_against_another_leaves_the_job_to_its_lease(
    workshop: Workshop, ground: Ground, place: Place, error: LiaisonError
) -> None:
    async def handler(_: Job) -> Ending:
        workshop.database.loses = True
        raise error

    workshop.handle(handler)
    job_id = await place.ask("k")
    with telemetry.captured() as events:
        assert await workshop.runner().answer(message_for(job_id, place.company_id), NORMAL) == 1
    assert "job_not_settled" in [each.event for each in events if each.level == "warning"]
    workshop.database.loses = False
    assert (await ground.job_row(job_id))["status"] == "processing"
    await ground.expire(job_id)
    await workshop.sweep.sweep()
    assert [each["job_id"] for each in await workshop.take(NORMAL)] == [str(job_id)]


async def test_a_database_that_goes_between_claim_and_reading_leaves_the_job_to_its_lease(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    job_id = await place.ask("k")
    claim = await ground.claim(job_id)
    assert claim is not None
    workshop.database.away = True
    await workshop.runner().run(claim)
    assert (await ground.job_row(job_id))["status"] == "processing"


async def test_a_knock_that_cannot_be_sent_is_logged_and_made_up_for(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    next_job = await place.ask("next", priority=2, hold_reason="event:7")

    async def release(job: Job) -> Ending:
        async with ground.database.company(job.company_id) as tx:
            return Done(knocks=await ground.ledger.release_held(tx, place.integration_id, ["event:7"]))

    workshop.handle(release)
    job_id = await place.ask("k")
    away = Queues(_away(workshop.connection_string))
    runner = Runner(
        workshop.database,
        ground.store,
        Knocker(away, telemetry.get_logger("test")),
        workshop.handlers,
        LIMITS,
    )
    with telemetry.captured() as events:
        assert await runner.answer(message_for(job_id, place.company_id), NORMAL) == 1
    await away.aclose()
    assert "knock_not_sent" in [each.event for each in events if each.level == "warning"]
    assert (await ground.job_row(job_id))["status"] == "completed"
    await workshop.sweep.sweep()
    assert [each["job_id"] for each in await workshop.take(URGENT)] == [str(next_job)]


def _away(connection_string: str) -> str:
    parts = dict(each.split("=", 1) for each in connection_string.split(";") if each)
    parts["QueueEndpoint"] = f"http://127.0.0.1:{free_ports(1)[0]}/{parts['AccountName']}"
    return ";".join(f"{name}={value}" for name, value in parts.items())
