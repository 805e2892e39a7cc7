"""Asking for comparisons, and what they came to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from shared.errors import Conflict, NotFound
from shared.model import Direction, EntityType
from shared.store.connections import IntegrationRow
from shared.store.database import Database, Transaction
from shared.store.ledger import JobRequest, Knock
from shared.store.parity import Parity, ParityRun
from shared.store.queues import Knocker
from shared.store.store import Store
from shared.sync.jobs.priorities import COMPARE, FULL_COMPARISON


class Comparisons:
    """Starts comparisons and shows them."""

    def __init__(self, database: Database, store: Store, knocker: Knocker) -> None:
        self._database = database
        self._store = store
        self._knocker = knocker
        self._parity = Parity()

    async def request(
        self,
        company_id: UUID,
        integration_id: UUID,
        *,
        entity: EntityType | None = None,
        repairs: bool,
        trigger: str = "manual",
    ) -> list[UUID]:
        """
        Compare *entity*, or every entity that may come in; return the comparisons' ids, parents first.

        One that is under way already is not begun anew. Raises NotFound, and Conflict when the integration is paused
        or nothing may come in.
        """
        async with self._database.company(company_id) as tx:
            integration = await self._store.connections.get(tx, integration_id)
            entities = [
                each
                for each in ([entity] if entity else list(EntityType))
                if integration.allows(each, Direction.INBOUND)
            ]
            _refuse_idle(integration, entities)
            ids, knocks = [], list[Knock]()
            for each in entities:
                parity_id, more = await self._start(tx, integration, each, repairs=repairs, trigger=trigger)
                ids.append(parity_id)
                knocks.extend(more)
        await self._knocker.send(knocks)
        return ids

    async def schedule(
        self, tx: Transaction, integration: IntegrationRow, entity: EntityType, *, trigger: str = "schedule"
    ) -> list[Knock]:
        """Start a comparison that nobody asked for, if *entity* may come in; it repairs what it finds."""
        if not integration.allows(entity, Direction.INBOUND):
            return []
        _, knocks = await self._start(tx, integration, entity, repairs=True, trigger=trigger)
        return knocks

    async def _start(
        self, tx: Transaction, integration: IntegrationRow, entity: EntityType, *, repairs: bool, trigger: str
    ) -> tuple[UUID, list[Knock]]:
        parity_id = await self._parity.start(tx, integration.id, entity, trigger=trigger, repairs=repairs)
        request = JobRequest(integration.id, COMPARE, entity, "all", Direction.INBOUND, FULL_COMPARISON)
        return parity_id, await self._store.ledger.enqueue(tx, [request])


def parity_view(run: ParityRun) -> dict[str, Any]:
    """Return a comparison as API and command line show it."""
    share = None
    if run.records is not None and run.drift is not None:
        share = (run.records - run.drift) / run.records if run.records else 1.0
    return {
        "id": run.id,
        "integration_id": run.integration_id,
        "entity": run.entity.value,
        "status": run.status,
        "trigger": run.trigger,
        "repairs": run.repairs,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "pages": run.pages,
        "requests": run.requests,
        "records_read": run.records_read,
        "records": run.records,
        "parity": share,
        "drift": run.drift,
        "explained": run.explained,
        "error": run.error,
        "certificate": run.certificate,
    }


def _refuse_idle(integration: IntegrationRow, entities: Sequence[EntityType]) -> None:
    if integration.deleted_at is not None:
        raise NotFound(f"there is no integration {integration.id}")
    if not integration.sync_enabled:
        raise Conflict("the integration is paused", remedy="set sync_enabled to true")
    if integration.attention is not None:
        raise Conflict(f"the integration waits for people: {integration.attention}", remedy="give it new credentials")
    if not entities:
        raise Conflict("this entity may not come in", remedy="change config.directions or the entity's switch")
