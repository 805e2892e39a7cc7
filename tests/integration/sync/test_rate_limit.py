"""A full sync under the vendor's limit: no refusal after the first window, and close to the limit's own floor."""

from __future__ import annotations

import math

from sandbox.vendors.greenhouse.server import GreenhouseSimulator
from sandbox.vendors.greenhouse.settings import Settings as SimulatorSettings
from shared.model import EntityType
from tests.fixtures.postgres import Database
from tests.fixtures.storage import StorageAccount
from tests.integration.sync.world import connect, settings_for

WINDOW_S = 2.0
LIMIT = 2


async def test_pain_13_a_full_sync_under_the_limit_is_refused_nothing(
    database: Database, storage: StorageAccount
) -> None:
    settings = SimulatorSettings(people=5200, seed=3, window_s=WINDOW_S, window_limit=LIMIT, token_window_limit=1000)
    async with GreenhouseSimulator(settings) as simulator:
        world = await connect(settings_for(database.app_dsn, storage.connection_string), simulator, database.admin_dsn)
        try:
            await world.control.delete("/counters")
            await world.control.delete("/requests")
            run = await world.run_of(await world.pull(EntityType.CANDIDATE))
            counted = [each for each in await world.requests() if each["path"].startswith("/v3/")]
            refused = [each for each in counted if each["status"] == 429]
            first_window_ends = min(each["at"] for each in counted) + WINDOW_S if counted else 0.0
            assert run["status"] == "complete"
            assert [each for each in refused if each["at"] > first_window_ends] == []
            windows = math.ceil(len(counted) / LIMIT)
            floor_s = (windows - 1) * WINDOW_S
            took_s = max(each["at"] for each in counted) - min(each["at"] for each in counted)
            assert windows >= 5
            assert took_s <= 1.10 * floor_s
        finally:
            await world.control.aclose()
            await world.services.aclose()
