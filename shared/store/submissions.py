"""Applications that were submitted in the portal and have not come to their vendor yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from shared.store.database import Transaction

_QUEUED: LiteralString = """
SELECT id, candidate_id, count(*) OVER () AS waiting FROM records
WHERE company_id = %(company)s AND entity_type = 'application' AND submission ->> 'state' = 'queued'
    AND submission ->> 'integration_id' = %(integration)s::text AND archived_at IS NULL
    AND (%(after)s::uuid IS NULL OR id > %(after)s)
ORDER BY id LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Queued:
    """An application that waits to be created at its vendor."""

    id: UUID
    candidate_id: UUID
    waiting: int
    """How many there are with it and beyond it."""


class Submissions:
    """Statements on `records.submission`."""

    async def queued(
        self, tx: Transaction, integration_id: UUID, *, after: UUID | None = None, limit: int
    ) -> list[Queued]:
        """Return what waits to be created at the integration, by id, beyond *after*; archived ones aside."""
        rows = await tx.rows(_QUEUED, company=tx.company, integration=integration_id, after=after, limit=limit)
        return [Queued(row["id"], row["candidate_id"], row["waiting"]) for row in rows]
