"""Runs that are not whole: what they move, what they leave, and how what they left comes in."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from shared.adapters import get
from shared.model import EntityType
from tests.integration.sync.vendor import a_candidate
from tests.integration.sync.world import World

UNREADABLE = {"title": {"no": "text"}}
CURSOR = "SELECT watermark FROM cursors WHERE entity_type = 'candidate'"


async def spoil(world: World) -> dict[str, Any]:
    """Make one candidate of the vendor's unreadable; return it as it was."""
    candidate = await a_candidate(world)
    await world.edit_at_vendor("candidates", candidate["id"], UNREADABLE)
    return candidate


async def test_s_067_only_a_complete_run_moves_last_synced_at(world: World) -> None:
    candidate = await spoil(world)
    await world.pull(EntityType.JOB)
    jobs_at = (await world.row("SELECT last_synced_at FROM integrations"))["last_synced_at"]
    partial = await world.run_of(await world.pull(EntityType.CANDIDATE))
    assert (partial["status"], partial["records_quarantined"]) == ("partial", 1)
    assert (await world.row("SELECT last_synced_at FROM integrations"))["last_synced_at"] == jobs_at
    assert (await world.row(CURSOR))["watermark"] == partial["started_at"]

    await world.edit_at_vendor("candidates", candidate["id"], {"title": "Baker"})
    complete = await world.run_of(await world.pull(EntityType.CANDIDATE))
    assert complete["status"] == "complete"
    assert (await world.row("SELECT last_synced_at FROM integrations"))["last_synced_at"] == complete["started_at"]


async def test_pain_12_a_bad_record_is_set_aside_with_its_cause_and_stops_nobody(world: World) -> None:
    candidate = await spoil(world)
    run = await world.run_of(await world.pull(EntityType.CANDIDATE))
    everybody = len((await world.vendor_state())["candidates"])
    assert run["records_created"] == everybody - 1
    aside = await world.row("SELECT * FROM quarantine WHERE ended_at IS NULL")
    assert (aside["external_id"], aside["code"]) == (str(candidate["id"]), "invalid_payload")
    assert "title" in aside["reason"]
    held = await world.row(
        "SELECT hold_reason FROM sync_queue WHERE record_key = %(key)s", key=f"ext:{candidate['id']}"
    )
    assert held["hold_reason"].startswith("quarantine:")


async def test_what_was_set_aside_comes_in_by_its_id_without_another_pull(world: World) -> None:
    """The hour of waiting is not waited for: the sweep wakes what is held so long."""
    candidate = await spoil(world)
    await world.pull(EntityType.CANDIDATE)
    await world.control.patch(f"/candidates/{candidate['id']}?webhooks=false", json={"title": "Baker"})
    await world.rows(
        "UPDATE sync_queue SET created_at = now() - interval '2 h', started_at = started_at - interval '2 h'"
        " WHERE hold_reason IS NOT NULL RETURNING 1"
    )
    await world.services.sweep.sweep()
    await world.drain()
    record = await world.record_of(EntityType.CANDIDATE, candidate["id"])
    assert record["data"]["current_title"] == "Baker"
    assert await world.rows("SELECT 1 FROM quarantine WHERE ended_at IS NULL") == []


async def test_pain_02_the_next_pull_starts_where_this_one_started_less_the_overlap(world: World) -> None:
    run = await world.run_of(await world.pull(EntityType.CANDIDATE))
    assert run["ended_at"] > run["started_at"] == (await world.row(CURSOR))["watermark"]
    await world.control.delete("/requests")
    await world.pull(EntityType.CANDIDATE)
    (asked,) = [each for each in await world.requests() if each["path"] == "/v3/candidates"]
    (moment,) = parse_qs(asked["query"])["updated_at"]
    since = datetime.fromisoformat(moment.removeprefix("gte|"))
    overlap = get("greenhouse").capabilities.entities[EntityType.CANDIDATE].overlap
    assert overlap > timedelta(0)
    assert abs(since - (run["started_at"] - overlap)) < timedelta(seconds=1)


async def test_pain_02_what_changes_while_a_run_reads_is_seen_by_the_next(world: World) -> None:
    """The edit falls between two pages, on a record that the first of them has shown already."""
    await world.control.post("/fill", json={"people": 600})
    state = (await world.vendor_state())["candidates"]
    first_page = sorted(state, key=lambda row: row["id"], reverse=True)[:500]
    candidate = next(row for row in first_page if row["first_name"] and row["first_name"] != "Anonymized")
    await world.control.post(
        "/faults",
        json={"kind": "error", "method": "GET", "path": "/v3/candidates", "after": 1, "times": 1, "status": 503},
    )
    run_id = await world.pull(EntityType.CANDIDATE)
    await world.control.patch(f"/candidates/{candidate['id']}?webhooks=false", json={"title": "Changed meanwhile"})
    await world.rows("UPDATE sync_queue SET scheduled_at = now() WHERE action = 'pull' RETURNING 1")
    await world.drain()
    assert (await world.run_of(run_id))["status"] == "complete"
    record = await world.record_of(EntityType.CANDIDATE, candidate["id"])
    assert record["data"].get("current_title") != "Changed meanwhile"
    await world.pull(EntityType.CANDIDATE)
    record = await world.record_of(EntityType.CANDIDATE, candidate["id"])
    assert record["data"]["current_title"] == "Changed meanwhile"


async def test_a_record_whose_time_moved_for_nothing_is_unchanged(world: World) -> None:
    await world.pull()
    candidate = await a_candidate(world)
    before = await world.record_of(EntityType.CANDIDATE, candidate["id"])
    await world.edit_at_vendor("candidates", candidate["id"], {"title": candidate["title"]})
    run = await world.run_of(await world.pull(EntityType.CANDIDATE))
    assert run["records_read"] >= 1
    assert (run["records_updated"], run["records_unchanged"]) == (0, run["records_read"])
    after = await world.record_of(EntityType.CANDIDATE, candidate["id"])
    assert (after["version"], after["sync_version"]) == (before["version"], before["sync_version"])


async def test_pain_24_a_forgotten_cursor_means_from_the_start_and_no_empty_success(world: World) -> None:
    await world.control.post("/fill", json={"people": 600})
    await world.control.post(
        "/faults",
        json={"kind": "error", "method": "GET", "path": "/v3/candidates", "after": 1, "times": 1, "status": 503},
    )
    run_id = await world.pull(EntityType.CANDIDATE)
    (kept,) = await world.rows(
        "UPDATE cursors SET position = replace(position, 'cursor=', 'cursor=forgotten') WHERE position IS NOT NULL"
        " RETURNING position"
    )
    assert "forgotten" in kept["position"]
    await world.rows("UPDATE sync_queue SET scheduled_at = now() WHERE action = 'pull' RETURNING 1")
    await world.drain()
    run = await world.run_of(run_id)
    assert run["status"] == "complete"
    everybody = {str(row["id"]) for row in (await world.vendor_state())["candidates"]}
    links = await world.rows("SELECT external_id FROM external_entity_map WHERE entity_type = 'candidate'")
    assert {row["external_id"] for row in links} == everybody
    assert run["records_created"] == len(everybody)


async def test_pain_07_an_empty_list_deletes_nothing(world: World) -> None:
    """The vendor answers a full pull with an empty list, by mistake."""
    await world.pull()
    before = await world.rows("SELECT id, archived_at, data FROM records ORDER BY id")
    await world.control.post("/faults", json={"kind": "empty", "method": "GET", "path": "/v3/candidates", "times": 1})
    run = await world.run_of(await world.pull(EntityType.CANDIDATE, mode="full"))
    assert (run["records_read"], run["status"]) == (0, "partial")
    issue = await world.row("SELECT kind, ended_at FROM issues WHERE kind = 'list_shrunk'")
    assert issue["ended_at"] is None
    assert await world.rows("SELECT id, archived_at, data FROM records ORDER BY id") == before
    assert await world.rows("SELECT 1 FROM external_entity_map WHERE state <> 'live'") == []
    again = await world.run_of(await world.pull(EntityType.CANDIDATE, mode="full"))
    assert (again["records_created"], again["records_updated"], again["status"]) == (0, 0, "complete")
    assert await world.rows("SELECT 1 FROM issues WHERE kind = 'list_shrunk' AND ended_at IS NULL") == []


async def test_pain_11_from_a_list_that_has_shrunk_nothing_follows(world: World) -> None:
    """Not even where the next pull starts: what changed before the lie is seen after it."""
    await world.pull()
    before = (await world.row(CURSOR))["watermark"]
    await world.control.post("/faults", json={"kind": "empty", "method": "GET", "path": "/v3/candidates", "times": 1})
    await world.pull(EntityType.CANDIDATE, mode="full")
    assert (await world.row(CURSOR))["watermark"] == before
    evidence = (await world.row("SELECT evidence FROM runs WHERE status = 'partial'"))["evidence"]
    assert evidence["records_linked_before"] > evidence["records_read"] == 0


async def test_quarantine_is_redriven_when_somebody_asks(world: World) -> None:
    candidate = await spoil(world)
    await world.pull(EntityType.CANDIDATE)
    await world.control.patch(f"/candidates/{candidate['id']}?webhooks=false", json={"title": "Baker"})
    quarantine = world.services.quarantine
    assert await quarantine.redrive(world.company_id, world.integration_id, code="nothing_like_it") == 0
    assert await quarantine.redrive(world.company_id, world.integration_id, external_ids=[str(candidate["id"])]) == 1
    await world.drain()
    assert (await world.record_of(EntityType.CANDIDATE, candidate["id"]))["data"]["current_title"] == "Baker"
    assert await world.rows("SELECT 1 FROM quarantine WHERE ended_at IS NULL") == []
