"""Vendors' records that a filter left out and that others refer to."""

from __future__ import annotations

from collections.abc import Collection
from typing import LiteralString
from uuid import UUID

from shared.model import EntityType
from shared.store.database import Transaction

_PUT: LiteralString = """
INSERT INTO left_out (company_id, integration_id, entity_type, external_id, filter)
SELECT %(company)s, %(integration)s, %(entity)s, u.id, %(filter)s FROM unnest(%(ids)s::text[]) AS u (id)
ON CONFLICT (integration_id, entity_type, external_id, filter) DO NOTHING
"""
_KNOWN: LiteralString = """
SELECT external_id FROM left_out
WHERE integration_id = %(integration)s AND entity_type = %(entity)s AND filter = %(filter)s
    AND external_id = ANY(%(ids)s)
"""
_FORGET: LiteralString = "DELETE FROM left_out WHERE integration_id = %(integration)s"


class LeftOutRecords:
    """Statements on `left_out`."""

    async def put(
        self, tx: Transaction, integration_id: UUID, entity: EntityType, external_ids: Collection[str], *, by: str
    ) -> None:
        """Remember that the filter *by* left these out."""
        await tx.run(
            _PUT,
            company=tx.company,
            integration=integration_id,
            entity=entity.value,
            ids=sorted(external_ids),
            filter=by,
        )

    async def known(
        self, tx: Transaction, integration_id: UUID, entity: EntityType, external_ids: Collection[str], *, by: str
    ) -> set[str]:
        """Return which of *external_ids* the filter *by* left out."""
        rows = await tx.rows(
            _KNOWN, integration=integration_id, entity=entity.value, ids=sorted(external_ids), filter=by
        )
        return {row["external_id"] for row in rows}

    async def forget(self, tx: Transaction, integration_id: UUID) -> None:
        """Forget all of it: the integration has other filters now."""
        await tx.run(_FORGET, integration=integration_id)
