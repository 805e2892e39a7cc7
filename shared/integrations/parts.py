"""What the life of an integration is made of: given by the composition root, which stands above this package."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, Self
from uuid import UUID

from shared.intake.publish import announce_rotation
from shared.integrations.connection_test import Connector
from shared.model import Direction, EntityType
from shared.security.keys import Keys
from shared.security.sealing import Sealer
from shared.settings import Settings
from shared.store.attention import Attention
from shared.store.connections import Connections, IntegrationRow
from shared.store.database import Database, Transaction
from shared.store.integrations import Integrations as IntegrationStore
from shared.store.ledger import Knock, Ledger
from shared.store.logs import Logs
from shared.store.queues import Knocker
from shared.store.runs import Runs
from shared.store.schedules import Schedules
from shared.store.store import Store


class Syncs(Protocol):
    """Starts pulls (shared.sync.runs.requests)."""

    async def request(
        self,
        company_id: UUID,
        integration_id: UUID,
        *,
        direction: Direction | None,
        entity: EntityType | None,
        mode: str | None,
        trigger: str,
    ) -> UUID:
        """Start a run; return its id."""
        ...

    async def resume(self, company_id: UUID, integration_id: UUID) -> object:
        """Start one incremental run for each entity."""
        ...

    async def push(self, tx: Transaction, integration: IntegrationRow, entities: Sequence[EntityType]) -> list[Knock]:
        """Start an outbound run of each of *entities* that may go out."""
        ...

    async def look_again(self, company_id: UUID, integration_id: UUID, entities: Sequence[EntityType]) -> object:
        """Start one full run for each of *entities* that was pulled before."""
        ...


class Comparisons(Protocol):
    """Starts full comparisons (shared.sync.comparing.parity)."""

    async def schedule(
        self, tx: Transaction, integration: IntegrationRow, entity: EntityType, *, trigger: str
    ) -> list[Knock]:
        """Start one that repairs what it finds, if *entity* may come in."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What the composition root gives."""

    settings: Settings
    keys: Keys
    sealer: Sealer
    database: Database
    integrations: IntegrationStore
    schedules: Schedules
    attention: Attention
    connections: Connections
    store: Store
    ledger: Ledger
    logs: Logs
    runs: Runs
    knocker: Knocker
    connector: Connector
    syncs: Syncs
    comparisons: Comparisons
    announce: Callable[[UUID, int, datetime], Awaitable[None]]
    """Tells the webhook intake that newer secrets are coming, and when it is. May raise Unavailable."""

    @classmethod
    def of(cls, services: Any) -> Self:
        """Take them from *services* (`shared.composition.Services`, which stands above this package)."""
        return cls(
            settings=services.settings,
            keys=services.keys,
            sealer=services.sealer,
            database=services.database,
            integrations=IntegrationStore(),
            schedules=Schedules(),
            attention=services.store.attention,
            connections=services.store.connections,
            store=services.store,
            ledger=services.store.ledger,
            logs=services.store.logs,
            runs=services.store.runs,
            knocker=services.knocker,
            connector=services.adapters,
            syncs=services.syncs,
            comparisons=services.comparisons,
            announce=lambda integration_id, version, at: announce_rotation(
                services.intake.tables, integration_id, version, at
            ),
        )
