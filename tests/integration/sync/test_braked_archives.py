"""What the brake holds of our own deletes stays held until it is decided, whatever else happens meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from shared.model import EntityType
from tests.integration.sync.archiving import archive, deletes, people, record, removal, restore
from tests.integration.sync.comparing import compare
from tests.integration.sync.configuring import configure
from tests.integration.sync.issues import open_issues
from tests.integration.sync.vendor import at_vendor, signal
from tests.integration.sync.waits import due_now
from tests.integration.sync.world import World
from tests.parity_proof.planting import Pair

CANDIDATE = EntityType.CANDIDATE

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


async def test_pain_07_a_bulk_archive_is_braked_and_approved(pulled: World) -> None:
    await configure(pulled, "delete_brake", '{"count": 2, "share": 0.0}')
    pairs = await people(pulled, 5)
    for each in pairs:
        await archive(pulled, each.record_id)
    await pulled.drain()
    ids = {each.external_id for each in pairs}
    assert len(ids & await at_vendor(pulled)) == 3
    assert "delete_brake" in await open_issues(pulled)
    statuses = [status for _, status, rule in await deletes(pulled) if rule in ("removed_at_vendor", "delete_brake")]
    assert (statuses.count("success"), statuses.count("pending")) == (2, 3)
    assert await pulled.services.deletes.approve(pulled.company_id, pulled.integration_id, actor="jo") == 3
    await pulled.drain()
    assert ids & await at_vendor(pulled) == set()


async def test_pain_07_deletes_that_are_under_way_count_at_the_brake(pulled: World) -> None:
    """Four workers at once, and a vendor that takes its time: what was sent counts before it is known to be gone."""
    await configure(pulled, "delete_brake", '{"count": 2, "share": 0.0}')
    await pulled.control.post(
        "/faults", json={"kind": "latency", "method": "DELETE", "path": "/v3/candidates", "seconds": 0.5, "times": 9}
    )
    pairs = await people(pulled, 6)
    for each in pairs:
        await archive(pulled, each.record_id)
    await asyncio.gather(*(pulled.drain() for _ in range(4)))
    await pulled.drain()
    assert len({each.external_id for each in pairs} & await at_vendor(pulled)) == 4
    assert "delete_brake" in await open_issues(pulled)


@pytest.mark.parametrize("is_asked_again", [False, True])
async def test_a_delete_that_may_have_happened_counts_at_the_brake_whoever_was_restored(
    pulled: World, is_asked_again: bool
) -> None:
    """Nor is it forgotten by being asked for again."""
    await configure(pulled, "delete_brake", '{"count": 1, "share": 0.0}')
    first, second = await people(pulled, 2)
    path = f"/v3/candidates/{first.external_id}"
    await pulled.control.post("/faults", json={"kind": "lost_answer", "method": "DELETE", "path": path, "times": 1})
    await archive(pulled, first.record_id)
    await pulled.drain()
    await restore(pulled, first.record_id)
    if is_asked_again:
        await archive(pulled, first.record_id)
    await pulled.execute("UPDATE sync_queue SET scheduled_at = scheduled_at + interval '1 h' WHERE status = 'pending'")
    await archive(pulled, second.record_id)
    await pulled.drain()
    assert second.external_id in await at_vendor(pulled)
    if not is_asked_again:
        await archive(pulled, first.record_id)
    await due_now(pulled)
    await pulled.drain()
    assert second.external_id in await at_vendor(pulled)
    assert first.external_id not in await at_vendor(pulled)
    assert "delete_brake" in await open_issues(pulled)


async def test_pain_07_a_bulk_archive_that_is_rejected_leaves_the_vendor_alone_for_good(pulled: World) -> None:
    await configure(pulled, "delete_brake", '{"count": 0, "share": 0.0}')
    (person,) = await people(pulled)
    await archive(pulled, person.record_id)
    await pulled.drain()
    assert await pulled.services.deletes.reject(pulled.company_id, pulled.integration_id, actor="jo") == 1
    await pulled.drain()
    kept = await removal(pulled, person.link_id)
    assert kept is not None
    assert kept["state"] == "kept"
    # A comparison that sees it alive ends the decision about a disappearance; this one stands.
    await compare(pulled)
    await configure(pulled, "delete_brake", '{"count": 20, "share": 0.0}')
    await signal(pulled, CANDIDATE, person.external_id)
    assert person.external_id in await at_vendor(pulled)
    assert (await record(pulled, person))["archived_by"] == "jo"


async def test_restored_while_the_brake_holds_it_the_record_goes_on(pulled: World) -> None:
    await configure(pulled, "delete_brake", '{"count": 0, "share": 0.0}')
    (person,) = await people(pulled)
    await archive(pulled, person.record_id)
    await pulled.drain()
    await restore(pulled, person.record_id)
    await pulled.edit_here(CANDIDATE, person.record_id, current_title="Diver")
    await pulled.drain()
    (shown,) = [row for row in (await pulled.vendor_state())["candidates"] if str(row["id"]) == person.external_id]
    assert shown["title"] == "Diver"
    # Whatever is decided now, it lives here, so it stays there.
    await pulled.services.deletes.approve(pulled.company_id, pulled.integration_id, actor="jo")
    await pulled.drain()
    assert person.external_id in await at_vendor(pulled)
