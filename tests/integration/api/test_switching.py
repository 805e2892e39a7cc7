"""Entities, directions and whole syncs are switched off and on, by the API."""

from __future__ import annotations

from typing import Any

from tests.integration.api.calling import Caller
from tests.integration.api.conftest import Company, Query
from tests.integration.api.connecting import connect, pending


async def test_an_entity_that_is_switched_off_loses_its_jobs_with_a_log_row_and_no_record(
    admin: Caller, company: Company, connection: dict[str, Any], query: Query
) -> None:
    path = f"/api/integrations/{(await connect(admin, company, connection))['id']}"
    assert (await admin("POST", f"{path}/sync", {"entity": "candidate"})).status == 202
    assert (await admin("POST", f"{path}/sync", {"entity": "role"})).status == 202
    assert (await admin("PATCH", path, {"sync_candidates": False})).status == 200
    assert query("SELECT entity_type FROM sync_queue WHERE action = 'pull'") == [("job",)]
    rows = query("SELECT entity_type, action, status, details ->> 'cause' FROM sync_logs")
    assert rows == [("candidate", "skipped", "success", "entity_switched_off")]
    assert query("SELECT status FROM runs WHERE entity_type = 'candidate'") == [("cancelled",)]
    refused = await admin("POST", f"{path}/sync", {"entity": "candidate"})
    assert refused.status == 409


async def test_a_run_over_several_entities_goes_on_without_the_one_that_was_switched_off(
    admin: Caller, company: Company, connection: dict[str, Any], query: Query
) -> None:
    path = f"/api/integrations/{(await connect(admin, company, connection))['id']}"
    started = await pending(admin, path)
    assert query("SELECT entity_type FROM sync_queue WHERE action = 'pull'") == [("job",)]
    await admin("PATCH", path, {"sync_roles": False})
    assert query("SELECT entity_type FROM sync_queue WHERE action = 'pull'") == [("candidate",)]
    run = await admin("GET", f"/api/runs/{started.body['run_id']}")
    assert {each["entity"]: each["status"] for each in run.body["runs"]} == {
        "job": "cancelled",
        "candidate": "running",
        "application": "running",
    }


async def test_paused_syncs_are_refused_and_resuming_catches_up(
    admin: Caller, company: Company, connection: dict[str, Any], query: Query
) -> None:
    path = f"/api/integrations/{(await connect(admin, company, connection))['id']}"
    assert (await admin("PATCH", path, {"sync_enabled": False})).body["sync_enabled"] is False
    assert (await pending(admin, path)).status == 409
    assert (await admin("PATCH", path, {"sync_enabled": True})).status == 200
    runs = query("SELECT entity_type, mode, trigger FROM runs WHERE entity_type IS NOT NULL ORDER BY 1")
    assert runs == [(each, "incremental", "resume") for each in ("application", "candidate", "job")]


async def test_directions_are_changed_entity_by_entity(
    admin: Caller, company: Company, connection: dict[str, Any]
) -> None:
    path = f"/api/integrations/{(await connect(admin, company, connection))['id']}"
    reply = await admin("PATCH", path, {"config": {"directions": {"candidate": "both"}}})
    assert reply.body["config"]["directions"] == {"job": "inbound", "candidate": "both", "application": "inbound"}
    assert reply.body["config"]["client_id"] == connection["config"]["client_id"]
