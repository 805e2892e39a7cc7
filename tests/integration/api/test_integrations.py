"""The life of an integration, by the API."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from sandbox.vendors.greenhouse import GreenhouseSimulator
from shared import telemetry
from shared.composition import Services
from shared.errors import InvalidInput
from shared.intake.secrets import WebhookSecrets
from shared.integrations.lifecycle import Integrations
from shared.integrations.preferences import check_preference, prefer_always
from shared.model import EntityType
from tests.integration.api.calling import Caller, Reply
from tests.integration.api.conftest import Company

Query = Callable[..., list[tuple[Any, ...]]]

COLUMNS = {
    "id", "company_id", "platform", "api_base_url", "webhook_url", "sync_enabled", "sync_roles", "sync_candidates",
    "sync_applications", "config", "last_synced_at", "created_at", "updated_at",
}  # fmt: skip


async def connect(admin: Caller, company: Company, connection: dict[str, Any]) -> dict[str, Any]:
    created = await admin("POST", f"/api/companies/{company.id}/integrations", connection)
    assert created.status == 201, created.text
    body: dict[str, Any] = created.body
    return body


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


async def test_new_credentials_that_the_vendor_refuses_change_nothing(
    admin: Caller, company: Company, connection: dict[str, Any], query: Query
) -> None:
    created = await connect(admin, company, connection)
    before = query("SELECT to_jsonb(i) FROM integrations i")
    path = f"/api/integrations/{created['id']}"
    reply = await admin("PATCH", path, {"config": {"client_secret": "wrong"}, "name": "Renamed"})
    assert reply.status == 422, reply.text
    assert "wrong" not in reply.text
    assert query("SELECT to_jsonb(i) FROM integrations i") == before


async def test_new_credentials_that_work_replace_the_old_ones(
    services: Services, admin: Caller, company: Company, connection: dict[str, Any], greenhouse: GreenhouseSimulator
) -> None:
    created = await connect(admin, company, connection)
    path = f"/api/integrations/{created['id']}"
    fresh = "a-new-harvest-key-of-the-same-account"
    greenhouse.settings.client_secret = fresh
    reply = await admin("PATCH", path, {"config": {"client_secret": fresh}}, headers={"if-match": '"1"'})
    assert reply.status == 200, reply.text
    assert reply.body["version"] == 2
    assert reply.body["credentials"]["client_secret"].endswith(fresh[-4:])
    report = await admin("POST", f"{path}/test")
    assert report.body["ok"] is True
    assert services.settings.auth_jwt_secret is not None


async def test_stored_credentials_are_sent_to_no_new_address_and_the_attempt_leaves_a_trace(
    admin: Caller, company: Company, connection: dict[str, Any], query: Query
) -> None:
    created = await connect(admin, company, connection)
    before = query("SELECT to_jsonb(i) FROM integrations i")
    path = f"/api/integrations/{created['id']}"
    calls: list[str] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(take, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        elsewhere = f"http://127.0.0.1:{port}/t"
        with telemetry.captured() as events:
            for body in ({"config": {"token_url": elsewhere}}, {"api_base_url": elsewhere}):
                refused = await admin("PATCH", path, body)
                assert (refused.status, refused.body["field"]) == (422, "api_key"), refused.text
                assert refused.body["remedy"] == "send the credentials together with the new address"
        assert calls == []
        told = [each.fields for each in events if each.event == "connection_refused"]
        assert [(each["host"], each["integration_id"]) for each in told] == [("127.0.0.1", created["id"])] * 2
        both = {"api_key": "k", "config": {"client_secret": "given-anew", "token_url": elsewhere}}
        with telemetry.captured() as events:
            assert (await admin("PATCH", path, both)).status == 422
        assert calls, "what came with the address may be tried there"
        assert [each.fields["hosts"] for each in events if each.event == "connection_tried"] == [["127.0.0.1"]]
    assert query("SELECT to_jsonb(i) FROM integrations i") == before


async def test_schedules_are_part_of_the_version(admin: Caller, company: Company, connection: dict[str, Any]) -> None:
    path = f"/api/integrations/{(await connect(admin, company, connection))['id']}"
    body = {"schedules": [{"entity": "candidate", "every_s": 600}]}
    first = await admin("PATCH", path, body, headers={"if-match": '"1"'})
    assert (first.status, first.headers["etag"]) == (200, '"2"')
    second = await admin("PATCH", path, body, headers={"if-match": '"1"'})
    assert (second.status, second.body["code"]) == (412, "stale_version")


async def test_a_secret_that_is_too_long_is_refused_by_name(
    admin: Caller, company: Company, connection: dict[str, Any]
) -> None:
    path = f"/api/integrations/{(await connect(admin, company, connection))['id']}"
    reply = await admin("PATCH", path, {"config": {"client_secret": "x" * 50_000}})
    assert (reply.status, reply.body["field"]) == (422, "config.client_secret")
    reply = await admin("POST", f"/api/companies/{company.id}/integrations", {
        **connection, "config": {**connection["config"], "client_secret": "x" * 50_000},
    })  # fmt: skip
    assert (reply.status, reply.body["field"]) == (422, "config.client_secret")


async def test_a_change_based_on_an_older_version_is_refused(
    admin: Caller, company: Company, connection: dict[str, Any]
) -> None:
    path = f"/api/integrations/{(await connect(admin, company, connection))['id']}"
    assert (await admin("PATCH", path, {"name": "One"}, headers={"if-match": '"1"'})).status == 200
    stale = await admin("PATCH", path, {"name": "Two"}, headers={"if-match": '"1"'})
    assert (stale.status, stale.body["code"]) == (412, "stale_version")
    assert (await admin("PATCH", path, {"name": "Two"}, headers={"if-match": "one"})).status == 422
    assert (await admin("GET", path)).body["name"] == "One"


async def test_a_rotation_keeps_the_old_webhook_secret_for_a_day(
    services: Services, admin: Caller, company: Company, connection: dict[str, Any], query: Query
) -> None:
    created = await connect(admin, company, connection)
    reply = await admin("PATCH", f"/api/integrations/{created['id']}", {"rotate_webhook_secret": True})
    assert reply.body["webhook_secret"] != created["webhook_secret"]
    ((sealed, version),) = query("SELECT webhook_secret_sealed, webhook_secrets_version FROM integrations")
    kept = WebhookSecrets.from_json(services.sealer.open(sealed, integration_id=created["id"]))
    assert (kept.current, kept.previous) == (reply.body["webhook_secret"], created["webhook_secret"])
    assert kept.previous_until is not None
    assert version == 2
    ((requested,),) = query("SELECT requested_seq FROM sync_queue WHERE action = 'publish_webhook_state'")
    assert requested == 2


async def pending(admin: Caller, path: str) -> Reply:
    return await admin("POST", f"{path}/sync", {"direction": "inbound"})


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


async def test_who_wins_is_said_by_unit_and_a_fault_names_it(
    admin: Caller, company: Company, connection: dict[str, Any]
) -> None:
    config = {**connection["config"], "policies": {"candidate": {"tags": "append"}}, "first_link": "integration"}
    path = f"/api/integrations/{(await connect(admin, company, {**connection, 'config': config}))['id']}"
    policies = {"candidate": {"phone": {"policy": "lww", "loosen": True}}}
    reply = await admin("PATCH", path, {"config": {"policies": policies, "first_link": None}})
    assert reply.body["config"]["policies"] == policies
    assert "first_link" not in reply.body["config"]
    refused = await admin("PATCH", path, {"config": {"policies": {"candidate": {"phone": "lww"}}}})
    assert (refused.status, refused.body["field"]) == (422, "config.policies.candidate.phone")
    assert '"loosen": true' in refused.body["remedy"]
    assert (await admin("GET", path)).body["config"]["policies"] == policies
    faulty = {**connection, "config": {**connection["config"], "first_link": "greenhouse"}}
    unmade = await admin("POST", f"/api/companies/{company.id}/integrations", faulty)
    assert (unmade.status, unmade.body["field"]) == (422, "config.first_link")


async def test_one_integration_alone_has_the_last_word_on_a_unit(
    admin: Caller, company: Company, connection: dict[str, Any], services: Services
) -> None:
    """Two would overwrite each other through us: the second is refused, made or changed, until the first lets go."""
    policies = {"application": {"stage": {"policy": "authority", "authority": "integration"}}}
    wanted = {**connection, "config": {**connection["config"], "policies": policies}}
    first = await connect(admin, company, {**wanted, "name": "Sales"})
    unmade = await admin("POST", f"/api/companies/{company.id}/integrations", wanted)
    assert (unmade.status, unmade.body["field"]) == (422, "config.policies.application.stage")
    assert "'Sales'" in unmade.body["detail"]

    second = await connect(admin, company, connection)
    path = f"/api/integrations/{second['id']}"
    refused = await admin("PATCH", path, {"config": {"policies": policies}})
    assert (refused.status, refused.body["field"]) == (422, "config.policies.application.stage")
    portal = {"application": {"stage": {"policy": "authority", "authority": "portal"}}}
    assert (await admin("PATCH", path, {"config": {"policies": portal}})).status == 200

    async def check(unit: str, sides: list[str]) -> None:
        ids = [UUID(each) for each in sides]
        await check_preference(
            services.database, company.id, EntityType.APPLICATION, unit, sides=ids, winner=UUID(second["id"])
        )

    await check("status", [second["id"]])
    await check("stage", [second["id"], first["id"]])
    with pytest.raises(InvalidInput, match="Sales"):
        await check("stage", [second["id"]])

    # A preference for the second takes the last word from the first before it gives it.
    sides = [UUID(each["id"]) for each in (second, first)]
    integrations = Integrations.of(services)
    await prefer_always(integrations, company.id, EntityType.APPLICATION, "stage", sides=sides, winner=sides[0])
    shown = [(await admin("GET", f"/api/integrations/{each}")).body["config"]["policies"] for each in sides]
    assert [each["application"]["stage"]["authority"] for each in shown] == ["integration", "portal"]


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
