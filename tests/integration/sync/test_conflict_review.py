"""What a person who decides conflicts gets to see and do: all sides, many at once, told once, reminded once."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.errors import Conflict
from shared.integrations.lifecycle import Integrations
from shared.integrations.preferences import prefer_always
from shared.model import EntityType, Party
from shared.store.notices import Notices
from shared.sync.deciding.bulk_resolution import resolve_many
from shared.sync.deciding.reminders import Reminders
from tests.integration.sync.conflicting import DUE, edit_both, items, with_emails
from tests.integration.sync.vendor import signal
from tests.integration.sync.world import World


async def notices(world: World) -> list[tuple[str, UUID]]:
    """Return what data managers were told: kind and conflict."""
    async with world.services.database.company(world.company_id) as tx:
        rows = await Notices().listed(tx, kind=None, after=None, limit=100)
    return [(row["kind"], row["conflict_id"]) for row in rows]


async def test_an_item_shows_both_sides_the_last_agreed_value_times_and_origins(world: World) -> None:
    await world.pull()
    (person,) = await with_emails(world, 1)
    before = await world.record_of(EntityType.CANDIDATE, person["id"])
    await edit_both(world, [person])
    # Ours moves once more: the agreed value is then two changes back.
    await world.edit_here(EntityType.CANDIDATE, before["id"], email="portal.again@example.org")
    await world.drain()
    (row,) = await items(world, status="open", unit="email")
    vault = world.services.vault
    async with world.services.database.company(world.company_id) as tx:
        key = (await vault.keys(tx, [row["record_id"]]))[row["record_id"]]
        content: Any = vault.open(world.company_id, key, "conflicts", str(row["id"]), bytes(row["sealed"]))
    assert content["ours"] == {"email": "portal.again@example.org"}
    assert content["ours_source"] == "portal"
    assert content["ours_at"] > before["updated_at"].isoformat()
    assert content["agreed"] == {"email": before["data"]["email"]}
    (side,) = content["sides"].values()
    assert side["values"] == {"email": "vendor0@example.org"}
    assert side["integration_id"] == str(world.integration_id)


async def test_pain_32_nobody_decides_for_the_address_of_somebody_who_was_erased(world: World) -> None:
    await world.pull()
    await edit_both(world, await with_emails(world, 1))
    (row,) = await items(world, status="open", unit="email")
    async with world.services.database.company(world.company_id) as tx:
        await world.services.suppression.suppress_identity(tx, {"email": "gone@example.org"}, reason="erasure")

    async def decide(value: str) -> None:
        await world.services.resolutions.resolve(world.company_id, row["id"], choice="value", value=value, actor="test")

    with pytest.raises(Conflict, match="suppressed") as refused:
        await decide("Gone@Example.org")
    assert refused.value.field == "email"
    assert [each["id"] for each in await items(world, status="open", unit="email")] == [row["id"]]
    await decide("somebody.else@example.org")
    assert await items(world, status="open", unit="email") == []


async def test_a_conflict_is_told_once_however_often_it_is_looked_at(world: World) -> None:
    await world.pull()
    people = await with_emails(world, 2)
    await edit_both(world, people)
    opened = {row["id"] for row in await items(world, status="open", kind="field")}
    assert len(opened) == 2
    for person in people:
        await world.edit_at_vendor("candidates", person["id"], {"title": "Somebody else"})
    await world.pull(EntityType.CANDIDATE)
    told = [each for each in await notices(world) if each[1] in opened]
    assert sorted(told) == sorted(("conflict_waiting", each) for each in opened)


async def test_an_overdue_conflict_is_told_once_more_and_no_more(world: World) -> None:
    await world.pull()
    await edit_both(world, await with_emails(world, 1))
    (row,) = await items(world, status="open", kind="field")
    reminders = Reminders(world.services.database, due=DUE)
    assert not row["overdue"]
    await reminders.run()
    assert ("conflict_overdue", row["id"]) not in await notices(world)
    await world.execute("UPDATE conflicts SET opened_at = opened_at - interval '49 h' WHERE id = %(id)s", id=row["id"])
    (late,) = await items(world, is_overdue=True, kind="field")
    assert (late["id"], late["overdue"]) == (row["id"], True)
    await reminders.run()
    await reminders.run()
    assert [each for each in await notices(world) if each[0] == "conflict_overdue"] == [("conflict_overdue", row["id"])]


async def test_a_refused_decision_brings_the_item_up_to_date(world: World) -> None:
    """No event told of the vendor's change: without a look of its own the item would show the old value for a day."""
    await world.pull()
    (person,) = await with_emails(world, 1)
    await edit_both(world, [person])
    (before,) = await items(world, status="open", unit="email")
    address = {"value": "moved.since@example.org", "type": "personal"}
    await world.edit_at_vendor("candidates", person["id"], {"email_addresses": [address]})
    decide = partial(world.services.resolutions.resolve, world.company_id, before["id"], choice="portal", actor="test")
    with pytest.raises(Conflict, match="moved since"):
        await decide()
    await world.drain()
    (after,) = await items(world, status="open", unit="email")
    assert (after["id"], after["version"]) == (before["id"], before["version"] + 1)
    response = await world.control.delete(f"/candidates/{person['id']}")
    response.raise_for_status()
    with pytest.raises(Conflict, match="gone at its vendor"):
        await decide()
    await world.drain()
    assert await items(world, status="open", unit="email") == []


async def test_many_are_decided_alike_and_one_that_moved_stays_open(world: World) -> None:
    await world.pull()
    people = await with_emails(world, 3)
    await edit_both(world, people)
    rows = {row["record_id"]: row for row in await items(world, integration_id=world.integration_id, status="open")}
    moved = (await world.record_of(EntityType.CANDIDATE, people[2]["id"]))["id"]
    address = {"value": "moved.since@example.org", "type": "personal"}
    await world.edit_at_vendor("candidates", people[2]["id"], {"email_addresses": [address]})
    stranger = uuid4()
    results = await resolve_many(
        world.services.resolutions,
        world.company_id,
        [*(row["id"] for row in rows.values()), stranger],
        choice="integration",
        integration_id=world.integration_id,
        actor="test",
    )
    await world.drain()
    by_id = {each.id: each.status for each in results}
    assert by_id.pop(stranger) == "failed"
    assert by_id.pop(rows[moved]["id"]) == "moved"
    assert set(by_id.values()) == {"resolved"}
    emails = [(await world.record_of(EntityType.CANDIDATE, person["id"]))["data"]["email"] for person in people[:2]]
    assert emails == ["vendor0@example.org", "vendor1@example.org"]
    assert [row["record_id"] for row in await items(world, status="open", kind="field")] == [moved]


async def test_what_is_always_preferred_decides_the_open_ones_too_and_those_to_come(world: World) -> None:
    await world.pull()
    people = await with_emails(world, 3)
    await edit_both(world, people)
    first, *_ = await items(world, status="open", kind="field")
    integrations = Integrations.of(world.services)
    chosen = await prefer_always(
        integrations, world.company_id, EntityType.CANDIDATE, "email", sides=[world.integration_id], winner=None
    )
    assert chosen == {world.integration_id: Party.PORTAL}
    await world.drain()
    assert await items(world, status="open", kind="field") == []
    closed = await items(world, status="closed", kind="field")
    assert {row["decision"] for row in closed} == {"agreed"}
    assert first["id"] in {row["id"] for row in closed}
    await edit_both(world, people, "again")
    shown = {each["id"]: each["email_addresses"] for each in (await world.vendor_state())["candidates"]}
    for number, person in enumerate(people):
        record = await world.record_of(EntityType.CANDIDATE, person["id"])
        assert record["data"]["email"] == f"portal{number}again@example.org"
        assert [each["value"] for each in shown[person["id"]]] == [f"portal{number}again@example.org"]
    assert await items(world, status="open", kind="field") == []


async def test_a_side_that_is_deleted_at_its_vendor_leaves_the_item(world: World) -> None:
    """It could not be decided any more, as a decision fetches every side; found by the simulation."""
    await world.pull()
    (person,) = await with_emails(world, 1)
    await edit_both(world, [person])
    (row,) = await items(world, status="open", unit="email")
    path = f"/candidates/{person['id']}"
    (await world.control.request("DELETE", path, params={"webhooks": "false"})).raise_for_status()
    with pytest.raises(Conflict, match="gone at its vendor"):
        await world.services.resolutions.resolve(world.company_id, row["id"], choice="portal", actor="dm")
    await signal(world, EntityType.CANDIDATE, person["id"])
    assert await items(world, status="open", unit="email") == []


async def test_a_decision_is_refused_when_our_own_side_has_moved_since(world: World) -> None:
    """Only the vendors' sides were looked at, so a decision overrode what nobody had seen; found by the simulation."""
    await world.pull()
    (person,) = await with_emails(world, 1)
    await edit_both(world, [person])
    (row,) = await items(world, status="open", unit="email")
    await world.edit_here(EntityType.CANDIDATE, row["record_id"], email="portal.since@example.org")
    with pytest.raises(Conflict, match="moved since"):
        await world.services.resolutions.resolve(
            world.company_id,
            row["id"],
            choice="integration",
            integration_id=world.integration_id,
            expected_version=row["version"],
            actor="dm",
        )
    record = await world.record_of(EntityType.CANDIDATE, person["id"])
    assert record["data"]["email"] == "portal.since@example.org"
