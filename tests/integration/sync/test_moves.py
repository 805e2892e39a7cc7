"""Stages and statuses of applications, moved here and there, and what the pipeline refuses."""

from __future__ import annotations

import pytest

from shared.model import EntityType
from tests.integration.sync.vendor import an_application, signal, stage_names, writes
from tests.integration.sync.world import World


async def test_a_stage_moved_here_moves_there(world: World) -> None:
    await world.pull()
    application = await an_application(world)
    record = await world.record_of(EntityType.APPLICATION, application["id"])
    names = await stage_names(world, application["job_id"])
    target = next(name for name in names if name != application["stage_name"])
    await world.edit_here(EntityType.APPLICATION, record["id"], stage=target)
    await world.drain()
    rows = (await world.vendor_state())["applications"]
    assert next(row for row in rows if row["id"] == application["id"])["stage_name"] == target
    log = await world.row(
        "SELECT * FROM sync_logs WHERE direction = 'outbound' AND entity_type = 'application' AND status = 'success'"
    )
    assert log["details"]["fields"] == ["stage"]


async def test_a_stage_moved_there_arrives_here(world: World) -> None:
    await world.pull()
    application = await an_application(world)
    names = await stage_names(world, application["job_id"])
    target = next(name for name in names if name != application["stage_name"])
    response = await world.control.post(f"/applications/{application['id']}/move", json={"stage_name": target})
    response.raise_for_status()
    await signal(world, EntityType.APPLICATION, application["id"])
    assert (await world.record_of(EntityType.APPLICATION, application["id"]))["data"]["stage"] == target


async def test_a_move_that_the_pipeline_refuses_is_an_item_for_a_person_and_not_undone(world: World) -> None:
    await world.pull()
    application = await an_application(world)
    record = await world.record_of(EntityType.APPLICATION, application["id"])
    await world.edit_here(EntityType.APPLICATION, record["id"], stage="No such stage")
    await world.drain()
    after = await world.record_of(EntityType.APPLICATION, application["id"])
    assert after["data"]["stage"] == "No such stage"
    conflict = await world.row("SELECT * FROM conflicts WHERE status = 'open'")
    assert (conflict["kind"], conflict["unit"]) == ("refused", "stage")
    log = await world.row("SELECT * FROM sync_logs WHERE direction = 'outbound' AND status = 'failed'")
    assert log["details"]["fields"] == ["stage"]
    await world.control.delete("/requests")
    await signal(world, EntityType.APPLICATION, application["id"])
    assert await writes(world) == []
    # Nothing is left to do by itself, and yet both sides differ: it stays a person's.
    assert await world.row("SELECT id, version FROM conflicts WHERE status = 'open'") == {
        "id": conflict["id"],
        "version": conflict["version"],
    }


@pytest.mark.parametrize("by", ["a move here that the pipeline takes", "a move there"])
async def test_an_item_of_a_refused_move_ends_once_both_sides_agree(world: World, by: str) -> None:
    await world.pull()
    application = await an_application(world)
    record = await world.record_of(EntityType.APPLICATION, application["id"])
    names = await stage_names(world, application["job_id"])
    target = next(name for name in names if name != application["stage_name"])
    await world.edit_here(EntityType.APPLICATION, record["id"], stage="No such stage")
    await world.drain()
    if by == "a move there":
        response = await world.control.post(f"/applications/{application['id']}/move", json={"stage_name": target})
        response.raise_for_status()
        await signal(world, EntityType.APPLICATION, application["id"])
    else:
        await world.edit_here(EntityType.APPLICATION, record["id"], stage=target)
        await world.drain()
    assert (await world.record_of(EntityType.APPLICATION, application["id"]))["data"]["stage"] == target
    item = await world.row("SELECT status, decision FROM conflicts WHERE kind = 'refused'")
    assert item == {"status": "closed", "decision": "agreed"}


async def test_a_rejection_here_is_a_rejection_there(world: World) -> None:
    await world.pull()
    application = await an_application(world)
    record = await world.record_of(EntityType.APPLICATION, application["id"])
    reason = (await world.vendor_state())["rejection_reasons"][0]
    await world.edit_here(EntityType.APPLICATION, record["id"], status="rejected", rejection_reason=reason["name"])
    await world.drain()
    rows = (await world.vendor_state())["applications"]
    shown = next(row for row in rows if row["id"] == application["id"])
    assert (shown["status"], shown["rejection_reason_id"]) == ("rejected", reason["id"])
    update = await world.row("SELECT * FROM application_status_update_log")
    assert (update["status"], update["candidate_id"]) == ("rejected", record["candidate_id"])
