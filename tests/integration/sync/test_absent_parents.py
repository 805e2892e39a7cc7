"""What is here goes on without a parent that stays out, and follows the vendor as soon as that parent comes in."""

from __future__ import annotations

from typing import Any

import pytest

from shared.model import EntityType
from tests.integration.sync.comparing import compare
from tests.integration.sync.configuring import map_as
from tests.integration.sync.links import linked
from tests.integration.sync.vendor import a_candidate, an_application, shown_stage, signal, stage_names
from tests.integration.sync.vendor_merging import merge_silently
from tests.integration.sync.world import World

CANDIDATE, APPLICATION, JOB = EntityType.CANDIDATE, EntityType.APPLICATION, EntityType.JOB


async def moved_to_a_job_that_is_out(world: World) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """
    Let a recruiter move a linked application to a job that the filter leaves out.

    Return our record as it was, the application and that job as the vendor has them by now.
    """
    application = await an_application(world)
    state = await world.vendor_state()
    person = application["candidate_id"]
    taken = {row["job_id"] for row in state["applications"] if row["candidate_id"] == person}
    names = {row["name"] for row in state["jobs"] if row["id"] in taken}
    job = next(row for row in state["jobs"] if row["name"] not in names)
    await map_as(world, {"job": {"where": f"title != {job['name']!r}"}})
    await world.pull()
    record = await world.record_of(APPLICATION, application["id"])
    target = (await stage_names(world, job["id"]))[1]
    for body in ({"to_job_id": job["id"]}, {"stage_name": target}):
        response = await world.control.post(f"/applications/{application['id']}/move", json=body)
        response.raise_for_status()
    await signal(world, APPLICATION, application["id"])
    moved = next(row for row in (await world.vendor_state())["applications"] if row["id"] == application["id"])
    assert (moved["job_id"], moved["stage_name"]) == (job["id"], target)
    return record, moved, job


async def figures(world: World) -> tuple[int, int]:
    """Return how many calls the vendor has had, and how many rows the log has."""
    rows = await world.rows("SELECT 1 FROM sync_logs")
    return len(await world.requests()), len(rows)


async def test_what_moves_to_a_job_that_is_left_out_is_kept_in_step_but_for_its_job(world: World) -> None:
    before, moved, job = await moved_to_a_job_that_is_out(world)
    after = await world.record_of(APPLICATION, moved["id"])
    assert after["data"]["stage"] == moved["stage_name"]
    assert after["data"]["job_id"] == before["data"]["job_id"]
    back = (await stage_names(world, job["id"]))[0]
    await world.edit_here(APPLICATION, after["id"], stage=back)
    await world.drain()
    assert await shown_stage(world, moved["id"]) == back
    assert await world.rows("SELECT 1 FROM sync_queue WHERE status = 'pending'") == []


async def test_who_lacks_a_job_that_is_left_out_costs_nothing_between_two_looks(world: World) -> None:
    """Nothing wakes anybody, sweep after sweep; a pull of everything is complete, and a comparison finds nothing."""
    await moved_to_a_job_that_is_out(world)
    before = await figures(world)
    for _ in range(5):
        await world.services.sweep.sweep()
        await world.drain()
    assert await figures(world) == before
    run = await world.run_of(await world.pull(APPLICATION, mode="full"))
    assert (run["status"], run["records_updated"], run["records_skipped"]) == ("complete", 0, 0)
    assert (await compare(world, APPLICATION))["status"] == "complete"
    assert await world.rows("SELECT kind FROM parity_differences") == []


@pytest.mark.parametrize("way", ["the job changes", "the filter goes"])
async def test_an_application_follows_to_its_job_when_that_comes_in(world: World, way: str) -> None:
    _, moved, job = await moved_to_a_job_that_is_out(world)
    if way == "the filter goes":
        await map_as(world, None)
        await world.drain()
    else:
        await world.edit_at_vendor("jobs", job["id"], {"name": "Somebody else's"})
        await signal(world, JOB, job["id"])
    here = await world.record_of(JOB, job["id"])
    assert (await world.record_of(APPLICATION, moved["id"]))["data"]["job_id"] == str(here["id"])
    assert await world.rows("SELECT 1 FROM left_out WHERE external_id = %(id)s", id=str(moved["id"])) == []


async def test_what_the_vendor_gives_to_somebody_who_was_erased_goes_on_without_them(world: World) -> None:
    """It neither waits for them nor keeps anything of them."""
    erased = await a_candidate(world)
    async with world.services.database.company(world.company_id) as tx:
        address = erased["email_addresses"][0]["value"]
        await world.services.suppression.suppress_identity(tx, {"email": address}, reason="erasure")
    await world.pull()
    state = await world.vendor_state()
    application = next(
        row
        for row in state["applications"]
        if row["status"] == "in_process" and row["stage_name"] and row["candidate_id"] != erased["id"]
    )
    before = await world.record_of(APPLICATION, application["id"])
    await merge_silently(world, erased["id"], application["candidate_id"])
    target = next(name for name in await stage_names(world, application["job_id"]) if name != application["stage_name"])
    response = await world.control.post(f"/applications/{application['id']}/move", json={"stage_name": target})
    response.raise_for_status()
    await signal(world, APPLICATION, application["id"])
    after = await world.record_of(APPLICATION, application["id"])
    assert (after["data"]["stage"], after["data"]["candidate_id"]) == (target, before["data"]["candidate_id"])
    assert str(erased["id"]) not in await linked(world, CANDIDATE)
    assert await world.rows("SELECT 1 FROM left_out") == []
    waiting = await world.rows("SELECT hold_reason FROM sync_queue WHERE hold_reason LIKE 'parent:%%'")
    assert waiting == []


async def test_who_lacks_one_who_stays_out_and_one_who_is_not_here_yet_waits_for_the_latter(world: World) -> None:
    erased = await a_candidate(world)
    async with world.services.database.company(world.company_id) as tx:
        address = erased["email_addresses"][0]["value"]
        await world.services.suppression.suppress_identity(tx, {"email": address}, reason="erasure")
    await world.pull()
    application = next(
        row
        for row in (await world.vendor_state())["applications"]
        if row["status"] == "in_process" and row["stage_name"] and row["candidate_id"] != erased["id"]
    )
    await merge_silently(world, erased["id"], application["candidate_id"])
    job = (await world.control.post("/jobs", json={"name": "Opened just now"})).json()
    response = await world.control.post(f"/applications/{application['id']}/move", json={"to_job_id": job["id"]})
    response.raise_for_status()
    await signal(world, APPLICATION, application["id"])
    here = await world.record_of(JOB, job["id"])
    assert (await world.record_of(APPLICATION, application["id"]))["data"]["job_id"] == str(here["id"])
