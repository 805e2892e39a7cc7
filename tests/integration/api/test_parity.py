"""Comparisons, the delete brake and the quarantine by HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from shared.composition import Services
from shared.security.identity import Role
from tests.integration.api.calling import Caller
from tests.integration.api.conftest import Company, Query, drain


async def test_a_comparison_is_asked_for_and_shown_with_its_certificate(
    services: Services, admin: Caller, synced: dict[str, Any], query: Query
) -> None:
    path = f"/api/integrations/{synced['id']}/parity"
    assert (await admin("GET", path)).body == {"data": [], "next_cursor": None}
    query(
        "UPDATE records SET data = data || '{\"current_title\": \"Forged\"}' WHERE entity_type = 'candidate'"
        " AND data ->> 'email' > ''"
    )
    started = await admin("POST", path, {"entity": "candidate", "repair": False})
    assert started.status == 202, started.text
    (parity_id,) = started.body["parity_ids"]
    await drain(services)
    (shown,) = (await admin("GET", f"{path}?entity=candidate")).body["data"]
    assert (shown["id"], shown["status"], shown["entity"]) == (parity_id, "complete", "candidate")
    assert shown["drift"] > 2
    assert shown["parity"] == shown["certificate"]["parity"] == pytest.approx(1 - shown["drift"] / shown["records"])

    seen: list[dict[str, Any]] = []
    after: str | None = ""
    while after is not None:
        page = (await admin("GET", f"/api/parity/{parity_id}?limit=2&after={after}")).body
        seen += page["differences"]
        after = page["next_after"]
    assert len(seen) == shown["drift"] + shown["explained"]
    assert [row["external_id"] for row in seen] == sorted({row["external_id"] for row in seen})
    assert {row["kind"] for row in seen} == {"ours_altered"}
    assert "Forged" not in (await admin("GET", f"/api/parity/{parity_id}")).text


async def test_a_paused_integration_is_not_compared(admin: Caller, synced: dict[str, Any]) -> None:
    await admin("PATCH", f"/api/integrations/{synced['id']}", {"sync_enabled": False})
    assert (await admin("POST", f"/api/integrations/{synced['id']}/parity", {})).status == 409


async def test_every_integration_is_compared_once_a_day(admin: Caller, synced: dict[str, Any]) -> None:
    shown = (await admin("GET", f"/api/integrations/{synced['id']}")).body
    daily = {each["entity"]: each["every_s"] for each in shown["schedules"] if each["mode"] == "compare"}
    assert daily == {"job": 86_400, "candidate": 86_400, "application": 86_400}


async def test_held_deletes_are_listed_and_decided_by_those_who_may(
    services: Services, admin: Caller, company: Company, synced: dict[str, Any], query: Query
) -> None:
    path = f"/api/integrations/{synced['id']}"
    changed = await admin("PATCH", path, {"config": {"delete_brake": {"count": 0, "share": 0}, "on_delete": "keep"}})
    assert changed.status == 200, changed.text
    # The vendor does not have this one: what is linked to it has disappeared.
    query("UPDATE external_entity_map SET external_id = '1' WHERE entity_type = 'job' AND id = ("
          "SELECT id FROM external_entity_map WHERE entity_type = 'job' LIMIT 1)")  # fmt: skip
    await admin("POST", f"{path}/parity", {"entity": "job"})
    await drain(services)
    (brake,) = (await admin("GET", f"{path}/deletes")).body["data"]
    assert (brake["state"], brake["entity"], brake["held"], brake["allowed"]) == ("open", "job", 1, 0)
    assert (await company.as_(Role.OPS)("POST", f"{path}/deletes/approve")).status == 403
    decided = await company.as_(Role.DATA_MANAGER)("POST", f"{path}/deletes/approve")
    assert (decided.status, decided.body) == (202, {"state": "approved", "records": 1})
    await drain(services)
    assert query("SELECT state FROM external_entity_map WHERE external_id = '1'") == [("gone",)]
    assert (await admin("POST", f"{path}/deletes/reject")).status == 409


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"on_delete": "destroy"}, "config.on_delete"),
        ({"delete_brake": {"share": 2}}, "config.delete_brake.share"),
        ({"delete_brake": {"percent": 2}}, "config.delete_brake.percent"),
    ],
)
async def test_what_can_not_be_a_policy_of_deletes_is_refused_by_its_path(
    admin: Caller, synced: dict[str, Any], config: dict[str, Any], field: str
) -> None:
    refused = await admin("PATCH", f"/api/integrations/{synced['id']}", {"config": config})
    assert refused.status == 422
    assert field in refused.text


async def test_quarantine_is_redriven_by_http(admin: Caller, synced: dict[str, Any], query: Query) -> None:
    query(
        "INSERT INTO quarantine (id, company_id, integration_id, entity_type, external_id, code, reason)"
        " SELECT gen_random_uuid(), company_id, id, 'candidate', '4711', 'invalid_payload', 'title: no text'"
        " FROM integrations WHERE id = %s",
        synced["id"],
    )
    path = f"/api/integrations/{synced['id']}/quarantine/redrive"
    assert (await admin("POST", path, {"entity": "job"})).body == {"redriven": 0}
    assert (await admin("POST", path, {"external_ids": ["4711"]})).body == {"redriven": 1}
    assert query("SELECT status FROM sync_queue WHERE record_key = 'ext:4711'") == [("pending",)]
