"""Pulls over a real database and a real HTTP vendor."""

from __future__ import annotations

from typing import Any

import pytest

from shared.errors import InvalidInput
from shared.model import EntityType
from tests.integration.sync.vendor import CANDIDATE_EDITS
from tests.integration.sync.world import World

ROWS = """
SELECT 'record' AS kind, id::text, xmin::text AS written FROM records
UNION ALL SELECT 'link', id::text, xmin::text FROM external_entity_map
"""


async def test_pain_03_a_first_sync_brings_everything_in(world: World) -> None:
    run = await world.run_of(await world.pull())
    state = await world.vendor_state()
    assert run["status"] == "complete"
    for entity, table in ((EntityType.CANDIDATE, "candidates"), (EntityType.APPLICATION, "applications")):
        links = await world.rows(
            "SELECT external_id FROM external_entity_map WHERE entity_type = %(entity)s", entity=entity.value
        )
        assert {row["external_id"] for row in links} == {str(row["id"]) for row in state[table]}
    templates = {row["id"] for row in state["jobs"] if row.get("is_template")}
    links = await world.rows("SELECT external_id FROM external_entity_map WHERE entity_type = 'job'")
    assert {row["external_id"] for row in links} == {str(row["id"]) for row in state["jobs"]} - set(map(str, templates))


async def test_every_outcome_of_a_first_sync_is_logged(world: World) -> None:
    await world.pull()
    created = await world.row(
        "SELECT count(*) AS n FROM sync_logs WHERE action = 'created' AND direction = 'inbound' AND status = 'success'"
    )
    records = await world.row("SELECT count(*) AS n FROM records")
    assert created["n"] == records["n"] > 0
    assert await world.rows("SELECT 1 FROM sync_logs WHERE entity_type = 'job'") == []
    assert await world.rows("SELECT 1 FROM sync_logs WHERE entity_type = 'role'") != []


async def test_pain_26_a_second_full_pull_rewrites_no_row(world: World) -> None:
    await world.pull()
    before = await world.rows(ROWS)
    await world.control.delete("/requests")
    run = await world.run_of(await world.pull(mode="full"))
    assert await world.rows(ROWS) == before
    assert run["status"] == "complete"
    assert (run["records_created"], run["records_updated"]) == (0, 0)
    assert run["records_unchanged"] == run["records_read"] > 0
    assert [each for each in await world.requests() if each["method"] != "GET" and each["path"] != "/token"] == []
    quiet = await world.rows(
        "SELECT details FROM sync_logs WHERE run_id IN (SELECT id FROM runs WHERE parent_id = %(id)s)", id=run["id"]
    )
    assert [set(row["details"]) for row in quiet] == [{"unchanged"}] * len(quiet)


@pytest.mark.parametrize(("unit", "edit"), CANDIDATE_EDITS, ids=[unit for unit, _ in CANDIDATE_EDITS])
async def test_pain_01_each_edited_field_comes_with_the_next_incremental_pull(
    world: World, unit: str, edit: dict[str, Any]
) -> None:
    await world.pull()
    candidate = next(
        row
        for row in (await world.vendor_state())["candidates"]
        if row["first_name"] and row["last_name"] and row["first_name"] != "Anonymized" and row["email_addresses"]
    )
    if unit == "can_email":
        edit = {"can_email": not candidate["can_email"]}
    await world.edit_at_vendor("candidates", candidate["id"], edit)
    run = await world.run_of(await world.pull(EntityType.CANDIDATE))
    assert run["records_updated"] == 1
    log = await world.row(
        "SELECT * FROM sync_logs WHERE run_id = %(run)s AND action = 'updated' AND direction = 'inbound'", run=run["id"]
    )
    assert log["external_id"] == str(candidate["id"])
    assert unit in log["details"]["fields"]
    # Lists of one vendor field may move two of ours (an e-mail that was first among several).
    assert len(log["details"]["fields"]) <= 2


async def test_a_cut_off_pull_goes_on_where_it_stopped(world: World) -> None:
    """Faults on the second page of candidates: what came is kept, and the next try starts there."""
    world.simulator.settings.change({"limiter": False})
    await world.control.post("/fill", json={"people": 1100})
    await world.control.post(
        "/faults",
        json={"kind": "error", "method": "GET", "path": "/v3/candidates", "after": 1, "times": 1, "status": 503},
    )
    await world.pull(EntityType.CANDIDATE)
    waiting = await world.row("SELECT * FROM sync_queue WHERE action = 'pull' AND entity_type = 'candidate'")
    assert (waiting["status"], waiting["retry_count"], waiting["error_code"]) == ("pending", 1, "unavailable")
    first = await world.row("SELECT count(*) AS n FROM external_entity_map WHERE entity_type = 'candidate'")
    assert first["n"] == 500
    await world.control.delete("/requests")
    await world.rows("UPDATE sync_queue SET scheduled_at = now() WHERE id = %(id)s RETURNING id", id=waiting["id"])
    await world.drain()
    run = await world.row("SELECT * FROM runs WHERE entity_type = 'candidate'")
    assert run["status"] == "complete"
    state = await world.vendor_state()
    assert run["records_created"] == len(state["candidates"])
    pages = [each for each in await world.requests() if each["path"] == "/v3/candidates"]
    assert len(pages) == 2


async def test_a_run_can_be_cancelled_at_its_next_page(world: World) -> None:
    await world.control.post("/fill", json={"people": 1100})
    run_id = await world.services.syncs.request(world.company_id, world.integration_id, entity=EntityType.CANDIDATE)
    await world.services.syncs.cancel(world.company_id, run_id)
    await world.drain()
    run = await world.run_of(run_id)
    assert run["status"] in ("cancelled", "partial")
    assert (await world.row("SELECT last_synced_at FROM integrations"))["last_synced_at"] is None


async def test_pain_10_a_field_that_is_no_longer_shown_blanks_nothing_and_is_reported(world: World) -> None:
    await world.pull()
    before = await world.rows("SELECT id, data FROM records WHERE entity_type = 'candidate' ORDER BY id")
    await world.control.patch("/settings", json={"hidden_fields": {"candidates": ["email_addresses", "tags"]}})
    await world.pull(EntityType.CANDIDATE, mode="full")
    assert await world.rows("SELECT id, data FROM records WHERE entity_type = 'candidate' ORDER BY id") == before
    issues = await world.rows("SELECT subject, detail FROM issues WHERE kind = 'coverage_fell' AND ended_at IS NULL")
    assert {"candidate.email", "candidate.tags"} <= {row["subject"] for row in issues}
    await world.control.patch("/settings", json={"hidden_fields": {}})
    await world.pull(EntityType.CANDIDATE, mode="full")
    assert await world.rows("SELECT 1 FROM issues WHERE kind = 'coverage_fell' AND ended_at IS NULL") == []


async def test_pain_11_a_refused_scope_fails_the_run_and_pauses_the_integration(world: World) -> None:
    await world.control.patch("/access", json={"denied_scopes": ["harvest:candidates:list"]})
    run_id = await world.pull(EntityType.CANDIDATE)
    run = await world.run_of(run_id)
    integration = await world.row("SELECT * FROM integrations")
    assert run["status"] == "failed"
    assert "auth_failed" in run["error"]
    assert integration["attention"] == "auth_failed"
    assert integration["last_synced_at"] is None


async def test_a_mode_that_is_none_is_refused_by_name(world: World) -> None:
    with pytest.raises(InvalidInput, match="mode"):
        await world.services.syncs.request(world.company_id, world.integration_id, mode="sideways")


async def test_a_cancelled_sync_of_everything_leaves_no_run_behind(world: World) -> None:
    run_id = await world.services.syncs.request(world.company_id, world.integration_id)
    await world.services.syncs.cancel(world.company_id, run_id)
    await world.drain()
    assert await world.rows("SELECT 1 FROM runs WHERE status = 'running'") == []
    assert (await world.run_of(run_id))["status"] == "cancelled"
