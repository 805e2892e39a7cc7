"""A connected company for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sandbox.vendors.greenhouse.server import GreenhouseSimulator
from sandbox.vendors.greenhouse.settings import Settings as SimulatorSettings
from tests.fixtures.postgres import Database
from tests.fixtures.storage import StorageAccount
from tests.integration.sync.configuring import configure
from tests.integration.sync.world import World, connect, settings_for


@pytest.fixture
async def world(database: Database, storage: StorageAccount) -> AsyncIterator[World]:
    """A company connected to a Greenhouse with forty people; both directions are open."""
    async with GreenhouseSimulator(SimulatorSettings(people=40, seed=7, limiter=False)) as simulator:
        made = await connect(settings_for(database.app_dsn, storage.connection_string), simulator, database.admin_dsn)
        try:
            yield made
        finally:
            await made.control.aclose()
            await made.services.aclose()


@pytest.fixture
async def pulled(world: World) -> World:
    """What is archived here is deleted there; everything came in."""
    await configure(world, "on_archive", '{"candidate": "delete", "application": "delete"}')
    await world.pull()
    await world.control.delete("/requests")
    return world
