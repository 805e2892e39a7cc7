"""Every mapped field of applications and jobs, changed at the vendor, comes with the next incremental pull, alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from shared.adapters.greenhouse.capabilities import CAPABILITIES
from shared.model import EntityType
from tests.integration.sync.vendor import CANDIDATE_EDITS, an_application, stage_names
from tests.integration.sync.world import World

Edit = Callable[[World], Awaitable[object]]


async def post(world: World, path: str, body: dict[str, Any]) -> None:
    """Do something in the vendor's own pages."""
    response = await world.control.post(path, json=body)
    response.raise_for_status()


async def open_job(world: World) -> dict[str, Any]:
    """Return an open job."""
    jobs = (await world.vendor_state())["jobs"]
    return next(row for row in jobs if row["status"] == "open" and not row["is_template"])


async def move(world: World) -> object:
    """Move an application to another stage."""
    application = await an_application(world)
    names = await stage_names(world, application["job_id"])
    target = next(name for name in names if name != application["stage_name"])
    await post(world, f"/applications/{application['id']}/move", {"stage_name": target})
    return application["id"]


async def reject(world: World) -> object:
    """Reject an application: status, reason, and the stage that goes with them."""
    application = await an_application(world)
    await post(world, f"/applications/{application['id']}/reject", {})
    return application["id"]


async def change_source(world: World) -> object:
    """Say that an application came by another way."""
    application = await an_application(world)
    sources = (await world.vendor_state())["sources"]
    other = next(row for row in sources if row["id"] != application["source_id"])
    await world.edit_at_vendor("applications", application["id"], {"source_id": other["id"]})
    return application["id"]


async def change_applied_at(world: World) -> object:
    """Correct when an application came."""
    application = await an_application(world)
    await world.edit_at_vendor("applications", application["id"], {"created_at": "2020-02-02T02:02:02.000Z"})
    return application["id"]


def job_edit(**changes: Any) -> Edit:
    """Return an edit of an open job."""

    async def edit(world: World) -> object:
        job = await open_job(world)
        await world.edit_at_vendor("jobs", job["id"], changes)
        return job["id"]

    return edit


async def change_department(world: World) -> object:
    """Move a job to another department."""
    job = await open_job(world)
    departments = (await world.vendor_state())["departments"]
    other = next(row for row in departments if row["id"] != job["department_id"])
    await world.edit_at_vendor("jobs", job["id"], {"department_id": other["id"]})
    return job["id"]


async def change_location(world: World) -> object:
    """Move a job to another office."""
    job = await open_job(world)
    offices = (await world.vendor_state())["offices"]
    other = next(row for row in offices if [row["id"]] != job["office_ids"])
    await world.edit_at_vendor("jobs", job["id"], {"office_ids": [other["id"]]})
    return job["id"]


async def rename_stage(world: World) -> object:
    """Give a stage of a job's pipeline another name."""
    job = await open_job(world)
    stages = (await world.vendor_state())["job_interview_stages"]
    stage = next(row for row in stages if row["job_id"] == job["id"])
    await world.edit_at_vendor("job_interview_stages", stage["id"], {"name": "Renamed stage"})
    return job["id"]


EDITS: list[tuple[EntityType, set[str], Edit]] = [
    (EntityType.APPLICATION, {"stage"}, move),
    (EntityType.APPLICATION, {"status", "rejection_reason", "stage"}, reject),
    (EntityType.APPLICATION, {"source"}, change_source),
    (EntityType.APPLICATION, {"applied_at"}, change_applied_at),
    (EntityType.JOB, {"title"}, job_edit(name="Quite another title")),
    (EntityType.JOB, {"requisition_id"}, job_edit(requisition_id="REQ-NEW-1")),
    (EntityType.JOB, {"status"}, job_edit(status="closed")),
    (EntityType.JOB, {"description"}, job_edit(notes="<p>Quite another text</p>")),
    (EntityType.JOB, {"department"}, change_department),
    (EntityType.JOB, {"location"}, change_location),
    (EntityType.JOB, {"created_date"}, job_edit(created_at="2020-02-02T02:02:02.000Z")),
    (EntityType.JOB, {"stages"}, rename_stage),
]


@pytest.mark.parametrize(
    ("entity", "units", "edit"), EDITS, ids=[f"{entity.value}-{'+'.join(sorted(units))}" for entity, units, _ in EDITS]
)
async def test_an_edited_field_comes_with_the_next_incremental_pull(
    world: World, entity: EntityType, units: set[str], edit: Edit
) -> None:
    await world.pull()
    external_id = await edit(world)
    run = await world.run_of(await world.pull(entity))
    logs = await world.rows(
        "SELECT external_id, details FROM sync_logs WHERE run_id = %(run)s AND action = 'updated'", run=run["id"]
    )
    assert [(row["external_id"], set(row["details"]["fields"])) for row in logs] == [(str(external_id), units)]


def test_every_readable_field_has_an_edit_above() -> None:
    """A field that is mapped tomorrow needs its line here."""
    edited = {(entity, unit) for entity, units, _ in EDITS for unit in units}
    edited |= {(EntityType.CANDIDATE, unit) for unit, _ in CANDIDATE_EDITS}
    known = {"name": ("first_name", "last_name")}
    covered = {(entity, name) for entity, unit in edited for name in known.get(unit, (unit,))}
    # A change of the primary entry moves the others of its list along, so these two are seen with it; a person is
    # made private by its own switch; the parents and the kind of an application never change in the vendor's pages.
    along = {(EntityType.CANDIDATE, name) for name in ("further_emails", "further_phones", "restricted")}
    fixed = {(EntityType.APPLICATION, name) for name in ("candidate_id", "job_id", "prospect")}
    # Nothing of them is mapped until an integration's mapping names some: test_custom_fields.py.
    named = {(entity, "custom_fields") for entity in EntityType}
    mapped = {
        (entity, name)
        for entity, capability in CAPABILITIES.entities.items()
        for name, field in capability.fields.items()
        if field.readable
    }
    assert mapped - covered - along - fixed - named == set()


@pytest.mark.parametrize(
    ("name", "edit"),
    [
        ("further_emails", {"email_addresses": [{"value": "z@example.org", "type": "other"}]}),
        ("further_phones", {"phone_numbers": [{"value": "+44 20 7946 0777", "type": "other"}]}),
    ],
)
async def test_an_added_entry_comes_with_the_next_incremental_pull(
    world: World, name: str, edit: dict[str, list[dict[str, str]]]
) -> None:
    await world.pull()
    ((vendor_field, added),) = edit.items()
    candidate = next(
        row
        for row in (await world.vendor_state())["candidates"]
        if row[vendor_field] and row[vendor_field][0]["type"] in ("personal", "mobile") and not row["private"]
    )
    await world.edit_at_vendor("candidates", candidate["id"], {vendor_field: [*candidate[vendor_field], *added]})
    run = await world.run_of(await world.pull(EntityType.CANDIDATE))
    (log,) = await world.rows("SELECT * FROM sync_logs WHERE run_id = %(run)s AND action = 'updated'", run=run["id"])
    assert (log["external_id"], log["details"]["fields"]) == (str(candidate["id"]), [name])


async def test_a_person_made_private_comes_with_the_next_incremental_pull(world: World) -> None:
    await world.pull()
    candidate = next(row for row in (await world.vendor_state())["candidates"] if not row["private"])
    await world.edit_at_vendor("candidates", candidate["id"], {"private": True})
    await world.pull(EntityType.CANDIDATE)
    assert (await world.record_of(EntityType.CANDIDATE, candidate["id"]))["data"]["restricted"] is True
