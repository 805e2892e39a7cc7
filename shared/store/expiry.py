"""What is deleted when its time is over: all that a connection long gone has left but its row and its log."""

from __future__ import annotations

from typing import LiteralString
from uuid import UUID

from shared.store.database import Transaction

_FORGOTTEN: LiteralString = "SELECT integration, company FROM forgotten_integrations()"
_LINKS: LiteralString = """
DELETE FROM external_entity_map WHERE integration_id = %(id)s AND state = 'tombstone'
"""
_EVENTS: LiteralString = "DELETE FROM webhook_events WHERE integration_id = %(id)s"
# Each finds its rows by the one after it.
_COMPARISONS: tuple[LiteralString, ...] = (
    "DELETE FROM parity_seen s USING parity_runs p WHERE p.id = s.parity_id AND p.integration_id = %(id)s",
    "DELETE FROM parity_differences d USING parity_runs p WHERE p.id = d.parity_id AND p.integration_id = %(id)s",
    "DELETE FROM parity_runs WHERE integration_id = %(id)s",
)
_BRAKES: tuple[LiteralString, ...] = (
    "DELETE FROM held_deletes h USING delete_brakes b WHERE b.id = h.brake_id AND b.integration_id = %(id)s",
    "DELETE FROM delete_brakes WHERE integration_id = %(id)s",
)
_HUSH: LiteralString = "UPDATE integrations SET webhook_secret_sealed = NULL WHERE id = %(id)s"


class Expiry:
    """Statements that end what a deleted connection left."""

    async def forgotten(self, tx: Transaction) -> list[tuple[UUID, UUID]]:
        """Return connections deleted over 30 days ago, with their companies; in a dispatch transaction."""
        return [(row["integration"], row["company"]) for row in await tx.rows(_FORGOTTEN)]

    async def forget(self, tx: Transaction, integration_id: UUID) -> int:
        """Delete what is left of one of them; return how many links that were."""
        links = await tx.run(_LINKS, id=integration_id)
        for statement in (_EVENTS, *_COMPARISONS, *_BRAKES, _HUSH):
            await tx.run(statement, id=integration_id)
        return links
