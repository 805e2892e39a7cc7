"""One field edited on both sides: held for a person, decided once, or ended by itself."""

from __future__ import annotations

import pytest

from shared.errors import Conflict
from shared.model import EntityType
from tests.integration.sync.conflicting import conflicting_emails
from tests.integration.sync.vendor import signal, vendor_candidate, writes
from tests.integration.sync.world import World


async def test_an_email_edited_on_both_sides_is_held_and_nothing_overwritten(world: World) -> None:
    candidate, _ = await conflicting_emails(world)
    after = await world.record_of(EntityType.CANDIDATE, candidate["id"])
    shown = await vendor_candidate(world, candidate["id"])
    assert after["data"]["email"] == "from.portal@example.org"
    assert [each["value"] for each in shown["email_addresses"]] == ["from.vendor@example.org"]
    assert await writes(world) == []
    conflict = await world.row("SELECT * FROM conflicts WHERE status = 'open' AND kind = 'field'")
    assert (conflict["unit"], conflict["record_id"]) == ("email", after["id"])
    assert b"example.org" not in bytes(conflict["sealed"])
    log = await world.rows("SELECT 1 FROM sync_logs WHERE status = 'conflict'")
    assert len(log) == 1


async def test_held_again_without_a_change_stays_one_item_of_one_version(world: World) -> None:
    candidate, _ = await conflicting_emails(world)
    first = await world.row("SELECT id, version FROM conflicts WHERE status = 'open' AND kind = 'field'")
    await signal(world, EntityType.CANDIDATE, candidate["id"])
    again = await world.row("SELECT id, version FROM conflicts WHERE status = 'open' AND kind = 'field'")
    assert again == first


@pytest.mark.parametrize(
    ("choice", "value", "wins"),
    [
        ("portal", None, "from.portal@example.org"),
        ("integration", None, "from.vendor@example.org"),
        ("value", "typed@example.org", "typed@example.org"),
    ],
)
async def test_a_decision_brings_both_sides_to_agree(world: World, choice: str, value: str | None, wins: str) -> None:
    candidate, _ = await conflicting_emails(world)
    conflict = await world.row("SELECT * FROM conflicts WHERE status = 'open' AND kind = 'field'")
    await world.services.resolutions.resolve(
        world.company_id,
        conflict["id"],
        choice=choice,
        integration_id=world.integration_id,
        value=value,
        expected_version=conflict["version"],
        actor="data-manager",
    )
    await world.drain()
    after = await world.record_of(EntityType.CANDIDATE, candidate["id"])
    shown = await vendor_candidate(world, candidate["id"])
    assert after["data"]["email"] == wins
    assert shown["email_addresses"][0]["value"] == wins
    assert await world.rows("SELECT 1 FROM conflicts WHERE status = 'open' AND kind = 'field'") == []
    await signal(world, EntityType.CANDIDATE, candidate["id"])
    assert await world.rows("SELECT 1 FROM conflicts WHERE status = 'open' AND kind = 'field'") == []


async def test_a_decision_on_what_has_moved_is_refused(world: World) -> None:
    candidate, _ = await conflicting_emails(world)
    conflict = await world.row("SELECT * FROM conflicts WHERE status = 'open' AND kind = 'field'")
    await world.edit_at_vendor(
        "candidates", candidate["id"], {"email_addresses": [{"value": "third@example.org", "type": "personal"}]}
    )
    with pytest.raises(Conflict, match="moved"):
        await world.services.resolutions.resolve(
            world.company_id, conflict["id"], choice="portal", expected_version=conflict["version"], actor="dm"
        )
    after = await world.record_of(EntityType.CANDIDATE, candidate["id"])
    assert after["data"]["email"] == "from.portal@example.org"


async def test_a_conflict_that_ended_by_itself_closes(world: World) -> None:
    candidate, record = await conflicting_emails(world)
    await world.edit_here(EntityType.CANDIDATE, record["id"], email="from.vendor@example.org")
    await world.drain()
    conflict = await world.row("SELECT status FROM conflicts WHERE kind = 'field'")
    assert conflict["status"] == "closed"
    assert (await world.record_of(EntityType.CANDIDATE, candidate["id"]))["data"]["email"] == "from.vendor@example.org"
