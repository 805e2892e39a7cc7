"""An emoji that was cut in two at the vendor: one record is set aside, and nothing else waits for it."""

from __future__ import annotations

from typing import Any

import pytest

from shared.model import EntityType
from tests.integration.sync.vendor import signal
from tests.integration.sync.world import World

CANDIDATE = EntityType.CANDIDATE
TITLE = "Baker of fire"
ASIDE = "SELECT external_id, reason FROM quarantine WHERE ended_at IS NULL"


async def cut_in_two(world: World) -> None:
    """Let Greenhouse show that title with half a character from now on."""
    rule: dict[str, Any] = {"kind": "garble", "path": "/v3/candidates.*", "times": None}
    (await world.control.post("/faults", json={**rule, "old": TITLE, "new": r"Baker \ud83d"})).raise_for_status()


async def test_a_page_with_half_a_character_comes_in_but_for_that_record(world: World) -> None:
    broken, other = (await world.vendor_state())["candidates"][:2]
    await world.edit_at_vendor("candidates", broken["id"], {"title": TITLE})
    await cut_in_two(world)
    run = await world.run_of(await world.pull(CANDIDATE))
    assert (run["status"], run["records_quarantined"]) == ("partial", 1)
    (aside,) = await world.rows(ASIDE)
    assert aside["external_id"] == str(broken["id"])
    assert aside["reason"].endswith("title: is not valid Unicode")
    await world.record_of(CANDIDATE, other["id"])
    await world.control.delete("/faults")
    await world.services.quarantine.redrive(world.company_id, world.integration_id)
    await world.drain()
    assert await world.rows(ASIDE) == []
    assert (await world.record_of(CANDIDATE, broken["id"]))["data"]["current_title"] == TITLE


@pytest.mark.parametrize("by", ["an event", "our own write"])
async def test_a_record_that_shows_half_a_character_waits_and_no_job_is_lost(world: World, by: str) -> None:
    await world.pull()
    candidate = (await world.vendor_state())["candidates"][0]
    record = await world.record_of(CANDIDATE, candidate["id"])
    await cut_in_two(world)
    if by == "an event":
        await world.edit_at_vendor("candidates", candidate["id"], {"title": TITLE})
        await signal(world, CANDIDATE, candidate["id"])
    else:
        await world.edit_here(CANDIDATE, record["id"], current_title=TITLE)
        await world.drain()
        # The answer to the write told too little; the next look comes a minute later.
        await world.execute("UPDATE sync_queue SET scheduled_at = now() WHERE status = 'pending'")
        await world.drain()
    (aside,) = await world.rows(ASIDE)
    assert aside == {"external_id": str(candidate["id"]), "reason": "title: is not valid Unicode"}
    assert await world.rows("SELECT 1 FROM dead_letters") == []
    await world.control.delete("/faults")
    await world.services.quarantine.redrive(world.company_id, world.integration_id)
    await world.drain()
    assert await world.rows(ASIDE) == []
    assert (await world.record_of(CANDIDATE, candidate["id"]))["data"]["current_title"] == TITLE
    assert await world.rows("SELECT 1 FROM sync_queue WHERE status <> 'completed'") == []
