"""The root secret changed: open conflicts can be decided, and prints are made anew by what runs anyhow."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from shared.composition import Services
from shared.errors import Conflict
from shared.model import EntityType
from shared.resealing import Resealing
from tests.fixtures.postgres import Database
from tests.fixtures.storage import StorageAccount
from tests.integration.sync.comparing import compare
from tests.integration.sync.conflicting import edit_both, items, with_emails
from tests.integration.sync.vendor import an_application
from tests.integration.sync.world import World, settings_for

NEWEST = base64.b64encode(b"n" * 32).decode()
OLD = base64.b64encode(b"k" * 32).decode()


@pytest.fixture
async def rotated(world: World, database: Database, storage: StorageAccount) -> AsyncIterator[World]:
    """The same company, served under a newer root secret."""
    secrets = {"ENCRYPTION_SECRET": NEWEST, "ENCRYPTION_SECRET_PREVIOUS": OLD}
    services = Services(settings_for(database.app_dsn, storage.connection_string, **secrets))
    yield replace(world, services=services)
    await services.aclose()


async def decide(world: World, item: dict[str, Any], winner: UUID | None = None) -> None:
    """Decide for the integration *winner*; None: for the portal."""
    await world.services.resolutions.resolve(
        world.company_id,
        item["id"],
        choice="portal" if winner is None else "integration",
        integration_id=winner,
        expected_version=item["version"],
        actor="test",
    )


async def test_a_conflict_of_before_is_brought_up_to_date_and_can_be_decided(world: World, rotated: World) -> None:
    await world.pull()
    await edit_both(world, await with_emails(world, 1))
    (before,) = await items(world, status="open", unit="email")
    with pytest.raises(Conflict, match="moved"):
        await decide(rotated, before)
    assert await rotated.drain() > 0, "the refusal asked for nothing that brings the item up to date"
    (after,) = await items(rotated, status="open", unit="email")
    assert (after["id"], after["version"]) == (before["id"], before["version"] + 1)
    await decide(rotated, after)
    await rotated.drain()
    assert await items(rotated, status="open", unit="email") == []
    people = (await world.vendor_state())["candidates"]
    assert "portal0@example.org" in {each["value"] for person in people for each in person["email_addresses"]}


async def test_a_refused_value_of_before_can_be_decided_as_well(world: World, rotated: World) -> None:
    """Nothing is held there by a merge, so that only the standing refusal tells that its prints are of an older key."""
    await world.pull()
    application = await an_application(world)
    record = await world.record_of(EntityType.APPLICATION, application["id"])
    await world.edit_here(EntityType.APPLICATION, record["id"], stage="No such stage")
    await world.drain()
    (before,) = await items(world, status="open", kind="refused")
    with pytest.raises(Conflict, match="moved"):
        await decide(rotated, before, world.integration_id)
    await rotated.drain()
    (after,) = await items(rotated, status="open", kind="refused")
    assert (after["id"], after["version"]) == (before["id"], before["version"] + 1)
    await decide(rotated, after, world.integration_id)
    assert await items(rotated, status="open", kind="refused") == []
    decided = await world.record_of(EntityType.APPLICATION, application["id"])
    assert decided["data"]["stage"] == record["data"]["stage"]


def differing(run: dict[str, Any]) -> dict[str, tuple[str, str | None]]:
    return {key: (row["kind"], row["cause"]) for key, row in run["differences"].items()}


async def test_what_reseal_let_go_of_a_comparison_makes_anew(world: World, rotated: World) -> None:
    """Its digest was taken from every link; a comparison found them in step and never gave it back."""
    await world.pull()
    await edit_both(world, await with_emails(world, 1))
    for entity in EntityType:
        await compare(world, entity)
    resealing = Resealing(rotated.services.database, rotated.services.keys)
    assert (await resealing.run(rotated.company_id)).stays["links"] > 40
    await world.control.delete("/requests")
    for entity in EntityType:
        run = await compare(rotated, entity)
        assert (run["status"], run["drift"]) == ("complete", 0), differing(run)
    assert "links" not in +(await resealing.run(rotated.company_id)).stays
    lacking = "SELECT entity_type, external_id FROM external_entity_map WHERE digest IS NULL AND state = 'live'"
    assert await world.rows(lacking) == []
    pages = [each for each in await world.requests() if each["method"] == "GET" and each["path"].count("/") == 2]
    assert len(pages) < 20, "every record was fetched by its id"
    # What was given back is passed over by the next one: no seal, link or record is written again.
    versions = [
        f"SELECT ctid::text, xmin::text FROM {table} ORDER BY 1"  # noqa: S608 - of this list
        for table in ("parity_seals", "external_entity_map", "records")
    ]
    before = await world.rows_of(versions)
    assert before[0]
    for entity in EntityType:
        await compare(rotated, entity)
    assert await world.rows_of(versions) == before


async def test_what_was_archived_stays_so_when_its_prints_are_made_anew(world: World, rotated: World) -> None:
    """A run that was taken back leaves records like these; without any digest they counted as come back."""
    await world.pull()
    people = await with_emails(world, 2)
    archived = [(await world.record_of(EntityType.CANDIDATE, each["id"]))["id"] for each in people]
    await world.execute("UPDATE records SET archived_at = now() WHERE id = ANY(%(ids)s)", ids=archived)
    resealing = Resealing(rotated.services.database, rotated.services.keys)
    await resealing.run(rotated.company_id)
    run = await compare(rotated)
    assert run["drift"] == 0
    assert differing(run) == {str(each["id"]): ("archived", "archived") for each in people}
    await resealing.run(rotated.company_id)
    await rotated.pull(EntityType.CANDIDATE, mode="full")
    unarchived = "SELECT id FROM records WHERE id = ANY(%(ids)s) AND archived_at IS NULL"
    assert await world.rows(unarchived, ids=archived) == []
