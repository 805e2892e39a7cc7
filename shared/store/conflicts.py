"""What waits for a person: conflicts of a field, refused values, ambiguous matches, possible duplicates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID, uuid4

from pydantic import JsonValue

from shared.model import EntityType
from shared.store.database import Transaction, as_json


@dataclass(frozen=True, slots=True)
class ConflictItem:
    """A row of `conflicts`. The values of its sides are sealed under the person's key."""

    id: UUID
    kind: str
    entity: EntityType
    record_id: UUID | None
    unit: str | None
    integration_id: UUID | None
    external_id: str | None
    matches: Sequence[UUID]
    version: int
    inputs: Mapping[str, JsonValue]
    sealed: bytes | None
    status: str
    reason: str | None
    opened_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    ended_by: str | None
    decision: str | None


@dataclass(frozen=True, slots=True)
class FieldConflict:
    """What a field's item is to show: every differing side in one."""

    id: UUID
    kind: str
    entity: EntityType
    record_id: UUID
    unit: str
    inputs: Mapping[str, JsonValue]
    sealed: bytes
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class MatchConflict:
    """A vendor's record that may be one of ours; with no system, a record of ours that may be another one."""

    kind: str
    entity: EntityType
    integration_id: UUID | None
    external_id: str | None
    matches: Sequence[UUID]
    record_id: UUID | None = None
    reason: str | None = None


_OPEN_OF_RECORDS: LiteralString = """
SELECT * FROM conflicts WHERE status = 'open' AND kind IN ('field', 'refused') AND record_id = ANY(%(ids)s)
"""
_LOCK: LiteralString = "SELECT * FROM conflicts WHERE id = %(id)s FOR UPDATE"
# Whoever opens an item tells of it, in the same statement: so it is told exactly once.
_TELL: LiteralString = """
INSERT INTO notices (company_id, kind, audience, conflict_id, entity_type, record_id)
SELECT %(company)s, 'conflict_waiting', 'data_manager', put.id, put.entity_type, put.record_id FROM put WHERE put.is_new
RETURNING conflict_id
"""
_PUT: LiteralString = f"""
WITH put AS (
INSERT INTO conflicts AS c (id, company_id, kind, entity_type, record_id, unit, inputs, sealed, reason)
SELECT u.id, %(company)s, u.kind, u.entity, u.record_id, u.unit, u.inputs::jsonb, u.sealed, u.reason
FROM unnest(%(ids)s::uuid[], %(kinds)s::text[], %(entities)s::text[], %(record_ids)s::uuid[], %(units)s::text[],
    %(inputs)s::text[], %(sealed)s::bytea[], %(reasons)s::text[])
    AS u (id, kind, entity, record_id, unit, inputs, sealed, reason)
ON CONFLICT (record_id, unit) WHERE status = 'open' AND kind IN ('field', 'refused') DO UPDATE SET
    version = c.version + (c.inputs <> excluded.inputs)::integer, inputs = excluded.inputs, sealed = excluded.sealed,
    kind = excluded.kind, reason = excluded.reason,
    updated_at = CASE WHEN c.inputs <> excluded.inputs THEN clock_timestamp() ELSE c.updated_at END
RETURNING c.id, c.entity_type, c.record_id, (xmax = 0) AS is_new
)
{_TELL}"""
_PUT_MATCHES: LiteralString = f"""
WITH put AS (
INSERT INTO conflicts AS c (id, company_id, kind, entity_type, record_id, integration_id, external_id, matches, reason)
SELECT r.id, %(company)s, r.kind, r.entity_type, r.record_id, r.integration_id, r.external_id, r.matches, r.reason
FROM jsonb_to_recordset(%(rows)s) AS r (id uuid, kind text, entity_type text, record_id uuid, integration_id uuid,
    external_id text, matches uuid[], reason text)
ON CONFLICT (integration_id, entity_type, external_id)
    WHERE status = 'open' AND kind IN ('ambiguous_match', 'possible_duplicate')
    DO UPDATE SET version = c.version + (c.matches <> excluded.matches)::integer, matches = excluded.matches
RETURNING c.id, c.entity_type, c.record_id, (xmax = 0) AS is_new
)
{_TELL}"""
_END: LiteralString = """
UPDATE conflicts SET status = %(status)s, ended_at = clock_timestamp(), updated_at = clock_timestamp(),
    ended_by = %(by)s, decision = %(decision)s, version = version + 1
WHERE id = %(id)s AND status = 'open'
"""
_DECIDED_MATCH: LiteralString = """
SELECT external_id, decision FROM conflicts WHERE status = 'resolved' AND kind = 'ambiguous_match'
    AND integration_id = %(integration)s AND entity_type = %(entity)s AND external_id = ANY(%(ids)s)
ORDER BY ended_at
"""


class Conflicts:
    """Statements on `conflicts`."""

    async def open_of(self, tx: Transaction, record_ids: Sequence[UUID]) -> dict[tuple[UUID, str], ConflictItem]:
        """Return the open field items of the records, by record and unit."""
        if not record_ids:
            return {}
        items = [item_of(row) for row in await tx.rows(_OPEN_OF_RECORDS, ids=list(record_ids))]
        return {(item.record_id, item.unit): item for item in items if item.record_id and item.unit}

    async def lock(self, tx: Transaction, conflict_id: UUID) -> ConflictItem | None:
        """Return one item, locked until the transaction ends, or None."""
        row = await tx.row(_LOCK, id=conflict_id)
        return item_of(row) if row else None

    async def put(self, tx: Transaction, items: Sequence[FieldConflict]) -> int:
        """Open items or bring open ones up to date; tell data managers of the new ones, and return how many."""
        if not items:
            return 0
        rows = await tx.rows(
            _PUT,
            company=tx.company,
            ids=[item.id for item in items],
            kinds=[item.kind for item in items],
            entities=[item.entity.value for item in items],
            record_ids=[item.record_id for item in items],
            units=[item.unit for item in items],
            inputs=[as_json(dict(item.inputs)) for item in items],
            sealed=[item.sealed for item in items],
            reasons=[item.reason for item in items],
        )
        return len(rows)

    async def put_matches(self, tx: Transaction, items: Sequence[MatchConflict]) -> None:
        """
        Open the matches' items, or bring open ones up to date; tell data managers of the new ones.

        One item each external id, at the most.
        """
        if not items:
            return
        rows = [
            {
                "id": uuid4(),
                "kind": item.kind,
                "entity_type": item.entity.value,
                "record_id": item.record_id,
                "integration_id": item.integration_id,
                "external_id": item.external_id,
                "matches": list(item.matches),
                "reason": item.reason,
            }
            for item in items
        ]
        await tx.run(_PUT_MATCHES, company=tx.company, rows=as_json(rows))

    async def end(
        self, tx: Transaction, conflict_id: UUID, status: str, *, by: str | None = None, decision: str | None = None
    ) -> None:
        """End an open item: `resolved` by a person, `closed` because it ended by itself."""
        await tx.run(_END, id=conflict_id, status=status, by=by, decision=decision)

    async def decided_matches(
        self, tx: Transaction, integration_id: UUID, entity: EntityType, external_ids: Sequence[str]
    ) -> dict[str, str]:
        """Return what people decided of ambiguous matches: a record's id as text, or `new`."""
        if not external_ids:
            return {}
        rows = await tx.rows(_DECIDED_MATCH, integration=integration_id, entity=entity.value, ids=list(external_ids))
        return {row["external_id"]: row["decision"] for row in rows if row["decision"]}


def item_of(row: Mapping[str, Any]) -> ConflictItem:
    """Read a row of `conflicts`."""
    return ConflictItem(
        id=row["id"],
        kind=row["kind"],
        entity=EntityType(row["entity_type"]),
        record_id=row["record_id"],
        unit=row["unit"],
        integration_id=row["integration_id"],
        external_id=row["external_id"],
        matches=row["matches"] or [],
        version=row["version"],
        inputs=row["inputs"],
        sealed=bytes(row["sealed"]) if row["sealed"] is not None else None,
        status=row["status"],
        reason=row["reason"],
        opened_at=row["opened_at"],
        updated_at=row["updated_at"],
        ended_at=row["ended_at"],
        ended_by=row["ended_by"],
        decision=row["decision"],
    )
