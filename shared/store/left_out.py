"""Vendors' records that a filter left out and that others refer to, and what was left out with them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from shared.model import EntityType, Reference
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
_PUT_CHILDREN: LiteralString = """
INSERT INTO left_out AS l (company_id, integration_id, entity_type, external_id, filter, parent_type, parent_id)
SELECT %(company)s, %(integration)s, %(entity)s, u.id, u.filter, u.parent_type, u.parent_id
FROM unnest(%(ids)s::text[], %(filters)s::text[], %(parent_types)s::text[], %(parent_ids)s::text[])
    AS u (id, filter, parent_type, parent_id)
ON CONFLICT (integration_id, entity_type, external_id, filter) DO UPDATE
SET parent_type = excluded.parent_type, parent_id = excluded.parent_id
WHERE (l.parent_type, l.parent_id) IS DISTINCT FROM (excluded.parent_type, excluded.parent_id)
"""
# Rows are locked in one order here and where they are put.
_TAKE_CHILDREN: LiteralString = """
WITH due AS (
    SELECT integration_id, entity_type, external_id, filter FROM left_out
    WHERE integration_id = %(integration)s AND parent_type = %(entity)s AND parent_id = ANY(%(ids)s)
    ORDER BY external_id, filter FOR UPDATE
)
DELETE FROM left_out l USING due d
WHERE l.integration_id = d.integration_id AND l.entity_type = d.entity_type AND l.external_id = d.external_id
    AND l.filter = d.filter
RETURNING l.entity_type, l.external_id
"""
_ARRIVED: LiteralString = """
SELECT DISTINCT c.parent_type, c.parent_id FROM left_out c
JOIN external_entity_map l ON l.integration_id = c.integration_id AND l.entity_type = c.parent_type
    AND l.external_id = c.parent_id AND l.state = 'live'
WHERE c.integration_id = %(integration)s AND c.parent_id IS NOT NULL
"""
_FORGET: LiteralString = "DELETE FROM left_out WHERE integration_id = %(integration)s"


@dataclass(frozen=True, slots=True)
class Child:
    """A record that was left out only because the filter *by* left out its *parent*."""

    external_id: str
    parent: Reference
    by: str


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

    async def put_children(
        self, tx: Transaction, integration_id: UUID, entity: EntityType, children: Iterable[Child]
    ) -> None:
        """Remember on whose account *children* (of *entity*) were left out."""
        rows = sorted(children, key=lambda each: (each.external_id, each.by))
        await tx.run(
            _PUT_CHILDREN,
            company=tx.company,
            integration=integration_id,
            entity=entity.value,
            ids=[each.external_id for each in rows],
            filters=[each.by for each in rows],
            parent_types=[each.parent.entity.value for each in rows],
            parent_ids=[each.parent.external_id for each in rows],
        )

    async def take_children(
        self, tx: Transaction, integration_id: UUID, parents: EntityType, external_ids: Collection[str]
    ) -> list[tuple[EntityType, str]]:
        """Return what was left out with these *parents*, and forget it: entity and the vendor's id, in order."""
        rows = await tx.rows(_TAKE_CHILDREN, integration=integration_id, entity=parents.value, ids=sorted(external_ids))
        return sorted({(EntityType(row["entity_type"]), row["external_id"]) for row in rows})

    async def arrived(self, tx: Transaction, integration_id: UUID) -> dict[EntityType, set[str]]:
        """Return the vendor's ids of parents that are linked by now, of what was left out with them."""
        found: dict[EntityType, set[str]] = {}
        for row in await tx.rows(_ARRIVED, integration=integration_id):
            found.setdefault(EntityType(row["parent_type"]), set()).add(row["parent_id"])
        return found

    async def forget(self, tx: Transaction, integration_id: UUID) -> None:
        """Forget all of it: the integration has other filters now."""
        await tx.run(_FORGET, integration=integration_id)
