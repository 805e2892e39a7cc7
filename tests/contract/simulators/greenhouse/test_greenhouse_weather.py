"""Faults, the log, the control plane and the generator (docs/vendors/greenhouse.md, section 13)."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
import unicodedata
from typing import Any

import httpx
import pytest

from sandbox.vendors.greenhouse import GreenhouseSimulator, Settings, organisation, people
from sandbox.vendors.greenhouse.account import Account
from sandbox.vendors.greenhouse.webhooks import tls
from tests.fixtures.waiting import GENEROUS_S, until


def filled(count: int, seed: int) -> Account:
    account = Account(Settings(people=count, seed=seed))
    organisation.build(account, jobs=None)
    people.fill(account, count)
    return account


def contents(account: Account) -> dict[str, list[dict[str, Any]]]:
    return {name: list(table) for name, table in account.tables.items()}


async def fault(control: httpx.AsyncClient, **rule: Any) -> None:
    assert (await control.post("/faults", json=rule)).status_code == 201


async def test_errors_and_throttles_come_as_ordered_and_do_nothing(
    greenhouse: GreenhouseSimulator, v3: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    row = greenhouse.simulator.account.fetch("candidates", greenhouse.simulator.account["candidates"].ids()[0])
    path = f"/candidates/{row['id']}"
    await fault(control, kind="error", status=503, method="PATCH", after=1, times=2)
    await fault(control, kind="throttle", seconds=7, path="/v3/candidates")
    statuses = [(await v3.patch(path, json={"title": str(n)})).status_code for n in range(4)]
    assert statuses == [200, 503, 503, 200]
    assert (await v3.get(path)).json()["title"] == "3"
    throttled = await v3.get("/candidates")
    assert (throttled.status_code, throttled.headers["Retry-After"]) == (429, "7")
    assert (await v3.get("/candidates")).status_code == 200
    await fault(control, kind="throttle", seconds=None)
    assert "Retry-After" not in (await v3.get("/candidates")).headers


async def test_a_lost_answer_leaves_the_write_done(
    greenhouse: GreenhouseSimulator, v3: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    candidate_id = greenhouse.simulator.account["candidates"].ids()[0]
    await fault(control, kind="lost_answer", method="PATCH", seconds=30)
    unanswered = asyncio.create_task(v3.patch(f"/candidates/{candidate_id}", json={"title": "Done"}))

    async def is_done() -> bool:
        return bool((await v3.get(f"/candidates/{candidate_id}")).json()["title"] == "Done")

    await until(is_done)
    assert not unanswered.done()
    unanswered.cancel()
    await fault(control, kind="lost_answer", method="PATCH", seconds=0)
    with pytest.raises(httpx.RemoteProtocolError):
        await v3.patch(f"/candidates/{candidate_id}", json={"title": "Done again"})
    assert (await v3.get(f"/candidates/{candidate_id}")).json()["title"] == "Done again"


async def test_a_write_that_is_ignored_is_answered_and_changes_nothing(
    greenhouse: GreenhouseSimulator, v3: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    account = greenhouse.simulator.account
    before = account.fetch("candidates", account["candidates"].ids()[0])
    await fault(control, kind="ignore", method="PATCH")
    answer = await v3.patch(f"/candidates/{before['id']}", json={"title": "Another"})
    assert (answer.status_code, answer.json()) == (200, {})
    assert account.fetch("candidates", before["id"]) == before


async def test_bodies_are_cut_truncated_emptied_and_replaced(v3: httpx.AsyncClient, control: httpx.AsyncClient) -> None:
    await fault(control, kind="cut")
    with pytest.raises(httpx.RemoteProtocolError):
        await v3.get("/candidates")
    await fault(control, kind="truncate")
    with pytest.raises(json.JSONDecodeError):
        (await v3.get("/candidates")).json()
    await fault(control, kind="empty")
    emptied = await v3.get("/candidates?per_page=3")
    assert (emptied.status_code, emptied.json(), dict(emptied.links)) == (200, [], {})
    await fault(control, kind="not_json")
    assert (await v3.get("/candidates")).text.startswith("<html>")
    await fault(control, kind="stuck_cursor", times=None)
    page = await v3.get("/candidates?per_page=3")
    assert page.links["next"]["url"] == str(page.url)
    assert (await control.delete("/faults")).status_code == 204
    assert (await v3.get("/candidates?per_page=3")).links["next"]["url"] != str(page.url)


async def test_latency_delays_the_answer(v3: httpx.AsyncClient, control: httpx.AsyncClient) -> None:
    await fault(control, kind="latency", seconds=0.3)
    started = time.monotonic()
    assert (await v3.get("/users")).status_code == 200
    assert time.monotonic() - started >= 0.3


async def test_the_log_tells_each_request_and_the_body_of_writes(
    greenhouse: GreenhouseSimulator, v3: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    await control.delete("/requests")
    path = f"/candidates/{greenhouse.simulator.account['candidates'].ids()[0]}"
    await v3.get("/candidates", params={"per_page": 3})
    await v3.patch(path, json={"title": "x"})
    entries = (await control.get("/requests")).json()
    assert [(e["method"], e["path"], e["query"], e["status"]) for e in entries] == [
        ("GET", "/v3/candidates", "per_page=3", 200),
        ("PATCH", f"/v3{path}", "", 200),
    ]
    assert json.loads(entries[1]["body"]) == {"title": "x"}
    assert entries[0]["body"] is None
    assert [e["number"] for e in (await control.get("/requests?since=1")).json()] == [2]
    assert (await control.get("/counters")).json()["requests"] == 2


async def test_the_control_plane_wants_its_token(greenhouse: GreenhouseSimulator) -> None:
    async with httpx.AsyncClient(base_url=greenhouse.base_url, trust_env=False, verify=tls()) as client:
        assert (await client.get("/_control/state")).status_code == 401
        wrong = {"Authorization": f"Bearer {greenhouse.settings.api_key}"}
        assert (await client.get("/_control/state", headers=wrong)).status_code == 401


async def test_the_state_can_be_read_whole(greenhouse: GreenhouseSimulator, control: httpx.AsyncClient) -> None:
    state = (await control.get("/state")).json()
    assert state == contents(greenhouse.simulator.account)
    assert (await control.get("/state/jobs")).json() == state["jobs"]
    assert (await control.get("/state/nothing")).status_code == 404


async def test_a_recruiter_may_set_any_field_of_any_record(
    greenhouse: GreenhouseSimulator, v3: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    candidate_id = greenhouse.simulator.account["candidates"].ids()[0]
    path = f"/candidates/{candidate_id}"
    before = (await v3.get(path)).json()
    odd = {
        "first_name": None,
        "email_addresses": [{"value": None, "type": "??"}],
        "custom_fields.notice_period": "3 months",
        "tags": ["one", "two"],
        "unheard_of": 1,
    }
    assert (await control.patch(path, json=odd)).status_code == 200
    after = (await v3.get(path)).json()
    assert after["first_name"] is None
    assert after["email_addresses"] == odd["email_addresses"]
    assert after["custom_fields"]["notice_period"]["value"] == "3 months"
    assert (after["tags"], after["unheard_of"]) == (["one", "two"], 1)
    assert after["updated_at"] > before["updated_at"]
    backdated = {"title": "Old", "updated_at": "2020-01-01T00:00:00+02:00"}
    await control.patch(path, json=backdated)
    assert (await v3.get(path)).json()["updated_at"] == backdated["updated_at"]
    assert (await control.patch(path, json={"id": 1})).status_code == 422
    source = greenhouse.simulator.account["sources"].ids()[0]
    await control.patch(f"/sources/{source}", json={"name": "Renamed"})
    assert (await v3.get(f"/sources/{source}")).json()["name"] == "Renamed"
    assert (await control.post("/offices", json={"name": "New"})).status_code == 201


async def test_settings_change_by_name_and_type(control: httpx.AsyncClient) -> None:
    shown = (await control.patch("/settings", json={"window_s": 2, "limiter": True})).json()
    assert (shown["window_s"], shown["limiter"]) == (2, True)
    assert "client_secret" not in shown
    for wrong in ({"window_s": "2"}, {"limiter": 1}, {"nonsense": 1}, {"seed": 3}, {"legacy": "x"}):
        assert (await control.patch("/settings", json=wrong)).status_code == 422, wrong


async def test_filling_adds_people(greenhouse: GreenhouseSimulator, control: httpx.AsyncClient) -> None:
    counts = (await control.post("/fill", json={"people": 25})).json()
    assert counts["candidates"] == 65
    assert len(greenhouse.simulator.account["candidates"]) == 65


def test_the_same_seed_makes_the_same_people() -> None:
    first = contents(filled(150, seed=3))
    assert first == contents(filled(150, seed=3))
    assert first["candidates"] != contents(filled(150, seed=4))["candidates"]


def test_people_are_awkward_and_whole() -> None:
    account = filled(3000, seed=1)
    rows = list(account["candidates"])
    names = [row["first_name"] or "" for row in rows]
    assert sum(len(account["candidates"].raw(row["id"]) or b"") for row in rows) / 3000 > 2500
    assert any(unicodedata.normalize("NFC", name) != name for name in names)
    assert any(len(name) == 300 for name in names)
    assert any(row["first_name"] is None and row["last_name"] is None for row in rows)
    assert any("🦄" in name for name in names)
    assert any(unicodedata.bidirectional(name[:1] or "x") in {"R", "AL"} for name in names)
    assert any(row["first_name"] == "Anonymized" for row in rows)
    assert any(row["private"] for row in rows)
    assert any(not row["email_addresses"] for row in rows)
    addresses = [e["value"].casefold() for row in rows for e in row["email_addresses"]]
    assert "" in addresses
    assert len(set(addresses)) < len(addresses)
    assert any(row["updated_at"].endswith("+00:00") for row in rows)
    assert any("." not in row["updated_at"] for row in rows)
    assert min(row["id"] for row in rows) < 2**32 < account["applications"].ids()[0]
    kinds = {field["type"] for row in rows for field in row["custom_fields"].values()}
    assert len(kinds) == 13  # one of them is no type of the documents
    applications = list(account["applications"])
    assert {"in_process", "rejected", "hired", "converted"} == {a["status"] for a in applications}
    assert any(a["prospect"] and not a["prospective_job_ids"] for a in applications)
    for application in applications:
        assert application["candidate_id"] in account["candidates"]
        standing = application["status"] == "in_process" and not application["prospect"]
        assert (application["stage_id"] is not None) == standing
        visits = account["application_stages"].rows("application_id", application["id"])
        assert [v["id"] for v in visits if v["current"]] == [application["stage_id"]] * standing
    assert {"draft", "open", "closed"} == {job["status"] for job in account["jobs"]}
    assert any(job["is_template"] for job in account["jobs"])


async def test_the_command_prints_its_addresses_and_ends_on_sigterm() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "sandbox.vendors.greenhouse", "--json", "--people", "3", "--no-limiter"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), timeout=GENEROUS_S)
        addresses = json.loads(line)
        async with httpx.AsyncClient(trust_env=False, verify=tls()) as client:
            token = await client.post(
                addresses["token_url"],
                auth=(addresses["client_id"], addresses["client_secret"]),
                data={"grant_type": "client_credentials", "sub": str(addresses["user_id"])},
            )
            bearer = {"Authorization": f"Bearer {token.json()['access_token']}"}
            listed = await client.get(f"{addresses['api_base_url']}/v3/candidates", headers=bearer)
            assert len(listed.json()) == 3
            admin = {"Authorization": f"Bearer {addresses['admin_token']}"}
            state = await client.get(f"{addresses['admin_url']}/state/candidates", headers=admin)
            assert len(state.json()) == 3
    finally:
        os.kill(process.pid, signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), timeout=GENEROUS_S) == 0
