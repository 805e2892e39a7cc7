"""Open conflicts of a field when the integration of one of their sides is deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from functions.conflicts import conflict_view
from shared.errors import InvalidInput
from shared.integrations.lifecycle import Integrations
from shared.model import EntityType
from tests.integration.sync.conflicting import items, with_emails
from tests.integration.sync.world import World, connect_one_more

CANDIDATE = EntityType.CANDIDATE


@pytest.fixture
async def other(world: World) -> AsyncIterator[World]:
    """A second connection, with the same people."""
    await world.pull()
    made = await connect_one_more(world.services, world.company_id, world.simulator, world.admin_dsn)
    await made.pull()
    yield made
    await made.control.aclose()


async def delete(world: World) -> None:
    await Integrations.of(world.services).delete(world.company_id, world.integration_id, archive_records=False)


async def a_conflict(world: World) -> dict[str, Any]:
    """Return an item of the e-mail with both connections as its sides."""
    (person,) = await with_emails(world, 1)
    link = await world.row(
        "SELECT DISTINCT internal_id FROM external_entity_map WHERE external_id = %(id)s AND entity_type = 'candidate'",
        id=str(person["id"]),
    )
    await world.edit_here(CANDIDATE, link["internal_id"], email="portal@example.org")
    address = {"value": "vendor@example.org", "type": "personal"}
    await world.edit_at_vendor("candidates", person["id"], {"email_addresses": [address]})
    await world.drain()
    (row,) = await items(world, status="open", unit="email")
    assert len(row["links"]) == 2
    return row


async def decide(world: World, item: dict[str, Any], choice: World) -> None:
    await world.services.resolutions.resolve(
        world.company_id, item["id"], choice="integration", integration_id=choice.integration_id, actor="test"
    )


async def test_the_side_of_a_deleted_integration_leaves_the_item(world: World, other: World) -> None:
    """Its link was a tombstone without credentials, so that nobody could decide for the other system either."""
    before = await a_conflict(world)
    await delete(world)
    (after,) = await items(world, status="open", unit="email")
    assert (after["id"], after["version"]) == (before["id"], before["version"] + 1)
    (link,) = after["links"]
    sides = {each: {"integration_id": each} for each in before["links"]}
    assert conflict_view(after, {"sides": sides})["sides"] == [{"integration_id": link}]
    with pytest.raises(InvalidInput):
        await decide(world, after, world)
    await decide(world, after, other)
    assert await items(world, status="open", unit="email") == []


async def test_an_item_without_another_side_closes(world: World, other: World) -> None:
    before = await a_conflict(world)
    await delete(other)
    await delete(world)
    assert await items(world, status="open") == []
    (after,) = await items(world, unit="email")
    assert (after["status"], after["ended_by"]) == ("closed", "integration_deleted")
    assert set(after["links"]) < set(before["links"]), "what the last side said can still be read"


async def test_a_side_that_came_back_while_it_was_deleted_is_passed_over_and_leaves_in_the_night(
    world: World, other: World
) -> None:
    """A page of the other integration read the item before the deletion, and wrote it after."""
    before = await a_conflict(world)
    row = await world.row("SELECT inputs FROM conflicts WHERE id = %(id)s", id=before["id"])
    await delete(world)
    await world.execute(
        "UPDATE conflicts SET inputs = inputs || %(inputs)s::jsonb WHERE id = %(id)s",
        id=before["id"],
        inputs=Jsonb(row["inputs"]),
    )
    (again,) = await items(world, status="open", unit="email")
    assert len(again["links"]) == 2
    await world.services.maintenance.run()
    (left,) = await items(world, status="open", unit="email")
    assert len(left["links"]) == 1
    await world.execute(
        "UPDATE conflicts SET inputs = inputs || %(inputs)s::jsonb WHERE id = %(id)s",
        id=before["id"],
        inputs=Jsonb(row["inputs"]),
    )
    await decide(world, left, other)
    assert await items(world, status="open", unit="email") == []
