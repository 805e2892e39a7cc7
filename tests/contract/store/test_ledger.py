"""Jobs: asked for, settled, held, cancelled. How they fail: `test_dead_letters.py`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from shared.errors import LeaseLost, NotFound
from shared.store.database import Transaction
from shared.store.jobs import Claim, Job
from tests.contract.store.ground import CANDIDATE, JOB, Ground, Place
from tests.contract.store.jobs import postpone, wait_s
from tests.simulation.store.tables import INFINITY

SECOND = timedelta(seconds=1)


# -- asking -----------------------------------------------------------------------------------------------------------


async def test_a_request_makes_a_job_that_is_due(place: Place) -> None:
    run_id = uuid4()
    (knock,) = await place.ask_for(place.request(priority=3, payload={"since": "x"}, run_id=run_id))
    job = await place.job(knock.job_id)
    assert (knock.company_id, knock.epoch, knock.priority) == (place.company_id, 0, 3)
    shown = ("status", "priority", "requested_seq", "claimed_seq", "retry_count", "max_retries", "payload", "run_id")
    assert [job[name] for name in shown] == ["pending", 3, 1, 0, 0, 3, {"since": "x"}, run_id]
    assert abs(await wait_s(place, knock.job_id)) < 60


async def test_only_what_is_due_is_knocked_for(place: Place) -> None:
    later = await place.ground.now() + timedelta(hours=1)
    knocks = await place.ask_for(
        place.request("now"), place.request("later", due_at=later), place.request("held", hold_reason="event")
    )
    rows = {row["record_key"]: row for row in await place.ground.rows("sync_queue")}
    assert [knock.job_id for knock in knocks] == [rows["now"]["id"]]
    assert rows["later"]["scheduled_at"] == later
    assert (rows["held"]["scheduled_at"], rows["held"]["hold_reason"]) == (INFINITY, "event")


async def test_requests_are_written_in_the_order_of_their_keys(place: Place) -> None:
    await place.ask_for(*(place.request(key) for key in "cab"))
    rows = sorted(await place.ground.rows("sync_queue"), key=lambda row: row["scheduled_at"])
    assert [row["record_key"] for row in rows] == ["a", "b", "c"]


async def test_the_max_retries_of_the_integration_hold(ground: Ground) -> None:
    place = await ground.place(max_retries=5)
    job_id = await place.ask()
    assert (await place.job(job_id))["max_retries"] == 5
    await ground.change("integrations", {"id": place.integration_id}, max_retries=1)
    await place.ask()
    assert (await place.job(job_id))["max_retries"] == 1


@pytest.mark.parametrize("of", ["nobody", "another company"])
async def test_a_request_for_somebody_elses_integration_asks_for_nothing(ground: Ground, place: Place, of: str) -> None:
    other = await ground.place() if of == "another company" else Place(ground, place.company_id, uuid4())
    with pytest.raises(NotFound):
        await place.ask_for(place.request(), other.request())
    assert await ground.rows("sync_queue") == []


async def test_a_pending_job_is_asked_again(place: Place) -> None:
    now, run_id = await place.ground.now(), uuid4()
    later, sooner = now + timedelta(hours=2), now + timedelta(hours=1)
    job_id = await place.ask(priority=7, payload={"a": 1, "b": 1}, due_at=later)
    await place.ground.change("sync_queue", {"id": job_id}, retry_count=2)
    await place.ask(priority=5, payload={"b": 2}, due_at=sooner, run_id=run_id)
    await place.ask(priority=6, due_at=later, run_id=uuid4())
    job = await place.job(job_id)
    assert (job["requested_seq"], job["priority"], job["retry_count"]) == (3, 5, 0)
    assert (job["payload"], job["scheduled_at"], job["run_id"]) == ({"a": 1, "b": 2}, sooner, run_id)


@pytest.mark.parametrize(("first", "second"), [("full", "incremental"), ("incremental", "full")])
async def test_a_full_pull_covers_an_incremental_one(place: Place, first: str, second: str) -> None:
    job_id = await place.ask(payload={"mode": first})
    await place.ask(payload={"mode": second})
    assert (await place.job(job_id))["payload"] == {"mode": "full"}


async def test_asking_ends_no_wait_for_an_event(place: Place) -> None:
    job_id = await place.ask(hold_reason="event")
    await place.ask()
    job = await place.job(job_id)
    assert (job["hold_reason"], job["scheduled_at"], job["requested_seq"]) == ("event", INFINITY, 2)


async def test_a_running_job_is_asked_again_and_keeps_its_attempts(place: Place) -> None:
    job_id = await place.ask()
    await place.ground.change("sync_queue", {"id": job_id}, retry_count=2)
    await place.ground.claimed(job_id)
    assert await place.ask_for(place.request()) == []
    job = await place.job(job_id)
    assert (job["status"], job["requested_seq"], job["claimed_seq"], job["retry_count"]) == ("processing", 2, 1, 2)


async def test_a_job_that_is_over_makes_room_for_another(place: Place) -> None:
    first = await place.ask()
    await place.ground.finish(await place.ground.claimed(first))
    assert await place.ask() != first


async def test_keys_differ_by_action_and_entity_and_not_by_direction(place: Place) -> None:
    await place.ask_for(
        place.request(),
        place.request(action="pull"),
        place.request(entity=JOB),
    )
    assert len(await place.ground.rows("sync_queue")) == 3


# -- settling ---------------------------------------------------------------------------------------------------------


async def test_a_job_that_nobody_asked_for_again_is_completed(place: Place) -> None:
    job_id = await place.ask()
    await place.ground.change("sync_queue", {"id": job_id}, retry_count=2, error_message="x", error_code="y")
    assert await place.ground.finish(await place.ground.claimed(job_id)) is None
    job = await place.job(job_id)
    shown = ("status", "retry_count", "crashes", "lease_until", "lease_token", "error_message", "error_code")
    assert [job[name] for name in shown] == ["completed", 0, 0, None, None, None, None]
    assert job["completed_at"] > job["started_at"]


async def test_a_job_that_was_asked_for_meanwhile_is_pending_again(place: Place) -> None:
    job = await place.ground.claimed(await place.ask())
    await place.ask()
    knock = await place.ground.finish(job)
    assert knock is not None
    assert knock.job_id == job.id
    row = await place.job(job.id)
    assert (row["status"], row["completed_at"], row["lease_token"]) == ("pending", None, None)
    assert await wait_s(place, job.id) <= 0


def _settlings(ground: Ground, tx: Transaction, claim: Claim, job: Job) -> dict[str, Callable[[], Awaitable[object]]]:
    ledger = ground.store.ledger
    return {
        "finish": lambda: ledger.finish(tx, job),
        "extend": lambda: ledger.extend(tx, job, 60),
        "guard": lambda: ledger.guard(tx, job),
        "load": lambda: ledger.load(tx, claim),
        "postpone": lambda: ledger.postpone(tx, job),
        "fail": lambda: ledger.fail(tx, job, queue="q", code="c", message="m"),
    }


@pytest.mark.parametrize("call", ["finish", "extend", "guard", "load", "postpone", "fail"])
async def test_whoever_lost_the_lease_settles_nothing(place: Place, call: str) -> None:
    ground, job_id = place.ground, await place.ask()
    claim = await ground.claim(job_id)
    assert claim is not None
    async with ground.database.company(place.company_id) as tx:
        job = await ground.store.ledger.load(tx, claim)
    await ground.expire(job_id)
    successor = await ground.claimed(job_id)
    before = await place.job(job_id)
    with pytest.raises(LeaseLost):
        async with ground.database.company(place.company_id) as tx:
            await _settlings(ground, tx, claim, job)[call]()
    assert await place.job(job_id) == before
    assert successor.crashes == 1
    assert await ground.rows("dead_letters") == []


async def test_an_expired_lease_that_nobody_took_may_still_be_used(place: Place) -> None:
    job = await place.ground.claimed(await place.ask())
    await place.ground.expire(job.id)
    async with place.ground.database.company(place.company_id) as tx:
        await place.ground.store.ledger.guard(tx, job)
        await place.ground.store.ledger.extend(tx, job, 120)
    left = (await place.job(job.id))["lease_until"] - await place.ground.now()
    assert 60 * SECOND < left <= 120 * SECOND


async def test_a_job_as_it_is_read(place: Place) -> None:
    job_id = await place.ask(payload={"a": [1, {"b": None}]}, run_id=None)
    await place.ground.change("sync_queue", {"id": job_id}, error_message="why", retry_count=1)
    job = await place.ground.claimed(job_id, ttl_s=90)
    assert (job.id, job.company_id, job.integration_id) == (job_id, place.company_id, place.integration_id)
    assert (job.action, job.entity, job.record_key, job.priority) == ("reconcile", CANDIDATE, "k", 5)
    assert (job.payload, job.retry_count, job.max_retries, job.crashes) == ({"a": [1, {"b": None}]}, 1, 3, 0)
    assert (job.epoch, job.run_id, job.last_error) == (0, None, "why")
    assert 30 < job.lease_left_s <= 90


async def test_a_job_that_got_on_has_all_its_attempts_back(place: Place) -> None:
    """Four errors within the day that a first sync takes made it a dead letter."""
    job_id = await place.ask()
    await postpone(place.ground, await place.ground.claimed(job_id), attempts=1)
    await postpone(place.ground, await place.ground.claimed(job_id))
    assert (await place.job(job_id))["retry_count"] == 1
    await postpone(place.ground, await place.ground.claimed(job_id), got_on=True)
    assert (await place.job(job_id))["retry_count"] == 0


async def test_a_retry_waits_and_spends_an_attempt(place: Place) -> None:
    job = await place.ground.claimed(await place.ask(payload={"a": 1}))
    await postpone(
        place.ground, job, wait_s=600, attempts=1, code="unavailable", message="away", payload={"position": "2"}
    )
    row = await place.job(job.id)
    assert (row["status"], row["retry_count"], row["hold_reason"]) == ("pending", 1, None)
    assert (row["error_code"], row["error_message"]) == ("unavailable", "away")
    assert row["payload"] == {"a": 1, "position": "2"}
    assert 500 < await wait_s(place, job.id) <= 600


async def test_a_retry_that_was_asked_for_meanwhile_is_due_with_all_attempts(place: Place) -> None:
    job = await place.ground.claimed(await place.ask())
    await place.ask()
    await postpone(place.ground, job, wait_s=600, attempts=1)
    assert (await place.job(job.id))["retry_count"] == 0
    assert await wait_s(place, job.id) <= 0


async def test_a_wait_that_is_not_its_own_fault_holds_though_asked_meanwhile(place: Place) -> None:
    job = await place.ground.claimed(await place.ask())
    await place.ask()
    await postpone(place.ground, job, wait_s=600)
    assert 500 < await wait_s(place, job.id) <= 600


async def test_a_hold_has_no_date(place: Place) -> None:
    job = await place.ground.claimed(await place.ask())
    await postpone(place.ground, job, hold_reason="event")
    row = await place.job(job.id)
    assert (row["scheduled_at"], row["hold_reason"]) == (INFINITY, "event")


async def test_a_hold_that_was_asked_for_meanwhile_is_none(place: Place) -> None:
    job = await place.ground.claimed(await place.ask())
    await place.ask()
    await postpone(place.ground, job, hold_reason="event")
    assert (await place.job(job.id))["hold_reason"] is None
    assert await wait_s(place, job.id) <= 0


async def test_what_nobody_foresaw_is_counted_until_another_ending(place: Place) -> None:
    job_id = await place.ask()
    for crashes in (1, 2):
        await postpone(place.ground, await place.ground.claimed(job_id), unforeseen=True)
        assert (await place.job(job_id))["crashes"] == crashes
    await postpone(place.ground, await place.ground.claimed(job_id))
    assert (await place.job(job_id))["crashes"] == 0


# -- waiting and leaving ----------------------------------------------------------------------------------------------


async def test_an_event_wakes_those_that_wait_for_it(place: Place) -> None:
    job_id = await place.ask("a", hold_reason="event")
    await place.ask("b", hold_reason="another")
    async with place.ground.database.company(place.company_id) as tx:
        assert await place.ground.store.ledger.release_held(tx, place.integration_id, []) == []
        knocks = await place.ground.store.ledger.release_held(tx, place.integration_id, ["event", "none"])
    assert [knock.job_id for knock in knocks] == [job_id]
    assert (await place.job(job_id))["hold_reason"] is None
    assert await wait_s(place, job_id) <= 0


async def test_waits_are_ended_by_one_at_a_time(place: Place) -> None:
    ground = place.ground
    other_integration = await ground.integration(place.company_id)

    async def lock(integration_id: UUID) -> None:
        async with ground.database.company(place.company_id) as tx:
            await ground.store.ledger.lock_waits(tx, integration_id)

    async with ground.database.company(place.company_id) as tx:
        await ground.store.ledger.lock_waits(tx, place.integration_id)
        await lock(other_integration)
        waiting = await ground.blocked(lock(place.integration_id))
    await waiting


async def test_pending_jobs_are_cancelled(place: Place) -> None:
    ground, run_id = place.ground, uuid4()
    running = await place.ask("running")
    await ground.claimed(running)
    await place.ask("a", run_id=run_id)
    await place.ask("b", entity=JOB)
    await place.ask("c", action="pull")
    await place.ask("d", hold_reason="event")
    async with ground.database.company(place.company_id) as tx:
        gone = await ground.store.ledger.cancel(tx, place.integration_id, ["reconcile"], [CANDIDATE])
    assert sorted(row["record_key"] for row in gone) == ["a", "d"]
    first = next(row for row in gone if row["record_key"] == "a")
    assert set(first) == {"id", "entity_type", "direction", "record_key", "action", "run_id"}
    assert (first["entity_type"], first["direction"], first["run_id"]) == ("candidate", "inbound", run_id)
    async with ground.database.company(place.company_id) as tx:
        assert len(await ground.store.ledger.cancel(tx, place.integration_id, ["reconcile", "pull"])) == 2
    assert [row["id"] for row in await ground.rows("sync_queue")] == [running]
