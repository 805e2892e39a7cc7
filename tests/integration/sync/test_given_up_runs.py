"""A job that is given up ends its run: others go on, schedules start the next one, and a redrive begins it again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from shared.errors import Conflict
from shared.model import Direction, EntityType
from shared.store.dead_letters import DeadLetters
from shared.store.ledger import Knock
from shared.store.queues import knock_body
from shared.sync.runs.run_jobs import LEFT_OVER
from tests.integration.sync.world import World

CANDIDATE, JOB = EntityType.CANDIDATE, EntityType.JOB
PULL = "SELECT * FROM sync_queue WHERE action = 'pull' AND entity_type = 'candidate'"


async def asked_for(world: World, entity: EntityType | None = CANDIDATE, mode: str = "full") -> UUID:
    return await world.services.syncs.request(
        world.company_id, world.integration_id, direction=Direction.INBOUND, entity=entity, mode=mode
    )


async def vendor_is_down(world: World, path: str = "/v3/candidates") -> None:
    await world.control.post(
        "/faults", json={"kind": "error", "method": "GET", "path": path, "status": 503, "times": None}
    )


async def vendor_is_back(world: World) -> None:
    await world.control.delete("/faults")
    await world.execute("UPDATE integrations SET blocked_until = NULL, blocked_reason = NULL")


async def give_up(world: World, action: str = "pull") -> dict[str, Any]:
    """Run the jobs of *action* until one is a dead letter; return the letter."""
    while not (letters := await world.rows("SELECT * FROM dead_letters WHERE state = 'open'")):
        await world.execute(
            "UPDATE sync_queue SET scheduled_at = now() WHERE status = 'pending' AND action = %(action)s", action=action
        )
        assert await world.drain() > 0
    return letters[0]


async def redrive(world: World, letter: dict[str, Any]) -> None:
    async with world.services.database.company(world.company_id) as tx:
        assert (await DeadLetters().redrive(tx, letter_id=letter["id"]))[1]
    await world.drain()


async def schedule(world: World, entity: EntityType = CANDIDATE) -> list[Knock]:
    """Do what a schedule of the entity does when it is due."""
    services = world.services
    async with services.database.company(world.company_id) as tx:
        integration = await services.store.connections.get(tx, world.integration_id)
        return await services.syncs.schedule(tx, integration, entity, "incremental")


async def test_a_pull_that_is_given_up_has_failed_and_the_schedule_starts_the_next(world: World) -> None:
    """Its run went on for ever: no tick of the schedule started another one, and nobody was told."""
    await vendor_is_down(world)
    run_id = await asked_for(world)
    letter = await give_up(world)
    assert (letter["code"], letter["attempts"]) == ("unavailable", 4)
    run = await world.run_of(run_id)
    assert (run["status"], run["ended_at"] is not None) == ("failed", True)
    assert run["error"] == f"unavailable: {letter['cause']}"
    with pytest.raises(Conflict, match="over"):
        await world.services.syncs.cancel(world.company_id, run_id)
    await vendor_is_back(world)
    assert len(await schedule(world)) == 1
    await world.drain()
    latest = await world.row("SELECT * FROM runs ORDER BY started_at DESC LIMIT 1")
    assert (latest["trigger"], latest["status"]) == ("schedule", "complete")


async def test_the_next_entity_goes_on_after_one_that_was_given_up(world: World) -> None:
    await vendor_is_down(world, "/v3/jobs")
    parent_id = await asked_for(world, None)
    await give_up(world)
    await world.drain()
    runs = await world.rows("SELECT * FROM runs WHERE parent_id = %(id)s", id=parent_id)
    statuses = {run["entity_type"]: run["status"] for run in runs}
    assert statuses["job"] == "failed"
    assert statuses["candidate"] == "complete"
    assert statuses["application"] in ("complete", "partial")
    assert (await world.run_of(parent_id))["status"] == "partial"


async def test_a_run_that_was_asked_for_meanwhile_has_its_turn(world: World) -> None:
    """What was refused for good ended the older run, and left the younger one without a job."""
    first = await asked_for(world)
    second = await asked_for(world, mode="incremental")
    fault = {"kind": "error", "method": "GET", "path": "/v3/candidates", "status": 422, "times": 1}
    await world.control.post("/faults", json=fault)
    await world.drain()
    assert [(await world.run_of(each))["status"] for each in (first, second)] == ["failed", "complete"]
    letter = await world.row("SELECT * FROM dead_letters")
    assert (await world.run_of(first))["error"] == f"{letter['code']}: {letter['cause']}"


async def test_a_letter_that_is_redriven_begins_the_run_again(world: World) -> None:
    """Its run was over, so that the job found nothing to do."""
    await vendor_is_down(world)
    first = await asked_for(world)
    letter = await give_up(world)
    await vendor_is_back(world)
    await redrive(world, letter)
    runs = await world.rows("SELECT * FROM runs ORDER BY started_at")
    assert [(run["status"], run["mode"], run["trigger"]) for run in runs] == [
        ("failed", "full", "manual"),
        ("complete", "full", "redrive"),
    ]
    assert runs[0]["id"] == first
    assert runs[1]["records_created"] > 0


async def test_a_letter_whose_work_a_later_run_has_done_makes_no_run(world: World) -> None:
    await vendor_is_down(world)
    await asked_for(world)
    letter = await give_up(world)
    await vendor_is_back(world)
    await world.pull(CANDIDATE)
    await redrive(world, letter)
    assert [run["status"] for run in await world.rows("SELECT * FROM runs ORDER BY started_at")] == [
        "failed",
        "complete",
    ]
    assert await world.rows("SELECT 1 FROM sync_queue WHERE action = 'pull' AND status <> 'completed'") == []


@pytest.mark.parametrize("how", ["poison", "crash_loop"])
async def test_however_it_is_given_up(world: World, how: str) -> None:
    run_id = await asked_for(world)
    job = await world.row(PULL)
    if how == "poison":
        await world.execute("UPDATE sync_queue SET claimed_seq = requested_seq WHERE id = %(id)s", id=job["id"])
        body = knock_body(Knock(world.company_id, job["id"], job["epoch"], job["priority"]), None)
        assert await world.services.poison.record(body, "sync-bulk") == "dead_letter"
    else:
        await world.execute("UPDATE sync_queue SET crashes = 5 WHERE id = %(id)s", id=job["id"])
        await world.drain()
    run = await world.run_of(run_id)
    assert run["status"] == "failed"
    assert run["error"].startswith(f"{how}: ")


async def test_an_outbound_run_that_was_given_up_begins_again(world: World) -> None:
    await world.pull()
    run_id = await world.services.syncs.request(
        world.company_id, world.integration_id, direction=Direction.OUTBOUND, entity=CANDIDATE
    )
    await world.execute("UPDATE sync_queue SET crashes = 5 WHERE action = 'push_moved'")
    letter = await give_up(world, "push_moved")
    assert (await world.run_of(run_id))["status"] == "failed"
    await redrive(world, letter)
    again = await world.row("SELECT * FROM runs WHERE trigger = 'redrive'")
    assert (again["direction"], again["status"]) == ("outbound", "complete")


async def test_the_taking_back_of_a_run_that_was_given_up_can_be_asked_for_or_gone_on_with(world: World) -> None:
    """While its run went on nobody could ask for another one."""
    run_id = await world.pull(CANDIDATE)
    first = await world.services.reverts.start(world.company_id, run_id)
    await world.execute("UPDATE sync_queue SET crashes = 5 WHERE action = 'revert'")
    letter = await give_up(world, "revert")
    assert (await world.run_of(first))["status"] == "failed"
    second = await world.services.reverts.start(world.company_id, run_id)
    await world.execute("UPDATE sync_queue SET crashes = 5 WHERE action = 'revert' AND status = 'pending'")
    await world.drain()
    assert (await world.run_of(second))["status"] == "failed"
    await redrive(world, letter)
    assert (await world.run_of(first))["status"] in ("complete", "partial")
    assert await world.rows("SELECT 1 FROM records WHERE entity_type = 'candidate' AND archived_at IS NULL") == []


@pytest.mark.parametrize("how", ["schedule", "cancel"])
async def test_a_run_without_a_job_is_over(world: World, how: str) -> None:
    """As one is that an older release left behind."""
    run_id = await asked_for(world)
    await world.execute("DELETE FROM sync_queue WHERE action = 'pull'")
    if how == "schedule":
        assert len(await schedule(world)) == 1
    else:
        await world.services.syncs.cancel(world.company_id, run_id)
    run = await world.run_of(run_id)
    assert (run["status"], run["error"]) == ("failed", LEFT_OVER)


async def test_a_run_that_waits_for_its_turn_is_not_over(world: World) -> None:
    parent_id = await asked_for(world, None)
    assert await schedule(world) == []
    runs = await world.rows("SELECT status FROM runs WHERE parent_id = %(id)s", id=parent_id)
    assert [run["status"] for run in runs] == ["running"] * 3


async def test_errors_far_apart_are_not_counted_together(world: World) -> None:
    """Between them pages came in: a first sync of a day met four of them, and was given up."""
    await world.control.post("/fill", json={"people": 600})
    await asked_for(world)
    await world.execute("UPDATE sync_queue SET retry_count = 3 WHERE action = 'pull'")
    world.services.puller._time_budget_s = 0
    job = await world.row(PULL)
    async with world.services.database.dispatch() as tx:
        claim = await world.services.store.ledger.claim(tx, job["id"], low=1, high=10, ttl_s=60, per_integration=5)
    assert claim is not None
    await world.services.runner.run(claim)
    after = await world.row(PULL)
    assert (after["status"], after["retry_count"]) == ("pending", 0)
