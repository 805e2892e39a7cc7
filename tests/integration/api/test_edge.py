"""What every endpoint shares: who may call, what is refused, what every answer carries."""

from __future__ import annotations

import base64
import re
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import azure.functions as func
import orjson
import psycopg
import pytest
from psycopg import sql

from functions.edge import ENDPOINTS, Call
from shared import telemetry
from shared.composition import Services
from shared.security.identity import Role, mint_token
from shared.store.tokens import Tokens
from tests.fixtures.postgres import Database
from tests.integration.api.calling import Caller, http_functions
from tests.integration.api.conftest import SECRET, Company, Query


async def test_without_a_token_nothing_is_told(services: Services, company: Company) -> None:
    for caller in (Caller(None), Caller("rubbish"), Caller("a.b.c")):
        reply = await caller("GET", f"/api/companies/{company.id}/integrations")
        assert (reply.status, reply.body["code"]) == (401, "unauthenticated")
        assert reply.headers["www-authenticate"] == "Bearer"


async def test_a_revoked_token_ends_at_once(services: Services, company: Company) -> None:
    minted = mint_token(
        SECRET, subject="jo", company_id=company.id, role=Role.ADMIN, issuer="liaison", audience="liaison",
        lifetime=timedelta(hours=1),
    )  # fmt: skip
    caller, token_id = Caller(minted.token), UUID(minted.token_id)
    async with services.database.company(company.id) as tx:
        await Tokens().add(tx, token_id, role="admin", subject="jo", expires_at=minted.expires_at)
    assert (await caller("GET", "/api/platforms")).status == 200
    async with services.database.company(company.id) as tx:
        await Tokens().revoke(tx, token_id)
    assert (await caller("GET", "/api/platforms")).status == 401


@pytest.mark.parametrize(
    ("role", "method", "path"),
    [
        (Role.VIEWER, "POST", "/api/candidates"),
        (Role.OPS, "GET", "/api/candidates"),
        (Role.RECRUITER, "GET", "/api/dead-letters"),
        (Role.DATA_MANAGER, "POST", "/api/companies/{company}/integrations"),
    ],
)
async def test_a_role_that_may_not_is_told_so(company: Company, role: Role, method: str, path: str) -> None:
    reply = await company.as_(role)(method, path.format(company=company.id), {})
    assert (reply.status, reply.body["code"]) == (403, "forbidden")


async def test_every_answer_carries_the_requests_id(admin: Caller, company: Company) -> None:
    own = await admin("GET", "/api/platforms", headers={"x-request-id": "portal-4711.a"})
    assert own.headers["x-request-id"] == "portal-4711.a"
    for given in ("", "short", "with blanks and\nlines", "x" * 65):
        reply = await admin("GET", "/api/candidates/7", headers={"x-request-id": given})
        assert reply.headers["x-request-id"] != given
        assert reply.body["request_id"] == reply.headers["x-request-id"]
        assert reply.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("raw", [b"{", b"[]", b'"text"', b"\xff\xfe", b"nul"])
async def test_a_body_that_is_no_json_object_is_refused(admin: Caller, company: Company, raw: bytes) -> None:
    reply = await admin("POST", "/api/candidates", raw=raw)
    assert (reply.status, reply.body["code"]) == (400, "malformed_json")


async def test_a_nul_is_refused_by_its_path_wherever_it_stands(admin: Caller, company: Company) -> None:
    """PostgreSQL stores none; unnoticed until then, it would be our failure."""
    for path, field in (
        ("/api/candidates?search=a%00b", "search"),
        ("/api/applications?stage=%00", "stage"),
        ("/api/candidates?email=%00@example.org", "email"),
    ):
        reply = await admin("GET", path)
        assert (reply.status, reply.body["field"]) == (422, field)
    connection = {"platform": "greenhouse", "api_key": "k", "config": {"notes": ["a", {"b": "c\0"}]}}
    reply = await admin("POST", f"/api/companies/{company.id}/integrations", connection)
    assert (reply.status, reply.body["field"]) == (422, "config.notes.1.b")
    spelled = await admin("POST", "/api/candidates", {"last_name": "\\u0000", "email": "a@example.org"})
    assert (spelled.status, spelled.body["last_name"]) == (201, "\\u0000"), "the spelling of one is none"


async def test_no_function_takes_a_query_item_that_it_does_not_know(admin: Caller, company: Company) -> None:
    """`?dryrun=true` was a dry run to whoever wrote it, and `?as_of=` a moment."""
    for function in http_functions():
        if function.name not in ENDPOINTS:
            continue  # open to all: health, and the webhook, whose vendor may add what it likes
        path = re.sub(r"{\w+}", str(uuid4()), function.route)
        reply = await admin(function.method, f"/{path}?dryrun=true")
        assert (reply.status, reply.body.get("field")) == (422, "dryrun"), function.name
        assert reply.body["remedy"]


async def test_an_item_of_another_lists_is_refused_as_well(admin: Caller, company: Company) -> None:
    for path, field in (
        ("/api/jobs?stage=Offer", "stage"),
        ("/api/platforms?cursor=x", "cursor"),
        (f"/api/candidates/{uuid4()}?as_of=2026-01-01T00:00:00Z", "as_of"),
        (f"/api/candidates/{uuid4()}/history?cursor=x", "cursor"),
    ):
        reply = await admin("GET", path)
        assert (reply.status, reply.body["field"]) == (422, field), path


def test_what_an_endpoint_has_not_declared_it_can_not_read() -> None:
    call = Call(func.HttpRequest("GET", "/api/jobs", body=b"", params={}), None, None, "r", frozenset({"at"}))  # type: ignore[arg-type]
    assert call.item("at") is None
    with pytest.raises(LookupError, match="since"):
        call.moment("since")


async def test_a_cursor_that_is_no_moment_of_ours_is_refused(admin: Caller) -> None:
    forged = base64.urlsafe_b64encode(orjson.dumps(["0001-01-01T00:00:00+14:00", str(uuid4())])).decode().rstrip("=")
    reply = await admin("GET", f"/api/candidates?cursor={forged}")
    assert (reply.status, reply.body["field"]) == (422, "cursor")


async def test_a_body_beyond_a_mebibyte_is_refused(admin: Caller, company: Company, query: Query) -> None:
    reply = await admin("POST", "/api/candidates", {"first_name": "x" * (1024 * 1024)})
    assert (reply.status, reply.body["code"]) == (413, "body_too_large")
    assert query("SELECT count(*) FROM records") == [(0,)]


async def test_our_own_failure_is_told_without_its_cause(admin: Caller, company: Company, query: Query) -> None:
    query("ALTER TABLE conflicts RENAME TO conflicts_gone")
    reply = await admin("GET", "/api/conflicts")
    assert (reply.status, reply.body["code"]) == (500, "internal_error")
    assert "conflicts" not in reply.text


async def test_our_own_failure_is_in_the_log_under_the_id_that_was_told(
    services: Services, admin: Caller, company: Company, connection: dict[str, Any], query: Query
) -> None:
    created = await admin("POST", f"/api/companies/{company.id}/integrations", connection)
    query("UPDATE integrations SET api_key_encrypted = webhook_secret_sealed || 'x'")
    with telemetry.captured() as events:
        reply = await admin("POST", f"/api/integrations/{created.body['id']}/preview", {})
    assert (reply.status, reply.body["code"]) == (500, "internal_error")
    (failed,) = (each for each in events if each.event == "request_failed")
    assert (failed.level, failed.fields["code"]) == ("error", "seal_broken")
    assert failed.fields["request_id"] == reply.body["request_id"]


async def test_a_database_that_is_away_is_our_trouble_and_passes(
    admin: Caller, company: Company, database: Database
) -> None:
    with psycopg.connect(database.server.dsn(), autocommit=True) as link:
        link.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(database.name)))
        link.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database.name])
    reply = await admin("GET", "/api/conflicts")
    assert (reply.status, reply.body["code"]) == (503, "unavailable")
    assert int(reply.headers["retry-after"]) > 0
    health = await Caller(None)("GET", "/health")
    assert (health.status, health.body["problems"]) == (503, ["database_unreachable"])


def test_every_http_function_has_a_permission_or_is_open_by_design() -> None:
    from shared.security.permissions import PERMISSIONS, PUBLIC

    names = {function.name for function in http_functions()}
    assert names == set(ENDPOINTS) | PUBLIC
    assert set(ENDPOINTS.values()) == set(PERMISSIONS)


async def test_an_unknown_company_is_404(admin: Caller, company: Company) -> None:
    assert (await admin("GET", f"/api/companies/{uuid4()}/integrations")).status == 404
    assert (await admin("POST", "/api/companies/7/integrations", {})).status == 404
