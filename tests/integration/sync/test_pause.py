"""Pausing and resuming, and switching an entity off: what waits, what catches up, what never happens."""

from __future__ import annotations

from shared.model import EntityType
from tests.integration.sync.configuring import patch
from tests.integration.sync.vendor import a_candidate, vendor_candidate, writes
from tests.integration.sync.world import World


async def test_s_065_a_paused_integration_pulls_and_writes_nothing_and_catches_up_when_resumed(world: World) -> None:
    await world.pull()
    candidate = await a_candidate(world)
    record = await world.record_of(EntityType.CANDIDATE, candidate["id"])
    await patch(world, sync_enabled=False)
    await world.drain()
    await world.control.delete("/requests")
    await world.edit_here(EntityType.CANDIDATE, record["id"], current_title="Edited while paused")
    await world.edit_at_vendor("candidates", candidate["id"], {"company": "Changed while paused"})
    await world.drain()
    assert await world.requests() == []
    await patch(world, sync_enabled=True)
    await world.drain()
    runs = await world.rows("SELECT entity_type, mode FROM runs WHERE trigger = 'resume' AND entity_type IS NOT NULL")
    assert {(row["entity_type"], row["mode"]) for row in runs} == {
        (entity.value, "incremental") for entity in EntityType
    }
    shown = await vendor_candidate(world, candidate["id"])
    after = await world.record_of(EntityType.CANDIDATE, candidate["id"])
    assert shown["title"] == "Edited while paused"
    assert after["data"]["current_company"] == "Changed while paused"


async def test_events_that_were_too_many_to_keep_make_the_catching_up_full(world: World) -> None:
    await world.pull()
    await patch(world, sync_enabled=False)
    await world.rows("UPDATE integrations SET full_compare_wanted_at = now() RETURNING 1")
    await patch(world, sync_enabled=True)
    await world.drain()
    runs = await world.rows("SELECT mode FROM runs WHERE trigger = 'resume'")
    assert {row["mode"] for row in runs} == {"full"}
    assert (await world.row("SELECT full_compare_wanted_at FROM integrations"))["full_compare_wanted_at"] is None


async def test_s_066_an_entity_switched_off_stops_both_ways_and_deletes_nothing(world: World) -> None:
    await world.pull()
    candidate = await a_candidate(world)
    record = await world.record_of(EntityType.CANDIDATE, candidate["id"])
    await world.edit_here(EntityType.CANDIDATE, record["id"], current_title="Waiting to go out")
    await patch(world, sync_candidates=False)
    left = await world.rows("SELECT 1 FROM sync_queue WHERE entity_type = 'candidate' AND status = 'pending'")
    assert left == []
    skipped = await world.rows("SELECT details FROM sync_logs WHERE action = 'skipped' AND entity_type = 'candidate'")
    assert len(skipped) >= 1
    await world.control.delete("/requests")
    await world.edit_here(EntityType.CANDIDATE, record["id"], current_title="Edited while off")
    await world.drain()
    assert await writes(world) == []
    still = await world.record_of(EntityType.CANDIDATE, candidate["id"])
    assert (still["link_state"], still["archived_at"]) == ("live", None)


async def test_s_070_a_new_integration_is_inbound_only(world: World) -> None:
    await world.rows("UPDATE integrations SET config = config - 'directions' RETURNING 1")
    await world.pull()
    candidate = await a_candidate(world)
    record = await world.record_of(EntityType.CANDIDATE, candidate["id"])
    await world.control.delete("/requests")
    await world.edit_here(EntityType.CANDIDATE, record["id"], current_title="Stays here")
    await world.drain()
    await world.pull(EntityType.CANDIDATE, mode="full")
    assert await writes(world) == []
    assert (await world.record_of(EntityType.CANDIDATE, candidate["id"]))["data"]["current_title"] == "Stays here"


async def test_outbound_switched_on_knowingly_carries_what_was_edited_before(world: World) -> None:
    await patch(world, config={"directions": {"candidate": "inbound", "application": "inbound", "job": "inbound"}})
    await world.pull()
    candidate = await a_candidate(world)
    record = await world.record_of(EntityType.CANDIDATE, candidate["id"])
    await world.edit_here(EntityType.CANDIDATE, record["id"], current_title="Edited before")
    await world.drain()
    await patch(world, config={"directions": {"candidate": "both", "application": "inbound", "job": "inbound"}})
    await world.pull(EntityType.CANDIDATE, mode="full")
    assert (await vendor_candidate(world, candidate["id"]))["title"] == "Edited before"
