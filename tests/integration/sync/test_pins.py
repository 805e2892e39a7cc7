"""A person's decision stands against automation: kept with the record, read by every link's merge."""

from __future__ import annotations

import json
from typing import Any

from shared.model import EntityType
from tests.integration.sync.conflicting import conflicting_emails
from tests.integration.sync.vendor import signal, vendor_candidate, writes
from tests.integration.sync.world import World

OPEN = "SELECT * FROM conflicts WHERE status = 'open' AND kind = 'field'"


async def decided(world: World) -> dict[str, Any]:
    """Decide a conflict of e-mails for the portal, and let the vendor have it; return the vendor's candidate."""
    candidate, _ = await conflicting_emails(world)
    await decide(world)
    await world.drain()
    return candidate


async def decide(world: World) -> None:
    conflict = await world.row(OPEN)
    await world.services.resolutions.resolve(world.company_id, conflict["id"], choice="portal", actor="dm")


async def put_back(world: World, candidate_id: int, address: str) -> None:
    """Some automation of the vendor's sets an address."""
    changes = {"email_addresses": [{"value": address, "type": "personal"}]}
    await world.edit_at_vendor("candidates", candidate_id, changes)
    await signal(world, EntityType.CANDIDATE, candidate_id)


async def test_pain_31_a_value_that_the_vendor_puts_back_opens_the_conflict_again(world: World) -> None:
    candidate = await decided(world)
    await world.control.delete("/requests")
    await put_back(world, candidate["id"], "from.vendor@example.org")
    conflict = await world.row(OPEN)
    assert (conflict["unit"], conflict["reason"]) == ("email", "put_back")
    record = await world.record_of(EntityType.CANDIDATE, candidate["id"])
    assert record["data"]["email"] == "from.portal@example.org"
    assert await writes(world) == []
    await decide(world)
    await world.drain()
    shown = await vendor_candidate(world, candidate["id"])
    assert shown["email_addresses"][0]["value"] == "from.portal@example.org"


async def test_a_value_that_nobody_saw_is_taken_after_a_decision(world: World) -> None:
    candidate = await decided(world)
    await put_back(world, candidate["id"], "new@example.org")
    assert await world.rows(OPEN) == []
    assert (await world.record_of(EntityType.CANDIDATE, candidate["id"]))["data"]["email"] == "new@example.org"


async def test_an_edit_at_the_portal_is_the_decision_from_then_on(world: World) -> None:
    candidate = await decided(world)
    record = await world.record_of(EntityType.CANDIDATE, candidate["id"])
    pin = await world.row("SELECT * FROM record_pins")
    assert (pin["record_id"], pin["unit"], pin["decided_by"], len(pin["rejected"])) == (record["id"], "email", "dm", 1)
    assert "example" not in repr(pin)
    await world.edit_here(EntityType.CANDIDATE, record["id"], email="third@example.org")
    await world.drain()
    replaced = await world.row("SELECT * FROM record_pins")
    assert replaced["decision"] != pin["decision"]
    assert set(replaced["rejected"]) == {*pin["rejected"], pin["decision"]}
    await put_back(world, candidate["id"], "from.vendor@example.org")
    assert (await world.row(OPEN))["reason"] == "put_back"


async def test_an_edit_of_another_field_leaves_the_decision(world: World) -> None:
    candidate = await decided(world)
    record = await world.record_of(EntityType.CANDIDATE, candidate["id"])
    pin = await world.row("SELECT * FROM record_pins")
    await world.edit_here(EntityType.CANDIDATE, record["id"], current_title="Baker")
    assert await world.row("SELECT * FROM record_pins") == pin


async def test_a_request_that_the_authority_refuses_goes_back_and_people_are_told(world: World) -> None:
    policy = {"policy": "authority", "authority": "integration"}
    await world.rows(
        "UPDATE integrations SET config = config || %(more)s::jsonb WHERE id = %(id)s RETURNING id",
        id=world.integration_id,
        more=json.dumps({"policies": {"candidate": {"current_title": policy}}}),
    )
    await world.pull()
    candidate = (await world.vendor_state())["candidates"][0]
    before = await world.record_of(EntityType.CANDIDATE, candidate["id"])
    await world.edit_here(EntityType.CANDIDATE, before["id"], current_title="Baker " * 100)
    await world.drain()
    after = await world.record_of(EntityType.CANDIDATE, candidate["id"])
    assert after["data"]["current_title"] == before["data"]["current_title"]
    issue = await world.row("SELECT * FROM issues WHERE ended_at IS NULL")
    assert (issue["kind"], issue["subject"]) == ("change_undone", f"candidate/{before['id']}/current_title")
