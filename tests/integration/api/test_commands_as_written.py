"""The specification's curl calls and debugging queries, as written (docs/specification.md, Appendix 2)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Never

import psycopg
import pytest
from psycopg.rows import dict_row

from shared.adapters.protocol import Connection
from shared.composition import Services
from shared.errors import Unavailable
from tests.fixtures.postgres import Database
from tests.integration.api.calling import Caller, Reply
from tests.integration.api.conftest import Company, Query, drain

CREATE = """curl -X POST $BASE/api/companies/{companyId}/integrations \\
  -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\
  -d '{
    "platform": "greenhouse",
    "api_key": "your-greenhouse-api-key",
    "config": {
      "harvest_api_key": "your-harvest-key"
    }
  }'"""
SYNC = """curl -X POST $BASE/api/integrations/{id}/sync \\
  -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\
  -d '{
    "direction": "inbound"
  }'"""
LOGS = 'curl -H "Authorization: Bearer $TOKEN" "$BASE/api/integrations/{id}/logs?limit=100&status=failed"'
HEALTH = "curl $BASE/health"

LAST_LOGS = """SELECT * FROM sync_logs
WHERE integration_id = 'xxx'
ORDER BY synced_at DESC
LIMIT 50;"""
JOBS_BY_STATUS = """SELECT status, COUNT(*)
FROM sync_queue
GROUP BY status;"""
STUCK = """SELECT * FROM sync_queue
WHERE status = 'processing'
AND started_at < NOW() - INTERVAL '10 minutes';"""
LINKS = """SELECT * FROM external_entity_map
WHERE integration_id = 'xxx';"""


async def curl(caller: Caller, command: str, **ids: str) -> Reply:
    """Send what *command* would send."""
    for name, value in ids.items():
        command = command.replace("{" + name + "}", value)
    words = shlex.split(command.replace("\\\n", " "))
    method, url, body = "GET", "", b""
    while words:
        match words.pop(0):
            case "-X":
                method = words.pop(0)
            case "-H":
                words.pop(0)
            case "-d":
                body = words.pop(0).encode()
            case "curl":
                pass
            case word:
                url = word.removeprefix("$BASE")
    return await caller(method, url, raw=body, headers={"content-type": "application/json"})


@dataclass(frozen=True)
class NoVendor:
    """Adapters of a machine that reaches no vendor: the calls name no address, so they would go to the real one."""

    def trial(self, connection: Connection, platform: str) -> Never:
        """Reach nobody."""
        assert platform == "greenhouse"
        assert connection.secrets == {"api_key": "your-greenhouse-api-key", "harvest_api_key": "your-harvest-key"}
        raise Unavailable("the vendor can't be reached")


async def test_the_three_calls_and_health(services: Services, admin: Caller, company: Company, query: Query) -> None:
    services.__dict__["adapters"] = NoVendor()
    created = await curl(admin, CREATE, companyId=str(company.id))
    assert created.status == 201, created.text
    assert created.body["webhook_secret"]
    assert set(created.body["credentials"]) == {"api_key", "harvest_api_key"}
    assert "your-harvest-key" not in created.text
    integration_id = created.body["id"]
    started = await curl(admin, SYNC, id=integration_id)
    assert started.status == 202
    assert started.body["run_id"]
    query(
        "INSERT INTO sync_logs (id, company_id, integration_id, entity_type, action, direction, status)"
        " SELECT gen_random_uuid(), %s, %s, 'candidate', 'updated', 'inbound', CASE n WHEN 1 THEN 'failed'"
        " ELSE 'success' END FROM generate_series(1, 3) n",
        company.id, integration_id,
    )  # fmt: skip
    failed = await curl(admin, LOGS, id=integration_id)
    assert [row["status"] for row in failed.body["data"]] == ["failed"]
    health = await curl(Caller(None), HEALTH)
    assert {"healthy", "running", "processingCount", "queueDepth", "oldestJobAgeSeconds"} <= health.body.keys()
    del services.__dict__["adapters"]


@pytest.fixture
def operator(database: Database) -> Callable[[str], list[dict[str, Any]]]:
    """Ask as the operators' role, with no company set."""

    def ask(statement: str) -> list[dict[str, Any]]:
        with psycopg.connect(database.operator_dsn, row_factory=dict_row) as link:
            return link.execute(statement.encode()).fetchall()

    return ask


async def test_the_four_queries_as_the_operators_role(
    services: Services,
    admin: Caller,
    synced: dict[str, Any],
    query: Query,
    operator: Callable[[str], list[dict[str, Any]]],
) -> None:
    logs = operator(LAST_LOGS.replace("xxx", synced["id"]))
    assert 0 < len(logs) <= 50
    times = [row["synced_at"] for row in logs]
    assert times == sorted(times, reverse=True)
    links = operator(LINKS.replace("xxx", synced["id"]))
    ((count,),) = query("SELECT count(*) FROM external_entity_map")
    assert len(links) == count > 0
    await admin("POST", f"/api/integrations/{synced['id']}/sync", {"entity": "job"})
    by_status = {row["status"]: row["count"] for row in operator(JOBS_BY_STATUS)}
    assert by_status["pending"] == 1
    assert by_status["completed"] > 0
    assert operator(STUCK) == []
    query(
        "UPDATE sync_queue SET status = 'processing', started_at = now() - interval '11 minutes',"
        " lease_until = now() - interval '10 minutes', lease_token = 1 WHERE status = 'pending'"
    )
    (stuck,) = operator(STUCK)
    assert stuck["action"] == "pull"
    await drain(services)
    assert operator(STUCK) == []


COLUMNS = {
    "ats_integration_settings": {
        "id": "uuid", "ats_name": "character varying", "api_endpoint": "character varying",
        "api_key": "character varying", "created_at": "timestamp with time zone",
        "updated_at": "timestamp with time zone",
    },
    "candidates_import_log": {
        "id": "uuid", "ats_integration_id": "uuid", "candidate_id": "uuid",
        "imported_at": "timestamp without time zone", "status": "text", "error_message": "text",
    },
    "application_status_update_log": {
        "id": "uuid", "ats_integration_id": "uuid", "candidate_id": "uuid", "status": "text",
        "updated_at": "timestamp with time zone", "error_message": "text",
    },
}  # fmt: skip


@pytest.mark.parametrize("view", sorted(COLUMNS))
async def test_the_old_names_have_their_columns(services: Services, query: Query, view: str) -> None:
    columns = query("SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s", view)
    assert dict(columns) == COLUMNS[view]


async def seen_by(services: Services, company: Company, view: str) -> list[dict[str, Any]]:
    """Return what the company's own transactions see in *view*."""
    assert re.fullmatch(r"\w+", view)
    async with services.database.company(company.id) as tx:
        return list(await tx.rows(f"SELECT * FROM {view}"))  # noqa: S608


async def test_settings_show_a_masked_key(services: Services, company: Company, synced: dict[str, Any]) -> None:
    (row,) = await seen_by(services, company, "ats_integration_settings")
    assert (str(row["id"]), row["ats_name"], row["api_endpoint"]) == (
        synced["id"],
        "greenhouse",
        synced["api_base_url"],
    )
    assert set(row["api_key"]) == {"*"}


async def test_the_import_log_has_each_candidate_that_a_sync_brought(
    services: Services, company: Company, synced: dict[str, Any], query: Query
) -> None:
    rows = await seen_by(services, company, "candidates_import_log")
    candidates = {row[0] for row in query("SELECT id FROM records WHERE entity_type = 'candidate'")}
    assert {row["candidate_id"] for row in rows} == candidates
    assert {str(row["ats_integration_id"]) for row in rows} == {synced["id"]}
    assert {row["status"] for row in rows} == {"Success"}
    now = datetime.now(UTC).replace(tzinfo=None)
    assert all(abs((now - row["imported_at"]).total_seconds()) < 600 for row in rows)


async def test_the_status_log_has_each_status_that_was_sent(
    services: Services, admin: Caller, company: Company, synced: dict[str, Any]
) -> None:
    active = (await admin("GET", "/api/applications?limit=100&status=active")).body["data"]
    one = next(row for row in active if row["prospect"] is not True and row["stage"])
    moved = await admin("PATCH", f"/api/applications/{one['id']}", {"status": "rejected"})
    assert moved.status == 200, moved.text
    await drain(services)
    (row,) = await seen_by(services, company, "application_status_update_log")
    assert (str(row["ats_integration_id"]), str(row["candidate_id"])) == (synced["id"], one["candidate_id"])
    assert (row["status"], row["error_message"]) == ("rejected", None)
