"""A preview writes nothing on either side, and what it shows is what the first sync then does, record by record."""

from __future__ import annotations

from typing import Any

import pytest

from functions.previews import preview_view
from sandbox.vendors.greenhouse.server import GreenhouseSimulator
from sandbox.vendors.greenhouse.settings import Settings as SimulatorSettings
from shared.model import EntityType
from shared.sync.preview import Action, Preview
from tests.fixtures.postgres import Database
from tests.fixtures.storage import StorageAccount
from tests.integration.sync.world import World, connect, settings_for

CANDIDATE = EntityType.CANDIDATE
TABLES = ("records", "external_entity_map", "record_history", "conflicts", "sync_queue", "sync_logs", "runs", "notices")


async def everything(world: World) -> dict[str, list[Any]]:
    return {
        table: await world.rows(f"SELECT to_jsonb(t)::text AS row FROM {table} t ORDER BY 1")  # noqa: S608
        for table in TABLES
    }


async def some_are_here_already(world: World) -> None:
    """Enter people of the vendor's in the portal: some alike, some with other values, one with another name."""
    people = [
        each
        for each in (await world.vendor_state())["candidates"]
        if len(each["email_addresses"]) == 1 and each["phone_numbers"]
    ]
    for number, person in enumerate(people[:8]):
        fields = {"first_name": person["first_name"], "last_name": person["last_name"]}
        if number % 2:
            fields["current_title"] = f"Known here as {number}"
        if number == 3:
            fields["phone"] = "+44 20 7946 0999"
        if number == 5:
            fields["first_name"] = "Somebody"
            fields["last_name"] = "Else"
        email = str(person["email_addresses"][0]["value"])
        await world.services.edits.create_candidate(world.company_id, {**fields, "email": email}, actor="test")


async def preview(world: World, most: int = 1000) -> Preview:
    return await world.services.previews.of(world.company_id, world.integration_id, most=most)


@pytest.mark.parametrize("seed", [7, 8, 9])
async def test_what_it_shows_is_what_the_first_sync_does_record_by_record(
    database: Database, storage: StorageAccount, seed: int
) -> None:
    async with GreenhouseSimulator(SimulatorSettings(people=40, seed=seed, limiter=False)) as simulator:
        world = await connect(settings_for(database.app_dsn, storage.connection_string), simulator, database.admin_dsn)
        try:
            await some_are_here_already(world)
            known = {row["id"] for row in await world.rows("SELECT id FROM records")}
            before, vendor_before = await everything(world), await world.vendor_state()
            shown = await preview(world)
            assert await everything(world) == before
            assert await world.vendor_state() == vendor_before
            await world.pull()
            await _is_what_was_shown(world, shown, known)
        finally:
            await world.control.aclose()
            await world.services.aclose()


async def _is_what_was_shown(world: World, shown: Preview, known: set[Any]) -> None:
    links = {
        (row["entity_type"], row["external_id"]): row["internal_id"]
        for row in await world.rows("SELECT entity_type, external_id, internal_id FROM external_entity_map")
    }
    held = {
        (row["record_id"], row["unit"])
        for row in await world.rows("SELECT record_id, unit FROM conflicts WHERE kind = 'field'")
    }
    rows = [row for each in shown.entities for row in each.rows]
    assert {row.action for row in rows} >= {Action.CREATE, Action.LINK}
    for row in rows:
        record_id = links.get((row.entity.value, row.external_id))
        match row.action:
            case Action.CREATE:
                assert record_id not in known | {None}
            case Action.LINK:
                assert record_id == row.record_id
            case _:
                assert row.action in (Action.WAIT, Action.REFUSED), row
                assert record_id is None
        if record_id is None or row.action is Action.CREATE:
            continue
        data = (await world.row("SELECT data FROM records WHERE id = %(id)s", id=record_id))["data"]
        for diff in row.fields:
            expected = diff.theirs if diff.what == "take" else diff.ours
            assert data.get(diff.field) == (expected if expected != [] else None), diff
        assert {(record_id, each.field) for each in row.fields if each.what == "hold" and each.field == "phone"} <= held
    assert len(links) == sum(row.action in (Action.CREATE, Action.LINK) for row in rows)


async def test_it_counts_and_offers(world: World) -> None:
    await some_are_here_already(world)
    view = preview_view(await preview(world))
    candidates = view["entities"]["candidate"]
    assert view["is_whole"]
    assert candidates["records"]["link"] >= 3
    assert candidates["fields"]["hold"] >= 1
    assert candidates["first_meetings"]["phone"] == 1
    assert view["offer"] == {"config": {"first_link": ["portal", "integration"]}}
    assert 0 < len(candidates["samples"]["create"]) <= 20
    assert view["calls"] > 2
    assert view["writes_at_vendor"] >= 1


@pytest.mark.parametrize("budget", ["READING_S", "REHEARSING_S"])
async def test_what_there_was_no_time_for_is_not_passed_off_as_the_whole(
    world: World, monkeypatch: pytest.MonkeyPatch, budget: str
) -> None:
    monkeypatch.setattr(f"shared.sync.preview.{budget}", -1.0)
    view = preview_view(await preview(world))
    assert not view["is_whole"]
    assert {entity: found["read"] for entity, found in view["entities"].items()} == {
        "job": 0, "candidate": 0, "application": 0,
    }  # fmt: skip


async def test_after_a_sync_nothing_is_left_to_do(world: World) -> None:
    await world.pull()
    shown = await preview(world)
    assert {row.action for each in shown.entities for row in each.rows} <= {
        Action.UNCHANGED, Action.WAIT, Action.REFUSED,
    }  # fmt: skip
