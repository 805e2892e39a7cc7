"""
What the intake knows of integrations without PostgreSQL: one Table row each, and a copy of it in this process.

Losing the table costs nothing but checks: events are then kept unverified, and the worker verifies them.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.errors import Unavailable
from shared.intake.lookups import LookUp
from shared.intake.secrets import WebhookSecrets
from shared.security.sealing import SealBroken, Sealer
from shared.store.tables import Entity, Tables

TABLE = "webhookstate"
ROW = "state"

COPY_LASTS_S = 60.0
MOST_COPIES = 10_000
DATABASE_ANSWERS_WITHIN_S = 0.1
"""How long a vendor's request may wait for PostgreSQL; it has only a say, not a vote."""
DATABASE_RESTS_S = 10.0
"""How long it is not asked again once it did not answer."""


@dataclass(frozen=True, slots=True)
class Known:
    """An integration as the intake knows it. Of its state only the worker judges; it stands here to be seen."""

    integration_id: UUID
    company_id: UUID
    platform: str
    state: str
    """active, paused or deleted."""
    version: int
    """Of the secrets; rises with each change of them."""
    secrets: WebhookSecrets | None
    announced: int = 0
    """Version of a rotation that was about to be saved; above *version*, these secrets may be old."""

    @property
    def is_behind(self) -> bool:
        """Whether a rotation is known of that these secrets do not show."""
        return self.announced > self.version


AskDatabase = Callable[[UUID], Awaitable[Known | None]]


class Directory:
    """
    Finds integrations: in this process, in the Table, and, where it answers at once, in the database.

    *ask_database* raises Unavailable where it can't; None stands for a process that has no database.
    """

    def __init__(self, tables: Tables, copies: Sealer, ask_database: AskDatabase | None = None) -> None:
        self._tables = tables
        self._copies = copies
        self._ask_database = ask_database
        self._memory: OrderedDict[UUID, tuple[Known, float]] = OrderedDict()
        self._database_rests_until = float("-inf")
        self._read_table = LookUp(self._table)
        self._read_database = LookUp(self._database)

    async def recent(self, integration_id: UUID) -> Known | None:
        """Return what is known, at most 60 s old while the Table answers. Raises Unavailable if nothing can be said."""
        copy = self._memory.get(integration_id)
        if copy is not None and time.monotonic() - copy[1] < COPY_LASTS_S:
            return copy[0]
        try:
            return await self.fresh(integration_id)
        except Unavailable:
            if copy is None:
                raise
            return copy[0]

    async def fresh(self, integration_id: UUID) -> Known | None:
        """Return what the Table says now. Raises Unavailable."""
        return self._remember(integration_id, await self._read_table(integration_id))

    async def certain(self, integration_id: UUID) -> Known | None:
        """Return what the database says now. Raises Unavailable within a tenth of a second if it does not."""
        return self._remember(integration_id, await self._read_database(integration_id))

    def _remember(self, integration_id: UUID, found: Known | None) -> Known | None:
        copy = self._memory.get(integration_id)
        if found is None:
            self._memory.pop(integration_id, None)
            return None
        if copy is not None and copy[0].version > found.version:
            # The database told us of newer secrets than the Table has yet: nothing goes back.
            found = copy[0]
        self._memory[integration_id] = (found, time.monotonic())
        self._memory.move_to_end(integration_id)
        while len(self._memory) > MOST_COPIES:
            self._memory.popitem(last=False)
        return found

    async def _table(self, integration_id: UUID) -> Known | None:
        entity = await self._tables.find(TABLE, str(integration_id), ROW)
        if entity is None or "platform" not in entity:  # a rotation may be announced before the first row
            return None
        try:
            return read_entity(entity, self._copies)
        except SealBroken as error:
            raise Unavailable("the row was sealed under a key that is not here") from error

    async def _database(self, integration_id: UUID) -> Known | None:
        if self._ask_database is None or time.monotonic() < self._database_rests_until:
            raise Unavailable("the database is not asked")
        try:
            async with asyncio.timeout(DATABASE_ANSWERS_WITHIN_S):
                return await self._ask_database(integration_id)
        except SealBroken as error:
            raise Unavailable("the secrets were sealed under a key that is not here") from error
        except (TimeoutError, Unavailable) as error:
            self._database_rests_until = time.monotonic() + DATABASE_RESTS_S
            raise Unavailable("the database does not answer at once") from error


def entity_of(known: Known, copies: Sealer, asked_at: datetime) -> dict[str, object]:
    """
    Return *known* as the properties of its Table row, secrets sealed (keys of `Purpose.WEBHOOK_SECRETS`).

    *asked_at*: when the database said so, by its own clock.
    """
    sealed = known.secrets and copies.seal(known.secrets.to_json(), integration_id=known.integration_id)
    return {
        "company_id": str(known.company_id),
        "platform": known.platform,
        "state": known.state,
        "version": known.version,
        "announced": known.announced,
        "secrets": sealed or "",
        "published_at": asked_at.isoformat(),
    }


def read_entity(entity: Entity, copies: Sealer) -> Known:
    """Read a Table row. Raises SealBroken when its secrets were sealed elsewhere."""
    integration_id = UUID(entity["PartitionKey"])
    sealed = entity.get("secrets")
    return Known(
        integration_id=integration_id,
        company_id=UUID(entity["company_id"]),
        platform=entity["platform"],
        state=entity["state"],
        version=entity["version"],
        secrets=WebhookSecrets.from_json(copies.open(sealed, integration_id=integration_id)) if sealed else None,
        announced=entity.get("announced", 0),
    )
