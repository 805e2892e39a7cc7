"""A field that the vendor shows of few records, or of none, is told until it is shown again."""

from __future__ import annotations

from typing import Any

from shared.integrations.lifecycle import Integrations
from shared.integrations.requests import PatchIntegration
from shared.model import Direction, EntityType, RunStatus
from shared.store.runs import Counts
from shared.sync.pulling import coverage
from tests.integration.sync.world import World

CANDIDATE = EntityType.CANDIDATE


async def told(world: World) -> list[str]:
    rows = await world.rows("SELECT subject FROM issues WHERE kind = 'coverage_fell' AND ended_at IS NULL")
    return sorted(row["subject"] for row in rows)


async def map_fields(world: World, **mapping: Any) -> None:
    """Save a mapping of candidates, as a person would."""
    request = PatchIntegration.model_validate({"config": {"mapping": {"candidate": mapping}}})
    await Integrations.of(world.services).change(world.company_id, world.integration_id, request, expected_version=None)


async def shown(world: World, records: int, **fields: int) -> list[str]:
    """Let a pull have read so many *records*, of which so many showed each field; return what has fallen by it."""
    store = world.services.store
    async with world.services.database.company(world.company_id) as tx:
        run_id = await store.runs.create(
            tx,
            world.integration_id,
            entity=CANDIDATE,
            direction=Direction.INBOUND,
            mode="incremental",
            trigger="manual",
        )
        counted = {name.replace("__", "."): count for name, count in fields.items()}
        await store.runs.add(tx, run_id, Counts(read=records), counted)
        run = await store.runs.get(tx, run_id)
        assert run is not None
        await store.runs.end(tx, run, RunStatus.COMPLETE, evidence={"cursor": "end"})
        integration = await store.connections.get(tx, world.integration_id)
        fallen = await coverage.compare(tx, store, integration, run)
        await coverage.tell_of_custom_fields(tx, store, integration, run)
    return fallen


async def test_pain_10_a_custom_field_that_few_records_show_any_more_is_told_by_its_key(world: World) -> None:
    await map_fields(world, custom_fields={"notice_period": "Notice", "shoe_size": "Shoe size"})
    whole = {"custom_fields": 100, "custom_fields__shoe_size": 100}
    await shown(world, 100, **whole, custom_fields__notice_period=100)
    assert await shown(world, 100, **whole, custom_fields__notice_period=3) == ["custom_fields.notice_period"]
    assert await told(world) == ["candidate.custom_fields.notice_period"]
    # The next pull is compared with one in which it had fallen already, and the field is still not there.
    await shown(world, 100, **whole, custom_fields__notice_period=3)
    assert await told(world) == ["candidate.custom_fields.notice_period"]
    await shown(world, 100, **whole, custom_fields__notice_period=90)
    assert await told(world) == []


async def test_a_custom_field_that_no_mapping_names_is_told_of_no_more(world: World) -> None:
    await map_fields(world, custom_fields={"notice_period": "Notice", "shoe_size": "Shoe size"})
    whole = {"custom_fields": 100, "custom_fields__shoe_size": 100}
    await shown(world, 100, **whole, custom_fields__notice_period=100)
    await shown(world, 100, **whole, custom_fields__notice_period=3)
    await map_fields(world, custom_fields={"shoe_size": "Shoe size"})
    assert await told(world) == []
    assert await shown(world, 100, **whole) == []


async def test_a_field_that_one_record_shows_has_not_come_back(world: World) -> None:
    await shown(world, 100, email=100, phone=100)
    await shown(world, 100, email=100, phone=9)
    assert await told(world) == ["candidate.phone"]
    await shown(world, 1, email=1, phone=1)
    assert await told(world) == ["candidate.phone"]
    for _ in range(20):
        await shown(world, 1, email=1, phone=1)
    assert await told(world) == []


async def test_pain_10_an_account_of_small_pulls_is_told_as_well(world: World) -> None:
    await world.pull()
    people = (await world.vendor_state())["candidates"]
    await world.control.patch("/settings", json={"hidden_fields": {"candidates": ["tags"]}})
    read = 0
    while read < coverage.ENOUGH_RECORDS:
        assert await told(world) == []
        for person in people[read : read + 7]:
            await world.edit_at_vendor("candidates", person["id"], {"title": "Baker"})
        run = await world.run_of(await world.pull(CANDIDATE))
        assert 0 < run["records_read"] < coverage.ENOUGH_RECORDS
        read += run["records_read"]
    assert await told(world) == ["candidate.tags"]


async def test_what_a_run_took_back_or_wrote_hides_no_fall(world: World) -> None:
    await world.pull()
    run_id = await world.pull(CANDIDATE, mode="full")
    await world.services.reverts.start(world.company_id, run_id)
    await world.services.syncs.request(
        world.company_id, world.integration_id, direction=Direction.OUTBOUND, entity=CANDIDATE
    )
    await world.drain()
    await world.control.patch("/settings", json={"hidden_fields": {"candidates": ["tags"]}})
    await world.pull(CANDIDATE, mode="full")
    assert await told(world) == ["candidate.tags"]


async def test_a_field_that_the_mapping_keeps_out_has_not_fallen(world: World) -> None:
    await world.pull()
    await world.control.patch("/settings", json={"hidden_fields": {"candidates": ["tags"]}})
    await world.pull(CANDIDATE, mode="full")
    assert await told(world) == ["candidate.tags"]
    await map_fields(world, exclude=["tags", "addresses"])
    await world.drain()
    assert await told(world) == []
