"""A submission whose create has lost its answer, and whose candidate the vendor merges into another one meanwhile."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from shared.model import EntityType
from tests.integration.sync.test_archived_submissions import run_job_of
from tests.integration.sync.test_create import after_the_lag, open_job, submission_of, submit
from tests.integration.sync.test_reconcile import signal
from tests.integration.sync.test_vendor_merges import merge_there, person
from tests.integration.sync.world import World

CANDIDATE, APPLICATION = EntityType.CANDIDATE, EntityType.APPLICATION


async def merged_while_nobody_knows(world: World, fault: dict[str, Any]) -> tuple[int, UUID]:
    """Submit one of two people, with *fault* upon the create, and merge them there; return who is left, and what."""
    loser, winner = await person(world, "Ada"), await person(world, "Augusta")
    await world.pull()
    _, job_id = await open_job(world)
    application = await submit(world, (await world.record_of(CANDIDATE, loser))["id"], job_id)
    await world.control.post("/faults", json={"method": "POST", "path": "/v3/applications", "times": 1, **fault})
    await world.drain()
    await merge_there(world, winner, loser)
    return winner, application.id


async def applications_there(world: World, person_id: int) -> list[dict[str, Any]]:
    return [each for each in (await world.vendor_state())["applications"] if each["candidate_id"] == person_id]


@pytest.mark.parametrize("comes_first", [True, False])
async def test_what_a_lost_create_has_made_is_found_where_the_vendor_has_moved_it(
    world: World, comes_first: bool
) -> None:
    """The search went by the id that is gone, and the one who is left brought it in beside; found by the simulation."""
    winner, application_id = await merged_while_nobody_knows(world, {"kind": "lost_answer"})
    (made,) = await applications_there(world, winner)
    if comes_first:
        await signal(world, APPLICATION, made["id"])
    await after_the_lag(world)
    await signal(world, APPLICATION, made["id"])
    assert len(await applications_there(world, winner)) == 1
    assert (await submission_of(world, application_id))["state"] == "submitted"
    rows = await world.rows(
        "SELECT id, data FROM records WHERE entity_type = 'application' AND id IN"
        " (SELECT internal_id FROM external_entity_map WHERE external_id = %(id)s)",
        id=str(made["id"]),
    )
    assert [row["id"] for row in rows] == [application_id]
    assert rows[0]["data"]["candidate_id"] == str((await world.record_of(CANDIDATE, winner))["id"])
    assert await world.rows("SELECT 1 FROM create_intents WHERE state = 'open'") == []


async def test_what_was_not_made_before_the_merge_is_made_nowhere_and_says_so(world: World) -> None:
    winner, application_id = await merged_while_nobody_knows(world, {"kind": "error", "status": 503})
    await after_the_lag(world)
    assert await applications_there(world, winner) == []
    said = await submission_of(world, application_id)
    assert (said["state"], "deleted at the vendor" in said["error"]) == ("failed", True)
    assert await world.rows("SELECT 1 FROM create_intents WHERE state = 'open'") == []


async def test_what_the_vendor_moves_between_its_answer_and_our_look_follows_there(world: World) -> None:
    """The new link had nothing agreed of whose it is, and ours stayed the other one's; found by the simulation."""
    loser, winner = await person(world, "Ada"), await person(world, "Augusta")
    await world.pull()
    _, job_id = await open_job(world)
    application = await submit(world, (await world.record_of(CANDIDATE, loser))["id"], job_id)
    await run_job_of(world, application.id)
    assert len(await applications_there(world, loser)) == 1
    await merge_there(world, winner, loser)
    (there,) = await applications_there(world, winner)
    here = await world.record_of(APPLICATION, there["id"])
    assert here["id"] == application.id
    assert here["data"]["candidate_id"] == str((await world.record_of(CANDIDATE, winner))["id"])
