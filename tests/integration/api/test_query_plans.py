"""Indexes serve the API's lists as the app's own role, under row-level security, with many rows of many companies."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from shared.composition import Services
from shared.model import EntityType, LogStatus
from shared.store.listings import LogFilter, log_listing
from shared.store.namesakes import BY_NAME, BY_PHONE
from shared.store.reading import RecordFilter, listing
from shared.store.records import _BY_EMAIL as BY_EMAIL
from tests.fixtures.postgres import Database
from tests.integration.api.conftest import Company

PEOPLE = 8_000


@pytest.fixture
async def crowded(services: Services, company: Company, stranger: Company, database: Database) -> UUID:
    """Thousands of candidates and applications in each of two companies; gives an integration of the first."""
    integration = uuid4()
    async with await psycopg.AsyncConnection.connect(database.admin_dsn, autocommit=True) as link:
        for owner in (company.id, stranger.id):
            for entity in ("candidate", "application"):
                await link.execute(
                    "INSERT INTO records (company_id, entity_type, id, data, created_at) SELECT %s, %s,"
                    " gen_random_uuid(), jsonb_build_object('email', 'p' || n || '@example.org',"
                    " 'phone', '+49 30 ' || n, 'last_name', md5(n::text), 'first_name', md5((n + 1)::text),"
                    " 'status', CASE n %% 100 WHEN 0 THEN 'hired' ELSE 'active' END, 'stage', 'Offer',"
                    " 'candidate_id', md5((n / 2)::text)::uuid, 'job_id', md5((n / 50)::text)::uuid),"
                    " now() - n * interval '1 s' FROM generate_series(1, %s) n",
                    [owner, entity, PEOPLE],
                )
        await link.execute(
            "INSERT INTO integrations (id, company_id, platform, webhook_url, rank) VALUES (%s, %s, 'x', 'x', 1)",
            [integration, company.id],
        )
        await link.execute(
            "INSERT INTO sync_logs (id, company_id, integration_id, entity_type, action, direction, status, synced_at)"
            " SELECT gen_random_uuid(), %s, %s, 'candidate', 'updated', 'inbound', CASE n %% 500 WHEN 0 THEN 'failed'"
            " ELSE 'success' END, now() - n * interval '1 s' FROM generate_series(1, %s) n",
            [company.id, integration, PEOPLE],
        )
        await link.execute("VACUUM ANALYZE records, sync_logs")
    return integration


async def plan_of(services: Services, company: Company, query: str, parameters: dict[str, Any]) -> str:
    """Return how PostgreSQL runs *query* for the app's role, and what it read."""
    async with services.database.company(company.id) as tx:
        rows = await tx.rows(
            f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) {query}", **parameters, company=company.id, limit=101
        )
    return "\n".join(row["QUERY PLAN"] for row in rows)


CASES = {
    "records_candidate_email": RecordFilter(email="p77@example.org"),
    "records_candidate_phone": RecordFilter(phone="+49 30 77"),
    "records_candidate_name": RecordFilter(search="abcd"),
    "records_candidate_first_name": RecordFilter(name="abcd"),
    "records_application_candidate": RecordFilter(candidate_id=UUID(int=7)),
    "records_application_job": RecordFilter(job_id=UUID(int=7)),
    "records_application_status": RecordFilter(status="hired", stage="Offer"),
}


async def test_no_list_reads_the_crowd(services: Services, company: Company, crowded: UUID) -> None:
    """Each filter has its index, a page deep in a list costs what the first does, failed log rows are found alone."""
    by_part = RecordFilter(search="p7777@")
    for index, wanted in [*CASES.items(), ("records_candidate_email", by_part)]:
        entity = EntityType.APPLICATION if "application" in index else EntityType.CANDIDATE
        query, parameters = listing(entity, wanted, None)
        plan = await plan_of(services, company, query, parameters)
        assert index in plan, plan
        assert "Seq Scan" not in plan, plan

    async with services.database.company(company.id) as tx:
        middle = await tx.one(
            "SELECT created_at, id FROM records WHERE entity_type = 'candidate'"
            " ORDER BY created_at OFFSET %(half)s LIMIT 1",
            half=PEOPLE // 2,
        )
    query, parameters = listing(EntityType.CANDIDATE, RecordFilter(), (middle["created_at"], middle["id"]))
    plan = await plan_of(services, company, query, parameters)
    assert "records_candidate_company_id_created_at_id_idx" in plan, plan
    assert "Sort" not in plan, plan

    query, parameters = log_listing(LogFilter(status=LogStatus.FAILED), None)
    plan = await plan_of(services, company, query, {**parameters, "integration": crowded})
    assert "integration_id_status_synced_at_idx" in plan, plan
    assert pages_read(plan) < 100, plan


async def test_matching_reads_the_people_of_its_keys_alone(services: Services, company: Company, crowded: UUID) -> None:
    """A page's e-mail addresses, numbers and names are looked up one by one, under row-level security."""
    of_page = range(1, 101)
    queries: dict[str, tuple[str, dict[str, Any]]] = {
        "records_candidate_email": (BY_EMAIL, {"keys": [f"p{n}@example.org" for n in of_page]}),
        "records_candidate_phone": (BY_PHONE, {"digits": [f"4930{n}" for n in of_page], "most": 3}),
        "records_candidate_name": (
            BY_NAME,
            {"lasts": ["abc"] * 100, "firsts": [str(n) for n in of_page], "employers": ["x"] * 100, "below": 10},
        ),
    }
    for index, (query, parameters) in queries.items():
        plan = await plan_of(services, company, query, {**parameters, "integration": crowded})
        assert index in plan, plan
        assert "Seq Scan on records" not in plan, plan
        key = f"{index.removeprefix('records_candidate_')}_key"
        assert re.search(rf"Index Cond: .*\({key} = ", plan), plan


def pages_read(plan: str) -> int:
    """Return how many pages the whole plan touched."""
    found = re.search(r"Buffers: shared hit=(\d+)(?: read=(\d+))?", plan)
    assert found, plan
    return int(found.group(1)) + int(found.group(2) or 0)
