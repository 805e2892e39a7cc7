"""What the portal does to submit somebody, and what it is told of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from shared.model import EntityType
from shared.store.records import StoredRecord
from tests.integration.sync.vendor import applications_there
from tests.integration.sync.world import World, fresh_token

LOST = {"kind": "lost_answer", "method": "POST", "path": "/v3/applications", "times": 1}


async def open_job(world: World) -> tuple[dict[str, Any], UUID]:
    """Return an open vendor job with a pipeline, and our record of it."""
    state = await world.vendor_state()
    job = next(row for row in state["jobs"] if row["status"] == "open" and not row["is_template"])
    return job, (await world.record_of(EntityType.JOB, job["id"]))["id"]


async def new_candidate(world: World, **fields: Any) -> StoredRecord:
    """Add a candidate in the portal."""
    values = {
        "first_name": "Grace",
        "last_name": "Hoppér",
        "email": f"grace.{fresh_token()}@example.org",
        "phone": "+1 202 555 0143",
        "tags": ["Compilers"],
        **fields,
    }
    return await world.services.edits.create_candidate(world.company_id, values, actor="recruiter")


async def submit(world: World, candidate_id: UUID, job_id: UUID, **fields: Any) -> StoredRecord:
    """Submit a candidate to a job."""
    return await world.services.edits.submit_application(
        world.company_id, candidate_id=candidate_id, job_id=job_id, fields=fields, actor="recruiter"
    )


async def submission_of(world: World, record_id: UUID) -> dict[str, Any]:
    """Return an application's `submission`."""
    row = await world.row("SELECT submission FROM records WHERE id = %(id)s", id=record_id)
    found: dict[str, Any] = row["submission"]
    return found


async def lose_the_answer(world: World) -> tuple[StoredRecord, StoredRecord]:
    """Submit a new candidate whose create the vendor carries out, and whose answer never comes; return both records."""
    await world.pull()
    _, job_id = await open_job(world)
    candidate = await new_candidate(world)
    application = await submit(world, candidate.id, job_id)
    await world.control.post(
        "/faults", json={"kind": "lost_answer", "method": "POST", "path": "/v3/candidates", "times": 1}
    )
    await world.drain()
    return candidate, application


async def a_submission(world: World) -> tuple[StoredRecord, StoredRecord]:
    """Submit somebody whom the vendor does not know; return both records."""
    await world.pull()
    _, job_id = await open_job(world)
    candidate = await new_candidate(world)
    return candidate, await submit(world, candidate.id, job_id)


async def lose_the_application_of(world: World, external_id: int) -> tuple[UUID, StoredRecord, dict[str, Any]]:
    """
    Submit somebody whom the vendor knows; it makes the application, and never answers.

    Return the candidate, our application, and the vendor's.
    """
    _, job_id = await open_job(world)
    candidate_id = (await world.record_of(EntityType.CANDIDATE, external_id))["id"]
    application = await submit(world, candidate_id, job_id)
    await world.control.post("/faults", json=LOST)
    await world.drain()
    assert (await submission_of(world, application.id))["state"] == "queued"
    (made,) = await applications_there(world, external_id)
    return candidate_id, application, made
