"""What is done with a running stack: the documented keys, seed, connect, the specification's calls and queries."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from tests.acceptance.stack.running import ROOT, Up, run, sandbox, up
from tests.fixtures.waiting import wait_until

PEOPLE = 60


@pytest.fixture(scope="module")
def stack() -> Iterator[Up]:
    """A stack with a few people in its simulator."""
    with up(f"--people={PEOPLE}") as running:
        yield running


@pytest.fixture(scope="module")
def integration(stack: Up) -> dict[str, Any]:
    """The stack's simulator, connected by the one-liner."""
    made = sandbox("connect", "--stack", str(stack.described()))
    assert made.returncode == 0, made.stderr
    found: dict[str, Any] = json.loads(made.stdout)
    return found


def api(stack: Up, role: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {stack.told['tokens'][role]}"}
    return httpx.Client(base_url=stack.told["api"], headers=headers, trust_env=False, timeout=120)


def curl(*arguments: str) -> tuple[int, Any]:
    """Run curl; return the status and the JSON that it printed."""
    command = ["curl", "--silent", "--show-error", "--noproxy", "*", "-w", "\n%{http_code}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)  # noqa: S603
    body, status = done.stdout.rsplit("\n", 1)
    return int(status), json.loads(body)


def sync(stack: Up, integration_id: str) -> dict[str, Any]:
    """Start a full inbound sync and return its run when it has ended."""
    with api(stack, "data_manager") as client:
        answer = client.post(f"/api/integrations/{integration_id}/sync", json={"direction": "inbound", "mode": "full"})
        path = f"/api/runs/{answer.json()['run_id']}"
        wait_until(lambda: client.get(path).json()["status"] != "running")
        run_of: dict[str, Any] = client.get(path).json()
    return run_of


def test_every_key_that_up_prints_is_documented_and_every_documented_one_is_printed(stack: Up) -> None:
    printed = set()
    for name, value in stack.told.items():
        nested = isinstance(value, dict) and name != "settings"
        printed |= {f"{name}.{inner}" for inner in value} if nested else {name}
    section = (ROOT / "docs" / "demo.md").read_text(encoding="utf-8").split("## What `up --json` prints")[1]
    assert set(re.findall(r"^\| `([a-z_.]+)` \|", section, re.MULTILINE)) == printed


def test_seed_adds_people_and_a_sync_brings_them_in(stack: Up, integration: dict[str, Any]) -> None:
    greenhouse = stack.told["greenhouse"]
    named = sandbox(
        "seed", "--people=5", "--admin-url", greenhouse["admin_url"], "--admin-token", greenhouse["admin_token"]
    )
    found = sandbox("seed", "--people=5", "--stack", str(stack.described()))
    assert (named.returncode, found.returncode) == (0, 0), named.stderr + found.stderr
    assert json.loads(named.stdout)["candidates"] == PEOPLE + 5
    assert json.loads(found.stdout)["candidates"] == PEOPLE + 10
    last = sync(stack, integration["id"])
    candidates = next(each for each in last["runs"] if each["entity"] == "candidate")
    assert candidates["records_read"] == PEOPLE + 10


def test_the_comparison_is_silent_about_equal_sides_and_names_what_differs(
    stack: Up, integration: dict[str, Any]
) -> None:
    assert sync(stack, integration["id"])["status"] == "complete"
    described = stack.described()
    equal = run("scripts.compare_demo", str(described), "--integration", integration["id"])
    greenhouse = stack.told["greenhouse"]
    headers = {"Authorization": f"Bearer {greenhouse['admin_token']}"}
    with httpx.Client(base_url=greenhouse["admin_url"], headers=headers, trust_env=False) as control:
        person = next(row for row in control.get("/state/candidates").json() if row["first_name"] != "Anonymized")
        control.patch(f"/candidates/{person['id']}?webhooks=false", json={"title": "Changed quietly"})
        differing = run("scripts.compare_demo", str(described), "--integration", integration["id"])
        control.patch(f"/candidates/{person['id']}?webhooks=false", json={"title": person["title"]})
    assert (equal.returncode, equal.stdout[:6]) == (0, "equal:"), equal.stdout + equal.stderr
    assert differing.returncode == 1
    assert differing.stdout.splitlines()[0].startswith(
        f"candidate {person['id']}.current_title: there 'Changed quietly'"
    )
    assert differing.stdout.splitlines()[-1] == "1 differences"


def test_the_specifications_curl_calls_work_as_written(stack: Up, integration: dict[str, Any]) -> None:
    base, company, token = stack.told["api"], stack.told["company_id"], stack.told["tokens"]["admin"]
    bearer, media = f"Authorization: Bearer {token}", "Content-Type: application/json"
    body = """{
    "platform": "greenhouse",
    "api_key": "your-greenhouse-api-key",
    "config": {
      "harvest_api_key": "your-harvest-key"
    }
  }"""
    made = curl("-X", "POST", f"{base}/api/companies/{company}/integrations", "-H", bearer, "-H", media, "-d", body)
    assert made[0] == 201
    assert made[1]["webhook_secret"]
    assert "your-harvest-key" not in json.dumps(made[1])

    address = f"{base}/api/integrations/{integration['id']}"
    body = """{
    "direction": "inbound"
  }"""
    started = curl("-X", "POST", f"{address}/sync", "-H", bearer, "-H", media, "-d", body)
    assert started[0] == 202
    assert started[1]["run_id"]

    logs = curl("-H", bearer, f"{address}/logs?limit=100&status=failed")
    assert logs[0] == 200
    assert {row["status"] for row in logs[1]["data"]} <= {"failed"}

    health = curl(f"{base}/health")
    assert health[0] == 200
    assert {"healthy", "running", "processingCount", "queueDepth"} <= health[1].keys()


def test_the_operators_queries_run_as_their_role(stack: Up, integration: dict[str, Any]) -> None:
    sync(stack, integration["id"])
    with psycopg.connect(stack.told["postgres"]["operator"], autocommit=True) as connection:

        def ask(query: str) -> list[tuple[Any, ...]]:
            return connection.execute(query.replace("xxx", integration["id"]).encode()).fetchall()

        log = ask("SELECT * FROM sync_logs\nWHERE integration_id = 'xxx'\nORDER BY synced_at DESC\nLIMIT 50;")
        statuses = ask("SELECT status, COUNT(*)\nFROM sync_queue\nGROUP BY status;")
        stuck = ask(
            "SELECT * FROM sync_queue\nWHERE status = 'processing'\nAND started_at < NOW() - INTERVAL '10 minutes';"
        )
        links = ask("SELECT * FROM external_entity_map\nWHERE integration_id = 'xxx';")
    assert log
    assert all(count > 0 for _, count in statuses)
    assert stuck == []
    assert len(links) > PEOPLE
