"""Dead letters by their cause, and one or many of them redriven or dismissed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

from psycopg.errors import UniqueViolation

from shared.errors import Conflict
from shared.model import Direction, EntityType
from shared.store.database import Transaction
from shared.store.jobs import Knock
from shared.store.links import EXTERNAL_KEY

REDRIVE_TRIES = 3
BATCH = 500
"""Letters that one transaction takes up."""
MOST_GROUPS = 200


@dataclass(frozen=True, slots=True)
class Dismissed:
    """A letter that was open until now, and whose job it was."""

    id: UUID
    integration_id: UUID
    job_id: UUID
    entity: EntityType
    code: str
    direction: Direction | None
    """None: the job is no longer known, and so are the next ones."""
    record_id: UUID | None
    external_id: str | None
    run_id: UUID | None


# Causes that differ in numbers and ids alone are alike (migration 0015).
_GROUPS: LiteralString = """
SELECT group_key AS "group", (array_agg(integration_id))[1] AS integration_id, min(action) AS action,
    min(entity_type) AS entity, min(code) AS code, min(cause_alike) AS cause, count(*) AS count,
    min(created_at) AS first_at, max(created_at) AS last_at,
    (array_agg(id ORDER BY created_at DESC, id DESC))[1] AS sample_id,
    (array_agg(cause ORDER BY created_at DESC, id DESC))[1] AS sample_cause
FROM dead_letters
WHERE state = 'open' AND (%(integration)s::uuid IS NULL OR integration_id = %(integration)s)
GROUP BY group_key ORDER BY count(*) DESC, max(created_at) DESC, group_key LIMIT %(limit)s
"""

# Of several failed jobs with one key the latest runs again; if the key is open anyway, that job is asked for instead.
# Rows are locked in the order of their keys, as whoever asks for several jobs does. Letters are waited for: one that
# somebody else is about to redrive may yet stay open.
_REDRIVE: LiteralString = """
WITH letter AS (
    UPDATE dead_letters SET state = 'redriven', ended_at = clock_timestamp()
    WHERE id IN (
        SELECT d.id FROM dead_letters d
        WHERE d.state = 'open' AND (%(letter)s::uuid IS NULL OR d.id = %(letter)s)
            AND (%(group)s::text IS NULL OR d.group_key = %(group)s)
            AND (%(integration)s::uuid IS NULL OR d.integration_id = %(integration)s)
        ORDER BY d.created_at, d.id LIMIT %(limit)s FOR UPDATE)
    RETURNING job_id
), locked AS MATERIALIZED (
    SELECT q.* FROM sync_queue q
    WHERE q.id IN (SELECT job_id FROM letter) AND q.status = 'failed'
    ORDER BY q.integration_id, q.action, q.entity_type, q.record_key FOR UPDATE
), failed AS (
    SELECT DISTINCT ON (integration_id, action, entity_type, record_key) *, bool_or(payload ->> 'mode' = 'full')
        OVER (PARTITION BY integration_id, action, entity_type, record_key) AS is_full
    FROM locked ORDER BY integration_id, action, entity_type, record_key, completed_at DESC
), bumped AS (
    UPDATE sync_queue q SET requested_seq = q.requested_seq + 1, priority = least(q.priority, f.priority),
        payload = f.payload || q.payload || (CASE WHEN f.is_full THEN '{"mode": "full"}' ELSE '{}' END)::jsonb,
        retry_count = CASE WHEN q.status = 'pending' THEN 0 ELSE q.retry_count END, hold_reason = NULL,
        scheduled_at = CASE WHEN q.status = 'pending' THEN clock_timestamp() ELSE q.scheduled_at END
    FROM failed f
    WHERE q.id <> f.id AND q.status IN ('pending', 'processing')
        AND (q.integration_id, q.action, q.entity_type, q.record_key)
            = (f.integration_id, f.action, f.entity_type, f.record_key)
    RETURNING q.id, q.company_id, q.epoch, q.priority, f.id AS replaced
), revived AS (
    UPDATE sync_queue q SET status = 'pending', epoch = q.epoch + 1, retry_count = 0, crashes = 0,
        scheduled_at = clock_timestamp(), completed_at = NULL, hold_reason = NULL, error_message = NULL,
        error_code = NULL,
        payload = q.payload || (CASE WHEN f.is_full THEN '{"mode": "full"}' ELSE '{}' END)::jsonb
    FROM failed f WHERE q.id = f.id AND NOT EXISTS (SELECT FROM bumped b WHERE b.replaced = f.id)
    RETURNING q.id, q.company_id, q.epoch, q.priority
), gone AS (
    DELETE FROM sync_queue q USING locked l
    WHERE q.id = l.id AND q.id NOT IN (SELECT f.id FROM failed f WHERE NOT EXISTS (
        SELECT FROM bumped b WHERE b.replaced = f.id))
), jobs AS (
    SELECT id, company_id, epoch, priority FROM bumped UNION ALL SELECT id, company_id, epoch, priority FROM revived
)
SELECT j.*, (SELECT count(*) FROM letter) AS letters
FROM (SELECT 1) AS one LEFT JOIN jobs j ON true
"""

# Its job stays as it ended: until it is asked for anew it tells that a change of ours did not get through.
_DISMISS: LiteralString = """
WITH letter AS (
    UPDATE dead_letters SET state = 'dismissed', ended_at = clock_timestamp(), ended_by = %(by)s,
        ended_reason = %(reason)s
    WHERE id IN (
        SELECT d.id FROM dead_letters d
        WHERE d.state = 'open' AND (%(letter)s::uuid IS NULL OR d.id = %(letter)s)
            AND (%(group)s::text IS NULL OR d.group_key = %(group)s)
            AND (%(integration)s::uuid IS NULL OR d.integration_id = %(integration)s)
        ORDER BY d.created_at, d.id LIMIT %(limit)s FOR UPDATE)
    RETURNING id, integration_id, job_id, entity_type, code
)
SELECT l.*, q.direction, q.record_key, q.run_id FROM letter l LEFT JOIN sync_queue q ON q.id = l.job_id
"""


class DeadLetters:
    """Statements on `dead_letters`."""

    async def groups(
        self, tx: Transaction, *, integration_id: UUID | None = None, limit: int = MOST_GROUPS
    ) -> list[Mapping[str, Any]]:
        """Return the open letters by cause, the largest groups first, each with its latest as a sample."""
        return list(await tx.rows(_GROUPS, integration=integration_id, limit=limit))

    async def redrive(
        self,
        tx: Transaction,
        *,
        letter_id: UUID | None = None,
        group: str | None = None,
        integration_id: UUID | None = None,
        limit: int = BATCH,
    ) -> tuple[int, list[Knock]]:
        """
        Run the jobs of open letters again from their first attempt, the oldest letters first.

        Return how many letters were taken up, and a knock for each job; if a job's key was asked for meanwhile, that
        job runs in its place. *letter_id*, *group* and *integration_id* narrow it. Raises Conflict when others ask for
        the same jobs too fast.
        """
        for _ in range(REDRIVE_TRIES):
            try:
                async with tx.savepoint():
                    rows = await tx.rows(
                        _REDRIVE, letter=letter_id, group=group, integration=integration_id, limit=limit
                    )
            except UniqueViolation:
                continue  # a key was asked for at this very moment: look again
            knocks = [
                Knock(row["company_id"], row["id"], row["epoch"], row["priority"])
                for row in rows
                if row["id"] is not None
            ]
            return int(rows[0]["letters"]), knocks
        raise Conflict("the jobs' keys are asked for all the time", remedy="try again")

    async def dismiss(
        self,
        tx: Transaction,
        *,
        by: str,
        reason: str,
        letter_id: UUID | None = None,
        group: str | None = None,
        integration_id: UUID | None = None,
        limit: int = BATCH,
    ) -> list[Dismissed]:
        """End open letters without running their jobs, the oldest first; return them. The others narrow it."""
        rows = await tx.rows(
            _DISMISS, by=by, reason=reason, letter=letter_id, group=group, integration=integration_id, limit=limit
        )
        return [_dismissed(row) for row in rows]


def _dismissed(row: Mapping[str, Any]) -> Dismissed:
    key: str = row["record_key"] or ""
    is_external = key.startswith(EXTERNAL_KEY)
    return Dismissed(
        id=row["id"],
        integration_id=row["integration_id"],
        job_id=row["job_id"],
        entity=EntityType(row["entity_type"]),
        code=row["code"],
        direction=None if row["direction"] is None else Direction(row["direction"]),
        record_id=None if is_external else _uuid(key),
        external_id=key.removeprefix(EXTERNAL_KEY) if is_external else None,
        run_id=row["run_id"],
    )


def _uuid(text: str) -> UUID | None:
    """Return the record that a job's key names; None for a job that concerns a whole list."""
    try:
        return UUID(text)
    except ValueError:
        return None
