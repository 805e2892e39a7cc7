"""The brake on deletes: which disappearances are held until a person has decided, and what was decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID, uuid4

from shared.model import EntityType
from shared.store.database import Transaction


@dataclass(frozen=True, slots=True)
class Brake:
    """A row of `delete_brakes`, with how many records it holds."""

    id: UUID
    integration_id: UUID
    entity: EntityType
    state: str
    disappeared: int
    allowed: int
    opened_at: datetime
    ended_at: datetime | None
    ended_by: str | None
    held: int


_LOCK: LiteralString = "SELECT pg_advisory_xact_lock(hashtextextended('deletes ' || %(integration)s, 0))"
_FIGURES: LiteralString = """
SELECT (SELECT count(*) FROM external_entity_map WHERE integration_id = %(integration)s AND entity_type = %(entity)s
        AND state = 'live') AS live,
    (SELECT count(*) FROM external_entity_map l WHERE l.integration_id = %(integration)s
        AND l.entity_type = %(entity)s AND l.state = 'gone' AND l.changed_at > clock_timestamp() - interval '1 day'
        AND NOT EXISTS (SELECT FROM held_deletes h JOIN delete_brakes b ON b.id = h.brake_id
            WHERE h.link_id = l.id AND b.state = 'approved')) AS gone
"""
_DECISION: LiteralString = """
SELECT b.state FROM held_deletes h JOIN delete_brakes b ON b.id = h.brake_id
WHERE h.link_id = %(link)s ORDER BY b.opened_at DESC LIMIT 1
"""
_COLUMNS: LiteralString = (
    "b.id, b.integration_id, b.entity_type, b.state, b.disappeared, b.allowed, b.opened_at, b.ended_at, b.ended_by,"
    " (SELECT count(*) FROM held_deletes h WHERE h.brake_id = b.id) AS held"
)
_OPEN: LiteralString = f"""
SELECT {_COLUMNS} FROM delete_brakes b WHERE b.integration_id = %(integration)s AND b.state = 'open'
"""
_LISTED: LiteralString = f"""
SELECT {_COLUMNS} FROM delete_brakes b WHERE b.integration_id = %(integration)s
    AND (%(at)s::timestamptz IS NULL OR (b.opened_at, b.id) < (%(at)s, %(after)s::uuid))
ORDER BY b.opened_at DESC, b.id DESC LIMIT %(limit)s
"""
_PULL: LiteralString = """
INSERT INTO delete_brakes (id, company_id, integration_id, entity_type, disappeared, allowed)
VALUES (%(id)s, %(company)s, %(integration)s, %(entity)s, %(disappeared)s, %(allowed)s)
"""
_HOLD: LiteralString = """
INSERT INTO held_deletes (brake_id, company_id, link_id, entity_type, record_id)
SELECT %(brake)s, %(company)s, u.link_id, %(entity)s, u.record_id
FROM unnest(%(links)s::uuid[], %(records)s::uuid[]) AS u (link_id, record_id)
ON CONFLICT DO NOTHING
"""
_DECIDE: LiteralString = """
UPDATE delete_brakes SET state = %(state)s, ended_at = clock_timestamp(), ended_by = %(by)s
WHERE integration_id = %(integration)s AND state = 'open' RETURNING id
"""
_HELD: LiteralString = "SELECT entity_type, record_id FROM held_deletes WHERE brake_id = %(brake)s ORDER BY record_id"
_KEPT: LiteralString = """
SELECT h.link_id FROM held_deletes h JOIN delete_brakes b ON b.id = h.brake_id
WHERE h.link_id = ANY(%(links)s) AND b.state = 'rejected'
"""


class DeleteBrakes:
    """Statements on `delete_brakes` and `held_deletes`."""

    async def lock(self, tx: Transaction, integration_id: UUID) -> None:
        """Let the integration's deletes happen one after another: each is counted against those before it."""
        await tx.rows(_LOCK, integration=str(integration_id))

    async def figures(self, tx: Transaction, integration_id: UUID, entity: EntityType) -> tuple[int, int]:
        """Return how many links live, and how many are gone since a day that nobody has approved of."""
        row = await tx.one(_FIGURES, integration=integration_id, entity=entity.value)
        return row["live"], row["gone"]

    async def decision(self, tx: Transaction, link_id: UUID) -> str | None:
        """Return the state of the brake that last held the link: open, approved or rejected; None if none has."""
        row = await tx.row(_DECISION, link=link_id)
        return row["state"] if row else None

    async def open_one(self, tx: Transaction, integration_id: UUID) -> Brake | None:
        """Return the brake that holds the integration's deletes now, or None."""
        row = await tx.row(_OPEN, integration=integration_id)
        return _brake(row) if row else None

    async def listed(
        self, tx: Transaction, integration_id: UUID, *, after: tuple[datetime, UUID] | None, limit: int
    ) -> list[Brake]:
        """Return the integration's brakes, newest first."""
        at, row_id = after or (None, None)
        rows = await tx.rows(_LISTED, integration=integration_id, at=at, after=row_id, limit=limit)
        return [_brake(row) for row in rows]

    async def pull(
        self, tx: Transaction, integration_id: UUID, entity: EntityType, *, disappeared: int, allowed: int
    ) -> UUID:
        """Stop the integration's deletes; return the brake. `lock` must be held and none be open."""
        brake_id = uuid4()
        await tx.run(
            _PULL,
            id=brake_id,
            company=tx.company,
            integration=integration_id,
            entity=entity.value,
            disappeared=disappeared,
            allowed=allowed,
        )
        return brake_id

    async def hold(self, tx: Transaction, brake_id: UUID, entity: EntityType, records: Mapping[UUID, UUID]) -> int:
        """Hold the deletes of *records* (by link); return how many were not held yet."""
        return await tx.run(
            _HOLD,
            brake=brake_id,
            company=tx.company,
            entity=entity.value,
            links=list(records),
            records=list(records.values()),
        )

    async def decide(self, tx: Transaction, integration_id: UUID, *, state: str, by: str) -> UUID | None:
        """Release the brake as `approved` or `rejected`; return it, or None if none is pulled."""
        row = await tx.row(_DECIDE, integration=integration_id, state=state, by=by)
        return row["id"] if row else None

    async def held(self, tx: Transaction, brake_id: UUID) -> list[tuple[EntityType, UUID]]:
        """Return entity and record of what a brake held."""
        return [(EntityType(row["entity_type"]), row["record_id"]) for row in await tx.rows(_HELD, brake=brake_id)]

    async def kept(self, tx: Transaction, link_ids: Sequence[UUID]) -> set[UUID]:
        """Return those of *link_ids* of which a person has said that they are to be kept."""
        return {row["link_id"] for row in await tx.rows(_KEPT, links=list(link_ids))}


def _brake(row: Mapping[str, Any]) -> Brake:
    values = {name: row[name] for name in Brake.__dataclass_fields__ if name != "entity"}
    return Brake(entity=EntityType(row["entity_type"]), **values)
