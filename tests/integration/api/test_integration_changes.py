"""What is changed of an integration, by the API: credentials and secrets, schedules, and who wins."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from sandbox.vendors.greenhouse import GreenhouseSimulator
from shared import telemetry
from shared.composition import Services
from shared.errors import InvalidInput
from shared.intake.secrets import WebhookSecrets
from shared.integrations.lifecycle import Integrations
from shared.integrations.preferences import check_preference, prefer_always
from shared.model import EntityType
from tests.integration.api.calling import Caller
from tests.integration.api.conftest import Company, Query
from tests.integration.api.connecting import connect


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
