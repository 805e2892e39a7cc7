"""S-004: stages travel both ways, last write wins, unless an integration says whose word counts."""

from __future__ import annotations

import json

import pytest

from shared.model import EntityType
from tests.integration.sync.vendor import an_application, signal, stage_names
from tests.integration.sync.world import World


async def moved_on_both_sides(world: World) -> tuple[str, str, str, str]:
    """Move an application there, then here, before either heard of it; return (here, there, wanted here, there)."""
    application = await an_application(world)
    record = await world.record_of(EntityType.APPLICATION, application["id"])
    names = await stage_names(world, application["job_id"])
    there, here = [name for name in names if name != application["stage_name"]][:2]
    response = await world.control.post(f"/applications/{application['id']}/move", json={"stage_name": there})
    response.raise_for_status()
    await world.edit_here(EntityType.APPLICATION, record["id"], stage=here)
    await world.drain()
    await signal(world, EntityType.APPLICATION, application["id"])
    rows = (await world.vendor_state())["applications"]
    shown = next(row["stage_name"] for row in rows if row["id"] == application["id"])
    after = await world.record_of(EntityType.APPLICATION, application["id"])
    return after["data"]["stage"], shown, here, there


async def test_s_004_without_a_policy_the_later_move_stands(world: World) -> None:
    await world.pull()
    ours, theirs, here, _ = await moved_on_both_sides(world)
    assert (ours, theirs) == (here, here)


@pytest.mark.parametrize("authority", ["portal", "ats"])
async def test_s_004_with_an_authority_its_move_stands_on_both_sides(world: World, authority: str) -> None:
    policy = {"policy": "authority", "authority": authority}
    await world.rows(
        "UPDATE integrations SET config = config || %(more)s::jsonb WHERE id = %(id)s RETURNING id",
        id=world.integration_id,
        more=json.dumps({"policies": {"application": {"stage": policy}}}),
    )
    await world.pull()
    ours, theirs, here, there = await moved_on_both_sides(world)
    wanted = here if authority == "portal" else there
    assert (ours, theirs) == (wanted, wanted)
