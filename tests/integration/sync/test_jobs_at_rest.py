"""What can be seen of a sync afterwards, step by step; and that no job carries anything of a person."""

from __future__ import annotations

from shared.model import EntityType
from tests.integration.sync.submitting import new_candidate, open_job, submit
from tests.integration.sync.vendor import a_candidate
from tests.integration.sync.world import World, fresh_token


async def test_each_step_of_an_inbound_sync_can_be_seen(world: World) -> None:
    run_id = await world.services.syncs.request(world.company_id, world.integration_id, entity=EntityType.JOB)
    queued = await world.row("SELECT * FROM sync_queue WHERE action = 'pull'")
    assert (queued["status"], queued["direction"], queued["run_id"]) == ("pending", "inbound", run_id)
    assert (await world.run_of(run_id))["status"] == "running"
    await world.drain()
    settled = await world.row("SELECT * FROM sync_queue WHERE id = %(id)s", id=queued["id"])
    assert settled["status"] == "completed"
    assert settled["started_at"] <= settled["completed_at"]
    run = await world.run_of(run_id)
    assert (run["status"], run["records_created"]) == ("complete", run["records_read"])
    traces = await world.row(
        "SELECT count(*) AS logged, count(l.id) AS linked, count(r.id) AS recorded FROM sync_logs s"
        " LEFT JOIN external_entity_map l ON l.external_id = s.external_id AND l.internal_id = s.entity_id"
        " LEFT JOIN records r ON r.id = s.entity_id"
        " WHERE s.run_id = %(run)s AND s.job_id = %(job)s AND s.action = 'created'",
        run=run_id,
        job=queued["id"],
    )
    assert traces["logged"] == traces["linked"] == traces["recorded"] == run["records_created"] > 0


async def test_each_step_of_a_submission_can_be_seen(world: World) -> None:
    await world.pull()
    _, job_id = await open_job(world)
    candidate = await new_candidate(world)
    application = await submit(world, candidate.id, job_id)
    queued = await world.row("SELECT * FROM sync_queue WHERE record_key = %(key)s", key=str(application.id))
    assert (queued["status"], queued["direction"], queued["priority"]) == ("pending", "outbound", 2)
    await world.drain()
    sent = [each for each in await world.requests() if each["method"] == "POST" and each["path"] == "/v3/candidates"]
    assert len(sent) == 1
    for record_id, entity in ((candidate.id, "candidate"), (application.id, "application")):
        link = await world.row("SELECT * FROM external_entity_map WHERE internal_id = %(id)s", id=record_id)
        log = await world.row(
            "SELECT * FROM sync_logs WHERE entity_id = %(id)s AND action = 'created' AND direction = 'outbound'",
            id=record_id,
        )
        assert (log["status"], log["external_id"], log["entity_type"]) == ("success", link["external_id"], entity)
    record = await world.row("SELECT submission FROM records WHERE id = %(id)s", id=application.id)
    assert record["submission"]["state"] == "submitted"
    job = await world.row("SELECT status FROM sync_queue WHERE id = %(id)s", id=queued["id"])
    assert job["status"] == "completed"


async def test_no_job_carries_a_value(world: World) -> None:
    """Queue rows are read by operators of all companies: what is in them is ids, names of fields and parameters."""
    await world.pull()
    person = await a_candidate(world)
    record = await world.record_of(EntityType.CANDIDATE, person["id"])
    canary = f"canary.{fresh_token()}@example.org"
    await world.edit_here(EntityType.CANDIDATE, record["id"], email=canary, current_title=f"title {canary}")
    _, job_id = await open_job(world)
    candidate = await new_candidate(world, email=f"new.{canary}", last_name=f"Name {canary}")
    await submit(world, candidate.id, job_id)
    pending = await world.rows("SELECT to_jsonb(q)::text AS text FROM sync_queue q")
    await world.drain()
    settled = await world.rows("SELECT to_jsonb(q)::text AS text FROM sync_queue q")
    letters = await world.rows("SELECT to_jsonb(d)::text AS text FROM dead_letters d")
    logs = await world.rows(
        "SELECT to_jsonb(s)::text AS text FROM sync_logs s WHERE s.entity_id = %(id)s", id=record["id"]
    )
    assert len(pending) >= 2
    assert logs
    assert [row["text"] for row in [*pending, *settled, *letters, *logs] if "canary" in row["text"]] == []
