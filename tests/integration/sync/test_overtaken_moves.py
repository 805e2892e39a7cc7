"""A recruiter is faster: they move or end an application between our look at it and our own move."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.model import EntityType
from tests.integration.sync.vendor import an_application, signal, stage_names, writes
from tests.integration.sync.world import World

APPLICATION = EntityType.APPLICATION


async def overtaken(world: World, application_id: int, verb: str, body: dict[str, Any]) -> None:
    """Let the next act of ours on an application come just after a recruiter's."""
    meanwhile = {"method": "POST", "path": f"/applications/{application_id}/{verb}", "body": body}
    rule = {"kind": "overtaken", "method": "POST", "path": f"/v3/applications/{application_id}/.*", "times": 1}
    (await world.control.post("/faults", json={**rule, "meanwhile": meanwhile})).raise_for_status()


async def again(world: World) -> None:
    """Let what is to be read again a second later be due now, and run it to rest."""
    await world.execute(
        "UPDATE sync_queue SET scheduled_at = now() WHERE status = 'pending' AND scheduled_at IS NOT NULL"
    )
    await world.drain()


async def both_sides(world: World, application_id: int) -> tuple[tuple[str | None, str], tuple[str | None, str]]:
    """Return stage and status of an application, here and there."""
    data = (await world.record_of(APPLICATION, application_id))["data"]
    row = next(each for each in (await world.vendor_state())["applications"] if each["id"] == application_id)
    status = {"in_process": "active"}.get(row["status"], row["status"])
    return (data.get("stage"), data["status"]), (row["stage_name"], status)


@pytest.mark.parametrize("winner", ["portal", "ats", "the later"])
async def test_a_move_whose_guard_went_stale_is_decided_anew(world: World, winner: str) -> None:
    policy = {"policy": "authority", "authority": winner} if winner != "the later" else {"policy": "lww"}
    await world.execute(
        "UPDATE integrations SET config = config || %(more)s::jsonb WHERE id = %(id)s",
        id=world.integration_id,
        more=json.dumps({"policies": {"application": {"stage": policy}}}),
    )
    await world.pull()
    application = await an_application(world)
    record = await world.record_of(APPLICATION, application["id"])
    names = await stage_names(world, application["job_id"])
    there, here = [name for name in names if name != application["stage_name"]][:2]
    await overtaken(world, application["id"], "move", {"stage_name": there})
    await world.edit_here(APPLICATION, record["id"], stage=here)
    await world.control.delete("/requests")
    await world.drain()
    assert [each["status"] for each in await writes(world)] == [422]
    (waiting,) = await world.rows("SELECT retry_count, error_code FROM sync_queue WHERE status = 'pending'")
    assert waiting == {"retry_count": 0, "error_code": "conflict"}
    await again(world)
    await signal(world, APPLICATION, application["id"])

    wanted = (here if winner == "portal" else there, "active")
    assert await both_sides(world, application["id"]) == (wanted, wanted)
    assert await world.rows("SELECT kind, status FROM conflicts") == []
    assert await world.rows("SELECT status FROM sync_queue WHERE status NOT IN ('completed')") == []
    assert await world.rows("SELECT 1 FROM dead_letters") == []


async def test_our_move_after_a_recruiters_end_goes_by_what_is_so_now(world: World) -> None:
    """They rejected the candidate whom we were about to move: nothing is refused, and both sides come to rest alike."""
    await world.pull()
    application = await an_application(world)
    record = await world.record_of(APPLICATION, application["id"])
    target = next(name for name in await stage_names(world, application["job_id"]) if name != application["stage_name"])
    await overtaken(world, application["id"], "reject", {})
    await world.edit_here(APPLICATION, record["id"], stage=target)
    await world.drain()
    await again(world)
    await signal(world, APPLICATION, application["id"])
    here, there = await both_sides(world, application["id"])
    assert here[1] == there[1] == "rejected"
    assert here == there
    assert await world.rows("SELECT kind, status FROM conflicts") == []


async def test_a_person_who_decides_for_a_refused_stage_has_it_sent_once_more(world: World) -> None:
    """The stage was missing there; it is made, and the person who was asked says: ours."""
    await world.pull()
    application = await an_application(world)
    record = await world.record_of(APPLICATION, application["id"])
    await world.edit_here(APPLICATION, record["id"], stage="Made later")
    await world.drain()
    item = await world.row("SELECT id, kind FROM conflicts WHERE status = 'open'")
    assert item["kind"] == "refused"
    stage = next(
        row
        for row in (await world.vendor_state())["job_interview_stages"]
        if row["job_id"] == application["job_id"] and row["active"] and row["name"] != application["stage_name"]
    )
    await world.edit_at_vendor("job_interview_stages", stage["id"], {"name": "Made later"})
    await world.services.resolutions.resolve(world.company_id, item["id"], choice="portal", actor="dm")
    await world.drain()
    wanted = ("Made later", "active")
    assert await both_sides(world, application["id"]) == (wanted, wanted)
    assert await world.rows("SELECT 1 FROM conflicts WHERE status = 'open'") == []
