"""Whether a vendor's webhooks are silent: what pulls have found of late, beside what events have announced."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from shared.store.database import Transaction


@dataclass(frozen=True, slots=True)
class Hearing:
    """The last day of one integration."""

    events: int
    changes: int
    """Records that incremental pulls found made or changed; an entity's first pull aside, which finds everything."""
    last_event_at: datetime | None


_HEARING: LiteralString = """
SELECT count(*) FILTER (WHERE e.received_at > clock_timestamp() - interval '1 day') AS events,
    max(e.received_at) AS last_event_at,
    (SELECT coalesce(sum(r.records_created + r.records_updated), 0) FROM runs r
        WHERE r.integration_id = %(integration)s AND r.direction = 'inbound' AND r.mode = 'incremental'
            AND r.entity_type IS NOT NULL AND r.started_at > clock_timestamp() - interval '1 day' AND EXISTS (
                SELECT FROM runs o WHERE o.integration_id = r.integration_id AND o.entity_type = r.entity_type
                    AND o.direction = 'inbound' AND o.status IN ('complete', 'partial')
                    AND o.started_at < r.started_at)) AS changes
FROM webhook_events e WHERE e.integration_id = %(integration)s
"""


class WebhookSilence:
    """The statement by which silence is noticed."""

    async def hearing(self, tx: Transaction, integration_id: UUID) -> Hearing:
        """Return what the last day brought."""
        row = await tx.one(_HEARING, integration=integration_id)
        return Hearing(row["events"], row["changes"], row["last_event_at"])
