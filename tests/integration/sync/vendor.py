"""The vendor's side of a world: what it holds, what it was sent, and its word that something has changed."""

from __future__ import annotations

from typing import Any

from shared.model import Direction, EntityType
from shared.store.ledger import JobRequest
from shared.sync.jobs.priorities import RECONCILE
from tests.integration.sync.world import World

CANDIDATE_EDITS: list[tuple[str, dict[str, Any]]] = [
    ("name", {"first_name": "Renamed"}),
    ("preferred_name", {"preferred_name": "Nick"}),
    ("email", {"email_addresses": [{"value": "brand.new@example.org", "type": "personal"}]}),
    ("phone", {"phone_numbers": [{"value": "+44 20 7946 0999", "type": "mobile"}]}),
    ("addresses", {"addresses": [{"value": "9 New Street", "type": "home"}]}),
    ("links", {"website_addresses": [{"value": "https://new.example", "type": "personal"}]}),
    ("linkedin_url", {"social_media_addresses": [{"value": "https://www.linkedin.com/in/new"}]}),
    ("current_company", {"company": "Newly Joined Ltd"}),
    ("current_title", {"title": "Chief of Novelty"}),
    ("tags", {"tags": ["entirely", "new"]}),
    ("time_zone", {"time_zone": "Hawaii"}),
    ("can_email", {"can_email": None}),
]


async def a_candidate(world: World) -> dict[str, Any]:
    """Return a vendor's candidate with name, one e-mail and a phone, whose e-mail nobody shares."""
    people = (await world.vendor_state())["candidates"]
    emails = [each["value"].strip().lower() for row in people for each in row["email_addresses"] or []]
    return next(
        row
        for row in people
        if row["first_name"]
        and row["last_name"]
        and len(row["email_addresses"] or []) == 1
        and "@" in row["email_addresses"][0]["value"]
        and emails.count(row["email_addresses"][0]["value"].strip().lower()) == 1
        and row["phone_numbers"]
        and not row["private"]
    )


async def vendor_candidate(world: World, external_id: int) -> dict[str, Any]:
    """Return the vendor's candidate as it stands."""
    rows = (await world.vendor_state())["candidates"]
    return next(row for row in rows if row["id"] == external_id)


async def an_application(world: World) -> dict[str, Any]:
    """Return a vendor's active application in the first stage of an open pipeline."""
    state = await world.vendor_state()
    return next(
        row
        for row in state["applications"]
        if row["status"] == "in_process" and row["stage_name"] and not row["prospect"]
    )


async def stage_names(world: World, job_id: int) -> list[str]:
    """Return the active stages of a job, in order."""
    state = await world.vendor_state()
    stages = [row for row in state["job_interview_stages"] if row["job_id"] == job_id and row["active"]]
    return [row["name"] for row in sorted(stages, key=lambda row: row["sort_order"])]


async def signal(world: World, entity: EntityType, external_id: object) -> None:
    """Do what the webhook worker does: ask for the record, and run what is due."""
    services = world.services
    async with services.database.company(world.company_id) as tx:
        keys = await services.store.links.record_keys(tx, world.integration_id, entity, [str(external_id)])
        request = JobRequest(world.integration_id, RECONCILE, entity, keys[str(external_id)], Direction.INBOUND, 3)
        await services.store.ledger.enqueue(tx, [request])
    await world.drain()


async def writes(world: World) -> list[dict[str, Any]]:
    """Return the vendor's log of writes, less token requests."""
    return [dict(each) for each in await world.requests() if each["method"] != "GET" and each["path"] != "/token"]


async def holders(world: World, email: str) -> list[dict[str, Any]]:
    """Return the vendor's candidates who hold *email*."""
    return [
        row
        for row in (await world.vendor_state())["candidates"]
        if any(each["value"] == email for each in row["email_addresses"] or [])
    ]


async def at_vendor(world: World, table: str = "candidates") -> set[str]:
    return {str(row["id"]) for row in (await world.vendor_state())[table]}


async def vendor_person(world: World, **fields: Any) -> int:
    """Add a candidate at the vendor; return its id."""
    response = await world.control.post("/candidates?webhooks=false", json=fields)
    response.raise_for_status()
    made: int = response.json()["id"]
    return made


async def shown_stage(world: World, application_id: int) -> str:
    """Return the stage that the vendor shows of an application."""
    rows = (await world.vendor_state())["applications"]
    return str(next(row["stage_name"] for row in rows if row["id"] == application_id))


async def applications_there(world: World, person_id: int) -> list[dict[str, Any]]:
    """Return the vendor's applications of a candidate."""
    return [each for each in (await world.vendor_state())["applications"] if each["candidate_id"] == person_id]
