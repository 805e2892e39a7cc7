"""Two candidates become one and two again, on a real database and against the simulator."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.adapters.greenhouse.adapter import GreenhouseAdapter
from shared.errors import Conflict, InvalidInput, NotFound
from shared.merge.joining import Keep
from shared.model import Direction, EntityType
from shared.store.ledger import JobRequest
from shared.sync.gone import Gone
from shared.sync.priorities import RECONCILE
from shared.sync.work import Work
from tests.integration.sync.submitting import new_candidate, open_job, submit
from tests.integration.sync.test_identity import vendor_person
from tests.integration.sync.test_vendor_merges import links_of, merge_silently, merge_there, tell
from tests.integration.sync.vendor import signal, vendor_candidate
from tests.integration.sync.waits import due_now
from tests.integration.sync.world import World, fresh_token

CANDIDATE = EntityType.CANDIDATE


async def merge(world: World, survivor: UUID, other: UUID, **keep: Keep) -> Any:
    return await world.services.merges.merge(world.company_id, survivor, other, keep, actor="jo")


async def part(world: World, candidate_id: UUID) -> Any:
    return await world.services.partings.part(world.company_id, candidate_id, actor="jo")


async def rows_of(world: World, *ids: UUID) -> list[Any]:
    """Everything of the records that a merge may touch, as text, but versions and the time of the last change."""
    return [
        await world.rows(
            "SELECT id, data::text, stamps::text, archived_at IS NULL AS lives FROM records"
            " WHERE id = ANY(%(ids)s) OR candidate_id = ANY(%(ids)s) ORDER BY id",
            ids=list(ids),
        ),
        await world.rows(
            "SELECT id, internal_id, external_id, is_primary, state, base::text, digest, fence, vendor_version,"
            " last_synced_at FROM external_entity_map WHERE internal_id = ANY(%(ids)s) ORDER BY id",
            ids=list(ids),
        ),
    ]


async def two_people(world: World, **fields: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two candidates of the vendor's account, with an e-mail address each."""
    ids = []
    for name, title in (("Ada", "Analyst"), ("Augusta", "Countess")):
        emails = [{"value": f"{name.lower()}.{fresh_token()}@example.org", "type": "personal"}]
        ids.append(
            await vendor_person(
                world, first_name=name, last_name="Lovelace", title=title, email_addresses=emails, **fields
            )
        )
    await world.pull()
    return await world.record_of(CANDIDATE, ids[0]), await world.record_of(CANDIDATE, ids[1])


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


async def test_an_application_that_is_being_created_keeps_its_candidate_until_then(world: World) -> None:
    """Its create has lost its answer and is searched by the candidate's id there: else it would be made once more."""
    ada, augusta = await two_people(world)
    job, job_id = await open_job(world)
    await merge(world, ada["id"], augusta["id"])
    await world.drain()

    async def submit_and_lose_the_answer(candidate_id: UUID) -> None:
        await submit(world, candidate_id, job_id)
        fault = {"kind": "lost_answer", "method": "POST", "path": "/v3/applications", "times": 1}
        await world.control.post("/faults", json=fault)
        await world.drain()

    async def let_the_search_find_it() -> None:
        await world.rows("UPDATE create_intents SET sent_at = sent_at - interval '5 min' RETURNING 1")
        await due_now(world)
        await world.drain()

    await submit_and_lose_the_answer(ada["id"])
    with pytest.raises(Conflict, match="being created"):
        await part(world, ada["id"])
    await let_the_search_find_it()
    await part(world, ada["id"])
    await world.drain()
    await submit_and_lose_the_answer(augusta["id"])
    with pytest.raises(Conflict, match="being created"):
        await merge(world, ada["id"], augusta["id"])
    await let_the_search_find_it()
    await merge(world, ada["id"], augusta["id"])
    await world.drain()
    state = await world.vendor_state()
    people = {each["id"] for each in state["candidates"] if each["last_name"] == "Lovelace"}
    made = [
        each["candidate_id"]
        for each in state["applications"]
        if each["candidate_id"] in people and each["job_id"] == job["id"]
    ]
    assert len(made) == len(set(made)) == 2


async def test_an_application_that_a_vendor_got_as_the_survivors_stays_theirs_after_a_parting(world: World) -> None:
    """It was submitted before the merge and sent after it: the vendor knows it as the survivor's, and so it is."""
    ada, augusta = await two_people(world)
    _, job_id = await open_job(world)
    application = await submit(world, augusta["id"], job_id)
    await merge(world, ada["id"], augusta["id"])
    await world.drain()
    (link,) = await world.rows(
        "SELECT external_id FROM external_entity_map WHERE internal_id = %(id)s", id=application.id
    )
    await part(world, ada["id"])
    await world.drain()
    state = await world.vendor_state()
    there = next(each["candidate_id"] for each in state["applications"] if str(each["id"]) == link["external_id"])
    (here,) = await world.rows("SELECT candidate_id FROM records WHERE id = %(id)s", id=application.id)
    assert here["candidate_id"] == ada["id"] == (await world.record_of(CANDIDATE, there))["id"]


@pytest.mark.parametrize("is_followed", [True, False])
@pytest.mark.parametrize("is_survivors", [True, False])
async def test_an_application_is_theirs_to_whom_the_vendor_has_given_it_after_a_parting(
    world: World, *, is_survivors: bool, is_followed: bool
) -> None:
    """
    The vendor has merged the two as well: one of who is parted here is gone there, and their application is not.

    Also where it was seen already whose the application is, and the merge was not heard of yet.
    """
    await world.pull(EntityType.JOB)
    job, _ = await open_job(world)
    ada, augusta = await two_people(world, application={"job_id": job["id"]})
    left, lost = (ada, augusta) if is_survivors else (augusta, ada)
    (there,), (gone,) = [[int(link) for link in await links_of(world, each["id"])] for each in (left, lost)]
    await merge(world, ada["id"], augusta["id"])
    await world.drain()
    if is_followed:
        await merge_there(world, there, gone)
    else:
        await merge_silently(world, there, gone)
        await world.pull(EntityType.APPLICATION)
    await part(world, ada["id"])
    await world.drain()
    if not is_followed:
        await tell(world, there, gone)
    state = await world.vendor_state()
    held = {str(each["id"]) for each in state["applications"] if each["candidate_id"] == there}
    here = await world.rows(
        "SELECT l.external_id FROM records r JOIN external_entity_map l ON l.internal_id = r.id"
        " WHERE r.candidate_id = %(id)s",
        id=left["id"],
    )
    assert {each["external_id"] for each in here} == held
    assert len(held) == 2


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


async def test_whoever_is_erased_after_a_merge_takes_the_merged_one_along(world: World) -> None:
    one, two = await two_people(world)
    await merge(world, one["id"], two["id"])
    await world.drain()
    link = await world.row("SELECT external_id FROM external_entity_map WHERE id = %(id)s", id=one["link_id"])
    response = await world.control.post(
        f"/candidates/{link['external_id']}/anonymize",
        json={"fields": ["full_name", "email_addresses", "phone_numbers", "current_title"]},
    )
    response.raise_for_status()
    await world.drain()
    await world.pull(CANDIDATE)
    left = await world.rows("SELECT data FROM records WHERE id = ANY(%(ids)s)", ids=[one["id"], two["id"]])
    assert [row["data"] for row in left] == [{}, {}]
    assert (
        await world.rows("SELECT 1 FROM person_keys WHERE record_id = ANY(%(ids)s)", ids=[one["id"], two["id"]]) == []
    )
    with pytest.raises(Conflict, match="erased"):
        await part(world, one["id"])


@pytest.mark.parametrize("first", [0, 1])
async def test_what_another_link_shows_of_an_erased_person_is_neither_taken_nor_emptied(
    world: World, first: int
) -> None:
    people = await two_people(world)
    await merge(world, people[0]["id"], people[1]["id"])
    await world.drain()
    rows = [
        await world.row("SELECT external_id FROM external_entity_map WHERE id = %(id)s", id=each["link_id"])
        for each in people
    ]
    erased, other = rows[first]["external_id"], rows[1 - first]["external_id"]
    shown = await vendor_candidate(world, int(other))
    fields = ["full_name", "email_addresses", "phone_numbers", "current_title"]
    response = await world.control.post(f"/candidates/{erased}/anonymize", json={"fields": fields})
    response.raise_for_status()
    await signal(world, CANDIDATE, erased)
    await world.edit_at_vendor("candidates", int(other), {"title": "Empress"})
    await signal(world, CANDIDATE, other)
    await world.pull(CANDIDATE)
    ids = [each["id"] for each in people]
    left = await world.rows("SELECT data, archived_at FROM records WHERE id = ANY(%(ids)s)", ids=ids)
    assert [(row["data"], row["archived_at"] is not None) for row in left] == [({}, True)] * 2
    assert await world.rows("SELECT 1 FROM person_keys WHERE record_id = ANY(%(ids)s)", ids=ids) == []
    after = await vendor_candidate(world, int(other))
    assert after["first_name"] == shown["first_name"]
    assert after["email_addresses"] == shown["email_addresses"]


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


async def test_whoever_is_suppressed_stays_away_by_what_was_merged_into_them_too(world: World) -> None:
    one, two = await two_people(world)
    await merge(world, one["id"], two["id"])
    await world.edit_here(CANDIDATE, one["id"], further_emails=[])
    suppression = world.services.suppression
    async with world.services.database.company(world.company_id) as tx:
        await suppression.suppress(tx, one["id"], reason="erasure")
        assert await suppression.holds(tx, {"email": two["data"]["email"]})
