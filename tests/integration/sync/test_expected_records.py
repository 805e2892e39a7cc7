"""How many records a run expects to read: what its ETA is reckoned from."""

from __future__ import annotations

from shared.model import EntityType
from tests.integration.sync.world import World


async def expected(world: World, mode: str) -> int | None:
    """Pull candidates; return what the run expected of itself."""
    run = await world.run_of(await world.pull(EntityType.CANDIDATE, mode=mode))
    assert run["status"] == "complete"
    found: int | None = run["expected_records"]
    return found


async def test_a_run_expects_what_is_linked_or_what_the_last_one_read(world: World) -> None:
    assert await expected(world, "incremental") is None, "nothing is known before the first"
    people = (await world.row("SELECT count(*) FROM external_entity_map WHERE entity_type = 'candidate'"))["count"]
    assert people == len((await world.vendor_state())["candidates"])
    assert await expected(world, "incremental") is None, "the first run read everything, which says nothing of this one"
    assert await expected(world, "full") == people
    await world.control.post("/fill", json={"people": 5})
    assert await expected(world, "full") == people, "what is new is not linked yet"
    assert await expected(world, "full") == people + 5
    read = (await world.run_of(await world.pull(EntityType.CANDIDATE)))["records_read"]
    assert await expected(world, "incremental") == read


async def test_the_expectation_of_a_run_that_goes_on_stays(world: World) -> None:
    await world.pull(EntityType.CANDIDATE, mode="full")
    run_id = await world.pull(EntityType.CANDIDATE, mode="full")
    before = (await world.run_of(run_id))["expected_records"]
    async with world.services.database.company(world.company_id) as tx:
        run = await world.services.store.runs.get(tx, run_id)
        assert run is not None
        await tx.run("UPDATE external_entity_map SET state = 'gone' WHERE entity_type = 'candidate'")
        await world.services.store.runs.expect(tx, run, is_whole=True)
    assert (await world.run_of(run_id))["expected_records"] == before > 0
