"""A preview writes nothing on either side, and what it shows is what the first sync then does, record by record."""

from __future__ import annotations

import pytest

from functions.previews import preview_view
from shared.composition import Services
from shared.sync.previewing.preview import Action, Preview
from tests.fixtures.postgres import Database
from tests.fixtures.storage import StorageAccount
from tests.integration.sync.world import World, settings_for
from tests.preview_proof.proving import Verdict, prepare, prove

SEEDS = range(1, 6)


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


async def test_what_it_shows_is_what_the_sync_then_does_record_by_record(
    database: Database, storage: StorageAccount
) -> None:
    """The first worlds of `python -m tests.preview_proof`; `make verify` plays three hundred."""
    prepare(database.admin_dsn)
    settings = settings_for(database.app_dsn, storage.connection_string)
    services, showing = (Services(settings, limiter_off=True) for _ in range(2))
    whole = Verdict()
    try:
        for seed in SEEDS:
            whole.add(await prove(services, showing, database.admin_dsn, seed))
    finally:
        await services.aclose()
        await showing.aclose()
    assert whole.faults == []
    assert set(whole.actions) == set(Action)
    assert set(whole.fields) == {"take", "push", "hold"}


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
    monkeypatch.setattr(f"shared.sync.previewing.preview.{budget}", -1.0)
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
