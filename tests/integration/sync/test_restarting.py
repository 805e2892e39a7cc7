"""A vendor that forgets where a list was: it is begun again, and given up where that never ends."""

from __future__ import annotations

import pytest

from shared.model import Direction, EntityType
from shared.sync.restarting import MOST_RESTARTS, RESTARTS
from tests.integration.sync.test_parity import compare
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


async def test_a_place_that_was_forgotten_once_costs_pages_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.pull(EntityType.JOB)
    monkeypatch.setattr("shared.adapters.greenhouse.lists.PAGE_SIZE", 15)
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
    await world.drain()
    assert (await world.run_of(run_id))["status"] == "complete"
    assert len(await world.rows("SELECT 1 FROM records WHERE entity_type = 'candidate'")) == 40
