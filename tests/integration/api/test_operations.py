"""Logs, runs, figures, dead letters, conflicts, health: what people look at who run syncs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.composition import Services
from shared.security.identity import Role
from shared.store.heartbeats import SWEEP, Heartbeats
from tests.integration.api.calling import Caller
from tests.integration.api.conftest import Company, Query
from tests.integration.api.dead_letters import bury


def log_rows(query: Query, company: Company, integration_id: str, count: int) -> None:
    """Write *count* log rows, a second apart, every third one failed."""
    query(
        "INSERT INTO sync_logs (id, company_id, integration_id, entity_type, action, direction, status, synced_at,"
        " retry_count, duration_ms) SELECT gen_random_uuid(), %s, %s, CASE n %% 2 WHEN 0 THEN 'role' ELSE 'candidate'"
        " END, 'updated', 'inbound', CASE n %% 3 WHEN 0 THEN 'failed' ELSE 'success' END,"
        " now() - n * interval '1 s', n %% 4, n * 10 FROM generate_series(1, %s) n",
        company.id, integration_id, count,
    )  # fmt: skip


@pytest.fixture
async def integration(admin: Caller, company: Company, connection: dict[str, Any]) -> dict[str, Any]:
    created = await admin("POST", f"/api/companies/{company.id}/integrations", connection)
    found: dict[str, Any] = created.body
    return found


async def test_the_log_is_read_newest_first_and_every_row_once(
    admin: Caller, company: Company, integration: dict[str, Any], query: Query
) -> None:
    log_rows(query, company, integration["id"], 250)
    path = f"/api/integrations/{integration['id']}/logs"
    seen: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = (await admin("GET", f"{path}?limit=100{cursor}")).body
        seen += page["data"]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert len(seen) == len({row["id"] for row in seen}) == 250
    assert [row["synced_at"] for row in seen] == sorted((row["synced_at"] for row in seen), reverse=True)


@pytest.mark.parametrize(
    ("search", "count"),
    [
        ("status=failed", 30),
        ("entity=job", 45),
        ("entity=role", 45),
        ("entity_type=candidate", 45),
        ("direction=outbound", 0),
        ("action=updated", 90),
        ("status=failed&entity=candidate", 15),
        ("since=2020-01-01T00:00:00Z", 90),
        ("until=2020-01-01T00:00:00%2B01:00", 0),
    ],
)
async def test_the_log_is_filtered(
    admin: Caller, company: Company, integration: dict[str, Any], query: Query, search: str, count: int
) -> None:
    log_rows(query, company, integration["id"], 90)
    page = await admin("GET", f"/api/integrations/{integration['id']}/logs?limit=100&{search}")
    assert (page.status, len(page.body["data"])) == (200, count)


@pytest.mark.parametrize("search", ["status=broken", "entity=cat", "since=yesterday", "since=2020-01-01", "run_id=7"])
async def test_a_filter_that_can_not_be_meant_is_refused(
    admin: Caller, integration: dict[str, Any], search: str
) -> None:
    page = await admin("GET", f"/api/integrations/{integration['id']}/logs?{search}")
    assert (page.status, page.body["field"]) == (422, search.partition("=")[0])


async def test_figures_count_what_the_log_says(
    admin: Caller, company: Company, integration: dict[str, Any], query: Query
) -> None:
    path = f"/api/integrations/{integration['id']}/stats"
    nothing = (await admin("GET", path)).body
    assert (nothing["total_syncs"], nothing["success_rate"], nothing["average_ms"]) == (0, None, None)
    log_rows(query, company, integration["id"], 90)
    stats = (await admin("GET", f"{path}?window=7d")).body
    assert (stats["total_syncs"], stats["succeeded"], stats["failed"], stats["conflicts"]) == (90, 60, 30, 0)
    assert stats["success_rate"] == pytest.approx(2 / 3)
    assert stats["retries"] == sum(n % 4 for n in range(1, 91))
    assert stats["average_ms"] == pytest.approx(455)
    assert stats["p95_ms"] == pytest.approx(855.5)
    assert stats["window_s"] == 7 * 86_400
    assert (await admin("GET", f"{path}?window=30m")).body["total_syncs"] == 90
    for wrong in ("0h", "91d", "week", "-1h"):
        assert (await admin("GET", f"{path}?window={wrong}")).status == 422


async def test_runs_tell_what_they_came_to(admin: Caller, synced: dict[str, Any]) -> None:
    path = f"/api/integrations/{synced['id']}/runs"
    runs = (await admin("GET", path)).body["data"]
    by_entity = {run["entity"]: run for run in runs}
    assert by_entity.keys() == {None, "job", "candidate", "application"}
    for run in runs:
        assert run["status"] == "complete", run
        assert run["evidence"]
        assert run["ended_at"] >= run["started_at"]
    assert by_entity["candidate"]["records_created"] == by_entity["candidate"]["records_read"] > 0
    parent = await admin("GET", f"/api/runs/{by_entity[None]['id']}")
    assert {run["id"] for run in parent.body["runs"]} == {run["id"] for run in runs if run["entity"]}
    assert parent.body["records_read"] == sum(run["records_read"] for run in parent.body["runs"])
    stats = (await admin("GET", f"/api/integrations/{synced['id']}/stats")).body
    assert stats["last_runs"].keys() == {"job", "candidate", "application"}
    ended = await admin("DELETE", f"/api/runs/{by_entity['job']['id']}")
    assert (ended.status, ended.body["code"]) == (409, "conflict")


async def test_a_running_run_tells_when_it_should_end(
    admin: Caller, company: Company, integration: dict[str, Any], query: Query
) -> None:
    runs = {}
    for status, read, expected in (
        ("running", 100, 400), ("running", 0, 400), ("running", 500, 400), ("running", 100, None), ("failed", 100, 400),
    ):  # fmt: skip
        runs[status, read, expected] = run_id = uuid4()
        query(
            "INSERT INTO runs (id, company_id, integration_id, entity_type, direction, mode, trigger, status,"
            " started_at, records_read, expected_records)"
            " VALUES (%s, %s, %s, 'candidate', 'inbound', 'full', 'manual', %s, now() - interval '60 s', %s, %s)",
            run_id, company.id, integration["id"], status, read, expected,
        )  # fmt: skip
    for (status, read, expected), run_id in runs.items():
        asked_at = datetime.now(UTC)
        shown = (await admin("GET", f"/api/runs/{run_id}")).body
        assert shown["expected_records"] == (expected if status == "running" else None)
        if (status, read, expected) == ("running", 100, 400):
            left = datetime.fromisoformat(shown["eta"]) - asked_at
            assert timedelta(seconds=175) < left < timedelta(seconds=200), "a hundred a minute, three hundred left"
        else:
            assert shown["eta"] is None


async def test_a_running_run_is_asked_to_end(admin: Caller, integration: dict[str, Any], query: Query) -> None:
    started = await admin("POST", f"/api/integrations/{integration['id']}/sync", {"entity": "job"})
    assert started.headers["location"] == f"/api/runs/{started.body['run_id']}"
    asked = await admin("DELETE", f"/api/runs/{started.body['run_id']}")
    assert (asked.status, asked.body["cancel_requested"]) == (202, True)
    assert query("SELECT cancel_requested_at IS NOT NULL FROM runs") == [(True,)]


async def test_a_sync_in_a_direction_that_is_not_allowed_is_refused(
    admin: Caller, integration: dict[str, Any], query: Query
) -> None:
    reply = await admin("POST", f"/api/integrations/{integration['id']}/sync", {"direction": "outbound"})
    assert (reply.status, reply.body["code"]) == (409, "conflict")
    assert reply.body["remedy"]
    assert query("SELECT count(*) FROM runs") == [(0,)]


async def test_a_dead_letter_is_redriven_once(
    services: Services, company: Company, integration: dict[str, Any], query: Query
) -> None:
    operator = company.as_(Role.OPS)
    letter = bury(query, company, integration["id"])
    listed = (await operator("GET", "/api/dead-letters")).body["data"]
    assert [(row["id"], row["code"], row["attempts"]) for row in listed] == [(str(letter), "unavailable", 4)]
    waiting = await services.queues.count("sync-normal")
    redriven = await operator("POST", f"/api/dead-letters/{letter}/redrive")
    assert redriven.status == 202, redriven.text
    job = query("SELECT status, retry_count, epoch FROM sync_queue WHERE action = 'reconcile'")
    assert job == [("pending", 0, 1)]
    assert await services.queues.count("sync-normal") == waiting + 1
    again = await operator("POST", f"/api/dead-letters/{letter}/redrive")
    assert (again.status, again.body["code"]) == (409, "conflict")
    assert (await operator("GET", "/api/dead-letters")).body["data"] == []
    assert len((await operator("GET", "/api/dead-letters?state=all")).body["data"]) == 1


async def test_dead_letters_are_shown_by_cause_and_redriven_as_a_group(
    company: Company, integration: dict[str, Any], query: Query
) -> None:
    operator = company.as_(Role.OPS)
    for _ in range(3):
        bury(query, company, integration["id"])
    (group,) = (await operator("GET", "/api/dead-letters/groups")).body["data"]
    assert (group["count"], group["code"], group["cause"]) == (3, "unavailable", "no answer")
    assert group["sample_id"] in {row["id"] for row in (await operator("GET", "/api/dead-letters")).body["data"]}
    for refused in ({}, {"group": group["group"], "all": True}, {"group": "'; DROP"}, {"all": False}):
        assert (await operator("POST", "/api/dead-letters/redrive", refused)).status == 422, refused
    done = await operator("POST", "/api/dead-letters/redrive", {"group": group["group"]})
    assert (done.status, done.body) == (202, {"letters": 3, "jobs": 3, "more": False}), done.text
    assert (await operator("POST", "/api/dead-letters/redrive", {"all": True})).body["letters"] == 0
    assert (await operator("GET", "/api/dead-letters/groups")).body["data"] == []


async def test_a_dead_letter_is_dismissed_with_a_reason_and_a_line_in_the_log(
    company: Company, integration: dict[str, Any], query: Query
) -> None:
    operator = company.as_(Role.OPS)
    letter = bury(query, company, integration["id"])
    path = f"/api/dead-letters/{letter}/dismiss"
    for refused in ({}, {"reason": "  "}, {"reason": "x" * 501}, {"reason": "x", "by": "me"}):
        assert (await operator("POST", path, refused)).status == 422, refused
    done = await operator("POST", path, {"reason": "the job was closed"})
    assert (done.status, done.body) == (200, {"id": str(letter), "state": "dismissed"}), done.text
    (shown,) = (await operator("GET", "/api/dead-letters?state=dismissed")).body["data"]
    assert (shown["ended_by"], shown["ended_reason"]) == ("jo", "the job was closed")
    (row,) = (await company.as_(Role.ADMIN)("GET", f"/api/integrations/{integration['id']}/logs")).body["data"]
    assert (row["job_id"], row["details"]["letter_id"], row["details"]["by"]) == (shown["job_id"], str(letter), "jo")
    assert "closed" not in str(row), "a reason may name people"
    for action in ("dismiss", "redrive"):
        again = await operator("POST", f"/api/dead-letters/{letter}/{action}", {"reason": "x"})
        assert (again.status, again.body["code"]) == (409, "conflict")
    assert query("SELECT status FROM sync_queue WHERE action = 'reconcile'") == [("failed",)]


async def test_dead_letters_of_one_cause_are_dismissed_together(
    company: Company, integration: dict[str, Any], query: Query
) -> None:
    operator = company.as_(Role.OPS)
    for _ in range(2):
        bury(query, company, integration["id"])
    other = bury(query, company, integration["id"])
    query("UPDATE dead_letters SET cause = 'refused' WHERE id = %s", other)
    group = (await operator("GET", "/api/dead-letters/groups")).body["data"][0]
    for refused in ({"group": group["group"]}, {"reason": "x"}, {"reason": "x", "group": "x"}):
        assert (await operator("POST", "/api/dead-letters/dismiss", refused)).status == 422, refused
    both = {"reason": "x", "group": group["group"], "integration_id": integration["id"]}
    assert (await operator("POST", "/api/dead-letters/dismiss", both)).status == 422
    done = await operator("POST", "/api/dead-letters/dismiss", {"reason": "x", "group": group["group"]})
    assert (done.status, done.body) == (200, {"letters": 2, "more": False}), done.text
    assert [row["id"] for row in (await operator("GET", "/api/dead-letters")).body["data"]] == [str(other)]
    wanted = {"reason": "x", "integration_id": integration["id"]}
    assert (await operator("POST", "/api/dead-letters/dismiss", wanted)).body["letters"] == 1


async def test_health_tells_figures_and_needs_a_recent_sweep(
    services: Services, admin: Caller, integration: dict[str, Any], query: Query
) -> None:
    anyone = Caller(None)
    before = await anyone("GET", "/health")
    assert (before.status, before.body["problems"]) == (503, ["sweep_late"])
    async with services.database.dispatch() as tx:
        await Heartbeats().beat(tx, SWEEP)
    await admin("POST", f"/api/integrations/{integration['id']}/sync", {"entity": "job"})
    for path in ("/health", "/api/health"):
        health = await anyone("GET", path)
        assert health.status == 200
        assert health.body["healthy"] is True
        assert health.body["running"] is True
        assert (health.body["processingCount"], health.body["queueDepth"]) == (0, 2)  # publish and pull
        assert 0 <= health.body["oldestJobAgeSeconds"] < 60
        assert health.headers["x-request-id"]
    query("UPDATE heartbeats SET at = now() - interval '61 s'")
    assert (await anyone("GET", "/health")).status == 503


async def test_conflicts_show_the_values_of_both_sides(
    services: Services, admin: Caller, synced: dict[str, Any], query: Query, company: Company
) -> None:
    person = next(row for row in (await admin("GET", "/api/candidates?limit=100")).body["data"] if row["email"])
    conflict, link = uuid4(), uuid4()
    async with services.database.company(company.id) as tx:
        key = (await services.vault.keys(tx, [UUID(person["id"])]))[UUID(person["id"])]
    side = {"integration_id": synced["id"], "external_id": "7", "values": {"email": "b@example.org"}, "at": "now"}
    content: dict[str, Any] = {"ours": {"email": "a@example.org"}, "sides": {str(link): side}}
    sealed = services.vault.seal(company.id, key, "conflicts", str(conflict), content)
    query(
        "INSERT INTO conflicts (id, company_id, kind, entity_type, record_id, unit, sealed, inputs)"
        " VALUES (%s, %s, 'field', 'candidate', %s, 'email', %s, jsonb_build_object(%s::text, '[]'::jsonb))",
        conflict, company.id, person["id"], sealed, str(link),
    )  # fmt: skip
    (item,) = (await admin("GET", f"/api/conflicts?record_id={person['id']}")).body["data"]
    assert (item["field"], item["members"], item["ours"]) == ("email", ["email"], {"email": "a@example.org"})
    assert item["sides"] == [side]
    assert (await admin("GET", f"/api/candidates/{person['id']}")).body["conflicts"] == 1
    path = f"/api/conflicts/{conflict}/resolve"
    for body, field in (
        ({"choice": "coin"}, "choice"),
        ({"choice": "integration"}, "integration_id"),
        ({"choice": "value"}, "value"),
        ({"choice": "value", "value": 7}, "email"),
        ({"choice": "value", "value": "not an email"}, "email"),
    ):
        refused = await admin("POST", path, body)
        assert (refused.status, refused.body["field"]) == (422, field), refused.text
    stale = await admin("POST", path, {"choice": "portal"}, headers={"if-match": '"7"'})
    assert (stale.status, stale.body["code"]) == (409, "conflict")
