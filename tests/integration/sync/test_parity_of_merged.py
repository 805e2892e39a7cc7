"""Comparisons beside merges of candidates: neither undoes what the other did."""

from __future__ import annotations

import asyncio

from sandbox.vendors.greenhouse.server import GreenhouseSimulator
from sandbox.vendors.greenhouse.settings import Settings as SimulatorSettings
from shared.model import EntityType
from tests.fixtures.postgres import Database
from tests.fixtures.storage import StorageAccount
from tests.fixtures.waiting import until
from tests.integration.sync.comparing import compare, ground_of
from tests.integration.sync.merging import merge, part, two_people
from tests.integration.sync.submitting import open_job
from tests.integration.sync.world import World, connect, settings_for
from tests.parity_proof.planting import in_step, links_crossed

WAITING = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND NOT granted"


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


async def test_applications_that_move_with_their_candidates_are_no_drift(world: World) -> None:
    """Their links say whose they were when the two sides met last."""
    await world.pull(EntityType.JOB)
    job, _ = await open_job(world)
    ada, augusta = await two_people(world, application={"job_id": job["id"]})
    await merge(world, ada["id"], augusta["id"])
    await assert_nothing_is_the_matter(world)
    await part(world, ada["id"])
    await assert_nothing_is_the_matter(world)


async def assert_nothing_is_the_matter(world: World) -> None:
    """A comparison of applications finds nothing but what differs knowingly, and a full pull changes nothing."""
    run = await compare(world, EntityType.APPLICATION)
    assert run["status"] == "complete", run["error"]
    assert {row["kind"] for row in run["differences"].values()} <= {"diverged"}, run["differences"]
    pulled = await world.run_of(await world.pull(EntityType.APPLICATION, mode="full"))
    assert (pulled["status"], pulled["records_updated"]) == ("complete", 0)


async def test_links_are_put_right_when_nobody_applies_what_he_saw(world: World) -> None:
    """Whoever applies a page has read the link, and locks the record that it named then."""
    await world.pull()
    planted = await links_crossed(ground_of(world), (await in_step(ground_of(world)))[:2])
    services = world.services
    async with services.database.company(world.company_id) as tx:
        await services.store.record_merges.hold_still(tx)
        comparing = asyncio.create_task(compare(world))

        async def stopped() -> bool:
            return comparing.done() or bool(await world.rows(WAITING))

        await until(stopped)
        assert not comparing.done()
    run = await asyncio.wait_for(comparing, 60)
    assert {key: row["kind"] for key, row in run["differences"].items()} == {
        each.external_id: each.kind for each in planted
    }
    assert (await compare(world))["drift"] == 0
