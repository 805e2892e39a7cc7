"""`schedules`: when which entity of which integration is pulled, a row each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID, uuid4

from shared.model import EntityType
from shared.store.database import Transaction

SHORTEST_S = 300
LONGEST_S = 86_400


@dataclass(frozen=True, slots=True)
class Schedule:
    """A row of `schedules`."""

    id: UUID
    integration_id: UUID
    entity: EntityType
    mode: str
    every_s: int
    time_zone: str
    enabled: bool
    next_due_at: datetime
    last_enqueued_at: datetime | None
    anchor_at: datetime
    """What its times are counted from, on the wall clock of its zone."""
    read_at: datetime
    """When this was read, by the database's clock."""


@dataclass(frozen=True, slots=True)
class Cadence:
    """How often an entity is pulled. *enabled* False keeps the row and never comes due."""

    entity: EntityType
    every_s: int
    mode: str = "incremental"
    time_zone: str = "UTC"
    enabled: bool = True


_COLUMNS: LiteralString = (
    "id, integration_id, entity_type, mode, every_s, time_zone, enabled, next_due_at, last_enqueued_at,"
    " coalesce(anchor_at, next_due_at) AS anchor_at, clock_timestamp() AS read_at"
)

_PUT: LiteralString = """
INSERT INTO schedules AS s (id, company_id, integration_id, entity_type, mode, every_s, time_zone, enabled, next_due_at)
VALUES (%(id)s, %(company)s, %(integration)s, %(entity)s, %(mode)s, %(every_s)s, %(time_zone)s, %(enabled)s,
    clock_timestamp() + %(every_s)s * interval '1 s')
ON CONFLICT (integration_id, entity_type, mode) DO UPDATE SET every_s = excluded.every_s,
    time_zone = excluded.time_zone, enabled = excluded.enabled,
    next_due_at = least(s.next_due_at, excluded.next_due_at), anchor_at = NULL
"""

_LIST: LiteralString = f"""
SELECT {_COLUMNS} FROM schedules WHERE integration_id = %(integration)s ORDER BY entity_type, mode
"""

_LOCK_DUE: LiteralString = f"""
SELECT {_COLUMNS} FROM schedules WHERE id = %(id)s AND enabled AND next_due_at <= clock_timestamp() FOR UPDATE
"""

_DUE: LiteralString = "SELECT schedule_id, company FROM due_schedules(%(limit)s)"

_ADVANCE: LiteralString = """
UPDATE schedules SET last_enqueued_at = clock_timestamp(), next_due_at = %(next)s, anchor_at = %(anchor)s
WHERE id = %(id)s
"""

_SKIP: LiteralString = """
UPDATE schedules SET next_due_at = clock_timestamp() + every_s * interval '1 s'
WHERE id = %(id)s AND next_due_at <= clock_timestamp()
"""

_REMOVE: LiteralString = "DELETE FROM schedules WHERE integration_id = %(integration)s"


class Schedules:
    """Statements on `schedules`."""

    async def put(self, tx: Transaction, integration_id: UUID, cadences: Sequence[Cadence]) -> None:
        """Add schedules or change their cadence; a new one comes due after one period."""
        for cadence in cadences:
            await tx.run(
                _PUT,
                id=uuid4(),
                company=tx.company,
                integration=integration_id,
                entity=cadence.entity.value,
                mode=cadence.mode,
                every_s=cadence.every_s,
                time_zone=cadence.time_zone,
                enabled=cadence.enabled,
            )

    async def of(self, tx: Transaction, integration_id: UUID) -> list[Schedule]:
        """Return an integration's schedules."""
        return [_schedule(row) for row in await tx.rows(_LIST, integration=integration_id)]

    async def remove(self, tx: Transaction, integration_id: UUID) -> int:
        """Remove an integration's schedules; return how many there were."""
        return await tx.run(_REMOVE, integration=integration_id)

    async def due(self, tx: Transaction, *, limit: int = 500) -> list[tuple[UUID, UUID]]:
        """Return schedules that are due, with their companies; in a dispatch transaction."""
        return [(row["schedule_id"], row["company"]) for row in await tx.rows(_DUE, limit=limit)]

    async def lock_due(self, tx: Transaction, schedule_id: UUID) -> Schedule | None:
        """Return a schedule that is due, locked until the transaction ends; None if it is not, or no longer."""
        row = await tx.row(_LOCK_DUE, id=schedule_id)
        return _schedule(row) if row else None

    async def advance(self, tx: Transaction, schedule: Schedule, next_due_at: datetime) -> None:
        """Mark it as served, and let it come due at *next_due_at*."""
        await tx.run(_ADVANCE, id=schedule.id, next=next_due_at, anchor=schedule.anchor_at)

    async def skip(self, tx: Transaction, schedule_id: UUID) -> None:
        """Let one that can't be served come due after its period, whatever its row says."""
        await tx.run(_SKIP, id=schedule_id)


def _schedule(row: Mapping[str, Any]) -> Schedule:
    return Schedule(
        id=row["id"],
        integration_id=row["integration_id"],
        entity=EntityType(row["entity_type"]),
        mode=row["mode"],
        every_s=row["every_s"],
        time_zone=row["time_zone"],
        enabled=row["enabled"],
        next_due_at=row["next_due_at"],
        last_enqueued_at=row["last_enqueued_at"],
        anchor_at=row["anchor_at"],
        read_at=row["read_at"],
    )
