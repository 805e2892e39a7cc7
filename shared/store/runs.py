"""Runs with their evidence, and the cursors that say where the next pull starts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID, uuid4

from pydantic import JsonValue

from shared.model import Direction, EntityType, RunStatus
from shared.store.database import Transaction, as_json


@dataclass(frozen=True, slots=True)
class Counts:
    """What one page, or a whole run, came to."""

    pages: int = 0
    requests: int = 0
    read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0
    """Parked: a parent is missing, or a match is ambiguous."""
    quarantined: int = 0
    held: int = 0
    """Fields that wait for a person."""
    suppressed: int = 0
    """Of people who were erased: counted, and nothing of them stored."""


@dataclass(frozen=True, slots=True)
class Shown:
    """How many of *records* showed each field, by its name in `coverage`."""

    coverage: Mapping[str, int]
    records: int

    def share(self, name: str) -> float:
        """Return which part of the records showed the field."""
        return self.coverage.get(name, 0) / self.records


@dataclass(frozen=True, slots=True)
class Run:
    """A row of `runs`."""

    id: UUID
    integration_id: UUID
    parent_id: UUID | None
    entity: EntityType | None
    direction: Direction
    mode: str
    trigger: str
    status: RunStatus
    started_at: datetime
    ended_at: datetime | None
    counts: Counts
    coverage: Mapping[str, int]
    evidence: Mapping[str, JsonValue] | None
    error: str | None
    is_cancel_requested: bool
    expected: int | None = None
    """Records that it will probably read: of a full run as many as were linked when it began."""


@dataclass(frozen=True, slots=True)
class CursorState:
    """Where pulls of one entity stand."""

    watermark: datetime | None
    run_id: UUID | None
    position: str | None
    full_wanted_at: datetime | None = None
    """Since when a pull of everything is owed: the mapping has been another one from then on."""


_COLUMN_OF = {
    name: name if name in ("pages", "requests") else f"records_{name}" for name in Counts.__dataclass_fields__
}
_CREATE: LiteralString = """
INSERT INTO runs (id, company_id, integration_id, parent_id, entity_type, direction, mode, trigger)
VALUES (%(id)s, %(company)s, %(integration)s, %(parent)s, %(entity)s, %(direction)s, %(mode)s, %(trigger)s)
"""
_GET: LiteralString = "SELECT * FROM runs WHERE id = %(id)s"
_RUNNING: LiteralString = """
SELECT * FROM runs WHERE integration_id = %(integration)s AND entity_type = %(entity)s AND direction = %(direction)s
    AND status = 'running' AND mode <> 'revert'
ORDER BY started_at, id
"""
_LATEST: LiteralString = """
SELECT * FROM runs WHERE integration_id = %(integration)s AND entity_type = %(entity)s AND mode <> 'revert'
    AND (%(direction)s::text IS NULL OR direction = %(direction)s)
ORDER BY started_at DESC, id DESC LIMIT 1
"""
_CHILDREN: LiteralString = "SELECT * FROM runs WHERE parent_id = %(id)s ORDER BY started_at, id"
_ADD: LiteralString = """
UPDATE runs SET pages = pages + %(pages)s, requests = requests + %(requests)s, records_read = records_read + %(read)s,
    records_created = records_created + %(created)s, records_updated = records_updated + %(updated)s,
    records_unchanged = records_unchanged + %(unchanged)s, records_skipped = records_skipped + %(skipped)s,
    records_quarantined = records_quarantined + %(quarantined)s, records_held = records_held + %(held)s,
    records_suppressed = records_suppressed + %(suppressed)s,
    coverage = (
        SELECT coalesce(jsonb_object_agg(k, coalesce((coverage ->> k)::integer, 0)
            + coalesce((%(coverage)s::jsonb ->> k)::integer, 0)), '{}')
        FROM (SELECT jsonb_object_keys(coverage) AS k UNION SELECT jsonb_object_keys(%(coverage)s::jsonb)) keys)
WHERE id = %(id)s RETURNING cancel_requested_at IS NOT NULL AS is_cancel_requested
"""
# What was done stays done, and told; what was read is read again.
_BEGIN_AGAIN: LiteralString = """
UPDATE runs SET pages = 0, records_read = 0, records_unchanged = 0, records_skipped = 0, records_quarantined = 0,
    records_suppressed = 0, coverage = '{}',
    evidence = jsonb_build_object('records_done_before', records_created + records_updated)
WHERE id = %(id)s
"""
_END: LiteralString = """
UPDATE runs SET status = %(status)s, ended_at = clock_timestamp(), evidence = %(evidence)s, error = %(error)s
WHERE id = %(id)s AND status = 'running'
"""
# Parents come before what is under them, each by id. Whoever works on several children holds their parents by then.
_LOCK: LiteralString = """
SELECT id FROM runs WHERE id = ANY(%(ids)s) ORDER BY parent_id IS NOT NULL, id FOR NO KEY UPDATE
"""
_END_PARENT: LiteralString = """
UPDATE runs p SET ended_at = clock_timestamp(), status = CASE
        WHEN c.all_complete THEN 'complete' WHEN c.all_failed THEN 'failed' WHEN c.any_cancelled THEN 'cancelled'
        ELSE 'partial' END,
    evidence = CASE WHEN c.all_complete THEN jsonb_build_object('runs', c.runs) END,
    pages = c.pages, requests = c.requests, records_read = c.read, records_created = c.created,
    records_updated = c.updated, records_unchanged = c.unchanged, records_skipped = c.skipped,
    records_quarantined = c.quarantined, records_held = c.held,
    records_suppressed = c.suppressed
FROM (
    SELECT bool_and(status = 'complete') AS all_complete, bool_and(status = 'failed') AS all_failed,
        bool_or(status = 'cancelled') AS any_cancelled, bool_or(status = 'running') AS any_running,
        jsonb_agg(id) AS runs, sum(pages) AS pages, sum(requests) AS requests, sum(records_read) AS read,
        sum(records_created) AS created, sum(records_updated) AS updated, sum(records_unchanged) AS unchanged,
        sum(records_skipped) AS skipped, sum(records_quarantined) AS quarantined, sum(records_held) AS held,
        sum(records_suppressed) AS suppressed
    FROM runs WHERE parent_id = %(id)s
) c
WHERE p.id = %(id)s AND p.status = 'running' AND NOT c.any_running
"""
_REQUEST_CANCEL: LiteralString = """
UPDATE runs SET cancel_requested_at = clock_timestamp()
WHERE (id = %(id)s OR parent_id = %(id)s) AND status = 'running'
"""
_LOCK_CURSOR: LiteralString = """
INSERT INTO cursors (integration_id, entity_type, company_id) VALUES (%(integration)s, %(entity)s, %(company)s)
ON CONFLICT (integration_id, entity_type) DO UPDATE SET updated_at = cursors.updated_at
RETURNING watermark, run_id, position, full_wanted_at
"""
_MOVE_CURSOR: LiteralString = """
UPDATE cursors SET run_id = %(run)s, position = %(position)s, updated_at = clock_timestamp()
WHERE integration_id = %(integration)s AND entity_type = %(entity)s
"""
_ADVANCE: LiteralString = """
UPDATE cursors SET watermark = greatest(watermark, %(watermark)s), run_id = NULL, position = NULL,
    updated_at = clock_timestamp()
WHERE integration_id = %(integration)s AND entity_type = %(entity)s
"""
_WANT_FULL: LiteralString = """
INSERT INTO cursors (integration_id, entity_type, company_id, full_wanted_at)
SELECT %(integration)s, u.entity, %(company)s, clock_timestamp() FROM unnest(%(entities)s::text[]) AS u (entity)
ON CONFLICT (integration_id, entity_type) DO UPDATE SET full_wanted_at = clock_timestamp()
"""
_FULL_READ: LiteralString = """
UPDATE cursors SET full_wanted_at = NULL
WHERE integration_id = %(integration)s AND entity_type = %(entity)s AND full_wanted_at < %(started)s
"""
_SYNCED: LiteralString = """
UPDATE integrations SET last_synced_at = greatest(last_synced_at, %(at)s) WHERE id = %(integration)s
"""
# What a run wrote, or took back, tells nothing of what the vendor shows.
_SHOWN: LiteralString = """
SELECT coverage, records_read AS records FROM runs
WHERE integration_id = %(integration)s AND entity_type = %(entity)s AND status IN ('complete', 'partial')
    AND direction = 'inbound' AND mode <> 'revert' AND records_read > 0 AND id <> %(run)s
ORDER BY started_at DESC LIMIT %(limit)s
"""
# An entity's first run reads everything, whatever its mode: it tells nothing of those that follow.
_EXPECT: LiteralString = """
UPDATE runs SET expected_records = coalesce(
    (SELECT nullif(count(*), 0) FROM external_entity_map WHERE %(is_whole)s AND integration_id = %(integration)s
        AND entity_type = %(entity)s AND state = 'live'),
    (SELECT r.records_read FROM runs r WHERE r.integration_id = %(integration)s AND r.entity_type = %(entity)s
        AND r.direction = 'inbound' AND r.mode = %(mode)s AND r.status = 'complete' AND EXISTS (
            SELECT FROM runs o WHERE o.integration_id = %(integration)s AND o.entity_type = %(entity)s
                AND o.direction = 'inbound' AND o.status = 'complete' AND o.started_at < r.started_at)
        ORDER BY r.started_at DESC LIMIT 1))
WHERE id = %(id)s AND expected_records IS NULL
"""


class Runs:
    """Statements on `runs` and `cursors`."""

    async def create(
        self,
        tx: Transaction,
        integration_id: UUID,
        *,
        entity: EntityType | None,
        direction: Direction,
        mode: str,
        trigger: str,
        parent_id: UUID | None = None,
    ) -> UUID:
        """Add a running run; return its id. *entity* None makes a parent."""
        run_id = uuid4()
        await tx.run(
            _CREATE,
            id=run_id,
            company=tx.company,
            integration=integration_id,
            parent=parent_id,
            entity=entity.value if entity else None,
            direction=direction.value,
            mode=mode,
            trigger=trigger,
        )
        return run_id

    async def get(self, tx: Transaction, run_id: UUID) -> Run | None:
        """Return a run, or None."""
        row = await tx.row(_GET, id=run_id)
        return run_of(row) if row else None

    async def running(
        self, tx: Transaction, integration_id: UUID, entity: EntityType, direction: Direction
    ) -> list[Run]:
        """Return the syncs of an entity that are not over, oldest first."""
        rows = await tx.rows(_RUNNING, integration=integration_id, entity=entity.value, direction=direction.value)
        return [run_of(row) for row in rows]

    async def latest(
        self, tx: Transaction, integration_id: UUID, entity: EntityType, direction: Direction | None = None
    ) -> Run | None:
        """Return the newest sync of an entity, over or not; of one *direction* or of both."""
        way = None if direction is None else direction.value
        row = await tx.row(_LATEST, integration=integration_id, entity=entity.value, direction=way)
        return run_of(row) if row else None

    async def children(self, tx: Transaction, run_id: UUID) -> list[Run]:
        """Return the runs under a parent."""
        return [run_of(row) for row in await tx.rows(_CHILDREN, id=run_id)]

    async def expect(self, tx: Transaction, run: Run, *, is_whole: bool) -> None:
        """
        Keep how many records *run* will probably read, once: its ETA is reckoned from it.

        One that reads everything (*is_whole*): as many as there are links. Else, or where there are none yet, as many
        as the last complete run of its mode; without one nobody knows.
        """
        if run.entity is None:
            raise ValueError("a run over several entities reads nothing itself")
        await tx.run(
            _EXPECT,
            id=run.id,
            integration=run.integration_id,
            entity=run.entity.value,
            mode=run.mode,
            is_whole=is_whole,
        )

    async def add(self, tx: Transaction, run_id: UUID, counts: Counts, coverage: Mapping[str, int]) -> bool:
        """Add a page's figures; return whether somebody asked to cancel."""
        row = await tx.one(
            _ADD,
            id=run_id,
            coverage=as_json(dict(coverage)),
            **{name: getattr(counts, name) for name in Counts.__dataclass_fields__},
        )
        return bool(row["is_cancel_requested"])

    async def begin_again(self, tx: Transaction, run_id: UUID) -> None:
        """
        Forget what the run has read: its list is read from its beginning once more.

        What it created and updated stays counted, and stands in its evidence as `records_done_before`: the list shows
        these once more.
        """
        await tx.run(_BEGIN_AGAIN, id=run_id)

    async def lock(self, tx: Transaction, runs: Collection[Run]) -> None:
        """
        Hold *runs* and their parents until the transaction ends, in the order that everybody keeps.

        Needed before a transaction changes a run that it may also end, and before it changes runs of several parents:
        an end takes the parent's lock as well.
        """
        ids = {run.id for run in runs} | {run.parent_id for run in runs if run.parent_id is not None}
        await tx.rows(_LOCK, ids=sorted(ids))

    async def end(
        self,
        tx: Transaction,
        run: Run,
        status: RunStatus,
        *,
        evidence: Mapping[str, JsonValue] | None = None,
        error: str | None = None,
    ) -> None:
        """End a run, and its parent with its last child. The table refuses `complete` without evidence."""
        # Two last children that end at the same time would each see the other running: the second waits here.
        await self.lock(tx, [run])
        await tx.run(
            _END,
            id=run.id,
            status=status.value,
            evidence=None if evidence is None else as_json(dict(evidence)),
            error=error,
        )
        if run.parent_id is not None:
            await tx.run(_END_PARENT, id=run.parent_id)

    async def request_cancel(self, tx: Transaction, run_id: UUID) -> bool:
        """Ask a running run, or a parent's, to stop at its next page; False if none runs."""
        await tx.rows(_LOCK, ids=[run_id])
        return await tx.run(_REQUEST_CANCEL, id=run_id) > 0

    async def lock_cursor(self, tx: Transaction, integration_id: UUID, entity: EntityType) -> CursorState:
        """Return the cursor, made if missing and locked until the transaction ends."""
        row = await tx.one(_LOCK_CURSOR, integration=integration_id, entity=entity.value, company=tx.company)
        return CursorState(row["watermark"], row["run_id"], row["position"], row["full_wanted_at"])

    async def want_full(self, tx: Transaction, integration_id: UUID, entities: Sequence[EntityType]) -> None:
        """
        Owe a pull of everything of each of *entities*, until one that begins from now on has read it all.

        To be called before the transaction touches the integration's row: a pull's last page locks them in that order.
        """
        await tx.run(
            _WANT_FULL, integration=integration_id, company=tx.company, entities=[each.value for each in entities]
        )

    async def full_read(self, tx: Transaction, integration_id: UUID, entity: EntityType, started_at: datetime) -> None:
        """Everything of *entity* was read by a run that began at *started_at*: what was owed until then is done."""
        await tx.run(_FULL_READ, integration=integration_id, entity=entity.value, started=started_at)

    async def move_cursor(
        self, tx: Transaction, integration_id: UUID, entity: EntityType, run_id: UUID, position: str | None
    ) -> None:
        """Remember where the run's next page starts."""
        await tx.run(_MOVE_CURSOR, integration=integration_id, entity=entity.value, run=run_id, position=position)

    async def advance(
        self, tx: Transaction, integration_id: UUID, entity: EntityType, watermark: datetime, *, is_complete: bool
    ) -> None:
        """
        After every page was read: the next incremental run starts from *watermark* (less the adapter's overlap).

        `last_synced_at` moves only when the run is complete. What waits or is set aside is fetched by its id, so the
        cursor need not wait for it (docs/decisions/0004-partial-runs-advance.md).
        """
        await tx.run(_ADVANCE, integration=integration_id, entity=entity.value, watermark=watermark)
        if is_complete:
            await tx.run(_SYNCED, integration=integration_id, at=watermark)

    async def shown(
        self, tx: Transaction, integration_id: UUID, entity: EntityType, *, but: UUID, limit: int
    ) -> list[Shown]:
        """Return what the newest *limit* runs *but* one that read anything were shown, newest first."""
        rows = await tx.rows(_SHOWN, integration=integration_id, entity=entity.value, run=but, limit=limit)
        return [Shown(**row) for row in rows]


def run_of(row: Mapping[str, Any]) -> Run:
    """Read a row of `runs`."""
    return Run(
        id=row["id"],
        integration_id=row["integration_id"],
        parent_id=row["parent_id"],
        entity=EntityType(row["entity_type"]) if row["entity_type"] else None,
        direction=Direction(row["direction"]),
        mode=row["mode"],
        trigger=row["trigger"],
        status=RunStatus(row["status"]),
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        counts=Counts(**{name: row[_COLUMN_OF[name]] for name in _COLUMN_OF}),
        coverage=row["coverage"],
        evidence=row["evidence"],
        error=row["error"],
        is_cancel_requested=row["cancel_requested_at"] is not None,
        expected=row["expected_records"],
    )
