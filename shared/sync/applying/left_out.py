"""
What hangs on a record that the mapping left out stays out with it, and comes in with it.

An application without its candidate would wait for ever, and each run ask for the candidate again. So jobs and
candidates that a filter left out are remembered, under that filter's name, and with them what stayed out on their
account. Who comes in after all has a link, which is looked at first, and takes along what was left out with it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from shared.mapping.reading import filters_of
from shared.model import Direction, EntityType, Reference
from shared.store.connections import IntegrationRow
from shared.store.database import Transaction
from shared.store.ledger import JobRequest
from shared.store.left_out import Child, LeftOutRecords
from shared.store.links import EXTERNAL_KEY
from shared.sync.jobs.priorities import PARENT_FETCH, RECONCILE


class LeftOut:
    """Remembers who was left out. Costs nothing where nothing is filtered."""

    def __init__(self, rows: LeftOutRecords) -> None:
        self._rows = rows

    async def note(
        self,
        tx: Transaction,
        integration: IntegrationRow,
        entity: EntityType,
        external_ids: Collection[str],
        children: Collection[Child],
    ) -> None:
        """Remember that *external_ids* were left out, if others may refer to them, and which parent *children* lack."""
        name = filters_of(integration.config).get(entity) if external_ids else None
        if name is not None and entity is not EntityType.APPLICATION:
            await self._rows.put(tx, integration.id, entity, external_ids, by=name)
        if children:
            await self._rows.put_children(tx, integration.id, entity, children)

    async def parents(
        self, tx: Transaction, integration: IntegrationRow, lacking: Mapping[str, Sequence[Reference]]
    ) -> dict[Reference, str]:
        """Return what was left out of that which records are *lacking* (by external id), each with its filter."""
        filters = filters_of(integration.config) if lacking else {}
        found: dict[Reference, str] = {}
        for entity, name in filters.items():
            wanted = {
                each.external_id for references in lacking.values() for each in references if each.entity is entity
            }
            known = await self._rows.known(tx, integration.id, entity, wanted, by=name) if wanted else set()
            found |= dict.fromkeys((Reference(entity, each) for each in known), name)
        return found

    async def come_along(
        self, tx: Transaction, integration: IntegrationRow, entity: EntityType, arrived: Collection[str]
    ) -> list[JobRequest]:
        """Return a job for each record that was left out with one of those that *arrived* (the vendor's ids)."""
        if not arrived or entity not in filters_of(integration.config):
            return []
        return [
            JobRequest(integration.id, RECONCILE, kind, EXTERNAL_KEY + external_id, Direction.INBOUND, PARENT_FETCH)
            for kind, external_id in await self._rows.take_children(tx, integration.id, entity, arrived)
        ]

    async def overdue(self, tx: Transaction, integration: IntegrationRow) -> list[JobRequest]:
        """
        Return a job for each record whose parent is here, however that came about.

        A page that leaves one out does not see the parent that another transaction is just linking; a table of ids
        links a parent without any page.
        """
        if not filters_of(integration.config):
            return []
        arrived = await self._rows.arrived(tx, integration.id)
        return [
            request
            for entity, external_ids in arrived.items()
            for request in await self.come_along(tx, integration, entity, external_ids)
        ]
