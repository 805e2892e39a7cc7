"""What disappears at the vendor: believed one by one, held in masses, decided by people, restored when it returns."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import pytest

from shared.errors import Conflict
from shared.integrations.lifecycle import Integrations
from shared.integrations.requests import CreateIntegration
from shared.model import EntityType
from tests.integration.sync.comparing import compare, ground_of
from tests.integration.sync.configuring import configure
from tests.integration.sync.conflicting import edit_both, with_emails
from tests.integration.sync.issues import open_issues
from tests.integration.sync.vendor import a_candidate, signal
from tests.integration.sync.world import World
from tests.parity_proof.planting import Pair, in_step

ARCHIVED = "SELECT count(*) AS count FROM records WHERE entity_type = 'candidate' AND archived_at IS NOT NULL"
GONE = "SELECT count(*) AS count FROM external_entity_map WHERE entity_type = 'candidate' AND state = 'gone'"
ASIDE = "SELECT external_id FROM quarantine WHERE ended_at IS NULL"
DELETED = "SELECT status FROM sync_logs WHERE entity_type = 'candidate' AND action = 'deleted'"


async def count(world: World, query: str) -> int:
    return int((await world.row(query))["count"])


async def delete_at_vendor(world: World, pairs: Sequence[Pair]) -> None:
    for each in pairs:
        await ground_of(world).at_vendor("DELETE", f"/candidates/{each.external_id}")


async def test_pain_06_what_was_deleted_without_an_event_is_found_and_archived(world: World) -> None:
    await world.pull()
    pairs = (await in_step(ground_of(world)))[:3]
    await delete_at_vendor(world, pairs)
    run = await compare(world)
    assert {row["kind"] for row in run["differences"].values()} == {"missing_there"}
    assert run["differences"].keys() == {each.external_id for each in pairs}
    assert (await count(world, ARCHIVED), await count(world, GONE)) == (3, 3)
    again = await compare(world)
    assert (again["drift"], again["explained"]) == (0, 0)


async def test_pain_07_wrong_delete_is_braked(world: World) -> None:
    """A mass disappearance deletes nothing; what is rejected is kept and not asked about again."""
    await configure(world, "delete_brake", '{"count": 2, "share": 0.0}')
    await world.pull()
    pairs = (await in_step(ground_of(world)))[:4]
    await delete_at_vendor(world, pairs)
    run = await compare(world)
    assert {row["cause"] for row in run["differences"].values()} == {"delete_brake"}
    assert (run["drift"], run["explained"]) == (0, 4)
    assert await count(world, GONE) == 0
    assert "delete_brake" in await open_issues(world)

    services = world.services
    assert await services.deletes.reject(world.company_id, world.integration_id, actor="jo") == 4
    await world.drain()
    assert await count(world, GONE) == 0
    assert "delete_brake" not in await open_issues(world)
    kept = await compare(world)
    assert {row["cause"] for row in kept["differences"].values()} == {"kept"}
    with pytest.raises(Conflict):
        await services.deletes.approve(world.company_id, world.integration_id, actor="jo")


async def test_whom_a_person_keeps_though_the_vendor_lacks_them_has_nothing_left_to_decide(world: World) -> None:
    """Nobody could decide the conflict, for its side is not there; it stayed open for ever; found by the simulation."""
    await configure(world, "delete_brake", '{"count": 0, "share": 0.0}')
    await world.pull()
    (person,) = await with_emails(world, 1)
    await edit_both(world, [person])
    here = await world.record_of(EntityType.CANDIDATE, person["id"])
    (item,) = await world.rows("SELECT id FROM conflicts WHERE status = 'open'")
    (await world.control.request("DELETE", f"/candidates/{person['id']}?webhooks=false")).raise_for_status()
    await signal(world, EntityType.CANDIDATE, person["id"])
    services = world.services
    with pytest.raises(Conflict, match="gone at its vendor"):
        await services.resolutions.resolve(world.company_id, item["id"], choice="portal", actor="jo")
    assert await services.deletes.reject(world.company_id, world.integration_id, actor="jo") == 1
    await world.drain()
    assert await world.rows("SELECT 1 FROM conflicts WHERE status = 'open'") == []
    after = await world.record_of(EntityType.CANDIDATE, person["id"])
    assert (after["link_state"], after["archived_at"], after["data"]) == ("live", None, here["data"])


async def test_pain_07_a_flood_of_delete_events_is_braked_and_approved(world: World) -> None:
    """One by one they are believed, up to what may disappear within a day; the rest waits for a person."""
    await configure(world, "delete_brake", '{"count": 2, "share": 0.0}')
    await world.pull()
    pairs = (await in_step(ground_of(world)))[:5]
    await delete_at_vendor(world, pairs)
    for each in pairs:
        await signal(world, EntityType.CANDIDATE, each.external_id)
    assert (await count(world, GONE), await count(world, ARCHIVED)) == (2, 2)
    statuses = [row["status"] for row in await world.rows(DELETED)]
    assert (statuses.count("success"), statuses.count("pending")) == (2, 3)

    assert await world.services.deletes.approve(world.company_id, world.integration_id, actor="jo") == 3
    await world.drain()
    assert (await count(world, GONE), await count(world, ARCHIVED)) == (5, 5)
    # What was approved does not count against those that come after it.
    another = (await in_step(ground_of(world)))[:1]
    await delete_at_vendor(world, another)
    await signal(world, EntityType.CANDIDATE, another[0].external_id)
    assert await count(world, GONE) == 5
    brake = await world.row("SELECT disappeared FROM delete_brakes WHERE state = 'open'")
    assert brake["disappeared"] == 3


async def test_an_approval_ends_when_the_record_is_seen_alive(world: World) -> None:
    """It was of one disappearance; whoever disappears a year later is held like anybody else."""
    await configure(world, "delete_brake", '{"count": 0, "share": 0.0}')
    await world.pull()
    (pair,) = (await in_step(ground_of(world)))[:1]
    brakes, entity = world.services.store.delete_brakes, EntityType.CANDIDATE
    async with world.services.database.company(world.company_id) as tx:
        brake_id = await brakes.pull(tx, world.integration_id, entity, disappeared=1, allowed=0)
        await brakes.hold(tx, brake_id, entity, {pair.link_id: pair.record_id})
    assert await world.services.deletes.approve(world.company_id, world.integration_id, actor="jo") == 1
    await world.drain()
    assert await count(world, GONE) == 0  # it was there when it was asked for
    await compare(world)
    await delete_at_vendor(world, [pair])
    await signal(world, entity, pair.external_id)
    assert await count(world, GONE) == 0
    assert "delete_brake" in await open_issues(world)


async def test_pain_25_a_list_that_lies_deletes_nothing_and_is_told(world: World) -> None:
    """The vendor answers an empty list; the records are there when they are asked for by their ids."""
    await configure(world, "delete_brake", '{"count": 2, "share": 0.0}')
    await world.pull()
    response = await world.control.post(
        "/faults", json={"kind": "empty", "path": "/v3/candidates", "method": "GET", "times": 1}
    )
    response.raise_for_status()
    run = await compare(world)
    assert run["status"] == "partial"
    assert run["certificate"] is None
    assert "there when it is asked for" in run["error"]
    assert await count(world, GONE) == 0
    assert "list_not_whole" in await open_issues(world)
    honest = await compare(world)
    assert (honest["status"], honest["drift"]) == ("complete", 0)
    assert "list_not_whole" not in await open_issues(world)


async def test_a_record_that_returns_is_restored_with_its_link(world: World) -> None:
    await world.pull()
    (pair,) = (await in_step(ground_of(world)))[:1]
    await world.rows("UPDATE external_entity_map SET state = 'gone' WHERE id = %(id)s RETURNING id", id=pair.link_id)
    await world.rows("UPDATE records SET archived_at = now() WHERE id = %(id)s RETURNING id", id=pair.record_id)
    run = await compare(world)
    assert {row["kind"] for row in run["differences"].values()} == {"returned"}
    record = await world.record_of(EntityType.CANDIDATE, pair.external_id)
    assert (record["id"], record["archived_at"], record["link_state"]) == (pair.record_id, None, "live")


async def test_on_delete_keep_ends_the_link_and_keeps_the_record(world: World) -> None:
    await configure(world, "on_delete", '"keep"')
    await world.pull()
    (pair,) = (await in_step(ground_of(world)))[:1]
    await delete_at_vendor(world, [pair])
    await signal(world, EntityType.CANDIDATE, pair.external_id)
    assert (await count(world, GONE), await count(world, ARCHIVED)) == (1, 0)
    # Automation never makes it anew.
    await world.edit_here(EntityType.CANDIDATE, pair.record_id, current_title="Diver")
    await world.drain()
    assert pair.external_id not in {str(row["id"]) for row in (await world.vendor_state())["candidates"]}
    assert await count(world, GONE) == 1


async def test_a_closing_that_fails_is_repeated_without_the_list(world: World) -> None:
    """The vendor is away when it is asked for what it did not list."""
    await configure(world, "delete_brake", '{"count": 2, "share": 0.0}')
    await world.pull()
    pairs = (await in_step(ground_of(world)))[:4]
    await delete_at_vendor(world, pairs)
    probe = f"/v3/candidates/{pairs[-1].external_id}"
    response = await world.control.post(
        "/faults", json={"kind": "error", "method": "GET", "path": probe, "status": 503, "times": 1}
    )
    response.raise_for_status()
    cut = await compare(world)
    assert (cut["status"], cut["pages"]) == ("running", 1)
    before = len(await world.requests())
    await world.execute("UPDATE sync_queue SET scheduled_at = now() WHERE action = 'compare'")
    await world.drain()
    run = await world.row("SELECT * FROM parity_runs")
    assert (run["status"], run["pages"], run["explained"]) == ("complete", 1, 4)
    asked = [(each["path"], each["query"]) for each in (await world.requests())[before:]]
    # Of the list only as much as tells that it is still offered, once for each 404.
    fetches = [(f"/v3/candidates/{each.external_id}", "") for each in pairs]
    assert sorted(asked) == sorted([*fetches, *(len(pairs) * [("/v3/candidates", "per_page=1")])])


async def test_a_record_that_was_edited_here_since_is_kept(world: World) -> None:
    await world.pull()
    (pair,) = (await in_step(ground_of(world)))[:1]
    await delete_at_vendor(world, [pair])
    await world.edit_here(EntityType.CANDIDATE, pair.record_id, current_title="Diver")
    await world.drain()
    assert (await count(world, GONE), await count(world, ARCHIVED)) == (1, 0)
    log = await world.row(
        "SELECT details FROM sync_logs WHERE action = 'deleted' AND entity_id = %(id)s", id=pair.record_id
    )
    assert log["details"]["kept"] == "edited_here"


async def test_pain_32_an_erased_person_does_not_come_back(world: World) -> None:
    """Neither by a pull nor by an event, under the old id or the old address; nothing of them is stored."""
    await world.pull(EntityType.JOB)
    person = await a_candidate(world)
    address = person["email_addresses"][0]["value"]
    async with world.services.database.company(world.company_id) as tx:
        await world.services.suppression.suppress_identity(tx, {"email": address.upper()}, reason="erasure")
    run = await world.run_of(await world.pull(EntityType.CANDIDATE))
    assert (run["records_suppressed"], run["status"]) == (1, "complete")
    assert run["evidence"]["records_accounted_for"] == run["evidence"]["records_read"] == run["records_read"]
    assert run["evidence"]["records_suppressed"] == 1
    await signal(world, EntityType.CANDIDATE, person["id"])
    await world.pull(EntityType.APPLICATION)
    links = "SELECT 1 FROM external_entity_map WHERE external_id = %(id)s AND entity_type = 'candidate'"
    assert await world.rows(links, id=str(person["id"])) == []
    assert await world.rows("SELECT 1 FROM records WHERE data::text ILIKE %(mail)s", mail=f"%{address}%") == []
    logged = await world.rows("SELECT 1 FROM sync_logs WHERE external_id = %(id)s", id=str(person["id"]))
    assert logged == []
    compared = await compare(world)
    assert str(person["id"]) not in compared["differences"]

    async with world.services.database.company(world.company_id) as tx:
        assert await world.services.suppression.lift(tx, {"email": address}) == 1
    await world.pull(EntityType.CANDIDATE, mode="full")
    assert len(await world.rows(links, id=str(person["id"]))) == 1


@pytest.mark.parametrize("first", [EntityType.CANDIDATE, EntityType.APPLICATION])
async def test_an_application_of_whoever_is_suppressed_by_address_stays_away_with_them(
    world: World, first: EntityType
) -> None:
    """Whichever of the two is seen first; nothing waits, and both come in once the suppression is lifted."""
    await world.pull(EntityType.JOB)
    person = await a_candidate(world)
    address = person["email_addresses"][0]["value"]
    own = [row for row in (await world.vendor_state())["applications"] if row["candidate_id"] == person["id"]]
    assert own
    async with world.services.database.company(world.company_id) as tx:
        await world.services.suppression.suppress_identity(tx, {"email": address}, reason="erasure")
    await world.pull(first)
    await world.pull(EntityType.CANDIDATE)
    waiting = "SELECT 1 FROM sync_queue WHERE status = 'pending' AND hold_reason = %(reason)s"
    name = f"parent:{world.integration_id}:candidate:{person['id']}"
    assert await world.rows(waiting, reason=name) == []
    run = await world.run_of(await world.pull(EntityType.APPLICATION, mode="full"))
    assert (run["records_suppressed"], run["evidence"]["records_suppressed"]) == (len(own), len(own))
    assert (run["status"], run["records_skipped"]) == ("complete", 0)
    for each in own:
        await signal(world, EntityType.APPLICATION, each["id"])
    assert await world.rows("SELECT 1 FROM sync_queue WHERE status = 'pending'") == []
    async with world.services.database.company(world.company_id) as tx:
        assert await world.services.suppression.lift(tx, {"email": address}) == 1
    assert await world.rows("SELECT 1 FROM suppressions") == []
    await world.pull(mode="full")
    ids = {
        row["external_id"]
        for row in await world.rows("SELECT external_id FROM external_entity_map WHERE state = 'live'")
    }
    assert {str(each["id"]) for each in own} <= ids


async def test_an_erased_person_registers_again_with_consent_alone(world: World) -> None:
    async with world.services.database.company(world.company_id) as tx:
        await world.services.suppression.suppress_identity(tx, {"email": "jo@example.org"}, reason="erasure")
    edits, fields = world.services.edits, {"email": "Jo@example.org", "first_name": "Jo"}
    with pytest.raises(Conflict, match="suppressed"):
        await edits.create_candidate(world.company_id, fields, actor="jo")
    record = await edits.create_candidate(world.company_id, fields, actor="jo", has_consent=True)
    assert record.data == fields
    assert await world.rows("SELECT 1 FROM suppressions") == []


async def test_pain_32_what_can_not_be_read_of_an_erased_person_is_not_kept_either(world: World) -> None:
    await world.pull()
    person = await a_candidate(world)
    record = await world.record_of(EntityType.CANDIDATE, person["id"])
    async with world.services.database.company(world.company_id) as tx:
        await world.services.suppression.suppress(tx, record["id"], reason="erasure")
    await world.rows("DELETE FROM external_entity_map WHERE internal_id = %(id)s RETURNING id", id=record["id"])
    await ground_of(world).at_vendor("PATCH", f"/candidates/{person['id']}", {"title": {"no": "text"}})
    run = await world.run_of(await world.pull(EntityType.CANDIDATE, mode="full"))
    assert (run["records_suppressed"], run["records_quarantined"], run["status"]) == (1, 0, "complete")
    await signal(world, EntityType.CANDIDATE, person["id"])
    assert await world.rows("SELECT 1 FROM quarantine") == []


async def look_again(world: World, way: str) -> None:
    """Pull everybody, or fetch whoever is set aside."""
    if way == "pulled":
        await world.pull(EntityType.CANDIDATE, mode="full")
    else:
        assert await world.services.quarantine.redrive(world.company_id, world.integration_id) == 1
        await world.drain()


@pytest.mark.parametrize("way", ["pulled", "fetched"])
async def test_an_erased_person_who_was_set_aside_is_so_no_longer_once_they_can_be_read(world: World, way: str) -> None:
    """Nothing tells who an unreadable record is of; as soon as something does, they stay away and trouble nobody."""
    person = await a_candidate(world)
    address = person["email_addresses"][0]["value"]
    async with world.services.database.company(world.company_id) as tx:
        await world.services.suppression.suppress_identity(tx, {"email": address}, reason="erasure")
    at_vendor, path = ground_of(world).at_vendor, f"/candidates/{person['id']}"
    await at_vendor("PATCH", path, {"title": {"no": "text"}})
    await world.pull(EntityType.CANDIDATE)
    assert [row["external_id"] for row in await world.rows(ASIDE)] == [str(person["id"])]
    await at_vendor("PATCH", path, {"title": "Baker"})
    await look_again(world, way)
    assert await world.rows(ASIDE) == []
    links = "SELECT 1 FROM external_entity_map WHERE entity_type = 'candidate' AND external_id = %(id)s"
    assert await world.rows(links, id=str(person["id"])) == []


@pytest.mark.parametrize("way", ["pulled", "fetched"])
async def test_who_is_erased_after_they_were_set_aside_is_so_no_longer(world: World, way: str) -> None:
    await world.pull()
    person = await a_candidate(world)
    record = await world.record_of(EntityType.CANDIDATE, person["id"])
    await ground_of(world).at_vendor("PATCH", f"/candidates/{person['id']}", {"title": {"no": "text"}})
    await world.pull(EntityType.CANDIDATE, mode="full")
    assert [row["external_id"] for row in await world.rows(ASIDE)] == [str(person["id"])]
    async with world.services.database.company(world.company_id) as tx:
        await world.services.suppression.suppress(tx, record["id"], reason="erasure")
    await world.rows("DELETE FROM external_entity_map WHERE internal_id = %(id)s RETURNING id", id=record["id"])
    await look_again(world, way)
    assert await world.rows(ASIDE) == []


async def test_pain_32_a_candidate_of_ours_is_suppressed_by_all_that_is_known_of_them(world: World) -> None:
    await world.pull()
    person = await a_candidate(world)
    record = await world.record_of(EntityType.CANDIDATE, person["id"])
    async with world.services.database.company(world.company_id) as tx:
        added = await world.services.suppression.suppress(tx, record["id"], reason="erasure")
        figures = await world.services.store.suppressions.figures(tx)
    assert added == sum(figures.values())
    assert {"external", "email", "phone"} <= figures.keys()
    # What erasure does next.
    await world.rows("DELETE FROM external_entity_map WHERE internal_id = %(id)s RETURNING id", id=record["id"])
    await world.rows("DELETE FROM records WHERE id = %(id)s RETURNING id", id=record["id"])
    await ground_of(world).at_vendor(
        "PATCH", f"/candidates/{person['id']}", {"email_addresses": [{"value": "new@x.example", "type": "work"}]}
    )
    run = await world.run_of(await world.pull(EntityType.CANDIDATE, mode="full"))
    assert run["records_suppressed"] == 1
    # Their applications go the way of their candidate, and nobody waits for it.
    await world.rows("DELETE FROM external_entity_map WHERE entity_type = 'application' RETURNING id")
    applications = await world.run_of(await world.pull(EntityType.APPLICATION, mode="full"))
    own = [row for row in (await world.vendor_state())["applications"] if row["candidate_id"] == person["id"]]
    assert own
    assert applications["records_suppressed"] == len(own)


async def test_what_was_archived_with_its_connection_comes_back_with_a_new_one_to_the_account(world: World) -> None:
    await world.pull(EntityType.CANDIDATE)
    people = {row["id"] for row in await world.rows("SELECT id FROM records WHERE archived_at IS NULL")}
    integrations = Integrations.of(world.services)
    await integrations.delete(world.company_id, world.integration_id, archive_records=True)
    assert await count(world, ARCHIVED) == len(people)
    addresses = world.simulator.addresses()
    config: dict[str, object] = {
        name: str(addresses[name]) for name in ("client_id", "client_secret", "token_url", "user_id")
    }
    config["directions"] = {"job": "inbound", "candidate": "both", "application": "both"}  # as it was
    created = await integrations.create(
        world.company_id,
        CreateIntegration.model_validate(
            {"platform": "greenhouse", "api_base_url": addresses["api_base_url"], "config": config}
        ),
    )
    world.integration_id = UUID(str(created.view["id"]))
    await world.pull(EntityType.CANDIDATE)
    alive = await world.rows("SELECT id FROM records WHERE entity_type = 'candidate' AND archived_at IS NULL")
    assert {row["id"] for row in alive} == people
