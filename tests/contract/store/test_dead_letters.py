"""Jobs that failed for good, their letters, and the way back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.store.dead_letters import DeadLetters
from shared.store.jobs import Job
from tests.contract.store.ground import APPLICATION, Ground, Place
from tests.contract.store.jobs import postpone, wait_s


async def fail(ground: Ground, job: Job) -> UUID | None:
    async with ground.database.company(job.company_id) as tx:
        return await ground.store.ledger.fail(tx, job, queue="sync-normal", code="rejected", message="no")


async def redrive(place: Place, letter_id: UUID) -> UUID | None:
    async with place.ground.database.company(place.company_id) as tx:
        _, knocks = await DeadLetters().redrive(tx, letter_id=letter_id)
    return knocks[0].job_id if knocks else None


async def test_a_failed_job_leaves_a_letter(place: Place) -> None:
    job_id = await place.ask(entity=APPLICATION)
    await place.ground.change("sync_queue", {"id": job_id}, retry_count=3)
    letter_id = await fail(place.ground, await place.ground.claimed(job_id))
    row, letter = await place.job(job_id), await place.ground.row("dead_letters")
    assert (row["status"], row["error_code"], row["error_message"]) == ("failed", "rejected", "no")
    assert row["completed_at"] is not None
    shown = ("id", "job_id", "queue", "action", "entity_type", "code", "cause", "attempts", "state", "ended_at")
    assert [letter[name] for name in shown] == [
        letter_id, job_id, "sync-normal", "reconcile", "application", "rejected", "no", 4, "open", None,
    ]  # fmt: skip


async def test_a_failure_of_what_was_asked_for_again_is_none(place: Place) -> None:
    job_id = await place.ask()
    await place.ground.change("sync_queue", {"id": job_id}, retry_count=3, crashes=2)
    job = await place.ground.claimed(job_id)
    await place.ask()
    assert await fail(place.ground, job) is None
    row = await place.job(job_id)
    assert (row["status"], row["retry_count"], row["crashes"]) == ("pending", 0, 0)
    assert await wait_s(place, job_id) <= 0
    assert await place.ground.rows("dead_letters") == []


async def bury(place: Place, job_id: UUID, epoch: int = 0) -> UUID | None:
    async with place.ground.database.company(place.company_id) as tx:
        return await place.ground.store.ledger.bury(
            tx, job_id, epoch=epoch, queue="sync-normal", code="poison", message="five times"
        )


@pytest.mark.parametrize("state", ["pending", "held", "worker gone"])
async def test_a_poisoned_job_is_buried(place: Place, state: str) -> None:
    job_id = await place.ask()
    job = await place.ground.claimed(job_id)
    if state == "worker gone":
        await place.ground.expire(job_id)
    else:
        await postpone(place.ground, job, unforeseen=True, hold_reason="event" if state == "held" else None)
    letter_id = await bury(place, job_id)
    row, letter = await place.job(job_id), await place.ground.row("dead_letters")
    assert (row["status"], row["hold_reason"], row["lease_token"], row["error_code"]) == (
        "failed",
        None,
        None,
        "poison",
    )
    assert (letter["id"], letter["code"], letter["attempts"]) == (letter_id, "poison", 1)


@pytest.mark.parametrize("state", ["never tried", "asked again", "leased", "completed", "of another epoch"])
async def test_what_is_not_poisoned_is_not_buried(place: Place, state: str) -> None:
    job_id = await place.ask()
    if state != "never tried":
        job = await place.ground.claimed(job_id)
        if state == "asked again":
            await place.ask()
        if state == "completed":
            await place.ground.finish(job)
        elif state != "leased":
            await postpone(place.ground, job)
    before = await place.job(job_id)
    assert await bury(place, job_id, epoch=1 if state == "of another epoch" else 0) is None
    assert await place.job(job_id) == before


async def test_the_state_of_a_job(place: Place) -> None:
    job_id = await place.ask()

    async def state() -> Any:
        async with place.ground.database.company(place.company_id) as tx:
            return await place.ground.store.ledger.state(tx, job_id)

    pending = {"status": "pending", "epoch": 0, "error_message": None, "is_asked_again": True, "is_leased": False}
    key = {"integration_id": place.integration_id, "action": "reconcile", "entity_type": "candidate", "record_key": "k"}
    pending |= key
    assert await state() == pending
    await place.ground.claimed(job_id)
    assert await state() == {**pending, "status": "processing", "is_asked_again": False, "is_leased": True}
    await place.ground.expire(job_id)
    assert (await state())["is_leased"] is False


async def test_a_redriven_job_starts_again(place: Place) -> None:
    job_id = await place.ask()
    await place.ground.change("sync_queue", {"id": job_id}, retry_count=3, crashes=2)
    letter_id = await fail(place.ground, await place.ground.claimed(job_id))
    assert letter_id is not None
    assert await redrive(place, letter_id) == job_id
    row = await place.job(job_id)
    shown = ("status", "epoch", "retry_count", "crashes", "completed_at", "error_code", "error_message")
    assert [row[name] for name in shown] == ["pending", 1, 0, 0, None, None, None]
    letter = await place.ground.row("dead_letters")
    assert letter["state"] == "redriven"
    assert letter["ended_at"] is not None
    assert await redrive(place, letter_id) is None
    assert await redrive(place, uuid4()) is None


@pytest.mark.parametrize("status", ["pending", "processing"])
async def test_a_job_that_was_asked_for_meanwhile_runs_in_its_place(place: Place, status: str) -> None:
    old_id = await place.ask(priority=3, payload={"a": 1, "b": 1})
    letter_id = await fail(place.ground, await place.ground.claimed(old_id))
    assert letter_id is not None
    new_id = await place.ask(priority=6, payload={"b": 2}, due_at=await place.ground.now() + timedelta(hours=1))
    await place.ground.change("sync_queue", {"id": new_id}, retry_count=2, hold_reason="parent:7")
    if status == "processing":
        await place.ground.change("sync_queue", {"id": new_id}, scheduled_at=await place.ground.now())
        await place.ground.claimed(new_id)
    assert await redrive(place, letter_id) == new_id
    (row,) = await place.ground.rows("sync_queue")
    assert (row["id"], row["status"], row["requested_seq"], row["epoch"]) == (new_id, status, 2, 0)
    assert (row["priority"], row["payload"]) == (3, {"a": 1, "b": 2})
    assert row["retry_count"] == (0 if status == "pending" else 2)
    assert row["hold_reason"] is None


async def test_a_full_pull_stays_full_in_the_job_that_runs_in_its_place(place: Place) -> None:
    old_id = await place.ask(payload={"mode": "full"})
    letter_id = await fail(place.ground, await place.ground.claimed(old_id))
    assert letter_id is not None
    new_id = await place.ask(payload={"mode": "incremental"})
    assert await redrive(place, letter_id) == new_id
    assert (await place.job(new_id))["payload"] == {"mode": "full"}
