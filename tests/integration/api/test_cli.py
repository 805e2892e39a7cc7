"""The operators' command line, as a process of its own."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from sandbox.vendors.greenhouse import GreenhouseSimulator
from shared.cli.arguments import parser
from shared.composition import Services
from tests.integration.api.calling import Caller
from tests.integration.api.commands import Cli
from tests.integration.api.conftest import Company, Query
from tests.integration.api.dead_letters import bury

ROOT = Path(__file__).parents[3]


async def test_from_nothing_to_a_pulled_account(
    services: Services, cli: Cli, greenhouse: GreenhouseSimulator, connection: dict[str, Any], query: Query
) -> None:
    made = (await cli("company", "create", "Acme")).lines[0]
    company = made["company_id"]
    said = (await cli("company", "region", "GB", "--company", company)).lines[0]
    assert said == {"company_id": company, "default_region": "GB"}
    minted = (await cli("token", "create", "--company", company, "--role", "admin")).lines[0]
    caller = Caller(minted["token"])
    assert (await caller("GET", f"/api/companies/{company}/integrations")).body["data"] == []

    created = await cli("integration", "create", "--company", company, "--input", "-", text=json.dumps(connection))
    assert created.code == 0, created.faults
    integration = created.lines[0]["id"]
    assert created.lines[0]["webhook_secret"]
    assert connection["config"]["client_secret"] not in json.dumps(created.lines)
    listed = await cli("integration", "list", "--company", company)
    assert [line["id"] for line in listed.lines] == [integration]
    tested = await cli("integration", "test", integration)
    assert (tested.code, tested.lines[0]["ok"]) == (0, True)

    pulled = await cli.alone(
        "pull", "--integration", integration, "--entity", "candidate", "--mode", "full", "--no-limiter"
    )
    assert pulled.code == 0, (pulled.lines, pulled.faults)
    (figures,) = pulled.lines
    people = len(greenhouse.simulator.account["candidates"])
    assert (figures["status"], figures["rows"], figures["created"]) == ("complete", people, people)
    assert figures["requests"] >= figures["pages"] >= 1
    assert 0 < figures["seconds"] < 60
    assert 10_000_000 < figures["peak_rss_bytes"] < 150_000_000
    again = (await cli("pull", "--integration", integration, "--entity", "candidate", "--mode", "full")).lines[0]
    assert (again["rows"], again["created"], again["updated"], again["unchanged"]) == (people, 0, 0, people)

    external_id = query("SELECT external_id FROM external_entity_map LIMIT 1")[0][0]
    reconciled = await cli(
        "reconcile", "--integration", integration, "--entity", "candidate", "--external-id", external_id
    )
    assert (reconciled.code, reconciled.lines[0]["status"]) == (0, "completed"), reconciled

    revoked = await cli("token", "revoke", minted["token_id"], "--company", company)
    assert revoked.code == 0
    assert (await caller("GET", f"/api/companies/{company}/integrations")).status == 401


async def test_dead_letters_are_shown_and_redriven(
    cli: Cli, admin: Caller, company: Company, connection: dict[str, Any], query: Query
) -> None:
    created = (await admin("POST", f"/api/companies/{company.id}/integrations", connection)).body
    letters = [bury(query, company, created["id"]) for _ in range(3)]
    shown = await cli("dead-letters", "--company", company.id)
    assert {line["id"] for line in shown.lines} == set(map(str, letters))
    assert (await cli("redrive", "--company", company.id)).code == 1
    one = await cli("redrive", letters[0], "--company", company.id)
    assert (one.code, one.lines[0]["redriven"]) == (0, 1)
    assert (await cli("redrive", letters[0], "--company", company.id)).code == 1
    dismiss = ("dismiss", "--company", company.id, "--reason")
    assert (await cli(*dismiss, "closed")).code == 1
    assert (await cli(*dismiss, " ", letters[1])).code == 1
    assert (await cli(*dismiss, "closed", letters[1])).lines == [{"dismissed": 1, "more": False}]
    assert (await cli(*dismiss, "closed", letters[1])).code == 1
    assert (await cli(*dismiss, "closed", "--group", "0" * 32)).code == 1
    rest = await cli("redrive", "--all", "--company", company.id)
    assert (rest.code, rest.lines[0]["redriven"]) == (0, 1)
    assert query("SELECT count(*) FROM dead_letters WHERE state = 'open'") == [(0,)]


async def test_commands_that_can_not_be_done_say_why_on_standard_error(
    services: Services, cli: Cli, company: Company
) -> None:
    for arguments, code in (
        (("pull", "--integration", uuid4(), "--entity", "candidate"), "not_found"),
        (("company", "create", "Twice", "--id", company.id), "conflict"),
        (("token", "revoke", uuid4(), "--company", company.id), "not_found"),
        (("token", "create", "--company", company.id, "--role", "ops", "--days", 0), "invalid_input"),
        (("integration", "create", "--company", company.id, "--config", "directions={"), "invalid_input"),
        (("integration", "create", "--company", company.id, "--platform", "monster"), "invalid_input"),
        (("integration", "create", "--company", company.id, "--platform", "x", "--config", "oops"), "invalid_input"),
        (("integration", "create", "--company", company.id), "invalid_input"),
    ):
        ended = await cli(*arguments)
        assert (ended.code, ended.lines) == (1, []), ended
        assert json.loads(ended.faults)["code"] == code, ended.faults
    assert (await cli("worker", "status")).code == 1
    assert (await cli("unheard-of")).code == 2
    assert (await cli.alone("worker", "status")).code == 1


async def test_migrating_twice_does_no_harm(services: Services, cli: Cli) -> None:
    assert (await cli("migrate")).lines == [{"applied": []}]


async def test_settings_that_can_not_be_used_are_named(cli: Cli) -> None:
    ended = await replace(cli, environment={**cli.environment, "ENCRYPTION_SECRET": "short"})("worker", "status")
    assert ended.code == 1
    fault = json.loads(ended.faults)
    assert (fault["code"], "ENCRYPTION_SECRET" in fault["detail"]) == ("settings_invalid", True)


def documented_commands() -> list[str]:
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line for line in lines if "python -m shared.cli" in line]


def test_documented_commands_are_there() -> None:
    assert len(documented_commands()) >= 12


@pytest.mark.parametrize("command", documented_commands())
def test_each_documented_command_parses(command: str) -> None:
    words = shlex.split(command.partition(" < ")[0].partition(" | ")[0])
    words = words[words.index("shared.cli") + 1 :]
    names = ("COMPANY", "INTEGRATION", "LETTER", "TOKEN_ID", "CANDIDATE", "APPLICATION", "RECORD")
    ids = {f"${name}": str(uuid4()) for name in names}
    assert parser().parse_args([ids.get(word, word) for word in words]).run


async def test_parity_is_proved_repaired_and_certified(cli: Cli, synced: dict[str, Any], query: Query) -> None:
    asked = ("--integration", synced["id"])
    assert (await cli("certificate", *asked)).code == 1
    query("UPDATE records SET data = data || '{\"current_title\": \"Forged\"}' WHERE entity_type = 'candidate'")
    found = await cli("parity", *asked, "--entity", "candidate", "--repair")
    assert (found.code, found.lines[0]["status"]) == (1, "complete"), found.faults
    repairs = query("SELECT count(*) FROM sync_queue WHERE action = 'reconcile' AND status = 'pending'")
    assert repairs == [(found.lines[0]["drift"],)]
    certified = await cli("certificate", *asked)
    assert (certified.code, certified.lines[0]["differences"]) == (0, found.lines[0]["drift"])
    everything = await cli("parity", *asked)
    assert {line["entity"]: line["drift"] for line in everything.lines} == dict.fromkeys(
        ("job", "candidate", "application"), 0
    )
    assert everything.code == 0  # what is being repaired is explained


async def test_people_are_suppressed_and_let_in_again_by_command(
    cli: Cli, company: Company, synced: dict[str, Any], query: Query
) -> None:
    asked = ("--company", company.id)
    (record_id,) = query("SELECT id FROM records WHERE entity_type = 'candidate' AND data ->> 'email' > '' LIMIT 1")[0]
    made = await cli("suppress", *asked, "--record", record_id, "--reason", "erasure")
    assert (made.code, made.lines[0]["suppressed"] > 1) == (0, True)
    assert (await cli("suppress", *asked, "--email", "Jo@Example.org")).lines == [{"suppressed": 1}]
    figures = (await cli("suppressions", *asked)).lines[0]
    assert figures["email"] >= 2
    lifted = await cli("suppress", *asked, "--email", " jo@example.ORG", "--lift")
    assert lifted.lines == [{"lifted": 1}]
    assert (await cli("suppress", *asked)).code == 1
    assert (await cli("suppress", *asked, "--record", record_id, "--lift")).code == 1
    redriven = await cli("redrive-quarantine", "--integration", synced["id"])
    assert redriven.lines == [{"redriven": 0}]
    refused = await cli("deletes", "approve", "--integration", synced["id"])
    assert (refused.code, json.loads(refused.faults)["code"]) == (1, "conflict")
