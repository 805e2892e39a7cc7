"""What the API shows of operations: log, runs, figures, dead letters, health. Newest first, by key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

from shared.errors import NotFound
from shared.model import Direction, EntityType, LogAction, LogStatus
from shared.store.database import Transaction
from shared.store.knock_traffic import FEWEST, LASTS_S

Position = tuple[datetime, UUID]


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which log rows are meant; what is None filters nothing."""

    status: LogStatus | None = None
    entity: EntityType | None = None
    direction: Direction | None = None
    action: LogAction | None = None
    entity_id: UUID | None = None
    run_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """How the workers are doing, over all companies."""

    processing: int
    due: int
    oldest_due_age_s: float
    sweep_age_s: float | None
    """Seconds since the last sweep by the database's clock; None: there was none yet."""
    vanishing: Sequence[str] = ()
    """Queues whose knocks somebody else takes."""


class Listings:
    """Queries on operational tables."""

    async def logs(
        self, tx: Transaction, integration_id: UUID, wanted: LogFilter, *, after: Position | None, limit: int
    ) -> list[dict[str, Any]]:
        """Return an integration's log rows."""
        query, parameters = log_listing(wanted, after)
        return await tx.rows(query, integration=integration_id, limit=limit, **parameters)

    async def runs(
        self,
        tx: Transaction,
        integration_id: UUID,
        *,
        entity: EntityType | None,
        status: str | None,
        after: Position | None,
        limit: int,
    ) -> list[dict[str, Any]]:
        """Return an integration's runs."""
        at, row_id = after or (None, None)
        return await tx.rows(
            _RUNS,
            integration=integration_id,
            entity=entity.value if entity else None,
            status=status,
            at=at,
            after=row_id,
            limit=limit,
        )

    async def run(self, tx: Transaction, run_id: UUID) -> dict[str, Any]:
        """Return a run. Raises NotFound, also for another company's."""
        row = await tx.row(_RUN, id=run_id)
        if row is None:
            raise NotFound(f"there is no run {run_id}")
        return row

    async def child_runs(self, tx: Transaction, run_id: UUID) -> list[dict[str, Any]]:
        """Return the runs under a parent, in the order in which they began."""
        return await tx.rows(_CHILD_RUNS, id=run_id)

    async def figures(self, tx: Transaction, integration_id: UUID, window: timedelta) -> dict[str, Any]:
        """Return figures of an integration's log over *window* until now."""
        return await tx.one(_FIGURES, integration=integration_id, window=window)

    async def last_runs(self, tx: Transaction, integration_id: UUID) -> list[dict[str, Any]]:
        """Return the last inbound run of each entity."""
        return await tx.rows(_LAST_RUNS, integration=integration_id)

    async def open_job(
        self, tx: Transaction, integration_id: UUID, action: str, entity: EntityType, record_key: str
    ) -> dict[str, Any] | None:
        """Return the job of a key that is not over, with the seconds until it is due (a worker's lease is none)."""
        return await tx.row(
            _OPEN_JOB, integration=integration_id, action=action, entity=entity.value, record_key=record_key
        )

    async def job(self, tx: Transaction, job_id: UUID) -> dict[str, Any]:
        """Return how a job stands. Raises NotFound."""
        row = await tx.row(_JOB, id=job_id)
        if row is None:
            raise NotFound(f"there is no job {job_id}")
        return row

    async def logs_of_job(self, tx: Transaction, integration_id: UUID, job_id: UUID) -> list[dict[str, Any]]:
        """Return the last log rows that a job wrote, newest first."""
        return await tx.rows(_LOGS_OF_JOB, integration=integration_id, job=job_id)

    async def dead_letters(
        self, tx: Transaction, *, state: str | None, integration_id: UUID | None, after: Position | None, limit: int
    ) -> list[dict[str, Any]]:
        """Return the company's dead letters."""
        at, row_id = after or (None, None)
        return await tx.rows(
            _DEAD_LETTERS,
            company=tx.company,
            state=state,
            integration=integration_id,
            at=at,
            after=row_id,
            limit=limit,
        )

    async def dead_letter(self, tx: Transaction, letter_id: UUID) -> dict[str, Any]:
        """Return one dead letter. Raises NotFound, also for another company's."""
        row = await tx.row(_DEAD_LETTER, id=letter_id)
        if row is None:
            raise NotFound(f"there is no dead letter {letter_id}")
        return row

    async def health(self, tx: Transaction, *, heartbeat: str) -> Health:
        """Return figures over all companies; in a dispatch transaction."""
        row = await tx.one(_HEALTH, heartbeat=heartbeat, fewest=FEWEST, lasts=LASTS_S)
        return Health(
            row["processing"], row["due"], row["oldest_due_age_s"], row["sweep_age_s"], tuple(row["vanishing"])
        )


def log_listing(wanted: LogFilter, after: Position | None) -> tuple[LiteralString, dict[str, Any]]:
    """Return the query of a log page and its parameters, but `integration` and `limit`."""
    given: dict[str, Any] = {
        "status": wanted.status and wanted.status.value,
        "entity": wanted.entity and wanted.entity.log_name,
        "direction": wanted.direction and wanted.direction.value,
        "action": wanted.action and wanted.action.value,
        "entity_id": wanted.entity_id,
        "run_id": wanted.run_id,
        "since": wanted.since,
        "until": wanted.until,
    }
    parameters = {name: value for name, value in given.items() if value is not None}
    conditions = [_LOG_CONDITIONS[name] for name in parameters]
    if after is not None:
        conditions.append("(synced_at, id) < (%(at)s, %(after)s)")
        parameters |= {"at": after[0], "after": after[1]}
    where: LiteralString = "".join(f" AND {condition}" for condition in conditions)
    order: LiteralString = "ORDER BY synced_at DESC, id DESC LIMIT %(limit)s"
    return f"SELECT {_LOG_COLUMNS} FROM sync_logs WHERE integration_id = %(integration)s{where} {order}", parameters


_LOG_COLUMNS: LiteralString = (
    "id, integration_id, entity_type, entity_id, external_id, action, direction, status, error_message, synced_at,"
    " retry_count, duration_ms, request_id, run_id, job_id, details"
)
_LOG_CONDITIONS: Mapping[str, LiteralString] = {
    "status": "status = %(status)s",
    "entity": "entity_type = %(entity)s",
    "direction": "direction = %(direction)s",
    "action": "action = %(action)s",
    "entity_id": "entity_id = %(entity_id)s",
    "run_id": "run_id = %(run_id)s",
    "since": "synced_at >= %(since)s",
    "until": "synced_at < %(until)s",
}

# How long the rest takes is reckoned from the pace so far; without a known size nobody can tell.
_RUN_COLUMNS: LiteralString = """id, integration_id, parent_id, entity_type AS entity, direction, mode, trigger, status,
    started_at, ended_at, pages, requests, records_read, records_created, records_updated, records_unchanged,
    records_skipped, records_quarantined, records_held, records_suppressed, coverage, evidence, error,
    cancel_requested_at,
    CASE WHEN status = 'running' THEN expected_records END AS expected_records,
    CASE WHEN status = 'running' AND records_read > 0 AND expected_records > records_read
        THEN clock_timestamp() + (clock_timestamp() - started_at)
            * ((expected_records - records_read)::double precision / records_read) END AS eta"""
_RUN: LiteralString = f"SELECT {_RUN_COLUMNS} FROM runs WHERE id = %(id)s"
_CHILD_RUNS: LiteralString = f"SELECT {_RUN_COLUMNS} FROM runs WHERE parent_id = %(id)s ORDER BY started_at, id"
_RUNS: LiteralString = f"""
SELECT {_RUN_COLUMNS} FROM runs
WHERE integration_id = %(integration)s AND (%(entity)s::text IS NULL OR entity_type = %(entity)s)
    AND (%(status)s::text IS NULL OR status = %(status)s)
    AND (%(at)s::timestamptz IS NULL OR (started_at, id) < (%(at)s, %(after)s::uuid))
ORDER BY started_at DESC, id DESC LIMIT %(limit)s
"""
_OPEN_JOB: LiteralString = """
SELECT id, status, error_message, CASE WHEN status = 'pending' AND scheduled_at < 'infinity'
    THEN greatest(0, extract(epoch FROM scheduled_at - clock_timestamp()))::double precision
    WHEN status = 'pending' THEN 'infinity' ELSE 0 END AS due_in_s
FROM sync_queue WHERE integration_id = %(integration)s AND action = %(action)s AND entity_type = %(entity)s
    AND record_key = %(record_key)s AND status IN ('pending', 'processing')
"""
_JOB: LiteralString = (
    "SELECT status, retry_count, hold_reason, error_message, error_code FROM sync_queue WHERE id = %(id)s"
)
_LOGS_OF_JOB: LiteralString = f"""
SELECT {_LOG_COLUMNS} FROM sync_logs WHERE integration_id = %(integration)s AND job_id = %(job)s
    AND synced_at > clock_timestamp() - interval '1 hour' ORDER BY synced_at DESC LIMIT 10
"""
_FIGURES: LiteralString = """
SELECT count(*) AS total_syncs, count(*) FILTER (WHERE status = 'success') AS succeeded,
    count(*) FILTER (WHERE status = 'failed') AS failed, count(*) FILTER (WHERE status = 'conflict') AS conflicts,
    count(*) FILTER (WHERE status = 'pending') AS pending, coalesce(sum(retry_count), 0)::bigint AS retries,
    avg(duration_ms)::double precision AS average_ms,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_ms) AS p95_ms
FROM sync_logs WHERE integration_id = %(integration)s AND synced_at >= clock_timestamp() - %(window)s
"""
_LAST_RUNS: LiteralString = f"""
SELECT DISTINCT ON (entity_type) {_RUN_COLUMNS} FROM runs
WHERE integration_id = %(integration)s AND entity_type IS NOT NULL AND direction = 'inbound'
ORDER BY entity_type, started_at DESC
"""
_LETTER_COLUMNS: LiteralString = """id, integration_id, job_id, queue, action, entity_type AS entity, code, cause,
    attempts, state, created_at, ended_at, ended_by, ended_reason"""
_DEAD_LETTER: LiteralString = f"SELECT {_LETTER_COLUMNS} FROM dead_letters WHERE id = %(id)s"
_DEAD_LETTERS: LiteralString = f"""
SELECT {_LETTER_COLUMNS} FROM dead_letters
WHERE company_id = %(company)s AND (%(state)s::text IS NULL OR state = %(state)s)
    AND (%(integration)s::uuid IS NULL OR integration_id = %(integration)s)
    AND (%(at)s::timestamptz IS NULL OR (created_at, id) < (%(at)s, %(after)s::uuid))
ORDER BY created_at DESC, id DESC LIMIT %(limit)s
"""
_HEALTH: LiteralString = """
SELECT q.processing, q.due, q.oldest_due_age_s,
    (SELECT extract(epoch FROM clock_timestamp() - at)::double precision FROM heartbeats WHERE name = %(heartbeat)s)
        AS sweep_age_s,
    ARRAY(SELECT queue FROM knock_traffic WHERE missing >= %(fewest)s
        AND vanishing_since < clock_timestamp() - %(lasts)s * interval '1 s' ORDER BY queue) AS vanishing
FROM queue_figures() q
"""
