"""A full sync under the vendor's limit: no refusal after the first window, and close to the limit's own floor."""

from __future__ import annotations

import math

from sandbox.vendors.greenhouse.server import GreenhouseSimulator
from sandbox.vendors.greenhouse.settings import Settings as SimulatorSettings
from shared.model import EntityType
from tests.fixtures.postgres import Database
from tests.fixtures.rounds import seconds_over
from tests.fixtures.storage import StorageAccount
from tests.integration.sync.world import World, connect, settings_for

WINDOW_S = 2.0
LIMIT = 2


async def test_pain_13_a_full_sync_under_the_limit_is_refused_nothing(
    database: Database, storage: StorageAccount
) -> None:
    settings = SimulatorSettings(people=5200, seed=3, window_s=WINDOW_S, window_limit=LIMIT, token_window_limit=1000)
    async with GreenhouseSimulator(settings) as simulator:
        world = await connect(settings_for(database.app_dsn, storage.connection_string), simulator, database.admin_dsn)
        try:
            assert await seconds_over(lambda: _over_s(world)) <= 0
        finally:
            await world.control.aclose()
            await world.services.aclose()


async def _over_s(world: World) -> float:
    """Pull everything; return by how many seconds that took longer than 1.10 times the limit's floor."""
    await world.control.delete("/counters")
    await world.control.delete("/requests")
    run = await world.run_of(await world.pull(EntityType.CANDIDATE, "full"))
    counted = [each for each in await world.requests() if each["path"].startswith("/v3/")]
    refused = [each for each in counted if each["status"] == 429]
    first_window_ends = min(each["at"] for each in counted) + WINDOW_S
    assert run["status"] == "complete"
    assert [each for each in refused if each["at"] > first_window_ends] == []
    windows = math.ceil(len(counted) / LIMIT)
    assert windows >= 5
    took_s = float(max(each["at"] for each in counted) - min(each["at"] for each in counted))
    return took_s - 1.10 * (windows - 1) * WINDOW_S
