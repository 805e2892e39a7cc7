"""Services on this test's own database and storage account, two companies, and a Greenhouse simulator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from sandbox.vendors.greenhouse import GreenhouseSimulator
from sandbox.vendors.greenhouse import Settings as SimulatorSettings
from shared import composition
from shared.composition import Services
from shared.security.identity import Role, mint_token
from shared.settings import load_settings
from shared.store.companies import Companies
from tests.fixtures.postgres import Database
from tests.fixtures.storage import StorageAccount
from tests.integration.api.calling import Caller
from tests.integration.api.commands import Cli

SECRET = "a shared secret of thirty-two characters"
ENCRYPTION_SECRET = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

Query = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def needs_preview() -> bool:
    """Whether outbound waits for a preview (`OUTBOUND_NEEDS_PREVIEW`)."""
    return False


@pytest.fixture
async def services(
    database: Database, storage: StorageAccount, monkeypatch: pytest.MonkeyPatch, needs_preview: bool
) -> AsyncIterator[Services]:
    """The composition root's services, as every function gets them during this test."""
    settings = load_settings(
        {
            "DATABASE_URL": database.app_dsn,
            "DATABASE_OWNER_URL": database.owner_dsn,
            "AzureWebJobsStorage": storage.connection_string,
            "ENCRYPTION_SECRET": ENCRYPTION_SECRET,
            "AUTH_JWT_SECRET": SECRET,
            "OUTGOING_ALLOW_LOOPBACK": "true",
            "OUTBOUND_NEEDS_PREVIEW": str(needs_preview),
        }
    )
    built = Services(settings, limiter_off=True)
    monkeypatch.setattr(composition, "_current", (asyncio.get_running_loop(), built))
    yield built
    await built.aclose()


@dataclass(frozen=True)
class Company:
    """A company and those who call for it."""

    id: UUID

    def as_(self, role: Role | str = Role.ADMIN) -> Caller:
        """Return a caller of this company in *role*."""
        minted = mint_token(
            SECRET,
            subject="jo",
            company_id=self.id,
            role=Role(role),
            issuer="liaison",
            audience="liaison",
            lifetime=timedelta(hours=1),
        )
        return Caller(minted.token)


async def _company(services: Services, name: str) -> Company:
    company_id = uuid4()
    async with services.database.company(company_id) as tx:
        await Companies().create(tx, name)
    return Company(company_id)


@pytest.fixture
async def company(services: Services) -> Company:
    """The company of the test."""
    return await _company(services, "Acme")


@pytest.fixture
async def stranger(services: Services) -> Company:
    """Another company, which must see and change nothing of the first."""
    return await _company(services, "Initech")


@pytest.fixture
def admin(company: Company) -> Caller:
    """The company's administrator."""
    return company.as_(Role.ADMIN)


@pytest.fixture
async def greenhouse() -> AsyncIterator[GreenhouseSimulator]:
    """A Greenhouse account of twelve people."""
    async with GreenhouseSimulator(SimulatorSettings(people=12, seed=7, limiter=False)) as simulator:
        yield simulator


@pytest.fixture
def connection(greenhouse: GreenhouseSimulator) -> dict[str, Any]:
    """The body that connects the simulator."""
    told = greenhouse.addresses()
    return {
        "platform": "greenhouse",
        "api_key": told["api_key"],
        "api_base_url": told["api_base_url"],
        "config": {
            "api_version": "v3",
            "client_id": told["client_id"],
            "client_secret": told["client_secret"],
            "token_url": told["token_url"],
            "user_id": told["user_id"],
        },
    }


@pytest.fixture
def query(database: Database) -> Query:
    """Return rows as the superuser sees them, whom no policy binds."""

    def ask(statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(database.admin_dsn, autocommit=True) as link:
            found = link.execute(statement.encode(), parameters)
            return found.fetchall() if found.description else []

    return ask


async def drain(services: Services, *, most: int = 200) -> int:
    """Run due jobs of every priority until none is due, as the workers would; return how many ran."""
    for ran in range(most):
        async with services.database.dispatch() as tx:
            claim = await services.store.ledger.claim(tx, None, low=1, high=10, ttl_s=60, per_integration=5)
        if claim is None:
            return ran
        await services.runner.run(claim)
    raise AssertionError(f"jobs are still due after {most}")


@pytest.fixture
async def synced(services: Services, admin: Caller, company: Company, connection: dict[str, Any]) -> dict[str, Any]:
    """An integration that goes both ways and has had its first sync."""
    directions = {"job": "inbound", "candidate": "both", "application": "both"}
    body = {**connection, "config": {**connection["config"], "directions": directions}}
    created = await admin("POST", f"/api/companies/{company.id}/integrations", body)
    assert created.status == 201, created.text
    started = await admin("POST", f"/api/integrations/{created.body['id']}/sync", {"direction": "inbound"})
    assert started.status == 202, started.text
    await drain(services)
    found: dict[str, Any] = created.body
    return found


@pytest.fixture
async def victim(
    services: Services, admin: Caller, company: Company, synced: dict[str, Any], query: Query
) -> dict[str, str]:
    """The ids of a company that has everything, an open conflict and a dead letter included."""
    letter, conflict, job_id = uuid4(), uuid4(), uuid4()
    people = (await admin("GET", "/api/candidates?limit=100")).body["data"]
    # Not every application is for a job: a prospect has none.
    candidate, application = next(
        (each, application)
        for each in people
        if each["email"] and each["last_name"]
        for application in each["applications"]
        if application["job_id"]
    )
    query(
        "INSERT INTO dead_letters (id, company_id, integration_id, job_id, queue, action, entity_type, code, cause,"
        " attempts) VALUES (%s, %s, %s, %s, 'sync-urgent', 'reconcile', 'candidate', 'rejected', 'no', 1)",
        letter, company.id, synced["id"], job_id,
    )  # fmt: skip
    query(
        "INSERT INTO conflicts (id, company_id, kind, entity_type, record_id, unit)"
        " VALUES (%s, %s, 'field', 'candidate', %s, 'email')",
        conflict, company.id, candidate["id"],
    )  # fmt: skip
    started = await admin("POST", f"/api/integrations/{synced['id']}/sync", {"entity": "candidate"})
    compared = await admin("POST", f"/api/integrations/{synced['id']}/parity", {"entity": "candidate"})
    return {
        "company": str(company.id),
        "integration": synced["id"],
        "run": started.body["run_id"],
        "parity": compared.body["parity_ids"][0],
        "letter": str(letter),
        "conflict": str(conflict),
        "candidate": candidate["id"],
        "application": application["id"],
        "job": application["job_id"],
        "external": candidate["external_ids"][0]["external_id"],
        "email": candidate["email"],
        "name": candidate["last_name"],
    }


def everything_of(query: Query, company_id: UUID) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of a company, table by table."""
    tables = query(
        "SELECT c.relname, CASE c.relname WHEN 'companies' THEN 'id' ELSE 'company_id' END FROM pg_class c"
        " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = CASE c.relname WHEN 'companies' THEN 'id'"
        " ELSE 'company_id' END WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')"
    )
    return {
        table: query(f"SELECT to_jsonb(t)::text FROM {table} t WHERE {column} = %s ORDER BY 1", company_id)  # noqa: S608
        for table, column in tables
    }


@pytest.fixture
def cli(database: Database, storage: StorageAccount, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line with this test's settings."""
    return Cli(
        {
            "DATABASE_URL": database.app_dsn,
            "DATABASE_OWNER_URL": database.owner_dsn,
            "AzureWebJobsStorage": storage.connection_string,
            "ENCRYPTION_SECRET": ENCRYPTION_SECRET,
            "AUTH_JWT_SECRET": SECRET,
            "OUTGOING_ALLOW_LOOPBACK": "true",
            "OUTBOUND_NEEDS_PREVIEW": "false",
        },
        monkeypatch,
    )
