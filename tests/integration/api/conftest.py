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

SECRET = "a shared secret of thirty-two characters"
ENCRYPTION_SECRET = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


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
def query(database: Database) -> Callable[..., list[tuple[Any, ...]]]:
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
