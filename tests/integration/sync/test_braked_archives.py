"""What the brake holds of our own deletes stays held until it is decided, whatever is compared meanwhile."""

from __future__ import annotations

import pytest

from tests.integration.sync.test_archiving import archive, at_vendor, people, removal, restore
from tests.integration.sync.test_deletes import configure
from tests.integration.sync.test_parity import compare
from tests.integration.sync.waits import due_now
from tests.integration.sync.world import World
from tests.parity_proof.planting import Pair

ALLOWED, ARCHIVED = 2, 5


@pytest.fixture
async def braked(world: World) -> tuple[World, list[Pair]]:
    """More were archived than may go; those that went have gone more than a day ago. Returns who is held."""
    await configure(world, "on_archive", '{"candidate": "delete", "application": "delete"}')
    await configure(world, "delete_brake", f'{{"count": {ALLOWED}, "share": 0.0}}')
    await world.pull()
    pairs = await people(world, ARCHIVED)
    for each in pairs:
        await archive(world, each.record_id)
    await world.drain()
    await world.execute(
        "UPDATE external_entity_map SET changed_at = changed_at - interval '2 days' WHERE state = 'gone'"
    )
    there = await at_vendor(world)
    held = [each for each in pairs if each.external_id in there]
    return world, held


async def states(world: World, pairs: list[Pair]) -> set[str]:
    """How the wishes of *pairs* stand."""
    return {(await removal(world, each.link_id) or {})["state"] for each in pairs}


async def test_pain_07_a_comparison_lets_go_of_no_delete_that_a_person_then_rejects(
    braked: tuple[World, list[Pair]],
) -> None:
    world, held = braked
    await compare(world)
    assert await world.services.deletes.reject(world.company_id, world.integration_id, actor="jo") == len(held)
    assert await states(world, held) == {"kept"}
    await world.drain()
    assert {each.external_id for each in held} <= await at_vendor(world)
    logged = await world.rows(
        "SELECT entity_id, external_id, direction, status FROM sync_logs WHERE details ->> 'rule' = 'kept_by_decision'"
    )
    assert {(row["entity_id"], row["external_id"]) for row in logged} == {
        (each.record_id, each.external_id) for each in held
    }
    assert {(row["direction"], row["status"]) for row in logged} == {("outbound", "success")}
    assert len(logged) == len(held)


async def test_a_comparison_loses_no_approval_of_what_is_to_be_deleted(braked: tuple[World, list[Pair]]) -> None:
    world, held = braked
    await compare(world)
    assert await world.services.deletes.approve(world.company_id, world.integration_id, actor="jo") == len(held)
    await compare(world)
    await world.drain()
    assert {each.external_id for each in held}.isdisjoint(await at_vendor(world))
    assert await states(world, held) == {"done"}


@pytest.mark.parametrize("state", ["wanted", "sent"])
async def test_pain_07_a_rejected_delete_whose_job_is_late_is_not_made_after_all(
    braked: tuple[World, list[Pair]], state: str
) -> None:
    """The integration was paused, say, and compared before the released jobs ran."""
    world, held = braked
    await world.execute("UPDATE removals SET state = %(state)s WHERE state = 'wanted'", state=state)
    await world.services.deletes.reject(world.company_id, world.integration_id, actor="jo")
    await world.execute("UPDATE sync_queue SET scheduled_at = scheduled_at + interval '1 h' WHERE status = 'pending'")
    await compare(world)
    await due_now(world)
    await world.drain()
    assert {each.external_id for each in held} <= await at_vendor(world)
    assert await states(world, held) == {"kept"}


async def test_what_was_restored_is_seen_alive_by_a_comparison_and_held_no_more(
    braked: tuple[World, list[Pair]],
) -> None:
    world, held = braked
    await restore(world, held[0].record_id)
    await compare(world)
    rows = await world.rows("SELECT link_id FROM held_deletes")
    assert {row["link_id"] for row in rows} == {each.link_id for each in held[1:]}
