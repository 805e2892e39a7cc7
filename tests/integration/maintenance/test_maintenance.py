"""Nightly upkeep: partitions ahead, old months away, tombstones past their thirty days gone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import psycopg
import pytest

from sandbox.vendors.greenhouse.server import GreenhouseSimulator
from sandbox.vendors.greenhouse.settings import Settings as SimulatorSettings
from shared.integrations.lifecycle import Integrations
from shared.model import EntityType
from tests.fixtures.postgres import Database
from tests.fixtures.storage import StorageAccount
from tests.integration.sync.world import World, connect, settings_for


@pytest.fixture
async def world(database: Database, storage: StorageAccount) -> AsyncIterator[World]:
    """A company connected to a Greenhouse with ten people."""
    async with GreenhouseSimulator(SimulatorSettings(people=10, limiter=False)) as simulator:
        made = await connect(settings_for(database.app_dsn, storage.connection_string), simulator, database.admin_dsn)
        try:
            yield made
        finally:
            await made.control.aclose()
            await made.services.aclose()


async def test_s_056_old_log_months_go_and_new_ones_stand_ready(world: World) -> None:
    async with await psycopg.AsyncConnection.connect(world.admin_dsn, autocommit=True) as admin:
        await admin.execute(
            "CREATE TABLE sync_logs_2020_01 PARTITION OF sync_logs FOR VALUES FROM ('2020-01-01') TO ('2020-02-01')"
        )
    await world.services.maintenance.run()
    tables = {
        row["relname"] for row in await world.rows("SELECT relname FROM pg_class WHERE relname LIKE 'sync_logs_%%'")
    }
    assert "sync_logs_2020_01" not in tables
    ahead = await world.row("SELECT to_char(now() + interval '3 months', '\"sync_logs_\"YYYY_MM') AS name")
    assert ahead["name"] in tables


async def test_comparisons_and_brakes_end_thirty_days_after_the_delete(world: World) -> None:
    """They name the vendor's ids, of people who may have been erased there and here."""
    await world.pull(EntityType.CANDIDATE)
    tables = ("parity_runs", "parity_seen", "parity_differences", "delete_brakes", "held_deletes")
    counts = [f"SELECT 1 FROM {table}" for table in tables]  # noqa: S608 - of this list
    await world.execute(
        "WITH run AS (INSERT INTO parity_runs (id, company_id, integration_id, entity_type, trigger, repairs, status)"
        " SELECT gen_random_uuid(), company_id, id, 'candidate', 'manual', true, 'failed' FROM integrations"
        " RETURNING id, company_id), seen AS (INSERT INTO parity_seen (parity_id, company_id, external_id, digest)"
        " SELECT id, company_id, '1', '' FROM run) INSERT INTO parity_differences (parity_id, company_id, external_id,"
        " kind) SELECT id, company_id, '1', 'unreadable' FROM run"
    )
    await world.execute(
        "WITH brake AS (INSERT INTO delete_brakes (id, company_id, integration_id, entity_type, disappeared, allowed)"
        " SELECT gen_random_uuid(), company_id, id, 'candidate', 50, 20 FROM integrations RETURNING id, company_id)"
        " INSERT INTO held_deletes (brake_id, link_id, company_id, entity_type, record_id)"
        " SELECT id, gen_random_uuid(), company_id, 'candidate', gen_random_uuid() FROM brake"
    )
    assert [len(rows) for rows in await world.rows_of(counts)] == [1, 1, 1, 1, 1]
    await Integrations.of(world.services).delete(world.company_id, world.integration_id, archive_records=False)
    await world.rows("UPDATE integrations SET deleted_at = now() - interval '31 days' RETURNING 1")
    await world.services.maintenance.run()
    assert [len(rows) for rows in await world.rows_of(counts)] == [0, 0, 0, 0, 0]


async def test_s_092_tombstones_and_secrets_end_thirty_days_after_the_delete(world: World) -> None:
    await world.pull(EntityType.CANDIDATE)
    await Integrations.of(world.services).delete(world.company_id, world.integration_id, archive_records=False)
    links = await world.rows("SELECT state FROM external_entity_map")
    assert {row["state"] for row in links} == {"tombstone"}
    await world.services.maintenance.run()
    assert len(await world.rows("SELECT 1 FROM external_entity_map")) == len(links)
    await world.rows("UPDATE integrations SET deleted_at = now() - interval '31 days' RETURNING 1")
    await world.services.maintenance.run()
    assert await world.rows("SELECT 1 FROM external_entity_map") == []
    assert (await world.row("SELECT webhook_secret_sealed FROM integrations"))["webhook_secret_sealed"] is None
    assert len(await world.rows("SELECT 1 FROM records WHERE entity_type = 'candidate'")) == len(links)
