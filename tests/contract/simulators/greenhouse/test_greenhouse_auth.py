"""Tokens, scopes, keys and limits (docs/vendors/greenhouse.md, sections 2 and 4)."""

from __future__ import annotations

import time
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from sandbox.vendors.greenhouse import GreenhouseSimulator, Settings
from sandbox.vendors.greenhouse.webhooks import tls


async def ask_token(greenhouse: GreenhouseSimulator, **form: str) -> httpx.Response:
    settings = greenhouse.settings
    async with httpx.AsyncClient(trust_env=False, verify=tls()) as client:
        return await client.post(
            f"{greenhouse.base_url}/token",
            auth=(settings.client_id, form.pop("secret", settings.client_secret)),
            data={"grant_type": "client_credentials"} | form,
        )


async def list_users(greenhouse: GreenhouseSimulator, token: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False, verify=tls()) as client:
        return await client.get(f"{greenhouse.base_url}/v3/users", headers={"Authorization": f"Bearer {token}"})


async def test_a_token_has_a_jwts_looks_and_an_expiry_with_offset(
    greenhouse: GreenhouseSimulator,
) -> None:  # 2.1, 2.2
    granted = (await ask_token(greenhouse)).json()
    assert granted["access_token"].count(".") == 2
    expires_at = datetime.fromisoformat(granted["expires_at"])
    assert "expires_in" not in granted
    assert expires_at.utcoffset() is not None
    assert 3590 < expires_at.timestamp() - time.time() <= 3600
    assert (await list_users(greenhouse, granted["access_token"])).status_code == 200


@pytest.mark.parametrize(
    ("form", "status", "code"),
    [
        ({"secret": "wrong"}, 401, "invalid_client"),
        ({"sub": "99999999"}, 400, "invalid_grant"),
        ({"sub": "ada"}, 400, "invalid_grant"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
)
async def test_the_token_service_refuses(
    lasting: GreenhouseSimulator, form: dict[str, str], status: int, code: str
) -> None:  # 2.1, 2.3
    answer = await ask_token(lasting, **form)
    assert (answer.status_code, answer.json()) == (status, {"error": code})


async def test_an_old_token_is_refused_and_its_write_not_done(
    greenhouse: GreenhouseSimulator, v3: httpx.AsyncClient
) -> None:  # 2.2
    candidate_id = greenhouse.simulator.account["candidates"].ids()[0]
    before = greenhouse.simulator.account.fetch("candidates", candidate_id)
    greenhouse.settings.clock_offset_s = 3601
    answer = await v3.patch(f"/candidates/{candidate_id}", json={"title": "Late"})
    assert answer.status_code == 401
    assert greenhouse.simulator.account.fetch("candidates", candidate_id) == before


async def test_basic_is_no_way_into_v3(greenhouse: GreenhouseSimulator) -> None:  # 2.2
    async with httpx.AsyncClient(trust_env=False, verify=tls()) as client:
        answer = await client.get(f"{greenhouse.base_url}/v3/users", auth=(greenhouse.settings.api_key, ""))
    assert answer.status_code == 401


async def test_only_site_admins_list(greenhouse: GreenhouseSimulator) -> None:  # 2.5
    users = list(greenhouse.simulator.account["users"])
    plain = next(u for u in users if not u["site_admin"] and not u["deactivated"])
    token = (await ask_token(greenhouse, sub=str(plain["id"]))).json()["access_token"]
    assert (await list_users(greenhouse, token)).status_code == 403
    gone = next(u for u in users if u["deactivated"])
    assert (await ask_token(greenhouse, sub=str(gone["id"]))).status_code == 400


async def test_a_scope_taken_away_closes_its_endpoint_alone(
    v3: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:  # 2.5
    await control.patch("/access", json={"denied_scopes": ["harvest:candidates:list"]})
    assert (await v3.get("/candidates")).status_code == 403
    assert (await v3.get("/applications")).status_code == 200


async def test_private_candidates_vanish_without_the_permission(
    greenhouse: GreenhouseSimulator, v3: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:  # 2.5
    candidate_id = greenhouse.simulator.account["candidates"].ids()[0]
    await control.patch(f"/candidates/{candidate_id}", json={"private": True})
    assert (await v3.get(f"/candidates/{candidate_id}")).json()["private"] is True
    await control.patch("/access", json={"sees_private": False})
    listed = (await v3.get("/candidates", params={"per_page": 500})).json()
    assert listed
    assert candidate_id not in [row["id"] for row in listed]
    assert (await v3.get(f"/candidates/{candidate_id}")).status_code == 403


async def test_the_old_secret_works_beside_the_new_for_a_week(
    greenhouse: GreenhouseSimulator, control: httpx.AsyncClient
) -> None:  # 2.4
    old = greenhouse.settings.client_secret
    new = (await control.post("/access/rotate_secret")).json()["client_secret"]
    assert (await ask_token(greenhouse, secret=old)).status_code == 200
    assert (await ask_token(greenhouse, secret=new)).status_code == 200
    greenhouse.settings.clock_offset_s = 8 * 24 * 3600
    assert (await ask_token(greenhouse, secret=old)).status_code == 401


async def test_an_authorization_code_works_once_and_refreshing_rotates(
    greenhouse: GreenhouseSimulator,
) -> None:  # 2.3
    asked = {
        "client_id": greenhouse.settings.client_id,
        "redirect_uri": "http://127.0.0.1/back",
        "response_type": "code",
        "state": "s",
    }
    async with httpx.AsyncClient(trust_env=False, verify=tls()) as client:
        sent_back = await client.get(f"{greenhouse.base_url}/authorize", params=asked)
    query = parse_qs(urlsplit(sent_back.headers["location"]).query)
    assert query["state"] == ["s"]
    form = {
        "grant_type": "authorization_code",
        "code": query["code"][0],
        "redirect_uri": asked["redirect_uri"],
    }
    granted: dict[str, Any] = (await ask_token(greenhouse, **form)).json()
    assert (await list_users(greenhouse, granted["access_token"])).status_code == 200
    assert (await ask_token(greenhouse, **form)).json() == {"error": "invalid_grant"}
    renewing = {"grant_type": "refresh_token", "refresh_token": granted["refresh_token"]}
    renewed = (await ask_token(greenhouse, **renewing)).json()
    assert renewed["refresh_token"] != granted["refresh_token"]
    assert (await ask_token(greenhouse, **renewing)).json() == {"error": "invalid_grant"}


async def test_a_code_is_stale_after_a_minute(greenhouse: GreenhouseSimulator) -> None:  # 2.3
    code = greenhouse.simulator.authority.authorize(1201, "http://127.0.0.1/back")
    greenhouse.settings.clock_offset_s = 61
    answer = await ask_token(
        greenhouse,
        grant_type="authorization_code",
        code=code,
        redirect_uri="http://127.0.0.1/back",
    )
    assert answer.json() == {"error": "invalid_grant"}


async def test_the_window_is_told_and_enforced(
    greenhouse: GreenhouseSimulator, v3: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:  # 4.1
    settings = greenhouse.settings
    settings.limiter, settings.window_limit, settings.window_s = True, 3, 3600
    answers = [await v3.get("/users") for _ in range(4)]
    assert [a.status_code for a in answers] == [200, 200, 200, 429]
    assert [a.headers["X-RateLimit-Remaining"] for a in answers] == ["2", "1", "0", "0"]
    assert {a.headers["X-RateLimit-Limit"] for a in answers} == {"3"}
    resets_in = int(answers[3].headers["X-RateLimit-Reset"]) - time.time()
    assert abs(int(answers[3].headers["Retry-After"]) - resets_in) <= 1
    counters = (await control.get("/counters")).json()
    assert counters["throttled"] == 1
    assert [w["used"] for w in counters["windows"] if w["limiter"] == "v3"] == [3]
    settings.clock_offset_s = resets_in + 1
    assert (await v3.get("/users")).status_code in {200, 401}


@pytest.mark.parametrize("offset_s", [0.0, 3600.0, -86_400.0])
async def test_every_answer_is_dated_by_the_accounts_own_clock(
    greenhouse: GreenhouseSimulator, v3: httpx.AsyncClient, offset_s: float
) -> None:
    greenhouse.settings.clock_offset_s = offset_s
    for path in ("/users", "/no_such_thing"):
        before = time.time()
        answer = await v3.get(path)
        (date,) = answer.headers.get_list("date")
        ahead = parsedate_to_datetime(date).timestamp() - offset_s
        assert int(before) <= ahead <= time.time()


async def test_a_new_window_opens_on_the_clock(greenhouse: GreenhouseSimulator, v3: httpx.AsyncClient) -> None:  # 4.1
    settings = greenhouse.settings
    settings.limiter, settings.window_limit = True, 1
    assert (await v3.get("/users")).status_code == 200
    assert (await v3.get("/users")).status_code == 429
    settings.clock_offset_s = 30
    assert (await v3.get("/users")).status_code == 200


async def test_the_token_service_has_a_window_of_its_own(
    greenhouse: GreenhouseSimulator,
) -> None:  # 4.3
    greenhouse.settings.limiter = True
    greenhouse.settings.token_window_limit = 1
    greenhouse.settings.token_window_s = 3600
    assert (await ask_token(greenhouse)).status_code == 200
    assert (await ask_token(greenhouse)).status_code == 429


async def test_v1_wants_the_key_with_its_colon_and_a_user_for_writes(
    greenhouse: GreenhouseSimulator, v1: httpx.AsyncClient
) -> None:  # 2.6
    assert (await v1.get("/users")).status_code == 200
    assert (await v1.get("/users", auth=("wrong", ""))).status_code == 401
    assert (await v1.get("/users", auth=(greenhouse.settings.api_key, "x"))).status_code == 401
    path = f"/candidates/{greenhouse.simulator.account['candidates'].ids()[0]}"
    refused = await v1.patch(path, json={"title": "x"}, headers={"On-Behalf-Of": "0"})
    assert refused.status_code == 403
    assert (await v1.patch(path, json={"title": "x"})).status_code == 200
    assert (await v1.request("GET", "/users", content=b"{}")).status_code == 403


def test_the_admin_token_is_never_taken_for_an_option() -> None:
    """`python -m sandbox seed --admin-token -…` would fail: one random token of 64 began with a dash."""
    assert all(Settings().admin_token.isalnum() for _ in range(200))
