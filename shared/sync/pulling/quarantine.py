"""Records that were set aside: looked at again when somebody asks, instead of within the hour."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import psycopg

from shared.model import Direction, EntityType
from shared.store.attention import Quarantined
from shared.store.database import Database
from shared.store.ledger import JobRequest
from shared.store.longer_than_indexed import LongerThanIndexed
from shared.store.queues import Knocker
from shared.store.store import Store
from shared.sync.jobs import waiting
from shared.sync.jobs.priorities import MANUAL_RECORD, RECONCILE


def refused_by_database(external_id: str, error: psycopg.DataError) -> Quarantined:
    """Return how a record is set aside that no statement can store. Other errors' texts may quote a value."""
    reason = str(error) if isinstance(error, LongerThanIndexed) else f"the database refuses it: {type(error).__name__}"
    return Quarantined(external_id, "refused_by_database", reason)


class Quarantine:
    """Redrives what could not be taken in."""

    def __init__(self, database: Database, store: Store, knocker: Knocker) -> None:
        self._database = database
        self._store = store
        self._knocker = knocker

    async def redrive(
        self,
        company_id: UUID,
        integration_id: UUID,
        *,
        entity: EntityType | None = None,
        external_ids: Sequence[str] | None = None,
        code: str | None = None,
    ) -> int:
        """
        Fetch quarantined records again, now; return how many were asked for.

        *entity*, *external_ids* and *code* (the cause) narrow it down; None means all. A record whose payload still
        can't be read stays aside. Raises NotFound when the company has no such integration.
        """
        async with self._database.company(company_id) as tx:
            await self._store.connections.get(tx, integration_id)
            aside = await self._store.attention.aside(
                tx, integration_id, entity=entity, external_ids=external_ids, code=code
            )
            requests, reasons = [], []
            for kind in EntityType:
                ids = [external_id for each, external_id in aside if each is kind]
                keys = await self._store.links.record_keys(tx, integration_id, kind, ids)
                for external_id, key in keys.items():
                    requests.append(JobRequest(integration_id, RECONCILE, kind, key, Direction.INBOUND, MANUAL_RECORD))
                    reasons.append(waiting.quarantine(integration_id, kind, external_id))
            knocks = await self._store.ledger.enqueue(tx, requests)
            knocks += await self._store.ledger.release_held(tx, integration_id, reasons)
        await self._knocker.send(knocks)
        return len(aside)
