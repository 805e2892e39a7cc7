"""What people should see of an integration: issues and quarantined records, in one list and as a count."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from shared.composition import Services
from shared.model import EntityType
from shared.security.identity import Role
from shared.store.attention import Attention, Quarantined
from tests.integration.api.calling import Caller
from tests.integration.api.conftest import Company, Query

MANY = 4_000


@pytest.fixture
async def integration(admin: Caller, company: Company, connection: dict[str, Any]) -> UUID:
    created = await admin("POST", f"/api/companies/{company.id}/integrations", connection)
    return UUID(created.body["id"])


async def trouble(services: Services, company: Company, integration: UUID) -> None:
    """Raise an issue twice and one that ends; set two records aside, of which one comes in after all."""
    attention = Attention()
    async with services.database.company(company.id) as tx:
        for name, detail in (("candidate.phone", "first"), ("candidate.tags", "gone"), ("candidate.phone", "again")):
            await attention.raise_issue(tx, integration, kind="coverage_fell", subject=name, detail=detail)
        await attention.settle_issue(tx, integration, kind="coverage_fell", subject="candidate.tags")
        aside = [Quarantined(external_id, "invalid_payload", "[0]: id: is missing") for external_id in ("7", "8")]
        await attention.quarantine(tx, integration, EntityType.CANDIDATE, aside, None)
        await attention.quarantine(tx, integration, EntityType.CANDIDATE, aside[1:], None)
        await attention.recover(tx, integration, EntityType.CANDIDATE, ["7"])


async def test_issues_and_quarantined_records_are_one_list_newest_first(
    services: Services, admin: Caller, company: Company, integration: UUID
) -> None:
    path = f"/api/integrations/{integration}/issues"
    assert (await admin("GET", path)).body == {"data": [], "next_cursor": None}
    await trouble(services, company, integration)
    record, issue = (await admin("GET", path)).body["data"]
    assert {name: issue[name] for name in ("kind", "subject", "detail", "times", "ended_at")} == {
        "kind": "coverage_fell", "subject": "candidate.phone", "detail": "again", "times": 2, "ended_at": None,
    }  # fmt: skip
    assert issue["last_seen_at"] > issue["opened_at"]
    assert {name: record[name] for name in record.keys() - {"id", "opened_at", "last_seen_at"}} == {
        "kind": "quarantined_record", "entity": "candidate", "external_id": "8", "code": "invalid_payload",
        "reason": "[0]: id: is missing", "tries": 2, "run_id": None, "ended_at": None,
    }  # fmt: skip
    ended = (await admin("GET", f"{path}?status=ended")).body["data"]
    assert [row.get("subject", row.get("external_id")) for row in ended] == ["7", "candidate.tags"]
    assert all(row["ended_at"] for row in ended)
    everything = (await admin("GET", f"{path}?status=all")).body["data"]
    assert [row["opened_at"] for row in everything] == sorted((row["opened_at"] for row in everything), reverse=True)
    assert {row["id"] for row in everything} == {row["id"] for row in (*ended, issue, record)}


async def test_every_row_is_on_one_page(services: Services, admin: Caller, company: Company, integration: UUID) -> None:
    await trouble(services, company, integration)
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await admin("GET", f"/api/integrations/{integration}/issues?status=all&limit=1{cursor}")).body
        seen += [row["id"] for row in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert len(seen) == len(set(seen)) == 4


async def test_the_open_ones_are_counted(
    services: Services, admin: Caller, company: Company, integration: UUID
) -> None:
    path = f"/api/integrations/{integration}"
    assert (await admin("GET", path)).body["open_issues"] == 0
    await trouble(services, company, integration)
    assert (await admin("GET", path)).body["open_issues"] == 2
    (listed,) = (await admin("GET", f"/api/companies/{company.id}/integrations")).body["data"]
    assert listed["open_issues"] == 2


async def test_a_status_that_can_not_be_meant_is_refused(admin: Caller, integration: UUID) -> None:
    refused = await admin("GET", f"/api/integrations/{integration}/issues?status=closed")
    assert (refused.status, refused.body["field"]) == (422, "status")


@pytest.mark.parametrize(
    ("role", "status"),
    [(Role.ADMIN, 200), (Role.DATA_MANAGER, 200), (Role.OPS, 200), (Role.RECRUITER, 403), (Role.VIEWER, 403)],
)
async def test_those_who_can_mend_it_see_it(company: Company, integration: UUID, role: Role, status: int) -> None:
    assert (await company.as_(role)("GET", f"/api/integrations/{integration}/issues")).status == status


async def test_a_page_is_read_from_the_indexes(
    services: Services, company: Company, integration: UUID, query: Query
) -> None:
    query(
        "INSERT INTO issues (id, company_id, integration_id, kind, subject, detail, opened_at)"
        " SELECT gen_random_uuid(), %s, %s, 'x', n::text, 'x', now() - n * interval '1 s'"
        " FROM generate_series(1, %s) n",
        company.id, integration, MANY,
    )  # fmt: skip
    query(
        "INSERT INTO quarantine (id, company_id, integration_id, entity_type, code, reason, first_seen_at)"
        " SELECT gen_random_uuid(), %s, %s, 'job', 'x', 'x', now() - n * interval '1 s'"
        " FROM generate_series(1, %s) n",
        company.id, integration, MANY,
    )  # fmt: skip
    query("ANALYZE issues, quarantine")
    statement, parameters = Attention.listing(integration, is_open=True, after=None, limit=101)
    async with services.database.company(company.id) as tx:
        rows = await tx.rows(f"EXPLAIN (COSTS OFF) {statement}", **parameters)
    plan = "\n".join(row["QUERY PLAN"] for row in rows)
    assert "issues_listed" in plan, plan
    assert "quarantine_listed" in plan, plan
    assert "Seq Scan" not in plan, plan
