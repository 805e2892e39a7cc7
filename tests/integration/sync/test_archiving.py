"""What people archive and restore here, and what becomes of it at the vendor by policy."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from shared.errors import Conflict
from shared.model import EntityType
from shared.sync.observations import observe
from shared.sync.work import Work
from tests.integration.sync.test_deletes import configure, open_issues
from tests.integration.sync.test_parity import compare, ground_of
from tests.integration.sync.test_vendor_merges import merge_there
from tests.integration.sync.vendor import signal, writes
from tests.integration.sync.waits import due_now
from tests.integration.sync.world import World
from tests.parity_proof.planting import Pair, in_step

CANDIDATE, APPLICATION = EntityType.CANDIDATE, EntityType.APPLICATION


@pytest.fixture
async def pulled(world: World) -> World:
    """What is archived here is deleted there; everything came in."""
    await configure(world, "on_archive", '{"candidate": "delete", "application": "delete"}')
    await world.pull()
    await world.control.delete("/requests")
    return world


async def people(world: World, count: int = 1) -> list[Pair]:
    return (await in_step(ground_of(world)))[:count]


async def archive(world: World, record_id: UUID, entity: EntityType = CANDIDATE) -> None:
    await world.services.archives.archive(world.company_id, entity, record_id, actor="jo")


async def restore(world: World, record_id: UUID, entity: EntityType = CANDIDATE) -> None:
    await world.services.archives.restore(world.company_id, entity, record_id)


async def at_vendor(world: World, table: str = "candidates") -> set[str]:
    return {str(row["id"]) for row in (await world.vendor_state())[table]}


async def applications_of(world: World, candidate_id: UUID) -> list[dict[str, Any]]:
    return await world.rows(
        "SELECT r.id, r.archived_at, r.archived_by, l.state, l.external_id FROM records r"
        " JOIN external_entity_map l ON l.internal_id = r.id"
        " WHERE r.entity_type = 'application' AND r.data ->> 'candidate_id' = %(id)s",
        id=str(candidate_id),
    )


async def removal(world: World, link_id: UUID) -> dict[str, Any] | None:
    rows = await world.rows("SELECT * FROM removals WHERE link_id = %(id)s", id=link_id)
    return rows[0] if rows else None


async def deletes(world: World) -> list[tuple[str, str, str]]:
    """What the log says of deletes, in order: direction, status, rule."""
    rows = await world.rows("SELECT * FROM sync_logs WHERE action = 'deleted' ORDER BY synced_at")
    return [(row["direction"], row["status"], row["details"]["rule"]) for row in rows if row["entity_type"] != "job"]


async def record(world: World, pair: Pair) -> dict[str, Any]:
    return await world.record_of(CANDIDATE, pair.external_id)


async def test_nothing_is_deleted_at_a_vendor_unless_its_policy_says_so(world: World) -> None:
    await world.pull()
    (person,) = await people(world)
    await world.control.delete("/requests")
    await archive(world, person.record_id)
    await world.drain()
    assert await writes(world) == []
    assert await removal(world, person.link_id) is None
    stands = await record(world, person)
    assert (stands["archived_by"], stands["link_state"]) == ("jo", "live")
    children = await applications_of(world, person.record_id)
    assert children
    assert {each["archived_by"] for each in children} == {str(person.record_id)}


async def test_what_a_person_archived_comes_back_by_a_person_alone(world: World) -> None:
    """Neither an edit at the vendor with its event, nor a full pull, nor a comparison restores it."""
    await world.pull()
    (person,) = await people(world)
    await archive(world, person.record_id)
    await world.edit_at_vendor("candidates", person.external_id, {"title": "Diver"})
    await signal(world, CANDIDATE, person.external_id)
    await world.pull(CANDIDATE, mode="full")
    stands = await record(world, person)
    assert (stands["data"]["current_title"], stands["archived_by"]) == ("Diver", "jo")
    compared = await compare(world)
    assert compared["drift"] == 0
    assert {row["kind"] for row in compared["differences"].values()} == {"archived"}
    await restore(world, person.record_id)
    await world.drain()
    back = await record(world, person)
    assert (back["archived_at"], back["archived_by"], back["id"]) == (None, None, person.record_id)
    assert {each["archived_at"] for each in await applications_of(world, person.record_id)} == {None}


async def test_by_policy_the_vendor_deletes_what_was_archived_here(pulled: World) -> None:
    (person,) = await people(pulled)
    children = await applications_of(pulled, person.record_id)
    await archive(pulled, person.record_id)
    await pulled.drain()
    assert [(each["method"], each["path"]) for each in await writes(pulled)] == [
        ("DELETE", f"/v3/candidates/{person.external_id}")
    ]
    assert person.external_id not in await at_vendor(pulled)
    stands = await record(pulled, person)
    assert (stands["link_state"], stands["archived_by"]) == ("gone", "jo")
    done = await removal(pulled, person.link_id)
    assert done is not None
    assert (done["state"], done["asked_by"]) == ("done", "jo")
    # Their applications went along, here and there, and nobody asked for them one by one.
    assert {each["state"] for each in await applications_of(pulled, person.record_id)} == {"gone"}
    assert (await deletes(pulled))[0] == ("outbound", "success", "removed_at_vendor")
    assert len(await deletes(pulled)) == 1 + len(children)


async def test_neither_a_pull_nor_a_comparison_brings_a_deleted_one_back(pulled: World) -> None:
    (person,) = await people(pulled)
    await archive(pulled, person.record_id)
    await pulled.drain()
    await signal(pulled, CANDIDATE, person.external_id)
    await pulled.pull(mode="full")
    compared = await compare(pulled)
    assert (compared["drift"], compared["explained"]) == (0, 0)
    stands = await record(pulled, person)
    assert (stands["link_state"], stands["archived_by"]) == ("gone", "jo")


async def test_a_lost_answer_to_a_delete_deletes_once(pulled: World) -> None:
    (person,) = await people(pulled)
    path = f"/v3/candidates/{person.external_id}"
    await pulled.control.post("/faults", json={"kind": "lost_answer", "method": "DELETE", "path": path, "times": 1})
    await archive(pulled, person.record_id)
    await pulled.drain()
    sent = await removal(pulled, person.link_id)
    assert sent is not None
    assert sent["state"] == "sent"
    await due_now(pulled)
    await pulled.drain()
    assert len([each for each in await writes(pulled) if each["method"] == "DELETE"]) == 1
    done = await removal(pulled, person.link_id)
    assert done is not None
    assert done["state"] == "done"
    assert (await deletes(pulled))[0] == ("outbound", "success", "removed_at_vendor")


@pytest.mark.parametrize("is_asked_for", [True, False], ids=["the restore's job", "a job of before"])
async def test_restored_after_a_lost_answer_it_lives_here_whatever_the_vendor_did(
    pulled: World, is_asked_for: bool
) -> None:
    """It was deleted there: here it lives on with its applications, although `on_delete` archives."""
    (person,) = await people(pulled)
    path = f"/v3/candidates/{person.external_id}"
    await pulled.control.post("/faults", json={"kind": "lost_answer", "method": "DELETE", "path": path, "times": 1})
    await archive(pulled, person.record_id)
    await pulled.drain()
    await restore(pulled, person.record_id)
    if not is_asked_for:  # one that was at work when it was restored finds it gone first
        await pulled.execute("UPDATE sync_queue SET payload = payload - 'revoked'")
    await due_now(pulled)
    await pulled.drain()
    assert person.external_id not in await at_vendor(pulled)
    stands = await record(pulled, person)
    assert (stands["link_state"], stands["archived_at"]) == ("gone", None)
    children = await applications_of(pulled, person.record_id)
    assert {(each["state"], each["archived_at"]) for each in children} == {("gone", None)}
    assert set(await deletes(pulled)) == {("outbound", "success", "removed_before_restored")}
    assert await pulled.rows("SELECT 1 FROM removals") == []


async def test_restored_before_the_vendor_did_it_nothing_is_left_of_the_wish(pulled: World) -> None:
    (person,) = await people(pulled)
    await archive(pulled, person.record_id)
    await pulled.execute("UPDATE removals SET state = 'sent'")  # and the worker died before its call
    await restore(pulled, person.record_id)
    await pulled.drain()
    assert person.external_id in await at_vendor(pulled)
    assert await pulled.rows("SELECT 1 FROM removals") == []
    # A delete at the vendor is one again.
    await ground_of(pulled).at_vendor("DELETE", f"/candidates/{person.external_id}")
    await signal(pulled, CANDIDATE, person.external_id)
    assert (await record(pulled, person))["archived_at"] is not None


async def test_a_crash_before_the_call_deletes_after_all(pulled: World) -> None:
    """The intent is committed, the call was never made: the next worker makes it."""
    (person,) = await people(pulled)
    await archive(pulled, person.record_id)
    await pulled.execute("UPDATE removals SET state = 'sent'")
    await pulled.drain()
    assert person.external_id not in await at_vendor(pulled)
    assert (await record(pulled, person))["link_state"] == "gone"


async def test_what_is_gone_already_is_done(pulled: World) -> None:
    await configure(pulled, "delete_brake", '{"count": 0, "share": 0.0}')
    (person,) = await people(pulled)
    await ground_of(pulled).at_vendor("DELETE", f"/candidates/{person.external_id}")
    await archive(pulled, person.record_id)
    await pulled.drain()
    assert (await record(pulled, person))["link_state"] == "gone"
    assert (await deletes(pulled))[0] == ("outbound", "success", "gone_already")
    assert await open_issues(pulled) == set()


async def test_a_missing_permission_is_told_and_stops_nothing_else(pulled: World) -> None:
    (person,) = await people(pulled)
    await pulled.control.patch("/access", json={"denied_scopes": ["harvest:candidates:destroy"]})
    await archive(pulled, person.record_id)
    await pulled.drain()
    refused = await removal(pulled, person.link_id)
    assert refused is not None
    assert refused["state"] == "refused"
    assert "harvest:candidates:destroy" in refused["detail"]
    assert "removal_refused" in await open_issues(pulled)
    assert await deletes(pulled) == [("outbound", "failed", "refused")]
    assert (await pulled.row("SELECT attention FROM integrations"))["attention"] is None
    # Not tried again by itself; asked for anew, it is.
    await signal(pulled, CANDIDATE, person.external_id)
    assert len(await deletes(pulled)) == 1
    await pulled.control.patch("/access", json={"denied_scopes": []})
    await restore(pulled, person.record_id)
    await archive(pulled, person.record_id)
    await pulled.drain()
    assert person.external_id not in await at_vendor(pulled)
    assert "removal_refused" not in await open_issues(pulled)


async def test_pain_07_a_bulk_archive_is_braked_and_approved(pulled: World) -> None:
    await configure(pulled, "delete_brake", '{"count": 2, "share": 0.0}')
    pairs = await people(pulled, 5)
    for each in pairs:
        await archive(pulled, each.record_id)
    await pulled.drain()
    ids = {each.external_id for each in pairs}
    assert len(ids & await at_vendor(pulled)) == 3
    assert "delete_brake" in await open_issues(pulled)
    statuses = [status for _, status, rule in await deletes(pulled) if rule in ("removed_at_vendor", "delete_brake")]
    assert (statuses.count("success"), statuses.count("pending")) == (2, 3)
    assert await pulled.services.deletes.approve(pulled.company_id, pulled.integration_id, actor="jo") == 3
    await pulled.drain()
    assert ids & await at_vendor(pulled) == set()


async def test_pain_07_deletes_that_are_under_way_count_at_the_brake(pulled: World) -> None:
    """Four workers at once, and a vendor that takes its time: what was sent counts before it is known to be gone."""
    await configure(pulled, "delete_brake", '{"count": 2, "share": 0.0}')
    await pulled.control.post(
        "/faults", json={"kind": "latency", "method": "DELETE", "path": "/v3/candidates", "seconds": 0.5, "times": 9}
    )
    pairs = await people(pulled, 6)
    for each in pairs:
        await archive(pulled, each.record_id)
    await asyncio.gather(*(pulled.drain() for _ in range(4)))
    await pulled.drain()
    assert len({each.external_id for each in pairs} & await at_vendor(pulled)) == 4
    assert "delete_brake" in await open_issues(pulled)


@pytest.mark.parametrize("is_asked_again", [False, True])
async def test_a_delete_that_may_have_happened_counts_at_the_brake_whoever_was_restored(
    pulled: World, is_asked_again: bool
) -> None:
    """Nor is it forgotten by being asked for again."""
    await configure(pulled, "delete_brake", '{"count": 1, "share": 0.0}')
    first, second = await people(pulled, 2)
    path = f"/v3/candidates/{first.external_id}"
    await pulled.control.post("/faults", json={"kind": "lost_answer", "method": "DELETE", "path": path, "times": 1})
    await archive(pulled, first.record_id)
    await pulled.drain()
    await restore(pulled, first.record_id)
    if is_asked_again:
        await archive(pulled, first.record_id)
    await pulled.execute("UPDATE sync_queue SET scheduled_at = scheduled_at + interval '1 h' WHERE status = 'pending'")
    await archive(pulled, second.record_id)
    await pulled.drain()
    assert second.external_id in await at_vendor(pulled)
    if not is_asked_again:
        await archive(pulled, first.record_id)
    await due_now(pulled)
    await pulled.drain()
    assert second.external_id in await at_vendor(pulled)
    assert first.external_id not in await at_vendor(pulled)
    assert "delete_brake" in await open_issues(pulled)


async def test_pain_07_a_bulk_archive_that_is_rejected_leaves_the_vendor_alone_for_good(pulled: World) -> None:
    await configure(pulled, "delete_brake", '{"count": 0, "share": 0.0}')
    (person,) = await people(pulled)
    await archive(pulled, person.record_id)
    await pulled.drain()
    assert await pulled.services.deletes.reject(pulled.company_id, pulled.integration_id, actor="jo") == 1
    await pulled.drain()
    kept = await removal(pulled, person.link_id)
    assert kept is not None
    assert kept["state"] == "kept"
    # A comparison that sees it alive ends the decision about a disappearance; this one stands.
    await compare(pulled)
    await configure(pulled, "delete_brake", '{"count": 20, "share": 0.0}')
    await signal(pulled, CANDIDATE, person.external_id)
    assert person.external_id in await at_vendor(pulled)
    assert (await record(pulled, person))["archived_by"] == "jo"


async def test_restored_in_time_it_is_deleted_nowhere(pulled: World) -> None:
    (person,) = await people(pulled)
    await archive(pulled, person.record_id)
    await restore(pulled, person.record_id)
    await pulled.drain()
    assert await writes(pulled) == []
    assert (await record(pulled, person))["archived_at"] is None
    assert await removal(pulled, person.link_id) is None


async def test_restored_while_the_brake_holds_it_the_record_goes_on(pulled: World) -> None:
    await configure(pulled, "delete_brake", '{"count": 0, "share": 0.0}')
    (person,) = await people(pulled)
    await archive(pulled, person.record_id)
    await pulled.drain()
    await restore(pulled, person.record_id)
    await pulled.edit_here(CANDIDATE, person.record_id, current_title="Diver")
    await pulled.drain()
    (shown,) = [row for row in (await pulled.vendor_state())["candidates"] if str(row["id"]) == person.external_id]
    assert shown["title"] == "Diver"
    # Whatever is decided now, it lives here, so it stays there.
    await pulled.services.deletes.approve(pulled.company_id, pulled.integration_id, actor="jo")
    await pulled.drain()
    assert person.external_id in await at_vendor(pulled)


async def test_restored_after_the_vendor_deleted_it_lives_here_alone_and_is_not_made_anew(pulled: World) -> None:
    (person,) = await people(pulled)
    await archive(pulled, person.record_id)
    await pulled.drain()
    before = await at_vendor(pulled)
    await restore(pulled, person.record_id)
    await pulled.drain()
    back = await record(pulled, person)
    assert (back["archived_at"], back["link_state"]) == (None, "gone")
    assert await at_vendor(pulled) == before
    assert {each["archived_at"] for each in await applications_of(pulled, person.record_id)} == {None}


async def test_an_id_that_the_vendor_has_again_revives_its_link_and_not_its_record(pulled: World) -> None:
    (person,) = await people(pulled)
    await archive(pulled, person.record_id)
    await pulled.execute("UPDATE removals SET state = 'done'")
    await pulled.execute("UPDATE external_entity_map SET state = 'gone' WHERE id = %(id)s", id=person.link_id)
    await pulled.pull(CANDIDATE, mode="full")
    stands = await record(pulled, person)
    assert (stands["link_state"], stands["archived_by"]) == ("live", "jo")
    assert person.external_id in await at_vendor(pulled)


async def test_a_page_that_was_read_before_the_delete_revives_nothing(pulled: World) -> None:
    (person,) = await people(pulled)
    services = pulled.services
    async with services.database.company(pulled.company_id) as tx:
        integration = await services.store.connections.get(tx, pulled.integration_id)
        ticket = await services.store.links.ticket(tx)
    async with services.adapters.connected(integration) as adapter:
        seen = await adapter.fetch(CANDIDATE, person.external_id)
        await archive(pulled, person.record_id)
        await pulled.drain()
        work = Work(integration, type(adapter), CANDIDATE)
    book = services.applier.book(work)
    async with services.database.company(pulled.company_id) as tx:
        applied = await services.applier.apply(tx, work, observe([seen], ticket, context=book.context), book)
    assert applied.is_stale
    assert (await record(pulled, person))["link_state"] == "gone"


async def test_a_policy_that_comes_later_deletes_nothing_that_was_archived_before(world: World) -> None:
    await world.pull()
    (person,) = await people(world)
    await archive(world, person.record_id)
    await configure(world, "on_archive", '{"candidate": "delete"}')
    await signal(world, CANDIDATE, person.external_id)
    assert person.external_id in await at_vendor(world)


async def test_a_policy_or_direction_that_was_taken_back_deletes_nothing_any_more(pulled: World) -> None:
    (person,) = await people(pulled)
    await archive(pulled, person.record_id)
    await configure(pulled, "directions", '{"candidate": "inbound", "application": "inbound", "job": "inbound"}')
    await pulled.drain()
    assert person.external_id in await at_vendor(pulled)


async def test_whom_the_vendor_merged_since_is_not_deleted_there(pulled: World) -> None:
    """Held by the brake, and meanwhile the vendor has made one of two: that one is somebody else."""
    await configure(pulled, "delete_brake", '{"count": 0, "share": 0.0}')
    loser, winner = await people(pulled, 2)
    for pair in (loser, winner):
        await archive(pulled, pair.record_id)
    await pulled.drain()
    await merge_there(pulled, int(winner.external_id), int(loser.external_id))
    await pulled.services.deletes.approve(pulled.company_id, pulled.integration_id, actor="jo")
    await pulled.drain()
    assert winner.external_id in await at_vendor(pulled)
    assert {(await removal(pulled, each.link_id) or {})["state"] for each in (loser, winner)} == {"kept"}


async def test_an_application_alone_is_deleted_and_its_candidate_is_not(pulled: World) -> None:
    (person,) = await people(pulled)
    child, *_ = await applications_of(pulled, person.record_id)
    await archive(pulled, child["id"], APPLICATION)
    await pulled.drain()
    assert child["external_id"] not in await at_vendor(pulled, "applications")
    assert person.external_id in await at_vendor(pulled)
    assert (await record(pulled, person))["archived_at"] is None


async def test_an_application_comes_back_after_its_candidate_alone(world: World) -> None:
    await world.pull()
    (person,) = await people(world)
    child, *_ = await applications_of(world, person.record_id)
    await archive(world, child["id"], APPLICATION)
    await archive(world, person.record_id)
    with pytest.raises(Conflict, match="candidate is archived"):
        await restore(world, child["id"], APPLICATION)
    await restore(world, person.record_id)
    by = {each["id"]: each["archived_by"] for each in await applications_of(world, person.record_id)}
    assert by.pop(child["id"]) == "jo"  # it did not go with its candidate, so it does not come back with them
    assert set(by.values()) <= {None}
    await restore(world, child["id"], APPLICATION)
    assert {each["archived_by"] for each in await applications_of(world, person.record_id)} == {None}


async def test_an_archived_application_that_lives_on_there_is_restored_and_not_submitted_again(world: World) -> None:
    await world.pull()
    (person,) = await people(world)
    child, *_ = await applications_of(world, person.record_id)
    job_id = (await world.row("SELECT data FROM records WHERE id = %(id)s", id=child["id"]))["data"]["job_id"]
    await archive(world, child["id"], APPLICATION)
    with pytest.raises(Conflict, match="system has it still") as refused:
        await world.services.edits.submit_application(
            world.company_id, candidate_id=person.record_id, job_id=UUID(job_id), fields={}, actor="jo"
        )
    assert str(refused.value.remedy) == f"POST /api/applications/{child['id']}/restore"


async def test_an_application_without_a_job_comes_back(world: World) -> None:
    await world.pull()
    prospect = await world.row(
        "SELECT id FROM records WHERE entity_type = 'application' AND data ->> 'job_id' IS NULL ORDER BY id LIMIT 1"
    )
    await archive(world, prospect["id"], APPLICATION)
    await restore(world, prospect["id"], APPLICATION)
    found = await world.row("SELECT archived_at FROM records WHERE id = %(id)s", id=prospect["id"])
    assert found["archived_at"] is None


async def test_somebody_who_took_the_address_meanwhile_stands_in_the_way(world: World) -> None:
    await world.pull()
    (person,) = await people(world)
    email = (await record(world, person))["data"]["email"]
    await archive(world, person.record_id)
    holder = await world.services.edits.create_candidate(world.company_id, {"email": email}, actor="jo")
    with pytest.raises(Conflict, match=str(holder.id)):
        await restore(world, person.record_id)


async def test_a_submission_under_way_with_its_candidate_is_not_archived_before_it_is_known(world: World) -> None:
    """One call makes both; else nobody would look any more for what it made when its answer is lost."""
    await world.pull(EntityType.JOB)
    job = await world.row("SELECT r.id FROM records r WHERE r.entity_type = 'job' ORDER BY r.id LIMIT 1")
    made = await world.services.edits.create_candidate(
        world.company_id, {"first_name": "Ada", "last_name": "Byron", "email": "ada@example.org"}, actor="jo"
    )
    application = await world.services.edits.submit_application(
        world.company_id, candidate_id=made.id, job_id=job["id"], fields={}, actor="jo"
    )
    fault = {"kind": "lost_answer", "method": "POST", "path": "/v3/candidates", "times": 1}
    await world.control.post("/faults", json=fault)
    await world.drain()
    with pytest.raises(Conflict, match="being created"):
        await archive(world, application.id, APPLICATION)


async def test_a_submission_that_was_archived_in_time_is_made_nowhere(world: World) -> None:
    await world.pull(EntityType.JOB)
    job = await world.row("SELECT r.id FROM records r WHERE r.entity_type = 'job' ORDER BY r.id LIMIT 1")
    made = await world.services.edits.create_candidate(
        world.company_id, {"first_name": "Ada", "last_name": "Byron", "email": "ada@example.org"}, actor="jo"
    )
    await world.services.edits.submit_application(
        world.company_id, candidate_id=made.id, job_id=job["id"], fields={}, actor="jo"
    )
    await archive(world, made.id)
    before = await at_vendor(world)
    await world.drain()
    assert await at_vendor(world) == before
