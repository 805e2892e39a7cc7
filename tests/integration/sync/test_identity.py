"""Who a vendor's record is, on a real database: matched, new, a possible duplicate, or a person's question."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

from shared.merge.matching import Match, Matched, New
from shared.model import EntityType
from shared.model.records import Candidate
from shared.store.records import RecordWrite
from shared.sync.identity.identify import identify
from shared.sync.merging.observations import observe
from tests.integration.sync.configuring import configure
from tests.integration.sync.submitting import new_candidate
from tests.integration.sync.vendor import signal, vendor_person
from tests.integration.sync.world import World, fresh_token


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


def number() -> str:
    """A British number that nobody else has."""
    return f"+44 20 7{int(fresh_token(), 16) % 10**7:07}"


async def test_a_person_without_an_address_is_known_by_number_and_name(world: World) -> None:
    phone = number()
    ours = await new_candidate(world, first_name="Ada", last_name="Lovelace", email=None, phone=phone)
    trunk = phone.replace("+44 20", "+44 (0)20")
    external_id = await vendor_person(
        world, first_name="Ada", last_name="LOVELACE", phone_numbers=[{"value": trunk, "type": "mobile"}]
    )
    other = await vendor_person(world, first_name="Ada", last_name="Byron", phone_numbers=[])
    await world.pull(EntityType.CANDIDATE)
    assert (await world.record_of(EntityType.CANDIDATE, external_id))["id"] == ours.id
    assert (await world.record_of(EntityType.CANDIDATE, other))["id"] != ours.id


async def test_a_number_stored_with_its_trunk_prefix_is_found(world: World) -> None:
    phone = number()
    ours = await new_candidate(
        world, first_name="Ada", last_name="Lovelace", email=None, phone=phone.replace("+44 20", "+44 (0)20")
    )
    external_id = await vendor_person(
        world, first_name="Ada", last_name="Lovelace", phone_numbers=[{"value": phone, "type": "mobile"}]
    )
    await world.pull(EntityType.CANDIDATE)
    assert (await world.record_of(EntityType.CANDIDATE, external_id))["id"] == ours.id


async def suggestions(world: World) -> list[dict[str, Any]]:
    return await world.rows("SELECT * FROM conflicts WHERE kind = 'possible_duplicate' AND status = 'open'")


async def namesakes(world: World) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """A candidate of ours, one of the vendor's of the same name at the same employer, and the item about them."""
    company = f"Engines {fresh_token()} Ltd"
    ours = await new_candidate(
        world, first_name="Ada", last_name="Lovelace", current_company=company, current_title="Analyst", phone=None
    )
    external_id = await vendor_person(
        world,
        first_name="ada",
        last_name="Lovelace",
        company=company.upper(),
        email_addresses=[{"value": f"{fresh_token()}@example.org", "type": "work"}],
    )
    await world.pull(EntityType.CANDIDATE)
    theirs = await world.record_of(EntityType.CANDIDATE, external_id)
    (item,) = [each for each in await suggestions(world) if each["external_id"] == str(external_id)]
    return ours, theirs, item


async def test_name_and_employer_are_a_suggestion_that_blocks_nothing(world: World) -> None:
    ours, theirs, item = await namesakes(world)
    assert theirs["id"] != ours.id
    assert (item["record_id"], item["matches"]) == (theirs["id"], [ours.id])
    assert await world.rows("SELECT 1 FROM sync_queue WHERE hold_reason IS NOT NULL") == []


async def test_a_suggestion_that_is_right_merges_the_two(world: World) -> None:
    ours, theirs, item = await namesakes(world)
    await world.services.resolutions.resolve(
        world.company_id, item["id"], choice="record", value=str(ours.id), actor="dm"
    )
    await world.drain()
    record = await world.record_of(EntityType.CANDIDATE, item["external_id"])
    assert record["id"] == ours.id
    assert record["data"]["current_title"] == "Analyst"
    assert {each["value"] for each in record["data"]["further_emails"]} == {theirs["data"]["email"]}
    assert await suggestions(world) == []
    ended = await world.row("SELECT status, decision FROM conflicts WHERE id = %(id)s", id=item["id"])
    assert ended == {"status": "resolved", "decision": str(ours.id)}


async def test_what_a_person_said_is_not_asked_again(world: World) -> None:
    ours, theirs, item = await namesakes(world)
    await world.services.resolutions.resolve(world.company_id, item["id"], choice="new", actor="dm")
    async with world.services.database.company(world.company_id) as tx:
        assert await world.services.store.identity_pairs.are_apart(tx, theirs["id"], ours.id)
    # The connection's links end, and the same record comes as if never seen.
    await world.execute("UPDATE external_entity_map SET state = 'tombstone' WHERE id = %(id)s", id=theirs["link_id"])
    await world.pull(EntityType.CANDIDATE, mode="full")
    assert [each for each in await suggestions(world) if ours.id in each["matches"]] == []


async def test_two_systems_that_bring_one_new_person_at_once_make_one_record(world: World) -> None:
    """Both transactions look before either has written: the second waits for the first, and finds its record."""
    store, database = world.services.store, world.services.database
    values: dict[str, Any] = {"first_name": "Ada", "last_name": "Lovelace", "phone": number().replace(" ", "")}
    found: list[Match] = []

    async def bring(external_id: str) -> None:
        record = Candidate(external_id=external_id, **values)
        async with database.company(world.company_id) as tx:
            ticket = await store.links.ticket(tx)
            (seen,) = observe([record], ticket, context=b"x")
            identified = await identify(
                tx, store, world.services.keys, uuid4(), EntityType.CANDIDATE, [(seen, seen.values)]
            )
            found.append(identified.matches[external_id])
            if isinstance(found[-1], New):
                write = RecordWrite(UUID(int=int(external_id)), EntityType.CANDIDATE, values, {})
                await store.records.insert(tx, EntityType.CANDIDATE, [write])

    await asyncio.gather(bring("1"), bring("2"), bring("3"))
    first, *others = found
    assert isinstance(first, New)
    made = await world.row("SELECT id FROM records WHERE data ->> 'phone' = %(phone)s", phone=values["phone"])
    assert others == [Matched(str(made["id"]))] * 2


async def test_who_was_deleted_there_and_applies_again_is_the_same_person_here(world: World) -> None:
    """The ended link kept its place as the primary one: the new record could not come in, nor anything behind it."""
    await configure(world, "on_delete", '"keep"')
    email = f"again.{fresh_token()}@example.org"
    addresses = [{"value": email, "type": "personal"}]
    first = await vendor_person(world, first_name="Ada", last_name="King", email_addresses=addresses)
    await world.pull(EntityType.CANDIDATE)
    ours = await world.record_of(EntityType.CANDIDATE, first)
    (await world.control.delete(f"/candidates/{first}?webhooks=false")).raise_for_status()
    await signal(world, EntityType.CANDIDATE, first)
    again = await vendor_person(world, first_name="Ada", last_name="King", email_addresses=addresses)
    behind = await vendor_person(world, first_name="Joan", last_name="Clarke")
    run = await world.run_of(await world.pull(EntityType.CANDIDATE))
    assert run["status"] == "complete"
    assert (await world.record_of(EntityType.CANDIDATE, again))["id"] == ours["id"]
    assert (await world.record_of(EntityType.CANDIDATE, behind))["data"]["last_name"] == "Clarke"
    links = await world.rows(
        "SELECT external_id, state, is_primary FROM external_entity_map WHERE internal_id = %(id)s", id=ours["id"]
    )
    assert {row["external_id"]: (row["state"], row["is_primary"]) for row in links} == {
        str(first): ("gone", False),
        str(again): ("live", True),
    }


async def test_of_two_vendor_people_of_whom_a_person_says_that_both_are_one_of_ours_both_come_in(world: World) -> None:
    """The second has its own record, and the two are asked about: a merge here is what makes them one."""
    email = f"shared.{fresh_token()}@example.org"
    ours = await new_candidate(world, first_name="Ada", last_name="King", email=email)
    other = await new_candidate(world, first_name="Ada", last_name="King", email=f"other.{fresh_token()}@example.org")
    await world.rows(  # two of one address come of two systems that hid it at first
        "UPDATE records SET data = data || jsonb_build_object('email', %(email)s::text) WHERE id = %(id)s RETURNING id",
        email=email,
        id=other.id,
    )
    addresses = [{"value": email, "type": "personal"}]
    theirs = [
        await vendor_person(world, first_name=name, last_name="Byron", email_addresses=addresses)
        for name in ("Augusta", "Anne")
    ]
    await world.pull(EntityType.CANDIDATE)
    items = await world.rows("SELECT * FROM conflicts WHERE kind = 'ambiguous_match' AND status = 'open'")
    assert len(items) == len(theirs)
    for item in items:
        await world.services.resolutions.resolve(
            world.company_id, item["id"], choice="record", value=str(ours.id), actor="dm"
        )
    await world.drain()
    ids = {(await world.record_of(EntityType.CANDIDATE, each))["id"] for each in theirs}
    assert ours.id in ids
    assert len(ids) == 2
    (asked,) = await world.rows("SELECT * FROM conflicts WHERE kind = 'possible_duplicate' AND status = 'open'")
    assert asked["matches"] == [ours.id]
