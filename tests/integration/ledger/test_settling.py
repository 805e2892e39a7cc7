"""How a job ends or waits, and that only its guards let it."""

from __future__ import annotations

import re

import pytest

from tests.integration.ledger.ground import APPLICATION, CANDIDATE, Ground, Place


async def test_a_job_that_is_done_is_completed_and_forgets_its_troubles(ground: Ground, place: Place) -> None:
    job_id = await place.ask("k")
    await ground.postpone(await ground.claimed_job(), attempts=1, code="unavailable", message="away")
    assert await ground.finish(await ground.claimed_job()) is None
    row = await ground.job_row(job_id)
    assert row["status"] == "completed"
    assert row["completed_at"] is not None
    assert (row["retry_count"], row["error_code"], row["error_message"]) == (0, None, None)
    assert (row["lease_token"], row["lease_until"]) == (None, None)


async def test_a_completed_job_leaves_its_key_to_the_next(ground: Ground, place: Place) -> None:
    first = await place.ask("k")
    await ground.finish(await ground.claimed_job())
    assert await place.ask("k") != first


async def test_a_job_waits_as_long_as_it_was_told_and_keeps_the_cause(ground: Ground, place: Place) -> None:
    job_id = await place.ask("k", payload={"a": 1})
    job = await ground.claimed_job()
    await ground.postpone(job, wait_s=240, attempts=1, code="unavailable", message="away", payload={"b": 2})
    assert 235 < await ground.wait_s(job_id) <= 240
    row = await ground.job_row(job_id)
    assert (row["status"], row["retry_count"], row["error_code"]) == ("pending", 1, "unavailable")
    assert row["payload"] == {"a": 1, "b": 2}
    await ground.pass_time(241)
    again = await ground.claimed_job(job_id)
    assert (again.retry_count, again.last_error) == (1, "away")


async def test_a_held_job_waits_without_a_date(ground: Ground, place: Place) -> None:
    job_id = await place.ask("k")
    await ground.postpone(await ground.claimed_job(), hold_reason="parent:7", code="held", message="no parent")
    row = await ground.job_row(job_id)
    assert (row["is_held"], row["hold_reason"]) == (True, "parent:7")
    assert await ground.claim(job_id) is None


async def test_the_event_that_it_waits_for_wakes_a_held_job(ground: Ground, place: Place) -> None:
    held = await place.ask("k", hold_reason="parent:7")
    other = await place.ask("o", hold_reason="parent:8")
    async with ground.database.company(place.company_id) as tx:
        assert await ground.ledger.release_held(tx, place.integration_id, []) == []
        (knock,) = await ground.ledger.release_held(tx, place.integration_id, ["parent:7", "parent:9"])
    assert knock.job_id == held
    assert (await ground.claimed_job(held)).id == held
    assert await ground.claim(other) is None


async def test_a_companys_event_wakes_no_job_of_another(ground: Ground, place: Place) -> None:
    held = await place.ask("k", hold_reason="parent:7")
    other = await ground.company()
    async with ground.database.company(other) as tx:
        assert await ground.ledger.release_held(tx, place.integration_id, ["parent:7"]) == []
    assert (await ground.job_row(held))["is_held"]


@pytest.mark.parametrize("ending", [{"hold_reason": "parent:7"}, {"wait_s": 960.0, "attempts": 1}])
async def test_what_was_asked_for_meanwhile_waits_for_nothing(
    ground: Ground, place: Place, ending: dict[str, object]
) -> None:
    job_id = await place.ask("k")
    job = await ground.claimed_job()
    await place.ask("k")
    await ground.postpone(job, **ending)
    row = await ground.job_row(job_id)
    assert (row["hold_reason"], row["retry_count"]) == (None, 0)
    assert await ground.claim(job_id) is not None


async def test_a_wait_that_is_not_the_jobs_fault_holds_for_a_new_request_too(ground: Ground, place: Place) -> None:
    job_id = await place.ask("k")
    job = await ground.claimed_job()
    await place.ask("k")
    await ground.postpone(job, wait_s=30)
    assert await ground.claim(job_id) is None


async def test_a_failed_job_and_its_dead_letter_come_together(ground: Ground, place: Place) -> None:
    job_id = await place.ask("k")
    for _ in range(2):
        await ground.postpone(await ground.claimed_job(), attempts=1)
    letter_id = await ground.fail(await ground.claimed_job(), code="rejected", message="the vendor says no")
    (letter,) = await place.letters()
    assert letter["id"] == letter_id
    assert (letter["job_id"], letter["state"], letter["attempts"]) == (job_id, "open", 3)
    assert (letter["code"], letter["cause"], letter["queue"]) == ("rejected", "the vendor says no", "sync-normal")
    assert (await ground.job_row(job_id))["status"] == "failed"
    assert await ground.claim(job_id) is None


async def test_a_request_that_came_while_the_job_failed_is_tried(ground: Ground, place: Place) -> None:
    """Somebody corrected the value that the vendor refuses, while the refusal was on its way."""
    job_id = await place.ask("k")
    await ground.postpone(await ground.claimed_job(), attempts=1)
    job = await ground.claimed_job()
    await place.ask("k")
    assert await ground.fail(job) is None
    row = await ground.job_row(job_id)
    assert (row["status"], row["retry_count"], row["error_code"]) == ("pending", 0, "rejected")
    assert await place.letters() == []
    again = await ground.claimed_job(job_id)
    assert await ground.fail(again) is not None
    assert (await ground.job_row(job_id))["status"] == "failed"


async def test_a_failed_job_leaves_its_key_to_the_next(ground: Ground, place: Place) -> None:
    first = await place.ask("k")
    await ground.fail(await ground.claimed_job())
    assert await place.ask("k") != first


async def test_cancelling_takes_what_waits_and_leaves_what_runs(ground: Ground, place: Place) -> None:
    running = await place.ask("running")
    await ground.claimed_job(running)
    await place.ask("waiting")
    await place.ask("held", hold_reason="parent:7")
    await place.ask_for([place.request("other", entity=APPLICATION), place.request("pull", action="pull")])
    async with ground.database.company(place.company_id) as tx:
        gone = await ground.ledger.cancel(tx, place.integration_id, ["reconcile"], [CANDIDATE])
    assert {row["record_key"] for row in gone} == {"waiting", "held"}
    left = await ground.rows("SELECT record_key FROM sync_queue")
    assert {row["record_key"] for row in left} == {"running", "other", "pull"}
    async with ground.database.company(place.company_id) as tx:
        gone = await ground.ledger.cancel(tx, place.integration_id, ["reconcile", "pull"])
    assert {row["record_key"] for row in gone} == {"other", "pull"}


async def test_the_states_are_those_of_the_specification_and_no_other(ground: Ground) -> None:
    row = await ground.row(
        "SELECT pg_get_constraintdef(oid) AS text FROM pg_constraint WHERE conrelid = 'sync_queue'::regclass"
        " AND conname = 'sync_queue_status_check'"
    )
    assert set(re.findall(r"'(\w+)'", row["text"])) == {"pending", "processing", "completed", "failed"}
