"""Pairs of records of which a person said that they are not the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import LiteralString
from uuid import UUID

from shared.model import EntityType
from shared.store.database import Transaction

_PUT: LiteralString = """
INSERT INTO identity_pairs (company_id, low, high, decided_by)
SELECT %(company)s, least(u.other, %(id)s), greatest(u.other, %(id)s), %(by)s
FROM unnest(%(others)s::uuid[]) AS u (other) WHERE u.other <> %(id)s
ON CONFLICT (low, high) DO NOTHING
"""
_DROP: LiteralString = "DELETE FROM identity_pairs WHERE low = least(%(a)s, %(b)s) AND high = greatest(%(a)s, %(b)s)"
_EXISTS: LiteralString = (
    "SELECT 1 FROM identity_pairs WHERE low = least(%(a)s, %(b)s) AND high = greatest(%(a)s, %(b)s)"
)

# What a person said of an item holds for its external id; what was said of a pair holds for every id that either of the
# two has, or had before its connection was deleted.
_APART: LiteralString = """
SELECT c.external_id, unnest(c.matches) AS record_id FROM conflicts c
WHERE c.status = 'resolved' AND c.decision = 'new' AND c.integration_id = %(integration)s
    AND c.entity_type = %(entity)s AND c.external_id = ANY(%(ids)s)
UNION
SELECT l.external_id, CASE p.low WHEN l.internal_id THEN p.high ELSE p.low END FROM external_entity_map l
JOIN identity_pairs p ON l.internal_id IN (p.low, p.high)
WHERE l.integration_id = %(integration)s AND l.entity_type = %(entity)s AND l.external_id = ANY(%(ids)s)
"""


class IdentityPairs:
    """Statements on `identity_pairs`."""

    async def put(self, tx: Transaction, record_id: UUID, others: Iterable[UUID], *, by: str) -> None:
        """Remember that *record_id* is none of *others*."""
        await tx.run(_PUT, company=tx.company, id=record_id, others=list(others), by=by)

    async def drop(self, tx: Transaction, one: UUID, other: UUID) -> None:
        """Forget what was said of the two: a person has decided otherwise."""
        await tx.run(_DROP, a=one, b=other)

    async def are_apart(self, tx: Transaction, one: UUID, other: UUID) -> bool:
        """Whether a person said that the two are not the same."""
        return await tx.row(_EXISTS, a=one, b=other) is not None

    async def apart_from(
        self, tx: Transaction, integration_id: UUID, entity: EntityType, external_ids: Sequence[str]
    ) -> dict[str, set[UUID]]:
        """Return for each vendor's record those of ours that a person said it is not."""
        found: dict[str, set[UUID]] = {}
        if external_ids:
            rows = await tx.rows(_APART, integration=integration_id, entity=entity.value, ids=list(external_ids))
            for row in rows:
                found.setdefault(row["external_id"], set()).add(row["record_id"])
        return found
