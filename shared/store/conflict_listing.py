"""What the API shows of conflicts: newest first, by key; values stay sealed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

from shared.errors import NotFound
from shared.model import EntityType
from shared.store.database import Transaction


@dataclass(frozen=True, slots=True)
class ConflictFilter:
    """Which conflicts; None: all."""

    status: str | None = None
    entity: EntityType | None = None
    record_id: UUID | None = None
    unit: str | None = None
    kind: str | None = None
    integration_id: UUID | None = None
    is_overdue: bool | None = None


class ConflictListing:
    """Reads of `conflicts` for people. *due*: how long one may wait."""

    def __init__(self, due: timedelta) -> None:
        self._due = due

    async def page(
        self, tx: Transaction, wanted: ConflictFilter, *, after: tuple[datetime, UUID] | None, limit: int
    ) -> list[dict[str, Any]]:
        """Return what waits, or waited, for a person."""
        query, parameters = self.listing(wanted, after)
        return await tx.rows(query, **parameters, company=tx.company, limit=limit)

    def listing(
        self, wanted: ConflictFilter, after: tuple[datetime, UUID] | None
    ) -> tuple[LiteralString, dict[str, Any]]:
        """Return the query of `page` and its parameters, but `company` and `limit`."""
        given: dict[str, Any] = {
            "status": wanted.status,
            "entity": wanted.entity and wanted.entity.value,
            "record": wanted.record_id,
            "unit": wanted.unit,
            "kind": wanted.kind,
            "integration": wanted.integration_id,
            "overdue": wanted.is_overdue,
        }
        parameters = {name: value for name, value in given.items() if value is not None}
        conditions: list[LiteralString] = [_CONDITIONS[name] for name in parameters]
        if after is not None:
            conditions.append("(c.opened_at, c.id) < (%(at)s, %(after)s)")
            parameters |= {"at": after[0], "after": after[1]}
        where: LiteralString = "".join(f" AND {condition}" for condition in conditions)
        query: LiteralString = (
            f"SELECT {_COLUMNS} FROM conflicts c WHERE c.company_id = %(company)s{where}"
            " ORDER BY c.opened_at DESC, c.id DESC LIMIT %(limit)s"
        )
        return query, {**parameters, "due": self._due}

    async def one(self, tx: Transaction, conflict_id: UUID) -> dict[str, Any]:
        """Return one item. Raises NotFound, also for another company's."""
        row = await tx.row(_ONE, id=conflict_id, due=self._due)
        if row is None:
            raise NotFound(f"there is no conflict {conflict_id}")
        return row

    async def open_fields(self, tx: Transaction, integration_id: UUID, entity: EntityType, unit: str) -> Sequence[UUID]:
        """Return the records in which *unit* is held against a link of the integration."""
        rows = await tx.rows(
            _OPEN_FIELDS, integration=integration_id, entity=entity.value, unit=unit, company=tx.company
        )
        return [row["record_id"] for row in rows]

    async def sides(self, tx: Transaction, conflict_id: UUID) -> list[UUID]:
        """Return the integrations whose links are sides of a field's item, in the order of their creation."""
        return [row["integration_id"] for row in await tx.rows(_SIDES, id=conflict_id)]


_COLUMNS: LiteralString = """c.id, c.kind, c.entity_type AS entity, c.record_id, c.unit, c.integration_id,
    c.external_id, c.matches, c.version, c.status, c.reason, c.opened_at, c.updated_at, c.ended_at, c.ended_by,
    c.decision, c.sealed, ARRAY(SELECT jsonb_object_keys(c.inputs)) AS links,
    c.opened_at + %(due)s AS due_at,
    c.status = 'open' AND c.opened_at + %(due)s < clock_timestamp() AS overdue"""
_ONE: LiteralString = f"SELECT {_COLUMNS} FROM conflicts c WHERE c.id = %(id)s"
# The sides of a field's item are its links: each stands as a key in *inputs*.
_OF_INTEGRATION: LiteralString = """(c.integration_id = %(integration)s OR EXISTS (
    SELECT 1 FROM external_entity_map l WHERE l.internal_id = c.record_id AND l.integration_id = %(integration)s
        AND c.inputs ? l.id::text))"""
_CONDITIONS: dict[str, LiteralString] = {
    "status": "c.status = %(status)s",
    "entity": "c.entity_type = %(entity)s",
    "record": "c.record_id = %(record)s",
    "unit": "c.unit = %(unit)s",
    "kind": "c.kind = %(kind)s",
    "integration": _OF_INTEGRATION,
    "overdue": "(c.status = 'open' AND c.opened_at + %(due)s < clock_timestamp()) = %(overdue)s",
}
_OPEN_FIELDS: LiteralString = f"""
SELECT c.record_id FROM conflicts c
WHERE c.company_id = %(company)s AND c.status = 'open' AND c.kind = 'field' AND c.entity_type = %(entity)s
    AND c.unit = %(unit)s AND {_OF_INTEGRATION}
ORDER BY c.record_id
"""
_SIDES: LiteralString = """
SELECT DISTINCT i.rank, l.integration_id FROM conflicts c
JOIN external_entity_map l ON l.internal_id = c.record_id AND c.inputs ? l.id::text
JOIN integrations i ON i.id = l.integration_id
WHERE c.id = %(id)s ORDER BY i.rank
"""
