"""What is deleted when its time is over: the tombstones, events and webhook secret of a connection long gone."""

from __future__ import annotations

from typing import LiteralString
from uuid import UUID

from shared.store.database import Transaction

_FORGOTTEN: LiteralString = "SELECT integration, company FROM forgotten_integrations()"
_LINKS: LiteralString = """
DELETE FROM external_entity_map WHERE integration_id = %(id)s AND state = 'tombstone'
"""
_EVENTS: LiteralString = "DELETE FROM webhook_events WHERE integration_id = %(id)s"
_HUSH: LiteralString = "UPDATE integrations SET webhook_secret_sealed = NULL WHERE id = %(id)s"


class Expiry:
    """Statements that end what a deleted connection left."""

    async def forgotten(self, tx: Transaction) -> list[tuple[UUID, UUID]]:
        """Return connections deleted over 30 days ago, with their companies; in a dispatch transaction."""
        return [(row["integration"], row["company"]) for row in await tx.rows(_FORGOTTEN)]

    async def forget(self, tx: Transaction, integration_id: UUID) -> int:
        """Delete what is left of one of them; return how many links that were."""
        links = await tx.run(_LINKS, id=integration_id)
        await tx.run(_EVENTS, id=integration_id)
        await tx.run(_HUSH, id=integration_id)
        return links
