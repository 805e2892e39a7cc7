"""What waits for an integration when it is deleted: it ends with it, and says so."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from shared.errors import LeaseLost
from shared.integrations.lifecycle import Integrations
from shared.model import Direction, EntityType
from shared.store.ledger import JobRequest
from shared.store.records import StoredRecord
from shared.sync.jobs.priorities import RECONCILE
from tests.fixtures.waiting import until
from tests.integration.sync.configuring import directions
from tests.integration.sync.leaving import LEFT, nothing_waits
from tests.integration.sync.submitting import (
    a_submission,
    lose_the_answer,
    new_candidate,
    open_job,
    submission_of,
    submit,
)
from tests.integration.sync.vendor import holders
from tests.integration.sync.waits import after_the_lag, due_now
from tests.integration.sync.world import World, connect_one_more

CANDIDATE, APPLICATION = EntityType.CANDIDATE, EntityType.APPLICATION
WAITING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


async def delete(world: World) -> dict[str, Any]:
    """Delete the integration as an administrator does."""
    return await Integrations.of(world.services).delete(world.company_id, world.integration_id, archive_records=False)


async def connect_again(world: World) -> World:
    """Connect the same account anew."""
    return await connect_one_more(world.services, world.company_id, world.simulator, world.admin_dsn)


async def failure_of(world: World, application: StoredRecord) -> str:
    """Return what a failed submission says; the log says the same."""
    said = await submission_of(world, application.id)
    assert (said["state"], said["integration_id"]) == ("failed", str(world.integration_id))
    row = await world.row(
        "SELECT * FROM sync_logs WHERE entity_id = %(id)s AND details ->> 'cause' = 'integration_deleted'"
        " AND status = 'failed'",
        id=application.id,
    )
    assert (row["direction"], row["error_message"]) == ("outbound", said["error"])
    return str(said["error"])


async def test_what_was_submitted_says_that_its_integration_was_deleted(world: World) -> None:
    """It said `queued` for ever; an archived one would have, once it was restored."""
    candidate, application = await a_submission(world)
    _, job_id = await open_job(world)
    archived = await submit(world, (await new_candidate(world)).id, job_id)
    await world.services.archives.archive(world.company_id, APPLICATION, archived.id, actor="jo")
    assert (await delete(world))["submissions_failed"] == 2
    assert "submit the candidate anew" in await failure_of(world, application)
    await world.services.archives.restore(world.company_id, APPLICATION, archived.id)
    assert "before this was sent" in await failure_of(world, archived)
    await world.drain()
    assert await holders(world, str(candidate.data["email"])) == []
    assert await nothing_waits(world)


async def test_no_later_integration_sends_it_until_somebody_submits_it_there(world: World) -> None:
    candidate, application = await a_submission(world)
    await delete(world)
    later = await connect_again(world)
    await later.pull()
    await directions(later, application="inbound", candidate="inbound")
    await directions(later, application="both", candidate="both")
    await later.drain()
    assert await holders(world, str(candidate.data["email"])) == []
    await failure_of(world, application)

    await world.services.archives.archive(world.company_id, APPLICATION, application.id, actor="jo")
    anew = await submit(world, candidate.id, (await open_job(world))[1])
    await later.drain()
    assert len(await holders(world, str(candidate.data["email"]))) == 1
    said = await submission_of(world, anew.id)
    assert (said["state"], said["integration_id"]) == ("submitted", str(later.integration_id))
    await later.control.aclose()


async def test_what_may_be_at_the_vendor_says_so_and_is_linked_by_a_new_connection(world: World) -> None:
    candidate, application = await lose_the_answer(world)
    await delete(world)
    assert "it may have this" in await failure_of(world, application)
    assert await nothing_waits(world)
    later = await connect_again(world)
    await later.pull(mode="full")
    await after_the_lag(later)
    (made,) = await holders(world, str(candidate.data["email"]))
    assert (await world.record_of(CANDIDATE, made["id"]))["id"] == candidate.id
    said = await submission_of(world, application.id)
    assert (said["state"], said["integration_id"], said["error"]) == ("submitted", str(later.integration_id), None)
    await later.control.aclose()


@pytest.mark.parametrize("kind", ["waits", "letter"])
async def test_issues_and_dead_letters_end_with_their_integration(world: World, kind: str) -> None:
    """They stood open for an integration that nobody could mend any more."""
    if kind == "waits":
        await a_submission(world)
        await directions(world, application="inbound")
    else:
        fault = {"kind": "error", "method": "POST", "path": "/v3/candidates", "times": 1, "status": 422}
        await world.control.post("/faults", json=fault)
        await a_submission(world)
    await world.drain()
    await due_now(world)
    opened = [len(rows) for rows in await world.rows_of(LEFT[:3])]
    assert opened == ([1, 0, 0] if kind == "waits" else [0, 0, 1])
    await delete(world)
    assert await nothing_waits(world)
    if kind == "letter":
        letter = await world.row("SELECT * FROM dead_letters")
        assert (letter["state"], letter["ended_by"]) == ("dismissed", "integration_deleted")
        row = await world.row("SELECT * FROM sync_logs WHERE details ->> 'cause' = 'dead_letter_dismissed'")
        assert row["job_id"] == letter["job_id"]


async def test_what_is_submitted_while_its_integration_is_deleted_is_not_queued_for_it(world: World) -> None:
    """It was asked for after the deletion had looked, and nobody looked again."""
    await world.pull()
    _, job_id = await open_job(world)
    candidate = await new_candidate(world)
    services = world.services
    async with services.database.company(world.company_id) as tx:
        links = (await services.store.links.of_records(tx, [job_id]))[job_id]
        await services.store.links.lock(tx, [each.id for each in links])
        deleting = asyncio.create_task(delete(world))

        async def is_waiting() -> bool:
            return len(await world.rows(WAITING)) == 1

        await until(is_waiting)
        submitting = asyncio.create_task(submit(world, candidate.id, job_id))

        async def are_both_waiting() -> bool:
            return len(await world.rows(WAITING)) == 2

        await until(are_both_waiting)
    _, application = await asyncio.gather(deleting, submitting)
    said = application.submission
    assert said is None or (await submission_of(world, application.id))["state"] == "failed"
    assert await nothing_waits(world)


async def test_a_job_at_work_ends_with_its_integration(world: World) -> None:
    """It went on, and what it wrote stayed."""
    await a_submission(world)
    services = world.services
    async with services.database.dispatch() as tx:
        claim = await services.store.ledger.claim(tx, None, low=1, high=3, ttl_s=60, per_integration=5)
    assert claim is not None
    async with services.database.company(world.company_id) as tx:
        job = await services.store.ledger.load(tx, claim)
    await delete(world)
    with pytest.raises(LeaseLost):
        async with services.database.company(world.company_id) as tx:
            await services.store.ledger.guard(tx, job)
    await ended_with_its_integration(world, job.id)


@pytest.mark.parametrize("is_worker_gone", [True, False])
async def test_a_job_that_is_asked_for_while_its_integration_is_deleted_ends_in_the_night(
    world: World, is_worker_gone: bool
) -> None:
    """Nobody claims it any more, and it waited for ever."""
    services = world.services
    await delete(world)
    request = JobRequest(world.integration_id, RECONCILE, CANDIDATE, "ext:1", Direction.INBOUND, 3)
    async with services.database.company(world.company_id) as tx:
        await services.store.ledger.enqueue(tx, [request])
        await services.store.attention.raise_issue(
            tx, world.integration_id, kind="vendor_unreachable", subject="x", detail="x"
        )
    assert not await nothing_waits(world)
    if is_worker_gone:
        await world.execute(
            "UPDATE sync_queue SET status = 'processing', lease_token = 1, lease_until = now()"
            " WHERE record_key = 'ext:1'"
        )
    job = await world.row("SELECT id FROM sync_queue WHERE record_key = 'ext:1'")
    await services.maintenance.run()
    await ended_with_its_integration(world, job["id"])


async def ended_with_its_integration(world: World, job_id: UUID) -> None:
    """Nothing waits, the job is no longer there, and a row of the log stands for it."""
    assert await nothing_waits(world)
    assert await world.rows("SELECT 1 FROM sync_queue WHERE id = %(id)s", id=job_id) == []
    row = await world.row("SELECT * FROM sync_logs WHERE job_id = %(id)s", id=job_id)
    assert (row["action"], row["details"]["cause"]) == ("skipped", "integration_deleted")


async def test_the_night_leaves_integrations_alone_that_are_there(world: World) -> None:
    _, application = await a_submission(world)
    await directions(world, application="inbound")
    await world.services.maintenance.run()
    assert (await submission_of(world, application.id))["state"] == "queued"
    assert len(await world.rows(LEFT[0])) == 1
    assert await world.rows("SELECT 1 FROM sync_queue WHERE status = 'pending'") != []
