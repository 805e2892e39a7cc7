"""A vendor's record with a value that no index takes is set aside; it stops neither its page nor the run."""

from __future__ import annotations

import secrets
from typing import Any

from shared.model import EntityType
from shared.sync.previewing.preview import Action
from tests.integration.sync.vendor import a_candidate
from tests.integration.sync.world import World

CANDIDATE = EntityType.CANDIDATE
INCOMPRESSIBLE = secrets.token_hex(2_700)
ASIDE = "SELECT external_id, code, reason FROM quarantine WHERE ended_at IS NULL"


async def rename(world: World, candidate: dict[str, Any], last_name: str) -> None:
    await world.edit_at_vendor("candidates", candidate["id"], {"last_name": last_name})


async def test_a_name_that_no_index_takes_is_set_aside_and_the_page_comes_in(world: World) -> None:
    candidate = await a_candidate(world)
    await rename(world, candidate, INCOMPRESSIBLE)
    shown = await world.services.previews.of(world.company_id, world.integration_id, most=1000)
    refused = [row for entity in shown.entities for row in entity.rows if row.action is Action.REFUSED]
    assert [row.external_id for row in refused] == [str(candidate["id"])]

    run = await world.run_of(await world.pull(CANDIDATE))

    everybody = len((await world.vendor_state())["candidates"])
    assert (run["status"], run["records_created"], run["records_quarantined"]) == ("partial", everybody - 1, 1)
    assert await world.rows(ASIDE) == [
        {
            "external_id": str(candidate["id"]),
            "code": "refused_by_database",
            "reason": "last_name or first_name: is longer than can be looked up by",
        }
    ]
    assert await world.rows("SELECT 1 FROM dead_letters") == []

    await rename(world, candidate, "Short")
    assert (await world.run_of(await world.pull(CANDIDATE)))["status"] == "complete"
    assert (await world.record_of(CANDIDATE, candidate["id"]))["data"]["last_name"] == "Short"
    assert await world.rows(ASIDE) == []


async def test_a_linked_record_whose_name_outgrew_the_index_is_set_aside_by_its_own_job_too(world: World) -> None:
    await world.pull()
    candidate = await a_candidate(world)
    await rename(world, candidate, INCOMPRESSIBLE)
    record = await world.record_of(CANDIDATE, candidate["id"])
    await world.edit_here(CANDIDATE, record["id"], current_title="Edited here")

    await world.drain()

    assert [row["external_id"] for row in await world.rows(ASIDE)] == [str(candidate["id"])]
    assert (await world.record_of(CANDIDATE, candidate["id"]))["data"]["last_name"] == candidate["last_name"]
    assert await world.rows("SELECT 1 FROM dead_letters") == []
