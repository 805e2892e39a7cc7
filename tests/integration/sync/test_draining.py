"""A process that is asked to end hands its pull back at the next page, and takes nothing on."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sandbox.vendors.greenhouse.server import GreenhouseSimulator
from sandbox.vendors.greenhouse.settings import Settings as SimulatorSettings
from shared.composition import Services
from shared.draining import Draining
from shared.model import Direction, EntityType
from tests.fixtures.postgres import Database
from tests.fixtures.storage import StorageAccount
from tests.integration.sync.world import World, connect, settings_for

PEOPLE = 1100
PAGES = 3


class AskedAtOnce(Draining):
    """A process that is asked to end while its first page comes in."""

    def is_asked(self) -> bool:
        """Tell so."""
        return True


@pytest.fixture
async def world(database: Database, storage: StorageAccount) -> AsyncIterator[World]:
    """A company connected to a Greenhouse with three pages of people."""
    async with GreenhouseSimulator(SimulatorSettings(people=PEOPLE, limiter=False)) as simulator:
        made = await connect(settings_for(database.app_dsn, storage.connection_string), simulator, database.admin_dsn)
        try:
            yield made
        finally:
            await made.control.aclose()
            await made.services.aclose()


async def test_a_pull_ends_at_its_next_page_and_a_successor_goes_on_at_once(world: World) -> None:
    await world.control.delete("/requests")
    ending = Services(world.services.settings, draining=AskedAtOnce())
    run_id = await world.services.syncs.request(
        world.company_id, world.integration_id, direction=Direction.INBOUND, entity=EntityType.CANDIDATE, mode="full"
    )
    async with ending.database.dispatch() as tx:
        claim = await ending.store.ledger.claim(tx, None, low=4, high=10, ttl_s=60, per_integration=5)
    assert claim is not None
    await ending.runner.run(claim)

    job = await world.row(
        "SELECT status, lease_until, retry_count, crashes, scheduled_at <= now() AS due FROM sync_queue"
        " WHERE action = 'pull'"
    )
    assert job == {"status": "pending", "lease_until": None, "retry_count": 0, "crashes": 0, "due": True}
    assert (await world.run_of(run_id))["pages"] == 1
    message = b'{"v": 1, "company_id": "", "job_id": "", "epoch": 0}'
    assert await ending.runner.answer(message, "sync-normal") == 0, "it takes nothing on"

    await world.drain()
    run = await world.run_of(run_id)
    assert (run["status"], run["pages"]) == ("complete", PAGES)
    asked = [each for each in await world.requests() if each["path"] == "/v3/candidates"]
    assert len(asked) <= PAGES + 1, "the page that was read ahead, and no other, is asked for twice"
    await ending.aclose()
