"""Reconciles both ways: edits here, edits there, both at once, and what the vendor refuses."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from shared.errors import Conflict
from shared.model import Direction, EntityType
from shared.store.ledger import JobRequest
from shared.sync.priorities import RECONCILE
from tests.integration.sync.world import World
from tests.preview_proof.planting import REFUSING, UNSTORABLE


async def a_candidate(world: World) -> dict[str, Any]:
    """Return a vendor's candidate with name, one e-mail and a phone, whose e-mail nobody shares."""
    people = (await world.vendor_state())["candidates"]
    emails = [each["value"].strip().lower() for row in people for each in row["email_addresses"] or []]
    return next(
        row
        for row in people
        if row["first_name"]
        and row["last_name"]
        and len(row["email_addresses"] or []) == 1
        and "@" in row["email_addresses"][0]["value"]
        and emails.count(row["email_addresses"][0]["value"].strip().lower()) == 1
        and row["phone_numbers"]
        and not row["private"]
    )


async def vendor_candidate(world: World, external_id: int) -> dict[str, Any]:
    """Return the vendor's candidate as it stands."""
    rows = (await world.vendor_state())["candidates"]
    return next(row for row in rows if row["id"] == external_id)


async def an_application(world: World) -> dict[str, Any]:
    """Return a vendor's active application in the first stage of an open pipeline."""
    state = await world.vendor_state()
    return next(
        row
        for row in state["applications"]
        if row["status"] == "in_process" and row["stage_name"] and not row["prospect"]
    )


async def stage_names(world: World, job_id: int) -> list[str]:
    """Return the active stages of a job, in order."""
    state = await world.vendor_state()
    stages = [row for row in state["job_interview_stages"] if row["job_id"] == job_id and row["active"]]
    return [row["name"] for row in sorted(stages, key=lambda row: row["sort_order"])]


async def signal(world: World, entity: EntityType, external_id: object) -> None:
    """Do what the webhook worker does: ask for the record, and run what is due."""
    services = world.services
    async with services.database.company(world.company_id) as tx:
        keys = await services.store.links.record_keys(tx, world.integration_id, entity, [str(external_id)])
        request = JobRequest(world.integration_id, RECONCILE, entity, keys[str(external_id)], Direction.INBOUND, 3)
        await services.store.ledger.enqueue(tx, [request])
    await world.drain()


async def writes(world: World) -> list[dict[str, Any]]:
    """Return the vendor's log of writes, less token requests."""
    return [dict(each) for each in await world.requests() if each["method"] != "GET" and each["path"] != "/token"]


async def test_a_phone_edited_here_arrives_at_the_vendor_once(world: World) -> None:
    await world.pull()
    candidate = await a_candidate(world)
    record = await world.record_of(EntityType.CANDIDATE, candidate["id"])
    await world.edit_here(EntityType.CANDIDATE, record["id"], phone="+44 20 7946 0123")
    await world.control.delete("/requests")
    await world.drain()
    shown = await vendor_candidate(world, candidate["id"])
    assert "+44 20 7946 0123" in [each["value"] for each in shown["phone_numbers"]]
    assert len(await writes(world)) == 1
    log = await world.row(
        "SELECT * FROM sync_logs WHERE direction = 'outbound' AND entity_id = %(id)s", id=record["id"]
    )
    assert (log["action"], log["status"], log["details"]["fields"]) == ("updated", "success", ["phone"])


async def test_pain_20_our_own_write_comes_back_and_changes_nothing(world: World) -> None:
    await world.pull()
    candidate = await a_candidate(world)
    record = await world.record_of(EntityType.CANDIDATE, candidate["id"])
    await world.edit_here(EntityType.CANDIDATE, record["id"], current_title="Echo Tester")
    await world.drain()
    version = (await world.record_of(EntityType.CANDIDATE, candidate["id"]))["version"]
    await world.control.delete("/requests")
    await signal(world, EntityType.CANDIDATE, candidate["id"])
    await world.pull(EntityType.CANDIDATE)
    assert await writes(world) == []
    assert (await world.record_of(EntityType.CANDIDATE, candidate["id"]))["version"] == version
    last = await world.rows(
        "SELECT action, status FROM sync_logs WHERE entity_type = 'candidate' AND run_id IS NULL"
        " AND direction = 'inbound' ORDER BY synced_at DESC LIMIT 1"
    )
    assert last == [{"action": "skipped", "status": "success"}]


async def test_different_fields_edited_on_both_sides_both_win(world: World) -> None:
    await world.pull()
    candidate = await a_candidate(world)
    record = await world.record_of(EntityType.CANDIDATE, candidate["id"])
    await world.edit_here(EntityType.CANDIDATE, record["id"], current_title="From the portal")
    await world.edit_at_vendor("candidates", candidate["id"], {"company": "From the vendor"})
    await world.drain()
    after = await world.record_of(EntityType.CANDIDATE, candidate["id"])
    shown = await vendor_candidate(world, candidate["id"])
    assert (after["data"]["current_title"], after["data"]["current_company"]) == ("From the portal", "From the vendor")
    assert (shown["title"], shown["company"]) == ("From the portal", "From the vendor")


async def conflicting_emails(world: World) -> tuple[dict[str, Any], dict[str, Any]]:
    """Edit one e-mail on both sides; return the vendor's candidate and our record as they were."""
    await world.pull()
    candidate = await a_candidate(world)
    record = await world.record_of(EntityType.CANDIDATE, candidate["id"])
    await world.edit_here(EntityType.CANDIDATE, record["id"], email="from.portal@example.org")
    await world.edit_at_vendor(
        "candidates", candidate["id"], {"email_addresses": [{"value": "from.vendor@example.org", "type": "personal"}]}
    )
    await world.control.delete("/requests")
    await world.drain()
    return candidate, record


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


async def test_a_stage_moved_here_moves_there(world: World) -> None:
    await world.pull()
    application = await an_application(world)
    record = await world.record_of(EntityType.APPLICATION, application["id"])
    names = await stage_names(world, application["job_id"])
    target = next(name for name in names if name != application["stage_name"])
    await world.edit_here(EntityType.APPLICATION, record["id"], stage=target)
    await world.drain()
    rows = (await world.vendor_state())["applications"]
    assert next(row for row in rows if row["id"] == application["id"])["stage_name"] == target
    log = await world.row(
        "SELECT * FROM sync_logs WHERE direction = 'outbound' AND entity_type = 'application' AND status = 'success'"
    )
    assert log["details"]["fields"] == ["stage"]


async def test_a_stage_moved_there_arrives_here(world: World) -> None:
    await world.pull()
    application = await an_application(world)
    names = await stage_names(world, application["job_id"])
    target = next(name for name in names if name != application["stage_name"])
    response = await world.control.post(f"/applications/{application['id']}/move", json={"stage_name": target})
    response.raise_for_status()
    await signal(world, EntityType.APPLICATION, application["id"])
    assert (await world.record_of(EntityType.APPLICATION, application["id"]))["data"]["stage"] == target


async def test_a_move_that_the_pipeline_refuses_is_an_item_for_a_person_and_not_undone(world: World) -> None:
    await world.pull()
    application = await an_application(world)
    record = await world.record_of(EntityType.APPLICATION, application["id"])
    await world.edit_here(EntityType.APPLICATION, record["id"], stage="No such stage")
    await world.drain()
    after = await world.record_of(EntityType.APPLICATION, application["id"])
    assert after["data"]["stage"] == "No such stage"
    conflict = await world.row("SELECT * FROM conflicts WHERE status = 'open'")
    assert (conflict["kind"], conflict["unit"]) == ("refused", "stage")
    log = await world.row("SELECT * FROM sync_logs WHERE direction = 'outbound' AND status = 'failed'")
    assert log["details"]["fields"] == ["stage"]
    await world.control.delete("/requests")
    await signal(world, EntityType.APPLICATION, application["id"])
    assert await writes(world) == []
    # Nothing is left to do by itself, and yet both sides differ: it stays a person's.
    assert await world.row("SELECT id, version FROM conflicts WHERE status = 'open'") == {
        "id": conflict["id"],
        "version": conflict["version"],
    }


@pytest.mark.parametrize("by", ["a move here that the pipeline takes", "a move there"])
async def test_an_item_of_a_refused_move_ends_once_both_sides_agree(world: World, by: str) -> None:
    await world.pull()
    application = await an_application(world)
    record = await world.record_of(EntityType.APPLICATION, application["id"])
    names = await stage_names(world, application["job_id"])
    target = next(name for name in names if name != application["stage_name"])
    await world.edit_here(EntityType.APPLICATION, record["id"], stage="No such stage")
    await world.drain()
    if by == "a move there":
        response = await world.control.post(f"/applications/{application['id']}/move", json={"stage_name": target})
        response.raise_for_status()
        await signal(world, EntityType.APPLICATION, application["id"])
    else:
        await world.edit_here(EntityType.APPLICATION, record["id"], stage=target)
        await world.drain()
    assert (await world.record_of(EntityType.APPLICATION, application["id"]))["data"]["stage"] == target
    item = await world.row("SELECT status, decision FROM conflicts WHERE kind = 'refused'")
    assert item == {"status": "closed", "decision": "agreed"}


async def test_a_rejection_here_is_a_rejection_there(world: World) -> None:
    await world.pull()
    application = await an_application(world)
    record = await world.record_of(EntityType.APPLICATION, application["id"])
    reason = (await world.vendor_state())["rejection_reasons"][0]
    await world.edit_here(EntityType.APPLICATION, record["id"], status="rejected", rejection_reason=reason["name"])
    await world.drain()
    rows = (await world.vendor_state())["applications"]
    shown = next(row for row in rows if row["id"] == application["id"])
    assert (shown["status"], shown["rejection_reason_id"]) == ("rejected", reason["id"])
    update = await world.row("SELECT * FROM application_status_update_log")
    assert (update["status"], update["candidate_id"]) == ("rejected", record["candidate_id"])


async def test_a_lost_answer_is_recognised_and_not_repeated(world: World) -> None:
    await world.pull()
    candidate = await a_candidate(world)
    record = await world.record_of(EntityType.CANDIDATE, candidate["id"])
    await world.edit_here(EntityType.CANDIDATE, record["id"], current_title="Sent once")
    await world.control.post("/faults", json={"kind": "lost_answer", "method": "PATCH", "times": 1})
    await world.control.delete("/requests")
    await world.drain()
    job = await world.row("SELECT * FROM sync_queue WHERE status = 'pending'")
    assert job["error_code"] == "outcome_unknown"
    await world.edit_here(EntityType.CANDIDATE, record["id"], current_company="Edited meanwhile")
    await world.rows("UPDATE sync_queue SET scheduled_at = now() WHERE id = %(id)s RETURNING 1", id=job["id"])
    await world.drain()
    shown = await vendor_candidate(world, candidate["id"])
    assert (shown["title"], shown["company"]) == ("Sent once", "Edited meanwhile")
    assert len(await writes(world)) == 2


async def test_a_deleted_candidate_is_archived_with_its_applications_after_a_404(world: World) -> None:
    await world.pull()
    state = await world.vendor_state()
    application = next(row for row in state["applications"] if row["status"] == "in_process")
    response = await world.control.delete(f"/candidates/{application['candidate_id']}")
    response.raise_for_status()
    await signal(world, EntityType.CANDIDATE, application["candidate_id"])
    for entity, external_id in (
        (EntityType.CANDIDATE, application["candidate_id"]),
        (EntityType.APPLICATION, application["id"]),
    ):
        record = await world.record_of(entity, external_id)
        assert record["link_state"] == "gone"
        assert record["archived_at"] is not None
    log = await world.rows("SELECT entity_type FROM sync_logs WHERE action = 'deleted' AND direction = 'inbound'")
    assert {row["entity_type"] for row in log} == {"candidate", "application"}


async def test_pain_08_a_delete_event_of_a_living_record_deletes_nothing(world: World) -> None:
    await world.pull()
    candidate = await a_candidate(world)
    await signal(world, EntityType.CANDIDATE, candidate["id"])
    record = await world.record_of(EntityType.CANDIDATE, candidate["id"])
    assert (record["link_state"], record["archived_at"]) == ("live", None)


async def test_an_unknown_record_is_brought_in_with_its_parents(world: World) -> None:
    state = await world.vendor_state()
    application = next(row for row in state["applications"] if row["job_id"] and not row["prospect"])
    await signal(world, EntityType.APPLICATION, application["id"])
    record = await world.record_of(EntityType.APPLICATION, application["id"])
    candidate = await world.record_of(EntityType.CANDIDATE, application["candidate_id"])
    job = await world.record_of(EntityType.JOB, application["job_id"])
    assert (record["candidate_id"], record["job_id"]) == (candidate["id"], job["id"])
    assert await world.rows("SELECT 1 FROM sync_queue WHERE hold_reason IS NOT NULL") == []


async def test_an_id_that_the_vendor_does_not_know_leaves_a_log_row_alone(world: World) -> None:
    await signal(world, EntityType.CANDIDATE, 999_999_999_999)
    log = await world.row("SELECT * FROM sync_logs")
    assert (log["action"], log["details"]["rule"]) == ("skipped", "unknown_at_vendor")
    assert await world.rows("SELECT 1 FROM records") == []


async def test_s_064_a_worker_on_an_older_version_reads_again(world: World) -> None:
    """Two reconciles of one record at once: both end, and nothing is lost or doubled."""
    import asyncio

    await world.pull()
    candidate = await a_candidate(world)
    record = await world.record_of(EntityType.CANDIDATE, candidate["id"])
    await world.edit_here(EntityType.CANDIDATE, record["id"], current_title="Raced")
    await world.edit_at_vendor("candidates", candidate["id"], {"company": "Raced too"})
    await asyncio.gather(world.pull(EntityType.CANDIDATE), world.drain())
    await world.drain()
    after = await world.record_of(EntityType.CANDIDATE, candidate["id"])
    shown = await vendor_candidate(world, candidate["id"])
    assert (after["data"]["current_title"], after["data"]["current_company"]) == ("Raced", "Raced too")
    assert (shown["title"], shown["company"]) == ("Raced", "Raced too")


async def test_history_keeps_what_an_edit_replaced_sealed(world: World) -> None:
    await world.pull()
    candidate = await a_candidate(world)
    record = await world.record_of(EntityType.CANDIDATE, candidate["id"])
    await world.edit_here(EntityType.CANDIDATE, record["id"], first_name="Changed")
    async with world.services.database.company(world.company_id) as tx:
        (change,) = await world.services.store.history.of(tx, UUID(str(record["id"])))
        key = (await world.services.vault.keys(tx, [record["id"]]))[record["id"]]
    old = world.services.vault.open(
        world.company_id, key, "record_history", f"{record['id']}/{change.version}", change.sealed
    )
    assert old["values"] == {"first_name": candidate["first_name"]}
    assert candidate["first_name"].encode() not in change.sealed


async def test_a_lagging_replica_is_waited_for_and_undoes_nothing(world: World) -> None:
    """What is older than the answer to our last write is not believed; the record is fetched again later."""
    await world.pull()
    candidate = await a_candidate(world)
    record = await world.record_of(EntityType.CANDIDATE, candidate["id"])
    await world.edit_here(EntityType.CANDIDATE, record["id"], current_title="Newest")
    await world.drain()
    await world.rows(
        "UPDATE external_entity_map SET vendor_version = '2999-01-01T00:00:00.000000+00:00' WHERE id = %(id)s"
        " RETURNING 1",
        id=record["link_id"],
    )
    await world.edit_at_vendor("candidates", candidate["id"], {"title": "Older, by its version"})
    await signal(world, EntityType.CANDIDATE, candidate["id"])
    after = await world.record_of(EntityType.CANDIDATE, candidate["id"])
    assert after["data"]["current_title"] == "Newest"
    job = await world.row(
        "SELECT retry_count, scheduled_at > now() AS is_later FROM sync_queue WHERE status = 'pending'"
    )
    assert job == {"retry_count": 0, "is_later": True}


async def test_what_no_database_can_store_is_set_aside_by_event_and_by_page_alike(world: World) -> None:
    """It waits in quarantine, the others come in, and it returns once it is mended."""
    await world.pull()
    await world.execute(REFUSING)
    people = (await world.vendor_state())["candidates"][:2]
    broken, other = (each["id"] for each in people)
    await world.edit_at_vendor("candidates", broken, {"title": UNSTORABLE})
    await world.edit_at_vendor("candidates", other, {"title": "Diver"})
    aside = "SELECT external_id, code FROM quarantine WHERE ended_at IS NULL"
    await signal(world, EntityType.CANDIDATE, broken)
    assert await world.rows(aside) == [{"external_id": str(broken), "code": "refused_by_database"}]
    run = await world.run_of(await world.pull(EntityType.CANDIDATE))
    assert (run["status"], run["records_quarantined"]) == ("partial", 1)
    assert (await world.record_of(EntityType.CANDIDATE, other))["data"]["current_title"] == "Diver"
    await world.edit_at_vendor("candidates", broken, {"title": "Plumber"})
    await world.services.quarantine.redrive(world.company_id, world.integration_id)
    await world.drain()
    assert await world.rows(aside) == []
    assert await world.rows("SELECT 1 FROM dead_letters") == []
