"""A company with a Greenhouse account: everything real but the host, whose part the tests play themselves."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
from psycopg.rows import dict_row

from sandbox.vendors.greenhouse.server import GreenhouseSimulator
from shared.composition import Services
from shared.integrations.lifecycle import Integrations
from shared.integrations.requests import CreateIntegration
from shared.model import Direction, EntityType
from shared.settings import Settings, load_settings
from shared.store.companies import Companies

JWT_SECRET = "s" * 40
QUEUES = ((1, 3), (4, 7), (8, 10))


def settings_for(app_dsn: str, storage: str, **more: str) -> Settings:
    """Return settings of a worker against these parts."""
    return load_settings(
        {
            "DATABASE_URL": app_dsn,
            "AzureWebJobsStorage": storage,
            "ENCRYPTION_SECRET": base64.b64encode(b"k" * 32).decode(),
            "AUTH_JWT_SECRET": JWT_SECRET,
            "OUTGOING_ALLOW_LOOPBACK": "true",
            "OUTBOUND_NEEDS_PREVIEW": "false",
            "SYNC_LEASE_SECONDS": "60",
            **more,
        }
    )


@dataclass
class World:
    """One company, one integration, one simulator."""

    services: Services
    simulator: GreenhouseSimulator
    company_id: UUID
    integration_id: UUID
    admin_dsn: str
    control: httpx.AsyncClient
    ran: list[UUID] = field(default_factory=list)
    """Jobs, in the order in which `drain` ran them."""

    async def drain(self, *, most: int = 500) -> int:
        """Run due jobs of every priority until none is due; return how many ran."""
        ran = 0
        while ran < most:
            claim = None
            for low, high in QUEUES:
                async with self.services.database.dispatch() as tx:
                    claim = await self.services.store.ledger.claim(
                        tx, None, low=low, high=high, ttl_s=60, per_integration=5
                    )
                if claim is not None:
                    break
            if claim is None:
                return ran
            await self.services.runner.run(claim)
            self.ran.append(claim.job_id)
            ran += 1
        raise AssertionError(f"jobs are still due after {most}")

    async def pull(self, entity: EntityType | None = None, mode: str = "incremental") -> UUID:
        """Ask for an inbound sync and run it to its end; return the run's id."""
        run_id = await self.services.syncs.request(
            self.company_id, self.integration_id, direction=Direction.INBOUND, entity=entity, mode=mode
        )
        await self.drain()
        return run_id

    async def rows(self, query: str, **parameters: Any) -> list[dict[str, Any]]:
        """Read the database past every policy."""
        (found,) = await self.rows_of([query], **parameters)
        return found

    async def rows_of(self, queries: Sequence[str], **parameters: Any) -> list[list[dict[str, Any]]]:
        """Read the rows of each of *queries* past every policy."""
        async with await psycopg.AsyncConnection.connect(self.admin_dsn, row_factory=dict_row) as connection:
            return [await (await connection.execute(each, parameters)).fetchall() for each in queries]

    async def execute(self, statement: str, **parameters: Any) -> None:
        """Change the database past every policy, as its owner."""
        async with await psycopg.AsyncConnection.connect(self.admin_dsn, autocommit=True) as connection:
            await connection.execute(statement, parameters)

    async def row(self, query: str, **parameters: Any) -> dict[str, Any]:
        """Read the one row of *query*."""
        (row,) = await self.rows(query, **parameters)
        return row

    async def run_of(self, run_id: UUID) -> dict[str, Any]:
        """Return a row of `runs`."""
        return await self.row("SELECT * FROM runs WHERE id = %(id)s", id=run_id)

    async def record_of(self, entity: EntityType, external_id: object) -> dict[str, Any]:
        """Return the record that the vendor's *external_id* is linked to, with its link."""
        return await self.row(
            "SELECT r.*, l.base, l.state AS link_state, l.sync_version, l.id AS link_id FROM external_entity_map l"
            " JOIN records r ON r.id = l.internal_id AND r.entity_type = l.entity_type"
            " WHERE l.entity_type = %(entity)s AND l.external_id = %(external)s",
            entity=entity.value,
            external=str(external_id),
        )

    async def edit_at_vendor(self, resource: str, record_id: object, changes: Mapping[str, Any]) -> None:
        """Change a record as a recruiter in the vendor's own pages would."""
        response = await self.control.patch(f"/{resource}/{record_id}", json=dict(changes))
        response.raise_for_status()

    async def vendor_state(self) -> dict[str, Any]:
        """Return everything that the simulator holds."""
        response = await self.control.get("/state")
        response.raise_for_status()
        state: dict[str, Any] = response.json()
        return state

    async def requests(self) -> Sequence[Mapping[str, Any]]:
        """Return the simulator's log of requests."""
        response = await self.control.get("/requests")
        response.raise_for_status()
        found: Sequence[Mapping[str, Any]] = response.json()
        return found

    async def edit_here(self, entity: EntityType, record_id: UUID, **changes: Any) -> None:
        """Change a record as the portal would."""
        await self.services.edits.edit(self.company_id, entity, record_id, changes, actor="test")


async def connect(
    settings: Settings, simulator: GreenhouseSimulator, admin_dsn: str, *, directions: str = "both", **config: Any
) -> World:
    """Make a company and connect it to *simulator*, on services of its own."""
    return await connect_with(Services(settings), simulator, admin_dsn, directions=directions, **config)


async def connect_with(
    services: Services, simulator: GreenhouseSimulator, admin_dsn: str, *, directions: str = "both", **config: Any
) -> World:
    """Make a company and connect it to *simulator*."""
    company_id = uuid4()
    async with services.database.company(company_id) as tx:
        await Companies().create(tx, "Acme")
    return await connect_one_more(services, company_id, simulator, admin_dsn, directions=directions, **config)


async def connect_one_more(
    services: Services,
    company_id: UUID,
    simulator: GreenhouseSimulator,
    admin_dsn: str,
    *,
    directions: str = "both",
    **config: Any,
) -> World:
    """Connect a company that is there to *simulator*; return it as a world of that integration."""
    addresses = simulator.addresses()
    created = await Integrations.of(services).create(
        company_id,
        CreateIntegration.model_validate(
            {
                "platform": "greenhouse",
                "api_base_url": addresses["api_base_url"],
                "config": {
                    "client_id": addresses["client_id"],
                    "client_secret": addresses["client_secret"],
                    "token_url": addresses["token_url"],
                    "user_id": str(addresses["user_id"]),
                    "directions": dict.fromkeys(("job", "candidate", "application"), directions) | {"job": "inbound"},
                    **config,
                },
            }
        ),
    )
    integration_id = UUID(str(created.view["id"]))
    return World(services, simulator, company_id, integration_id, admin_dsn, simulator.control())


def fresh_token() -> str:
    """Return a value that occurs nowhere else."""
    return secrets.token_hex(8)
