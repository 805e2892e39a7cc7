"""Records that were merged into others: what parting them needs, and who moves links between records meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from shared.model import EntityType
from shared.store.conflicts import ConflictItem, item_of
from shared.store.database import Transaction, as_json


@dataclass(frozen=True, slots=True)
class RecordMerge:
    """A row of `record_merges` that has not ended."""

    id: UUID
    survivor_id: UUID
    merged_id: UUID
    survivor_sealed: bytes
    merged_sealed: bytes
    merged_at: datetime


@dataclass(frozen=True, slots=True)
class LinkPlace:
    """To which record a link belongs; tombstones have one too, since their connection may come back."""

    id: UUID
    internal_id: UUID
    integration_id: UUID
    is_primary: bool
    state: str


# Links move between records under the exclusive lock alone, so a transaction that holds the shared one may read a link
# and lock its record afterwards.
_HOLD_STILL: LiteralString = "SELECT pg_advisory_xact_lock_shared(hashtextextended('links of ' || %(company)s, 0))"
_ALONE: LiteralString = "SELECT pg_advisory_xact_lock(hashtextextended('links of ' || %(company)s, 0))"

_PUT: LiteralString = """
INSERT INTO record_merges (id, company_id, entity_type, survivor_id, merged_id, survivor_sealed, merged_sealed,
    merged_by)
VALUES (%(id)s, %(company)s, %(entity)s, %(survivor)s, %(merged)s, %(survivor_sealed)s, %(merged_sealed)s, %(by)s)
"""
_LAST: LiteralString = """
SELECT id, survivor_id, merged_id, survivor_sealed, merged_sealed, merged_at FROM record_merges
WHERE ended_at IS NULL AND (survivor_id = %(id)s OR merged_id = %(id)s) ORDER BY merged_at DESC LIMIT 1 FOR UPDATE
"""
_END: LiteralString = """
UPDATE record_merges SET ended_at = clock_timestamp(), ended_by = %(by)s WHERE id = %(id)s AND ended_at IS NULL
"""
_SURVIVORS: LiteralString = """
WITH RECURSIVE steps AS (
    SELECT merged_id AS id, survivor_id, 1 AS depth FROM record_merges
    WHERE merged_id = ANY(%(ids)s) AND ended_at IS NULL
    UNION ALL
    SELECT s.id, m.survivor_id, s.depth + 1 FROM steps s
    JOIN record_merges m ON m.merged_id = s.survivor_id AND m.ended_at IS NULL
)
SELECT DISTINCT ON (id) id, survivor_id FROM steps ORDER BY id, depth DESC
"""
_MERGED: LiteralString = """
WITH RECURSIVE steps AS (
    SELECT survivor_id AS id, merged_id, merged_at FROM record_merges
    WHERE survivor_id = ANY(%(ids)s) AND ended_at IS NULL
    UNION ALL
    SELECT s.id, m.merged_id, m.merged_at FROM steps s
    JOIN record_merges m ON m.survivor_id = s.merged_id AND m.ended_at IS NULL
)
SELECT id, merged_id FROM steps ORDER BY id, merged_at, merged_id
"""
_PLACES: LiteralString = """
SELECT id, internal_id, integration_id, is_primary, state FROM external_entity_map
WHERE internal_id = ANY(%(ids)s) ORDER BY id FOR UPDATE
"""
# Base, digest and fence stay: what was agreed with the vendor is not touched by whose record it belongs to.
_MOVE: LiteralString = """
UPDATE external_entity_map l SET internal_id = r.internal_id, is_primary = r.is_primary,
    sync_version = l.sync_version + 1
FROM jsonb_to_recordset(%(rows)s) AS r (id uuid, internal_id uuid, is_primary boolean) WHERE l.id = r.id
"""
# What was agreed was agreed with the same person; but nothing that is known of the record under its old id holds now.
_RENAME_LINK: LiteralString = """
UPDATE external_entity_map SET external_id = %(external)s, digest = NULL, vendor_version = NULL,
    fence = greatest(fence, %(fence)s), sync_version = sync_version + 1
WHERE id = %(id)s
"""
_ITEMS: LiteralString = """
SELECT * FROM conflicts WHERE company_id = %(company)s AND status = 'open'
    AND (record_id = ANY(%(ids)s) OR matches && %(ids)s) ORDER BY id FOR UPDATE
"""
_RENAME: LiteralString = """
UPDATE conflicts SET record_id = %(record)s, matches = %(matches)s, version = version + 1,
    updated_at = clock_timestamp()
WHERE id = %(id)s
"""
_BEING_CREATED: LiteralString = "SELECT 1 FROM create_intents WHERE record_id = ANY(%(ids)s) AND state = 'open' LIMIT 1"
# Jobs that are done stay a day; one merged id is asked for by few of them.
_TOLD: LiteralString = """
SELECT payload ->> %(name)s AS into_id FROM sync_queue
WHERE integration_id = %(integration)s AND action = 'reconcile' AND entity_type = 'candidate'
    AND record_key = ANY(%(keys)s) AND payload ->> %(name)s <> %(external)s
ORDER BY created_at DESC, id LIMIT 1
"""
_WAITING: LiteralString = """
SELECT DISTINCT integration_id, hold_reason FROM sync_queue
WHERE status = 'pending' AND hold_reason LIKE %(reasons)s
"""


def merge_key(external_id: str) -> str:
    """
    Return the key of a job's payload under which stands what the vendor's *external_id* is said to be merged into.

    A record of ours may have several links at one vendor, and their jobs become one: each link reads its own.
    """
    return f"merged_into:{external_id}"


class RecordMerges:
    """Statements on `record_merges` and on what moves with a record."""

    async def hold_still(self, tx: Transaction) -> None:
        """Let no link move to another record until the transaction ends."""
        await tx.rows(_HOLD_STILL, company=str(tx.company))

    async def alone(self, tx: Transaction) -> None:
        """Wait for those who hold links still, and keep others waiting: links may be moved now."""
        await tx.rows(_ALONE, company=str(tx.company))

    async def put(
        self,
        tx: Transaction,
        entity: EntityType,
        merge_id: UUID,
        *,
        survivor: tuple[UUID, bytes],
        merged: tuple[UUID, bytes],
        by: str,
    ) -> None:
        """Add a merge: each record's id, and what parting it again needs, sealed."""
        await tx.run(
            _PUT,
            id=merge_id,
            company=tx.company,
            entity=entity.value,
            survivor=survivor[0],
            merged=merged[0],
            survivor_sealed=survivor[1],
            merged_sealed=merged[1],
            by=by,
        )

    async def last(self, tx: Transaction, record_id: UUID) -> RecordMerge | None:
        """Return the last merge of the record that has not ended, on either side of it, locked; or None."""
        row = await tx.row(_LAST, id=record_id)
        return None if row is None else _merge(row)

    async def end(self, tx: Transaction, merge_id: UUID, *, by: str) -> None:
        """Say that the two were parted."""
        await tx.run(_END, id=merge_id, by=by)

    async def survivors(self, tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, UUID]:
        """Return for those of *ids* that were merged the record that they are part of now."""
        rows = await tx.rows(_SURVIVORS, ids=list(ids)) if ids else []
        return {row["id"]: row["survivor_id"] for row in rows}

    async def merged_into(self, tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, list[UUID]]:
        """Return the records that are part of each of *ids*, in the order in which they were merged."""
        found: dict[UUID, list[UUID]] = {}
        for row in await tx.rows(_MERGED, ids=list(ids)) if ids else []:
            found.setdefault(row["id"], []).append(row["merged_id"])
        return found

    async def places(self, tx: Transaction, record_ids: Sequence[UUID]) -> list[LinkPlace]:
        """Return every link of the records, locked, by id."""
        return [LinkPlace(**row) for row in await tx.rows(_PLACES, ids=list(record_ids))]

    async def move(self, tx: Transaction, places: Sequence[LinkPlace]) -> None:
        """Put links where *places* say."""
        rows = [{"id": each.id, "internal_id": each.internal_id, "is_primary": each.is_primary} for each in places]
        if rows:
            await tx.run(_MOVE, rows=as_json(rows))

    async def rename_link(self, tx: Transaction, link_id: UUID, external_id: str, *, fence: int) -> None:
        """Let a link stand for another id of its vendor, observed from the ticket *fence* on."""
        await tx.run(_RENAME_LINK, id=link_id, external=external_id, fence=fence)

    async def open_items(self, tx: Transaction, record_ids: Sequence[UUID]) -> list[ConflictItem]:
        """Return the open items that name one of the records, locked, by id."""
        rows = await tx.rows(_ITEMS, company=tx.company, ids=list(record_ids))
        return [item_of(row) for row in rows]

    async def rename(self, tx: Transaction, item_id: UUID, record_id: UUID | None, matches: Sequence[UUID]) -> None:
        """Let an open item of a match name other records."""
        await tx.run(_RENAME, id=item_id, record=record_id, matches=list(matches))

    async def is_being_created(self, tx: Transaction, record_ids: Sequence[UUID]) -> bool:
        """Whether a create of one of the records may be under way at a vendor."""
        return await tx.row(_BEING_CREATED, ids=list(record_ids)) is not None

    async def told_into(
        self, tx: Transaction, integration_id: UUID, external_id: str, keys: Sequence[str]
    ) -> str | None:
        """Return the vendor's id that *external_id*, with jobs under *keys*, was lately said to be merged into."""
        name = merge_key(external_id)
        row = await tx.row(_TOLD, integration=integration_id, external=external_id, keys=list(keys), name=name)
        return None if row is None else str(row["into_id"])

    async def waiting_for(self, tx: Transaction, entity: EntityType, record_id: UUID) -> list[tuple[UUID, str]]:
        """Return integration and reason of jobs that are held until the record exists at their vendor."""
        rows = await tx.rows(_WAITING, reasons=f"link:%:{entity.value}:{record_id}")
        return [(row["integration_id"], row["hold_reason"]) for row in rows]


def _merge(row: dict[str, Any]) -> RecordMerge:
    return RecordMerge(
        id=row["id"],
        survivor_id=row["survivor_id"],
        merged_id=row["merged_id"],
        survivor_sealed=bytes(row["survivor_sealed"]),
        merged_sealed=bytes(row["merged_sealed"]),
        merged_at=row["merged_at"],
    )
