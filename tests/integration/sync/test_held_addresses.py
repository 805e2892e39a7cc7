"""Submissions of somebody whose address the vendor has with a record that is another one of ours."""

from __future__ import annotations

from typing import Any

import pytest

from shared.model import EntityType
from tests.integration.sync.submitting import new_candidate, open_job, submission_of, submit
from tests.integration.sync.vendor import holders, vendor_person
from tests.integration.sync.waits import due_now
from tests.integration.sync.world import World, fresh_token

CANDIDATE = EntityType.CANDIDATE


async def shown_without_address(world: World, email: str) -> dict[str, Any]:
    """Let somebody with *email* come in while the vendor's key may not read addresses; return our record of them."""
    hidden = ["email_addresses", "phone_numbers"]
    await world.control.patch("/settings", json={"hidden_fields": {"candidates": hidden}})
    addresses = [{"value": email, "type": "personal"}]
    there = await vendor_person(world, first_name="Grace", last_name="Hoppér", email_addresses=addresses)
    await world.pull(CANDIDATE)
    return await world.record_of(CANDIDATE, there)


@pytest.mark.parametrize("is_one", [True, False])
async def test_nobody_is_made_beside_whoever_came_in_without_their_address(world: World, *, is_one: bool) -> None:
    """They were created once more, and nobody was asked; found by the simulation. Now a person says if they are one."""
    await world.pull()
    _, job_id = await open_job(world)
    email = f"grace.{fresh_token()}@example.org"
    known = await shown_without_address(world, email)
    candidate = await new_candidate(world, email=email)
    application = await submit(world, candidate.id, job_id)
    await world.drain()
    assert len(await holders(world, email)) == 1
    assert (await submission_of(world, application.id))["state"] == "queued"
    item = await world.row("SELECT * FROM conflicts WHERE status = 'open'")
    asked = ("possible_duplicate", "same_address", known["id"], [candidate.id])
    assert (item["kind"], item["reason"], item["record_id"], item["matches"]) == asked
    choice, value = ("record", str(candidate.id)) if is_one else ("new", None)
    await world.services.resolutions.resolve(world.company_id, item["id"], choice=choice, value=value, actor="dm")
    await due_now(world)
    await world.drain()
    assert (await submission_of(world, application.id))["state"] == "submitted"
    assert len(await holders(world, email)) == (1 if is_one else 2)
    assert await world.rows("SELECT 1 FROM sync_queue WHERE hold_reason IS NOT NULL") == []


async def test_nobody_is_made_beside_whoever_is_archived_here(world: World) -> None:
    """Nobody looks for an archived one: who has their address is another one here, and was made there once more."""
    await world.pull()
    _, job_id = await open_job(world)
    email = f"grace.{fresh_token()}@example.org"
    addresses = [{"value": email, "type": "personal"}]
    there = await vendor_person(world, first_name="Grace", last_name="Hoppér", email_addresses=addresses)
    await world.pull(CANDIDATE)
    known = await world.record_of(CANDIDATE, there)
    await world.services.archives.archive(world.company_id, CANDIDATE, known["id"], actor="recruiter")
    candidate = await new_candidate(world, email=email)
    application = await submit(world, candidate.id, job_id)
    await world.drain()
    assert len(await holders(world, email)) == 1
    item = await world.row("SELECT * FROM conflicts WHERE status = 'open'")
    assert (item["reason"], item["record_id"], item["matches"]) == ("same_address", known["id"], [candidate.id])
    decision = str(candidate.id)
    await world.services.resolutions.resolve(
        world.company_id, item["id"], choice="record", value=decision, actor="data manager"
    )
    await due_now(world)
    await world.drain()
    assert len(await holders(world, email)) == 1
    assert (await submission_of(world, application.id))["state"] == "submitted"
    assert (await world.record_of(CANDIDATE, there))["id"] == candidate.id
