"""A vendor that forgets where a list was: it is begun again, and given up where that never ends."""

from __future__ import annotations

from uuid import UUID

import pytest

from shared.model import Direction, EntityType
from shared.sync.jobs.restarting import MOST_RESTARTS, RESTARTS
from tests.integration.sync.comparing import compare
from tests.integration.sync.world import World


async def test_a_list_whose_place_is_always_forgotten_is_given_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By pull and comparison alike, after a bounded number of requests, and people see why."""
    await world.pull()
    monkeypatch.setattr("shared.adapters.greenhouse.lists.PAGE_SIZE", 15)
    world.simulator.settings.change({"cursor_lifetime_s": -1.0})
    before = len(await world.requests())
    run = await world.run_of(await world.pull(EntityType.CANDIDATE, mode="full"))
    assert (run["status"], run["error"].partition(":")[0]) == ("failed", "cursor_expired")
    assert len(await world.requests()) - before == 2 * (MOST_RESTARTS + 1)
    parity = await compare(world)
    assert (parity["status"], parity["error"].partition(":")[0]) == ("failed", "cursor_expired")
    letters = await world.rows("SELECT code FROM dead_letters")
    assert [row["code"] for row in letters] == ["cursor_expired", "cursor_expired"]


async def begun_again(world: World) -> UUID:
    """Ask for a full pull of candidates, and run it until the vendor has forgotten its place; return the run's id."""
    services, lifetime_s = world.services, world.simulator.settings.cursor_lifetime_s
    world.simulator.settings.change({"cursor_lifetime_s": -1.0})
    run_id = await services.syncs.request(
        world.company_id, world.integration_id, direction=Direction.INBOUND, entity=EntityType.CANDIDATE, mode="full"
    )
    async with services.database.dispatch() as tx:
        claim = await services.store.ledger.claim(tx, None, low=1, high=10, ttl_s=60, per_integration=5)
    assert claim is not None
    await services.runner.run(claim)
    job = await world.row("SELECT status, payload FROM sync_queue WHERE action = 'pull' AND status = 'pending'")
    assert job["payload"][RESTARTS] == 1
    world.simulator.settings.change({"cursor_lifetime_s": lifetime_s})
    return run_id


async def test_a_place_that_was_forgotten_once_costs_pages_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.pull(EntityType.JOB)
    monkeypatch.setattr("shared.adapters.greenhouse.lists.PAGE_SIZE", 15)
    run_id = await begun_again(world)
    await world.drain()
    run = await world.run_of(run_id)
    assert (run["status"], run["records_read"], run["records_created"]) == ("complete", 40, 40)
    assert run["evidence"]["records_accounted_for"] == run["evidence"]["records_read"] == 40
    assert len(await world.rows("SELECT 1 FROM records WHERE entity_type = 'candidate'")) == 40


async def test_pain_11_a_list_that_shrank_when_it_was_begun_again_is_not_whole(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read before its place was forgotten says nothing of the list that is read to its end."""
    await world.pull()
    monkeypatch.setattr("shared.adapters.greenhouse.lists.PAGE_SIZE", 30)
    before = await world.row("SELECT watermark FROM cursors WHERE entity_type = 'candidate'")
    run_id = await begun_again(world)
    assert (await world.run_of(run_id))["records_read"] == 0
    for person in (await world.vendor_state())["candidates"][:30]:
        response = await world.control.delete(f"/candidates/{person['id']}?webhooks=false")
        response.raise_for_status()
    await world.drain()
    run = await world.run_of(run_id)
    assert (run["status"], run["records_read"], run["expected_records"]) == ("partial", 10, 40)
    assert await world.row("SELECT watermark FROM cursors WHERE entity_type = 'candidate'") == before
    issue = await world.row("SELECT ended_at FROM issues WHERE kind = 'list_shrunk'")
    assert issue["ended_at"] is None
