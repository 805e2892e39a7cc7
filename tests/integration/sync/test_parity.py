"""Full comparisons: what is found, what explains it, what heals it, and what is left alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from sandbox.vendors.greenhouse.server import GreenhouseSimulator
from sandbox.vendors.greenhouse.settings import Settings as SimulatorSettings
from shared.model import EntityType
from tests.fixtures.postgres import Database
from tests.fixtures.storage import StorageAccount
from tests.integration.sync.world import World, connect, settings_for
from tests.parity_proof.planting import Ground, plant


@pytest.fixture
async def crowd(database: Database, storage: StorageAccount) -> AsyncIterator[World]:
    """A company whose Greenhouse has two hundred people."""
    async with GreenhouseSimulator(SimulatorSettings(people=200, seed=11, limiter=False)) as simulator:
        made = await connect(settings_for(database.app_dsn, storage.connection_string), simulator, database.admin_dsn)
        try:
            yield made
        finally:
            await made.control.aclose()
            await made.services.aclose()


def ground_of(world: World) -> Ground:
    """Return *world* as corruptions are planted in it."""
    return Ground(world.services, world.company_id, world.integration_id, world.admin_dsn, world.control)


async def compare(world: World, entity: EntityType = EntityType.CANDIDATE, *, repairs: bool = True) -> dict[str, Any]:
    """Compare to the end, without the repairs' jobs; return the row of `parity_runs` with its differences."""
    services = world.services
    (parity_id,) = await services.comparisons.request(
        world.company_id, world.integration_id, entity=entity, repairs=repairs
    )
    await world.drain()
    run = await world.row("SELECT * FROM parity_runs WHERE id = %(id)s", id=parity_id)
    rows = await world.rows("SELECT * FROM parity_differences WHERE parity_id = %(id)s", id=parity_id)
    return {**run, "differences": {row["external_id"]: row for row in rows}}


async def test_parity_after_a_first_sync_is_whole_and_says_why_not_where_it_is_not(world: World) -> None:
    await world.pull()
    for entity in EntityType:
        run = await compare(world, entity)
        assert run["status"] == "complete", run["error"]
        assert run["drift"] == 0, run["differences"]
        everybody = len((await world.vendor_state())[f"{entity.value}s"])
        assert run["certificate"]["records"] == run["records"] == run["records_read"] <= everybody
        assert run["certificate"]["parity"] == 1.0


async def test_parity_finds_what_ten_ways_of_coming_apart_leave_behind(crowd: World) -> None:
    await crowd.pull()
    planted = {each.external_id: each for each in await plant(ground_of(crowd), 4)}
    run = await compare(crowd)
    found = {key: row for key, row in run["differences"].items() if row["cause"] is None}
    assert {key: row["kind"] for key, row in found.items()} == {key: each.kind for key, each in planted.items()}
    healed = await compare(crowd)
    assert healed["drift"] == 0, healed["differences"]
