"""What a measurement runs against: PostgreSQL, Azurite, a simulator in a process of its own, a connected company."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from sandbox.services.account import BARE_ENVIRONMENT
from sandbox.services.azurite import ACCOUNT, running_azurite
from sandbox.services.postgres import chosen_postgres
from shared.composition import Services
from shared.integrations.lifecycle import Integrations
from shared.integrations.requests import CreateIntegration
from shared.settings import load_settings
from shared.store.companies import Companies
from shared.store.migrate import migrate

ROOT = Path(__file__).resolve().parents[2]
OWNER, APP = "liaison_owner", "liaison_app"
COMPANY = UUID(int=0xACE)


@dataclass(frozen=True)
class Stack:
    """Everything is up, connected and empty; `integration_id` is the Greenhouse account's."""

    owner_dsn: str
    admin_dsn: str
    simulator: Mapping[str, Any]
    environment: Mapping[str, str]
    """Of a process that runs our code against it."""
    integration_id: UUID


@contextmanager
def running_stack(people: int, *, seed: int = 7) -> Iterator[Stack]:
    """Run everything for the block, with *people* candidates whose pages are ready-made answers."""
    with (
        chosen_postgres() as server,
        _database(server.dsn()) as name,
        running_azurite() as storage,
        _simulator(people, seed) as simulator,
    ):
        password = secrets.token_urlsafe(24)
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            _login(connection, OWNER, password)
            connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(*map(sql.Identifier, (name, OWNER))))
            owner_dsn = server.dsn(name, user=OWNER, password=password)
            asyncio.run(migrate(owner_dsn))
            _login(connection, APP, password)
        environment = {
            **BARE_ENVIRONMENT,
            "DATABASE_URL": server.dsn(name, user=APP, password=password),
            "AzureWebJobsStorage": storage.connection_string_of(ACCOUNT),
            "ENCRYPTION_SECRET": base64.b64encode(secrets.token_bytes(32)).decode(),
            "AUTH_JWT_SECRET": secrets.token_urlsafe(40),
            "OUTGOING_ALLOW_LOOPBACK": "true",
            "OUTBOUND_NEEDS_PREVIEW": "false",
        }
        integration_id = asyncio.run(_connect(environment, simulator))
        yield Stack(owner_dsn, server.dsn(name), simulator, environment, integration_id)


@contextmanager
def _database(admin_dsn: str) -> Iterator[str]:
    name = f"liaison_bench_{secrets.token_hex(6)}"
    with psycopg.connect(admin_dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        try:
            yield name
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _login(connection: psycopg.Connection[Any], role: str, password: str) -> None:
    """Let *role* log in; make it, able to migrate, if it does not exist."""
    known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
    statement = "ALTER ROLE {} LOGIN PASSWORD {}" if known else "CREATE ROLE {} LOGIN PASSWORD {} CREATEROLE CREATEDB"
    connection.execute(sql.SQL(statement).format(sql.Identifier(role), sql.Literal(password)))


@contextmanager
def _simulator(people: int, seed: int) -> Iterator[Mapping[str, Any]]:
    """Run a simulator as a process of its own, so that neither its work nor its memory is the pull's."""
    options = ["--json", "--static-answers", "--no-limiter", "--people", str(people), "--seed", str(seed)]
    process = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "sandbox.vendors.greenhouse", *options],
        cwd=ROOT,
        env=BARE_ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        with process.stdout as output:
            yield json.loads(output.readline())
    finally:
        process.terminate()
        process.wait(timeout=30)


async def _connect(environment: Mapping[str, str], simulator: Mapping[str, Any]) -> UUID:
    services = Services(load_settings(dict(environment)))
    try:
        async with services.database.company(COMPANY) as tx:
            await Companies().create(tx, "Acme")
        wanted = {
            "platform": "greenhouse",
            "api_base_url": simulator["api_base_url"],
            "config": {
                "client_id": simulator["client_id"],
                "client_secret": simulator["client_secret"],
                "token_url": simulator["token_url"],
                "user_id": str(simulator["user_id"]),
            },
        }
        created = await Integrations.of(services).create(COMPANY, CreateIntegration.model_validate(wanted))
        return UUID(str(created.view["id"]))
    finally:
        await services.aclose()
