"""Two candidates become one and two again, on a real database and against the simulator."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from shared.adapters.greenhouse.adapter import GreenhouseAdapter
from shared.errors import Conflict, InvalidInput, NotFound
from shared.merge.joining import Keep
from shared.model import Direction, EntityType
from shared.store.ledger import JobRequest
from shared.sync.jobs.priorities import RECONCILE
from shared.sync.merging.work import Work
from shared.sync.removing.gone import Gone
from tests.integration.sync.merging import merge, part, rows_of, two_people
from tests.integration.sync.submitting import new_candidate
from tests.integration.sync.vendor import signal, vendor_person
from tests.integration.sync.world import World, fresh_token

CANDIDATE = EntityType.CANDIDATE


async def test_a_merge_moves_links_and_applications_and_parting_restores_both_to_the_byte(world: World) -> None:
    await world.pull(EntityType.JOB)
    job = next(
        row for row in (await world.vendor_state())["jobs"] if row["status"] == "open" and not row["is_template"]
    )
    one, two = await two_people(world, application={"job_id": job["id"]})
    before = await rows_of(world, one["id"], two["id"])
    assert len(before[0]) == 4
    plan = await merge(world, one["id"], two["id"])
    assert plan.joined.kept == {"name": "survivor", "email": "survivor", "current_title": "other"}
    (merged,) = await world.rows("SELECT * FROM records WHERE id = %(id)s", id=one["id"])
    assert merged["data"]["email"] == one["data"]["email"]
    assert {each["value"] for each in merged["data"]["further_emails"]} == {two["data"]["email"]}
    links = await world.rows(
        "SELECT external_id, is_primary FROM external_entity_map WHERE internal_id = %(id)s ORDER BY created_at",
        id=one["id"],
    )
    assert [link["is_primary"] for link in links] == [True, False]
    applications = await world.rows("SELECT id FROM records WHERE candidate_id = %(id)s", id=one["id"])
    assert len(applications) == 2
    assert plan.doubled_jobs == [UUID(str((await world.record_of(EntityType.JOB, job["id"]))["id"]))]
    (other,) = await world.rows("SELECT archived_at FROM records WHERE id = %(id)s", id=two["id"])
    assert other["archived_at"] is not None

    parting = await part(world, two["id"])
    assert (parting.survivor_id, parting.other_id) == (one["id"], two["id"])
    assert (parting.reapplied, parting.stayed) == ({"survivor": (), "other": ()}, ())
    assert await rows_of(world, one["id"], two["id"]) == before
    pairs = await world.rows("SELECT low, high FROM identity_pairs")
    assert [{pair["low"], pair["high"]} for pair in pairs] == [{one["id"], two["id"]}]


async def test_a_merge_travels_to_every_system_and_its_end_takes_it_back(world: World) -> None:
    one, two = await two_people(world)
    externals = [
        row["external_id"]
        for each in (one, two)
        for row in await world.rows(
            "SELECT external_id FROM external_entity_map WHERE internal_id = %(id)s", id=each["id"]
        )
    ]
    await merge(world, one["id"], two["id"], current_title=Keep.SURVIVOR)
    await world.drain()

    async def titles() -> list[str]:
        people = {str(row["id"]): row for row in (await world.vendor_state())["candidates"]}
        return [people[each]["title"] for each in externals]

    assert await titles() == ["Analyst", "Analyst"]
    conflicts = await world.rows("SELECT record_id, unit FROM conflicts WHERE status = 'open' AND kind = 'field'")
    assert conflicts == []

    await part(world, one["id"])
    await world.drain()
    assert await titles() == ["Analyst", "Countess"]
    for record in (one, two):
        (after,) = await world.rows("SELECT data FROM records WHERE id = %(id)s", id=record["id"])
        assert after["data"] == record["data"]
    assert await world.rows("SELECT 1 FROM conflicts WHERE status = 'open'") == []
    run = await world.run_of(await world.pull(CANDIDATE, mode="full"))
    assert (run["status"], run["records_created"], run["records_updated"]) == ("complete", 0, 0)


async def test_portal_edits_stay_with_the_survivor_and_are_told(world: World) -> None:
    one, two = await two_people(world)
    await merge(world, one["id"], two["id"])
    await world.edit_here(CANDIDATE, one["id"], current_title="Engineer", current_company="Engines Ltd")
    parting = await part(world, one["id"])
    assert set(parting.stayed) == {"current_title", "current_company"}
    (survivor,) = await world.rows("SELECT data FROM records WHERE id = %(id)s", id=one["id"])
    (other,) = await world.rows("SELECT data FROM records WHERE id = %(id)s", id=two["id"])
    assert survivor["data"]["current_title"] == "Engineer"
    assert other["data"] == two["data"]


@pytest.mark.parametrize("is_one", [True, False])
async def test_whoever_has_taken_the_address_of_one_who_is_parted_is_asked_about(world: World, *, is_one: bool) -> None:
    """Two held one address then, and nobody was asked; found by the simulation."""
    ada, augusta = await two_people(world)
    await merge(world, ada["id"], augusta["id"])
    holder = await new_candidate(world, email=augusta["data"]["email"])
    await part(world, ada["id"])
    item = await world.row("SELECT * FROM conflicts WHERE status = 'open'")
    asked = ("possible_duplicate", "same_address", augusta["id"], [holder.id])
    assert (item["kind"], item["reason"], item["record_id"], item["matches"]) == asked
    choice, value = ("record", str(holder.id)) if is_one else ("new", None)
    await world.services.resolutions.resolve(world.company_id, item["id"], choice=choice, value=value, actor="dm")
    merged = await world.rows("SELECT merged_id FROM record_merges WHERE survivor_id = %(id)s", id=holder.id)
    assert [each["merged_id"] for each in merged] == ([augusta["id"]] if is_one else [])
    if not is_one:
        await merge(world, ada["id"], augusta["id"])
        await part(world, ada["id"])
        assert await world.rows("SELECT 1 FROM conflicts WHERE status = 'open'") == []


async def test_a_merged_candidate_points_to_the_survivor_and_takes_no_edit(world: World) -> None:
    one, two = await two_people(world)
    await merge(world, one["id"], two["id"])
    with pytest.raises(Conflict, match=f"part of candidate {one['id']}"):
        await world.edit_here(CANDIDATE, two["id"], current_title="lost")
    with pytest.raises(Conflict, match="part of candidate"):
        await merge(world, two["id"], one["id"])
    job = (await world.row("SELECT id FROM records WHERE entity_type = 'job' LIMIT 1"))["id"]
    with pytest.raises(Conflict, match="part of candidate"):
        await world.services.edits.submit_application(
            world.company_id, candidate_id=two["id"], job_id=job, fields={}, actor="jo"
        )


async def test_what_can_not_be_merged_says_why(world: World) -> None:
    one = (await new_candidate(world, email=f"a.{fresh_token()}@example.org")).id
    two = (await new_candidate(world, email=f"b.{fresh_token()}@example.org")).id
    with pytest.raises(InvalidInput, match="same candidate"):
        await merge(world, one, one)
    with pytest.raises(NotFound):
        await merge(world, one, UUID(int=7))
    with pytest.raises(InvalidInput, match="salary: is no field"):
        await merge(world, one, two, salary=Keep.OTHER)
    with pytest.raises(Conflict, match="not merged"):
        await part(world, one)
    with pytest.raises(NotFound):
        await part(world, UUID(int=7))
    merges = world.services.merges
    with pytest.raises(Conflict, match="at version 1"):
        await merges.merge(world.company_id, one, two, {}, actor="jo", expected_version=4)
    assert await world.rows("SELECT 1 FROM record_merges") == []


async def test_merges_are_taken_back_the_last_one_first(world: World) -> None:
    people = [(await new_candidate(world, email=f"{n}.{fresh_token()}@example.org")).id for n in "abc"]
    before = await rows_of(world, *people)
    a, b, c = people
    await merge(world, a, b)
    await merge(world, a, c)
    with pytest.raises(Conflict, match=f"merged with candidate {c} afterwards"):
        await part(world, b)
    await part(world, c)
    await merge(world, c, a)
    async with world.services.database.company(world.company_id) as tx:
        merges = world.services.store.record_merges
        assert await merges.survivors(tx, people) == {a: c, b: c}
        assert await merges.merged_into(tx, people) == {c: [b, a], a: [b]}
    assert (await part(world, a)).survivor_id == c
    assert (await part(world, a)).survivor_id == a
    assert await rows_of(world, *people) == before


async def test_a_job_that_was_asked_for_the_merged_one_is_done_for_the_survivor(world: World) -> None:
    one, two = await two_people(world)
    await world.edit_here(CANDIDATE, two["id"], current_title="Programmer")
    await merge(world, one["id"], two["id"])
    await world.drain()
    people = {row["id"]: row for row in (await world.vendor_state())["candidates"]}
    titles = [row["title"] for row in people.values() if row["last_name"] == "Lovelace" and row["title"]]
    assert titles.count("Programmer") == 2
    assert await world.rows("SELECT 1 FROM create_intents") == []


async def test_what_a_run_asked_of_the_merged_one_still_counts_for_the_run(world: World) -> None:
    one, two = await two_people(world)
    await merge(world, one["id"], two["id"])
    await world.drain()
    services, run_id = world.services, uuid4()
    asked = JobRequest(world.integration_id, RECONCILE, CANDIDATE, str(two["id"]), Direction.OUTBOUND, 5, run_id=run_id)
    async with services.database.company(world.company_id) as tx:
        await services.store.ledger.enqueue(tx, [asked])
    await world.drain()
    jobs = await world.rows("SELECT record_key FROM sync_queue WHERE run_id = %(run)s", run=run_id)
    assert {row["record_key"] for row in jobs} == {str(one["id"]), str(two["id"])}
    assert await world.rows("SELECT 1 FROM sync_logs WHERE run_id = %(run)s", run=run_id) != []


async def test_what_waited_for_people_on_the_merged_one_is_asked_of_the_survivor(world: World) -> None:
    """A conflict of a field closes with the merge, and is open again on the survivor as long as sides differ."""
    one, two = await two_people(world)
    external = (
        await world.row("SELECT external_id FROM external_entity_map WHERE internal_id = %(id)s", id=two["id"])
    )["external_id"]
    await world.edit_at_vendor("candidates", external, {"first_name": "Adah"})
    await world.edit_here(CANDIDATE, two["id"], first_name="Adele")
    await world.drain()
    (item,) = await world.rows("SELECT * FROM conflicts WHERE status = 'open'")
    assert (item["record_id"], item["unit"]) == (two["id"], "name")
    await merge(world, one["id"], two["id"])
    closed = await world.row("SELECT status, decision FROM conflicts WHERE id = %(id)s", id=item["id"])
    assert closed == {"status": "closed", "decision": "merged"}
    await world.drain()
    (again,) = await world.rows("SELECT * FROM conflicts WHERE status = 'open'")
    assert (again["record_id"], again["unit"]) == (one["id"], "name")
    await part(world, one["id"])
    await world.drain()
    (back,) = await world.rows("SELECT * FROM conflicts WHERE status = 'open'")
    assert (back["record_id"], back["unit"]) == (two["id"], "name")


async def test_pain_31_two_of_one_address_are_merged_and_no_automation_undoes_what_was_chosen(world: World) -> None:
    email = f"ada.{fresh_token()}@example.org"
    ids = [
        await vendor_person(
            world,
            first_name="Ada",
            last_name="Lovelace",
            title=title,
            email_addresses=[{"value": email, "type": "personal"}],
        )
        for title in ("Analyst", "Countess")
    ]
    await world.pull(CANDIDATE)
    one, two = [await world.record_of(CANDIDATE, each) for each in ids]
    (item,) = await world.rows(
        "SELECT * FROM conflicts WHERE kind = 'possible_duplicate' AND matches = %(m)s", m=[one["id"]]
    )
    assert item["record_id"] == two["id"]
    await merge(world, one["id"], two["id"], current_title=Keep.SURVIVOR)
    await world.drain()
    assert await world.rows("SELECT 1 FROM conflicts WHERE status = 'open' AND id = %(id)s", id=item["id"]) == []
    # What the person saw and did not choose is put back at the vendor.
    await world.edit_at_vendor("candidates", ids[1], {"title": "Countess"})
    await signal(world, CANDIDATE, ids[1])
    after = await world.record_of(CANDIDATE, ids[1])
    assert (after["id"], after["data"]["current_title"]) == (one["id"], "Analyst")
    held = await world.row("SELECT unit FROM conflicts WHERE status = 'open' AND record_id = %(id)s", id=one["id"])
    assert held["unit"] == "current_title"


async def test_a_delete_at_the_vendor_that_a_merge_overtakes_is_judged_anew(world: World) -> None:
    """Between the vendor's 404 and its settling the link became the survivor's."""
    one, two = await two_people(world)
    services = world.services
    async with services.database.company(world.company_id) as tx:
        integration = await services.store.connections.get(tx, world.integration_id)
        ((link,),) = (await services.store.links.of_records(tx, [two["id"]])).values()
        ticket = await services.store.links.ticket(tx)
    await merge(world, one["id"], two["id"])
    with pytest.raises(Conflict):
        await Gone(services.database, services.store, services.applier).settle(
            Work(integration, GreenhouseAdapter, CANDIDATE), link, ticket
        )
    rows = await world.rows("SELECT state FROM external_entity_map WHERE id = %(id)s", id=link.id)
    assert rows == [{"state": "live"}]
