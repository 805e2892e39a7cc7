"""Who a vendor's record is, on a real database: matched, new, a possible duplicate, or a person's question."""

from __future__ import annotations

from typing import Any

from shared.model import EntityType
from tests.integration.sync.test_create import new_candidate
from tests.integration.sync.test_reconcile import signal
from tests.integration.sync.world import World, fresh_token


async def vendor_person(world: World, **fields: Any) -> int:
    """Add a candidate at the vendor; return its id."""
    response = await world.control.post("/candidates?webhooks=false", json=fields)
    response.raise_for_status()
    made: int = response.json()["id"]
    return made


async def test_a_person_known_by_verified_email_is_linked_not_doubled(world: World) -> None:
    email = f"ada.{fresh_token()}@example.org"
    ours = await new_candidate(world, first_name="Ada", last_name="Lovelace", email=email)
    external_id = await vendor_person(
        world, first_name="ADA", last_name="Lovelace", email_addresses=[{"value": email.upper(), "type": "personal"}]
    )
    await world.pull(EntityType.CANDIDATE)
    record = await world.record_of(EntityType.CANDIDATE, external_id)
    assert record["id"] == ours.id


async def test_a_contradicting_name_is_parked_and_decided_by_a_person(world: World) -> None:
    email = f"shared.{fresh_token()}@example.org"
    ours = await new_candidate(world, first_name="Ada", last_name="Lovelace", email=email)
    external_id = await vendor_person(
        world, first_name="Charles", last_name="Babbage", email_addresses=[{"value": email, "type": "personal"}]
    )
    run = await world.run_of(await world.pull(EntityType.CANDIDATE))
    assert (run["status"], run["records_skipped"]) == ("partial", 1)
    conflict = await world.row("SELECT * FROM conflicts WHERE kind = 'ambiguous_match' AND status = 'open'")
    assert conflict["matches"] == [ours.id]
    assert await world.rows("SELECT 1 FROM external_entity_map WHERE external_id = %(id)s", id=str(external_id)) == []
    await world.services.resolutions.resolve(world.company_id, conflict["id"], choice="new", actor="dm")
    await world.drain()
    record = await world.record_of(EntityType.CANDIDATE, external_id)
    assert record["id"] != ours.id
    assert record["data"]["first_name"] == "Charles"


async def test_a_person_may_decide_that_it_is_the_known_one(world: World) -> None:
    email = f"shared.{fresh_token()}@example.org"
    ours = await new_candidate(world, first_name="Ada", last_name="King", email=email)
    external_id = await vendor_person(
        world, first_name="Augusta", last_name="Byron", email_addresses=[{"value": email, "type": "personal"}]
    )
    await world.pull(EntityType.CANDIDATE)
    conflict = await world.row("SELECT * FROM conflicts WHERE kind = 'ambiguous_match' AND status = 'open'")
    await world.services.resolutions.resolve(
        world.company_id, conflict["id"], choice="record", value=str(ours.id), actor="dm"
    )
    await world.drain()
    assert (await world.record_of(EntityType.CANDIDATE, external_id))["id"] == ours.id


async def test_two_vendor_people_with_one_email_stay_two_and_are_shown(world: World) -> None:
    email = f"family.{fresh_token()}@example.org"
    ids = [
        await vendor_person(
            world, first_name=name, last_name="Shared", email_addresses=[{"value": email, "type": "personal"}]
        )
        for name in ("Ann", "Ben")
    ]
    await world.pull(EntityType.CANDIDATE)
    records = [(await world.record_of(EntityType.CANDIDATE, each))["id"] for each in ids]
    assert len(set(records)) == 2
    shown = await world.rows(
        "SELECT * FROM conflicts WHERE kind = 'possible_duplicate' AND external_id = ANY(%(ids)s)",
        ids=[str(each) for each in ids],
    )
    assert len(shown) == 1


async def test_children_of_an_unclear_person_wait_for_the_decision(world: World) -> None:
    await world.pull(EntityType.JOB)
    email = f"shared.{fresh_token()}@example.org"
    await new_candidate(world, first_name="Ada", last_name="Lovelace", email=email)
    job = next(
        row for row in (await world.vendor_state())["jobs"] if row["status"] == "open" and not row["is_template"]
    )
    response = await world.control.post(
        "/candidates?webhooks=false",
        json={
            "first_name": "Charles",
            "last_name": "Babbage",
            "email_addresses": [{"value": email, "type": "personal"}],
            "application": {"job_id": job["id"]},
        },
    )
    response.raise_for_status()
    external_id = response.json()["id"]
    applications = (await world.vendor_state())["applications"]
    application = next(row for row in applications if row["candidate_id"] == external_id)
    await world.pull()
    held = await world.rows("SELECT record_key, hold_reason FROM sync_queue WHERE hold_reason IS NOT NULL")
    assert {row["record_key"] for row in held} == {f"ext:{external_id}", f"ext:{application['id']}"}
    conflict = await world.row("SELECT * FROM conflicts WHERE kind = 'ambiguous_match' AND status = 'open'")
    await world.services.resolutions.resolve(world.company_id, conflict["id"], choice="new", actor="dm")
    await world.drain()
    candidate = await world.record_of(EntityType.CANDIDATE, external_id)
    assert (await world.record_of(EntityType.APPLICATION, application["id"]))["candidate_id"] == candidate["id"]
    assert await world.rows("SELECT 1 FROM sync_queue WHERE hold_reason IS NOT NULL") == []


async def test_an_anonymised_person_leaves_no_readable_history(world: World) -> None:
    external_id = await vendor_person(
        world,
        first_name="Soon",
        last_name="Forgotten",
        email_addresses=[{"value": f"{fresh_token()}@example.org", "type": "personal"}],
    )
    await world.pull(EntityType.CANDIDATE)
    record = await world.record_of(EntityType.CANDIDATE, external_id)
    await world.edit_here(EntityType.CANDIDATE, record["id"], current_title="Edited once")
    await world.drain()
    assert await world.rows("SELECT 1 FROM person_keys WHERE record_id = %(id)s", id=record["id"]) != []
    response = await world.control.post(
        f"/candidates/{external_id}/anonymize",
        json={"fields": ["full_name", "email_addresses", "phone_numbers", "current_title"]},
    )
    response.raise_for_status()
    await signal(world, EntityType.CANDIDATE, external_id)
    assert await world.rows("SELECT 1 FROM person_keys WHERE record_id = %(id)s", id=record["id"]) == []
    after = await world.record_of(EntityType.CANDIDATE, external_id)
    assert "email" not in after["data"]
