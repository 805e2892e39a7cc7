"""The life of an integration, by the API: made, read, tested, deleted."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.integration.api.calling import Caller
from tests.integration.api.conftest import Company, Query
from tests.integration.api.connecting import connect, pending

COLUMNS = {
    "id", "company_id", "platform", "api_base_url", "webhook_url", "sync_enabled", "sync_roles", "sync_candidates",
    "sync_applications", "config", "last_synced_at", "created_at", "updated_at",
}  # fmt: skip


def secrets_in(connection: dict[str, Any]) -> set[str]:
    return {connection["api_key"], connection["config"]["client_secret"]}


async def test_a_new_integration_is_inbound_only_and_shows_its_webhook_secret_once(
    admin: Caller, company: Company, connection: dict[str, Any]
) -> None:
    created = await connect(admin, company, connection)
    assert created.keys() >= COLUMNS
    assert created["config"]["directions"] == {"job": "inbound", "candidate": "inbound", "application": "inbound"}
    assert created["webhook_url"].startswith(f"http://localhost:7071/api/integrations/{created['id']}/webhook?mac=")
    assert len(created["webhook_secret"]) >= 32
    assert created["rank"] == 1
    read = await admin("GET", f"/api/integrations/{created['id']}")
    assert read.status == 200
    assert "webhook_secret" not in read.body
    assert read.headers["etag"] == '"1"'
    listed = await admin("GET", f"/api/companies/{company.id}/integrations")
    assert [each["id"] for each in listed.body["data"]] == [created["id"]]
    assert listed.body["next_cursor"] is None


async def test_secrets_are_sealed_on_receipt_and_come_back_as_masks(
    admin: Caller, company: Company, connection: dict[str, Any], query: Query
) -> None:
    created = await connect(admin, company, connection)
    for read in (created, (await admin("GET", f"/api/integrations/{created['id']}")).body):
        assert not any(secret in str(read) for secret in secrets_in(connection))
        assert read["credentials"]["client_secret"].startswith("********")
        assert "client_secret" not in read["config"]
    ((row,),) = query("SELECT to_jsonb(i)::text FROM integrations i")
    assert not any(secret in row for secret in secrets_in(connection))
    assert created["webhook_secret"] not in row


async def test_the_vendor_tells_whose_account_it_is(
    admin: Caller, company: Company, connection: dict[str, Any], query: Query
) -> None:
    created = await connect(admin, company, connection)
    assert created["account"]
    assert query("SELECT account FROM integrations") == [(created["account"],)]


async def test_default_schedules_pull_every_entity_each_five_minutes(
    admin: Caller, company: Company, connection: dict[str, Any]
) -> None:
    created = await connect(admin, company, {**connection, "schedules": [{"entity": "role", "every_s": 3600}]})
    cadence = {each["entity"]: (each["mode"], each["every_s"]) for each in created["schedules"]}
    assert cadence == {
        "application": ("incremental", 300),
        "candidate": ("incremental", 300),
        "job": ("incremental", 3600),
    }


async def test_the_intake_is_told_by_a_job_of_the_same_transaction(
    admin: Caller, company: Company, connection: dict[str, Any], query: Query
) -> None:
    created = await connect(admin, company, connection)
    jobs = query("SELECT action, record_key, priority FROM sync_queue")
    assert jobs == [("publish_webhook_state", created["id"], 1)]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"platform": "monster"}, "platform"),
        ({"platform": None}, "platform"),
        ({"webhook_url": "https://mine.example.org/"}, "webhook_url"),
        ({"api_base_url": "http://169.254.169.254/"}, "api_base_url"),
        ({"api_base_url": "https://10.0.0.1/"}, "api_base_url"),
        ({"config": {"token_url": "https://192.168.0.1/token"}}, "config.token_url"),
        ({"config": {"board_token": "x", "job_board_url": "https://10.0.0.1"}}, "config.job_board_url"),
        ({"config": {"directions": {"candidate": "sideways"}}}, "config.directions.candidate"),
        ({"config": {"auth": {"token": "x"}}}, "config.auth.token"),
        ({"surprise": 1}, "surprise"),
    ],
)
async def test_what_can_not_be_a_connection_is_refused_by_field(
    admin: Caller, company: Company, connection: dict[str, Any], query: Query, change: dict[str, Any], field: str
) -> None:
    reply = await admin("POST", f"/api/companies/{company.id}/integrations", {**connection, **change})
    assert reply.status == 422
    assert reply.headers["content-type"] == "application/problem+json"
    assert (reply.body["code"], reply.body["field"]) == ("invalid_input", field)
    assert reply.body["remedy"]
    assert query("SELECT count(*) FROM integrations") == [(0,)]


async def test_an_unknown_platform_is_answered_with_the_known_ones(admin: Caller, company: Company) -> None:
    reply = await admin("POST", f"/api/companies/{company.id}/integrations", {"platform": "monster"})
    assert "greenhouse" in reply.body["remedy"]
    platforms = await admin("GET", "/api/platforms")
    assert "greenhouse" in [each["platform"] for each in platforms.body["data"]]


async def test_a_test_reports_also_what_the_vendor_refuses(
    admin: Caller, company: Company, connection: dict[str, Any]
) -> None:
    path = f"/api/integrations/{(await connect(admin, company, connection))['id']}"
    good = await admin("POST", f"{path}/test")
    assert (good.status, good.body["ok"]) == (200, True)
    assert good.body["checks"]
    broken = {**connection, "config": {**connection["config"], "client_secret": "wrong"}}
    refused = await connect(admin, company, broken)
    report = await admin("POST", f"/api/integrations/{refused['id']}/test")
    assert (report.status, report.body["ok"]) == (200, False)
    assert report.body["missing"]


async def test_deleting_destroys_credentials_and_keeps_links_as_tombstones_for_the_same_account(
    admin: Caller, company: Company, connection: dict[str, Any], query: Query
) -> None:
    created = await connect(admin, company, connection)
    path = f"/api/integrations/{created['id']}"
    await pending(admin, path)
    link, record = uuid4(), uuid4()
    query(
        "INSERT INTO external_entity_map (id, integration_id, entity_type, internal_id, external_id, company_id)"
        " VALUES (%s, %s, 'candidate', %s, '4711', %s)",
        link, created["id"], record, company.id,
    )  # fmt: skip
    gone = await admin("DELETE", path)
    assert gone.status == 200, gone.text
    assert gone.body["records"] == "keep"
    assert gone.body["jobs_cancelled"] == 1
    assert gone.body["by_hand"]
    assert (await admin("GET", path)).status == 404
    assert (await admin("DELETE", path)).status == 404
    assert query("SELECT api_key_encrypted, sync_enabled FROM integrations") == [(None, False)]
    assert query("SELECT count(*) FROM schedules") == [(0,)]
    assert query("SELECT action FROM sync_queue") == [("publish_webhook_state",)]
    assert query("SELECT count(*) FROM runs WHERE status = 'running'") == [(0,)]
    assert query("SELECT state FROM external_entity_map") == [("tombstone",)]
    assert (await admin("GET", f"{path}/logs")).body["data"]
    again = await connect(admin, company, connection)
    taken = query("SELECT id, integration_id::text, state FROM external_entity_map")
    assert taken == [(link, again["id"], "live")]


async def test_records_are_archived_on_request_and_only_where_no_other_system_has_them(
    admin: Caller, company: Company, connection: dict[str, Any], query: Query
) -> None:
    first = await connect(admin, company, connection)
    second = await connect(admin, company, connection)
    alone, shared_record = uuid4(), uuid4()
    for record in (alone, shared_record):
        query(
            "INSERT INTO records (company_id, entity_type, id, data) VALUES (%s, 'candidate', %s, '{}')",
            company.id, record,
        )  # fmt: skip
    for integration, record in ((first, alone), (first, shared_record), (second, shared_record)):
        query(
            "INSERT INTO external_entity_map (id, integration_id, entity_type, internal_id, external_id, company_id)"
            " VALUES (%s, %s, 'candidate', %s, %s, %s)",
            uuid4(), integration["id"], record, str(record), company.id,
        )  # fmt: skip
    assert (await admin("DELETE", f"/api/integrations/{first['id']}?records=burn")).status == 422
    gone = await admin("DELETE", f"/api/integrations/{first['id']}?records=archive")
    assert gone.body["records_archived"] == 1
    assert query("SELECT id FROM records WHERE archived_at IS NOT NULL") == [(alone,)]
    assert query("SELECT entity_id, action FROM sync_logs WHERE action = 'deleted'") == [(alone, "deleted")]
