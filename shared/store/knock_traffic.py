"""`knock_traffic`: how many knocks went into each queue, and how many came out at a worker of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

from shared.store.database import Transaction, as_json

LASTS_S = 45
"""So long knocks must have vanished look after look: three looks of the sweep."""
FEWEST = 3
"""Fewer than this may be a worker that died before it told what it had answered."""

_ADD: LiteralString = """
INSERT INTO knock_traffic AS t (queue, sent, received)
SELECT r.queue, r.sent, r.received FROM jsonb_to_recordset(%(rows)s) AS r (queue text, sent bigint, received bigint)
ORDER BY r.queue
ON CONFLICT (queue) DO UPDATE SET sent = t.sent + excluded.sent, received = t.received + excluded.received
"""

# What was sent since the last look, is not waiting, and reached nobody of ours. Counts come a few seconds late, so a
# fifth of what was sent may be missing. Where knocks vanish their jobs stay due, so that each look has some.
_LOOK: LiteralString = """
WITH seen AS (
    SELECT queue, sent - looked_sent AS sent,
        sent - looked_sent - (received - looked_received) - (%(waiting)s - waiting) AS gap
    FROM knock_traffic WHERE queue = %(queue)s FOR UPDATE
)
UPDATE knock_traffic t SET waiting = %(waiting)s, looked_sent = t.sent, looked_received = t.received,
    missing = CASE WHEN seen.sent > 0 AND seen.gap * 5 > seen.sent THEN t.missing + seen.gap ELSE 0 END,
    vanishing_since = CASE WHEN seen.sent > 0 AND seen.gap * 5 > seen.sent
        THEN coalesce(t.vanishing_since, clock_timestamp()) END
FROM seen WHERE t.queue = seen.queue
RETURNING t.missing, t.missing >= %(fewest)s AND t.vanishing_since < clock_timestamp() - %(lasts)s * interval '1 s'
    AS is_vanishing
"""
_INTEGRATIONS: LiteralString = "SELECT DISTINCT integration_id FROM sync_queue WHERE id = ANY(%(jobs)s)"
_TOLD: LiteralString = "SELECT * FROM told_of_vanishing(%(queue)s)"


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at a queue found."""

    missing: int = 0
    is_vanishing: bool = False
    """Somebody else takes knocks off the queue."""


class KnockTraffic:
    """Statements on `knock_traffic`; in dispatch transactions but for those that say otherwise."""

    async def add(self, tx: Transaction, sent: Mapping[str, int], received: Mapping[str, int]) -> None:
        """Add counts by queue."""
        rows = [
            {"queue": queue, "sent": sent.get(queue, 0), "received": received.get(queue, 0)}
            for queue in sorted({*sent, *received})
        ]
        if rows:
            await tx.run(_ADD, rows=as_json(rows))

    async def look(self, tx: Transaction, queue: str, waiting: int) -> Look:
        """Compare what went in with what came out and the *waiting* messages that lie there."""
        row = await tx.row(_LOOK, queue=queue, waiting=waiting, fewest=FEWEST, lasts=LASTS_S)
        return Look() if row is None else Look(row["missing"], bool(row["is_vanishing"]))

    async def integrations(self, tx: Transaction, job_ids: list[UUID]) -> list[UUID]:
        """Return whose jobs they are; in the company's transaction."""
        return [row["integration_id"] for row in await tx.rows(_INTEGRATIONS, jobs=job_ids)]

    async def told(self, tx: Transaction, queue: str) -> list[Mapping[str, Any]]:
        """Return `company` and `integration` of the issues that tell of *queue*."""
        return list(await tx.rows(_TOLD, queue=queue))
