"""What a run did, record by record, and what came after it; runs that take one back; runs that were left over."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID, uuid4

from shared.errors import Conflict
from shared.model import Direction, EntityType
from shared.store.database import Transaction
from shared.store.history import PastChange, change_of
from shared.store.runs import Run, run_of

_CHANGED: LiteralString = """
SELECT DISTINCT record_id FROM record_history
WHERE run_id = %(run)s AND at >= %(since)s AND side <> 'lost' AND (%(after)s::uuid IS NULL OR record_id > %(after)s)
ORDER BY record_id LIMIT %(limit)s
"""
_CREATED: LiteralString = """
SELECT DISTINCT entity_id FROM sync_logs
WHERE run_id = %(run)s AND integration_id = %(integration)s AND synced_at >= %(since)s AND action = 'created'
    AND direction = 'inbound' AND (%(after)s::uuid IS NULL OR entity_id > %(after)s)
ORDER BY entity_id LIMIT %(limit)s
"""
# A row where the log begins after the run did, whose months left it (`maintain_partitions`): what it lacks is gone.
_FORGOTTEN: LiteralString = """
SELECT greatest(%(created)s - count(DISTINCT entity_id), 0) AS records FROM sync_logs
WHERE run_id = %(run)s AND integration_id = %(integration)s AND synced_at >= %(since)s AND action = 'created'
    AND direction = 'inbound'
HAVING %(since)s < (
    SELECT min(to_date(right(c.relname, 7), 'YYYY_MM'))::timestamp AT TIME ZONE 'UTC'
    FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid WHERE h.inhparent = 'sync_logs'::regclass)
"""
_SINCE: LiteralString = """
SELECT record_id, version, at, units, sealed, source, job_id, run_id, side FROM record_history
WHERE record_id = ANY(%(ids)s) AND at >= %(since)s AND side <> 'lost' ORDER BY record_id, version, at, seq
"""
_IN_USE: LiteralString = """
SELECT a.candidate_id AS id FROM records a
WHERE a.company_id = %(company)s AND a.entity_type = 'application' AND a.candidate_id = ANY(%(ids)s)
    AND a.archived_at IS NULL
UNION SELECT a.job_id FROM records a
WHERE a.company_id = %(company)s AND a.entity_type = 'application' AND a.job_id = ANY(%(ids)s)
    AND a.archived_at IS NULL
UNION SELECT l.internal_id FROM external_entity_map l
WHERE l.internal_id = ANY(%(ids)s) AND l.integration_id <> %(integration)s AND l.state <> 'tombstone'
"""
_CREATE: LiteralString = """
INSERT INTO runs (id, company_id, integration_id, parent_id, entity_type, direction, mode, trigger, reverts)
VALUES (%(id)s, %(company)s, %(integration)s, %(parent)s, %(entity)s, %(direction)s, 'revert', 'manual', %(reverts)s)
ON CONFLICT DO NOTHING
"""
_REVERTS: LiteralString = "SELECT reverts FROM runs WHERE id = %(id)s"
_REOPEN: LiteralString = """
UPDATE runs r SET status = 'running', ended_at = NULL, error = NULL
WHERE r.status = 'failed' AND r.id = %(id)s AND NOT EXISTS (
    SELECT FROM runs o WHERE o.reverts = r.reverts AND o.entity_type = r.entity_type AND o.status = 'running')
"""
_REOPEN_PARENT: LiteralString = """
UPDATE runs SET status = 'running', ended_at = NULL, evidence = NULL WHERE id = %(id)s AND status <> 'running'
"""
# A run waits for its own job, or for its turn after a sibling whose job is there.
_LEFT_OVER: LiteralString = """
WITH going AS (
    SELECT r.*, EXISTS (
        SELECT FROM sync_queue q WHERE q.integration_id = r.integration_id AND q.entity_type = r.entity_type
            AND q.status IN ('pending', 'processing')
            AND (q.action, q.record_key) = (CASE WHEN r.mode = 'revert' THEN 'revert'
                WHEN r.direction = 'inbound' THEN 'pull' ELSE 'push_moved' END,
                CASE WHEN r.mode = 'revert' THEN r.id::text ELSE 'all' END)) AS has_job
    FROM runs r
    WHERE r.integration_id = %(integration)s AND r.status = 'running' AND r.entity_type IS NOT NULL
)
SELECT * FROM going g WHERE NOT g.has_job AND (%(entity)s::text IS NULL OR g.entity_type = %(entity)s)
    AND NOT EXISTS (SELECT FROM going s WHERE s.parent_id = g.parent_id AND s.has_job)
ORDER BY g.started_at, g.id
"""


@dataclass(frozen=True, slots=True)
class Window:
    """Where to go on, and how far."""

    after: UUID | None
    limit: int


class RunChanges:
    """Statements about what runs did."""

    async def changed(self, tx: Transaction, run: Run, window: Window) -> list[UUID]:
        """Return records that *run* changed here or at the vendor, by id."""
        rows = await tx.rows(_CHANGED, run=run.id, since=run.started_at, after=window.after, limit=window.limit)
        return [row["record_id"] for row in rows]

    async def created(self, tx: Transaction, run: Run, window: Window) -> list[UUID]:
        """Return records that *run* brought in, by id."""
        rows = await tx.rows(
            _CREATED,
            run=run.id,
            integration=run.integration_id,
            since=run.started_at,
            after=window.after,
            limit=window.limit,
        )
        return [row["entity_id"] for row in rows]

    async def forgotten(self, tx: Transaction, run: Run) -> int:
        """Return how many records *run* brought in of which the log no longer says which they were."""
        if run.direction is not Direction.INBOUND or not run.counts.created:
            return 0
        row = await tx.row(
            _FORGOTTEN,
            run=run.id,
            integration=run.integration_id,
            since=run.started_at,
            created=run.counts.created,
        )
        return 0 if row is None else int(row["records"])

    async def since(
        self, tx: Transaction, record_ids: Collection[UUID], moment: datetime
    ) -> dict[UUID, list[PastChange]]:
        """Return all changes of the records from *moment* on, oldest first, by record."""
        found: dict[UUID, list[PastChange]] = {}
        for row in await tx.rows(_SINCE, ids=list(record_ids), since=moment):
            found.setdefault(row["record_id"], []).append(change_of(row))
        return found

    async def in_use(self, tx: Transaction, integration_id: UUID, record_ids: Sequence[UUID]) -> frozenset[UUID]:
        """Return those of the records that have living applications, or a link at another integration."""
        rows = await tx.rows(_IN_USE, company=tx.company, integration=integration_id, ids=list(record_ids))
        return frozenset(row["id"] for row in rows)

    async def start_reverting(
        self, tx: Transaction, run: Run, *, entity: EntityType | None, parent_id: UUID | None = None
    ) -> UUID:
        """Add the run that takes *run* back; return its id. Raises Conflict while another one does."""
        run_id = uuid4()
        made = await tx.run(
            _CREATE,
            id=run_id,
            company=tx.company,
            integration=run.integration_id,
            parent=parent_id,
            entity=entity.value if entity else None,
            direction=Direction.OUTBOUND.value,
            reverts=run.id,
        )
        if not made:
            raise Conflict("this run is being taken back already")
        return run_id

    async def reverted_by(self, tx: Transaction, run_id: UUID) -> UUID | None:
        """Return the run that *run_id* takes back."""
        row = await tx.row(_REVERTS, id=run_id)
        return None if row is None else row["reverts"]

    async def reopen(self, tx: Transaction, run: Run) -> None:
        """Let a run that takes another one back, and is locked, go on where it failed, unless another one does so."""
        if await tx.run(_REOPEN, id=run.id) and run.parent_id is not None:
            await tx.run(_REOPEN_PARENT, id=run.parent_id)

    async def left_over(self, tx: Transaction, integration_id: UUID, entity: EntityType | None) -> list[Run]:
        """Return the runs (of *entity*, or all) that are not over, and that no job would ever go on with."""
        name = None if entity is None else entity.value
        return [run_of(row) for row in await tx.rows(_LEFT_OVER, integration=integration_id, entity=name)]
