"""Reconciles both ways: edits here and there, at once or lost on the way, and what is gone or unknown there."""

from __future__ import annotations

from uuid import UUID

from shared.model import EntityType
from tests.integration.sync.vendor import a_candidate, signal, vendor_candidate, writes
from tests.integration.sync.world import World
from tests.preview_proof.planting import REFUSING, UNSTORABLE


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
