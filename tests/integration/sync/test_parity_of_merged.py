"""Comparisons beside merges of candidates: neither undoes what the other did."""

from __future__ import annotations

from sandbox.vendors.greenhouse.server import GreenhouseSimulator
from sandbox.vendors.greenhouse.settings import Settings as SimulatorSettings
from tests.fixtures.postgres import Database
from tests.fixtures.storage import StorageAccount
from tests.integration.sync.test_candidate_merges import two_people
from tests.integration.sync.test_parity import compare
from tests.integration.sync.world import connect, settings_for


async def test_a_comparison_does_not_part_who_was_merged(database: Database, storage: StorageAccount) -> None:
    """What may not go out stays the merged one's at the vendor for ever; that is no sign of a wrong link."""
    async with GreenhouseSimulator(SimulatorSettings(people=5, seed=7, limiter=False)) as simulator:
        settings = settings_for(database.app_dsn, storage.connection_string)
        world = await connect(settings, simulator, database.admin_dsn, directions="inbound")
        try:
            one, two = await two_people(world)
            await world.services.merges.merge(world.company_id, one["id"], two["id"], {}, actor="jo")
            await world.drain()
            joined = await world.row("SELECT data FROM records WHERE id = %(id)s", id=one["id"])
            run = await compare(world)
            now = await world.row("SELECT data FROM records WHERE id = %(id)s", id=one["id"])
            assert (run["drift"], now) == (0, joined)
            links = await world.rows("SELECT internal_id FROM external_entity_map WHERE id = %(id)s", id=two["link_id"])
            assert links == [{"internal_id": one["id"]}]
            merged = await world.row("SELECT archived_at FROM records WHERE id = %(id)s", id=two["id"])
            assert merged["archived_at"] is not None
        finally:
            await world.control.aclose()
            await world.services.aclose()
