"""What people were told, once each: of conflicts that wait, and of those that wait too long. Never a value."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

from shared.store.database import Transaction

_COMPANIES: LiteralString = "SELECT company FROM companies_to_remind(%(after)s)"
_REMIND: LiteralString = """
WITH late AS (
    UPDATE conflicts SET reminded_at = clock_timestamp()
    WHERE status = 'open' AND reminded_at IS NULL AND opened_at < clock_timestamp() - %(after)s::interval
    RETURNING id, entity_type, record_id
)
INSERT INTO notices (company_id, kind, audience, conflict_id, entity_type, record_id)
SELECT %(company)s, 'conflict_overdue', 'data_manager', id, entity_type, record_id FROM late
ON CONFLICT (conflict_id, kind) WHERE conflict_id IS NOT NULL DO NOTHING
"""
_LISTED: LiteralString = """
SELECT id, kind, audience, conflict_id, entity_type AS entity, record_id, at FROM notices
WHERE company_id = %(company)s AND (%(kind)s::text IS NULL OR kind = %(kind)s)
    AND (%(at)s::timestamptz IS NULL OR (at, id) < (%(at)s, %(after)s::uuid))
ORDER BY at DESC, id DESC LIMIT %(limit)s
"""


class Notices:
    """Statements on `notices`. That a conflict waits is written by the statement that opens it (`Conflicts`)."""

    async def companies_to_remind(self, tx: Transaction, after: timedelta) -> list[UUID]:
        """Return the companies in which something waits longer than *after*, untold; in a dispatch transaction."""
        return [row["company"] for row in await tx.rows(_COMPANIES, after=after)]

    async def remind(self, tx: Transaction, after: timedelta) -> int:
        """Tell once of each conflict of the company that waits longer than *after*; return how many those are."""
        return await tx.run(_REMIND, company=tx.company, after=after)

    async def listed(
        self, tx: Transaction, *, kind: str | None, after: tuple[datetime, UUID] | None, limit: int
    ) -> list[dict[str, Any]]:
        """Return the company's notices, newest first."""
        at, row_id = after or (None, None)
        return await tx.rows(_LISTED, company=tx.company, kind=kind, at=at, after=row_id, limit=limit)
