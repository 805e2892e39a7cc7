"""
The ledger of jobs: every statement on `sync_queue`, and nothing that decides.

A job is one row per (integration, action, entity, record key); open requests for the same key coalesce. Claiming is a
lease with a token; every later statement of the worker carries that token and finds no row once another worker has it.
States and guards: docs/ledger.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString
from uuid import UUID, uuid4

from pydantic import JsonValue

from shared.errors import LeaseLost, NotFound
from shared.model import Direction, EntityType
from shared.store.database import Transaction, as_json
from shared.store.jobs import MAX_CRASHES, Claim, Job, JobRequest, Knock, coalesced

__all__ = ["MAX_CRASHES", "Claim", "Job", "JobRequest", "Knock", "Ledger"]

_ENQUEUE: LiteralString = """
INSERT INTO sync_queue AS q (id, company_id, integration_id, entity_type, direction, action, priority, scheduled_at,
    payload, record_key, hold_reason, run_id, max_retries)
SELECT r.id, %(company)s, r.integration_id, r.entity_type, r.direction, r.action, r.priority,
    CASE WHEN r.hold_reason IS NOT NULL THEN 'infinity' ELSE coalesce(r.due_at, clock_timestamp()) END,
    r.payload, r.record_key, r.hold_reason, r.run_id, i.max_retries
FROM jsonb_to_recordset(%(requests)s) AS r (id uuid, integration_id uuid, entity_type text, direction text,
    action text, priority integer, due_at timestamptz, payload jsonb, record_key text, hold_reason text, run_id uuid)
JOIN integrations i ON i.id = r.integration_id
ORDER BY r.integration_id, r.action, r.entity_type, r.record_key
ON CONFLICT (integration_id, action, entity_type, record_key) WHERE status IN ('pending', 'processing') DO UPDATE SET
    requested_seq = q.requested_seq + 1,
    priority = least(q.priority, excluded.priority),
    max_retries = excluded.max_retries,
    retry_count = CASE WHEN q.status = 'pending' THEN 0 ELSE q.retry_count END,
    payload = q.payload || excluded.payload || (CASE
        WHEN 'full' IN (q.payload ->> 'mode', excluded.payload ->> 'mode') THEN '{"mode": "full"}'
        ELSE '{}' END)::jsonb,
    run_id = coalesce(q.run_id, excluded.run_id),
    scheduled_at = CASE WHEN q.status = 'pending' AND q.hold_reason IS NULL
        THEN least(q.scheduled_at, excluded.scheduled_at) ELSE q.scheduled_at END
RETURNING id, company_id, epoch, priority, status = 'pending' AND scheduled_at <= clock_timestamp() AS is_due
"""

_CLAIM: LiteralString = """
SELECT * FROM claim_job(%(job)s, %(low)s, %(high)s, %(ttl)s * interval '1 s', %(cap)s, %(company_cap)s)
"""

_LOAD: LiteralString = """
SELECT *, extract(epoch FROM lease_until - clock_timestamp())::double precision AS lease_left_s FROM sync_queue
WHERE id = %(job)s AND lease_token = %(token)s AND status = 'processing'
"""

# KEY SHARE keeps claims out, which skip a row that is locked at all, and lets a request through: whoever edits a record
# holds it while asking for this very job, and the worker wants the record next. Either would wait for the other.
_GUARD: LiteralString = """
SELECT 1 FROM sync_queue WHERE id = %(job)s AND lease_token = %(token)s AND status = 'processing' FOR KEY SHARE
"""

_EXTEND: LiteralString = """
UPDATE sync_queue SET lease_until = clock_timestamp() + %(ttl)s * interval '1 s'
WHERE id = %(job)s AND lease_token = %(token)s AND status = 'processing'
"""

# One statement decides between completed and "again", so that no request can fall between the two.
_FINISH: LiteralString = """
UPDATE sync_queue SET
    status = CASE WHEN requested_seq > claimed_seq THEN 'pending' ELSE 'completed' END,
    scheduled_at = CASE WHEN requested_seq > claimed_seq THEN clock_timestamp() ELSE scheduled_at END,
    completed_at = CASE WHEN requested_seq > claimed_seq THEN NULL ELSE clock_timestamp() END,
    retry_count = 0, crashes = 0, lease_until = NULL, lease_token = NULL, error_message = NULL, error_code = NULL
WHERE id = %(job)s AND lease_token = %(token)s AND status = 'processing'
RETURNING status, epoch, priority
"""

# Asked again while it ran: that is a new request with all its attempts, and it is due now. Waits that are not the job's
# own fault (attempts 0) hold for it too.
_POSTPONE: LiteralString = """
UPDATE sync_queue SET status = 'pending', lease_until = NULL, lease_token = NULL,
    scheduled_at = CASE
        WHEN requested_seq > claimed_seq AND (%(hold)s::text IS NOT NULL OR %(attempts)s > 0) THEN clock_timestamp()
        WHEN %(hold)s::text IS NOT NULL THEN 'infinity'
        ELSE clock_timestamp() + %(wait_s)s * interval '1 s' END,
    hold_reason = CASE WHEN requested_seq = claimed_seq THEN %(hold)s END,
    retry_count = CASE WHEN requested_seq > claimed_seq OR %(got_on)s THEN 0 ELSE retry_count + %(attempts)s END,
    crashes = CASE WHEN %(unforeseen)s THEN crashes + 1 ELSE 0 END,
    error_message = %(message)s, error_code = %(code)s, payload = payload || %(payload)s
WHERE id = %(job)s AND lease_token = %(token)s AND status = 'processing'
RETURNING epoch, priority
"""

# Asked again since the claim: that request was not tried yet, so the job does not end with the older one.
_FAIL: LiteralString = """
WITH ended AS (
    UPDATE sync_queue SET
        status = CASE WHEN requested_seq > claimed_seq THEN 'pending' ELSE 'failed' END,
        scheduled_at = CASE WHEN requested_seq > claimed_seq THEN clock_timestamp() ELSE scheduled_at END,
        completed_at = CASE WHEN requested_seq > claimed_seq THEN NULL ELSE clock_timestamp() END,
        retry_count = CASE WHEN requested_seq > claimed_seq THEN 0 ELSE retry_count END,
        crashes = CASE WHEN requested_seq > claimed_seq THEN 0 ELSE crashes END,
        lease_until = NULL, lease_token = NULL, error_message = %(message)s, error_code = %(code)s
    WHERE id = %(job)s AND status = 'processing' AND lease_token = %(token)s
    RETURNING *
), letter AS (
    INSERT INTO dead_letters (id, company_id, integration_id, job_id, queue, action, entity_type, code, cause, attempts)
    SELECT %(id)s, company_id, integration_id, id, %(queue)s, action, entity_type, %(code)s, %(message)s,
        retry_count + greatest(crashes, 1)
    FROM ended WHERE status = 'failed'
    RETURNING id
)
SELECT (SELECT id FROM letter) AS letter FROM ended
"""

_BURY: LiteralString = """
WITH failed AS (
    UPDATE sync_queue SET status = 'failed', completed_at = clock_timestamp(), lease_until = NULL, lease_token = NULL,
        hold_reason = NULL, error_message = %(message)s, error_code = %(code)s
    WHERE id = %(job)s AND epoch = %(epoch)s AND requested_seq = claimed_seq
        AND (status = 'pending' OR status = 'processing' AND lease_until <= clock_timestamp())
    RETURNING *
)
INSERT INTO dead_letters (id, company_id, integration_id, job_id, queue, action, entity_type, code, cause, attempts)
SELECT %(id)s, company_id, integration_id, id, %(queue)s, action, entity_type, %(code)s, %(message)s,
    retry_count + greatest(crashes, 1)
FROM failed
RETURNING id
"""

_STATE: LiteralString = """
SELECT integration_id, action, entity_type, record_key, status, epoch, error_message,
    requested_seq > claimed_seq AS is_asked_again,
    status = 'processing' AND lease_until > clock_timestamp() AS is_leased
FROM sync_queue WHERE id = %(job)s
"""

# Whoever ends a wait holds this until the commit; whoever checks again whether a wait is over asks for it.
_LOCK_WAITS: LiteralString = "SELECT pg_advisory_xact_lock(hashtextextended('waits ' || %(integration)s, 0))"

_RELEASE_HELD: LiteralString = """
UPDATE sync_queue SET scheduled_at = clock_timestamp(), hold_reason = NULL
WHERE status = 'pending' AND hold_reason = ANY(%(reasons)s)
RETURNING id, company_id, epoch, priority
"""

_CANCEL: LiteralString = """
DELETE FROM sync_queue WHERE integration_id = %(integration)s AND status = 'pending'
    AND (%(entities)s::text[] IS NULL OR entity_type = ANY(%(entities)s)) AND action = ANY(%(actions)s)
RETURNING id, entity_type, direction, record_key, action, run_id
"""


class Ledger:
    """Statements on `sync_queue`. Each takes the transaction it belongs to."""

    async def enqueue(self, tx: Transaction, requests: Sequence[JobRequest]) -> list[Knock]:
        """
        Ask for jobs, in the caller's own transaction; return a knock for each that is due now.

        Raises NotFound, and asks for none, if one names an integration that the company does not have.
        """
        by_key: dict[tuple[UUID, str, str, str], JobRequest] = {}
        for request in requests:
            key = (request.integration_id, request.action, request.entity.value, request.record_key)
            known = by_key.get(key)
            by_key[key] = request if known is None else coalesced(known, request)
        if not by_key:
            return []
        asked = [_request_row(each) for each in by_key.values()]
        rows = await tx.rows(_ENQUEUE, company=tx.company, requests=as_json(asked))
        if len(rows) < len(asked):
            raise NotFound("a job was asked for an integration that this company does not have")
        return [_knock(row) for row in rows if row["is_due"]]

    async def claim(
        self,
        tx: Transaction,
        job_id: UUID | None,
        *,
        low: int,
        high: int,
        ttl_s: float,
        per_integration: int,
        per_company: int | None = None,
    ) -> Claim | None:
        """
        Lease the named job if it is due, else the fairest due one of priorities *low* to *high*; None if none.

        At most *per_integration* jobs of one integration run at once, and *per_company* of one company, whose urgent
        jobs that does not hold up.
        """
        row = await tx.row(
            _CLAIM, job=job_id, low=low, high=high, ttl=ttl_s, cap=per_integration, company_cap=per_company
        )
        if row is None:
            return None
        return Claim(row["job_id"], row["company"], row["token"], row["job_priority"])

    async def load(self, tx: Transaction, claim: Claim) -> Job:
        """Read the claimed job. Raises LeaseLost if it is another worker's by now."""
        row = await tx.row(_LOAD, job=claim.job_id, token=claim.token)
        if row is None:
            raise LeaseLost
        return Job(
            id=row["id"],
            company_id=row["company_id"],
            integration_id=row["integration_id"],
            action=row["action"],
            entity=EntityType(row["entity_type"]),
            record_key=row["record_key"],
            direction=Direction(row["direction"]),
            priority=row["priority"],
            payload=row["payload"],
            retry_count=row["retry_count"],
            max_retries=row["max_retries"],
            crashes=row["crashes"],
            epoch=row["epoch"],
            run_id=row["run_id"],
            token=row["lease_token"],
            lease_left_s=row["lease_left_s"],
            last_error=row["error_message"],
        )

    async def guard(self, tx: Transaction, job: Job) -> None:
        """Lock the job's row for this transaction. Raises LeaseLost: whatever was to be written must not be."""
        if await tx.row(_GUARD, job=job.id, token=job.token) is None:
            raise LeaseLost

    async def extend(self, tx: Transaction, job: Job, ttl_s: float) -> None:
        """Lengthen the lease to *ttl_s* from now. Raises LeaseLost."""
        if await tx.run(_EXTEND, job=job.id, token=job.token, ttl=ttl_s) == 0:
            raise LeaseLost

    async def finish(self, tx: Transaction, job: Job) -> Knock | None:
        """End the job; return a knock if somebody asked again meanwhile and it is pending once more."""
        row = await tx.row(_FINISH, job=job.id, token=job.token)
        if row is None:
            raise LeaseLost
        return Knock(job.company_id, job.id, row["epoch"], row["priority"]) if row["status"] == "pending" else None

    async def postpone(
        self,
        tx: Transaction,
        job: Job,
        *,
        wait_s: float = 0.0,
        hold_reason: str | None = None,
        attempts: int = 0,
        code: str | None = None,
        message: str | None = None,
        payload: Mapping[str, JsonValue] | None = None,
        unforeseen: bool = False,
        got_on: bool = False,
    ) -> Knock:
        """
        Give the job back to run after *wait_s*, or when the event *hold_reason* comes.

        *attempts* 1 spends one; *got_on* gives all of them back. *payload* is added to the job's own.
        *unforeseen* counts towards MAX_CRASHES, which any other ending sets back. Raises LeaseLost.
        """
        row = await tx.row(
            _POSTPONE,
            job=job.id,
            token=job.token,
            wait_s=wait_s,
            hold=hold_reason,
            attempts=attempts,
            code=code,
            message=message,
            payload=as_json(dict(payload or {})),
            unforeseen=unforeseen,
            got_on=got_on,
        )
        if row is None:
            raise LeaseLost
        return Knock(job.company_id, job.id, row["epoch"], row["priority"])

    async def fail(self, tx: Transaction, job: Job, *, queue: str, code: str, message: str) -> UUID | None:
        """
        End the job as failed with its dead letter; return the letter's id.

        None: somebody asked again meanwhile, so it is pending and due now instead. Raises LeaseLost.
        """
        row = await tx.row(_FAIL, id=uuid4(), job=job.id, token=job.token, queue=queue, code=code, message=message)
        if row is None:
            raise LeaseLost
        letter: UUID | None = row["letter"]
        return letter

    async def bury(
        self, tx: Transaction, job_id: UUID, *, epoch: int, queue: str, code: str, message: str
    ) -> UUID | None:
        """
        Dead-letter a job that poisoned its queue; return the letter's id.

        None if it was redriven, is leased, or ended meanwhile, and if what was asked last has not been tried yet.
        """
        row = await tx.row(_BURY, id=uuid4(), job=job_id, epoch=epoch, queue=queue, code=code, message=message)
        return row["id"] if row else None

    async def state(self, tx: Transaction, job_id: UUID) -> Mapping[str, Any] | None:
        """Return a job's key, `status`, `epoch`, `error_message`, `is_asked_again` and `is_leased`, or None."""
        return await tx.row(_STATE, job=job_id)

    async def lock_waits(self, tx: Transaction, integration_id: UUID) -> None:
        """Wait until nobody else is ending waits of the integration; others wait until this transaction ends."""
        await tx.rows(_LOCK_WAITS, integration=str(integration_id))

    async def release_held(self, tx: Transaction, integration_id: UUID, reasons: Sequence[str]) -> list[Knock]:
        """Wake the jobs that wait for one of *reasons*; each holds from this transaction's commit on."""
        if not reasons:
            return []
        await self.lock_waits(tx, integration_id)
        return [_knock(row) for row in await tx.rows(_RELEASE_HELD, reasons=list(reasons))]

    async def cancel(
        self,
        tx: Transaction,
        integration_id: UUID,
        actions: Sequence[str],
        entities: Sequence[EntityType] | None = None,
    ) -> list[Mapping[str, Any]]:
        """Take pending jobs off the queue; return what they were, for their log rows."""
        names = None if entities is None else [entity.value for entity in entities]
        return list(await tx.rows(_CANCEL, integration=integration_id, actions=list(actions), entities=names))


def _request_row(request: JobRequest) -> dict[str, Any]:
    return {
        "id": uuid4(),
        "integration_id": request.integration_id,
        "entity_type": request.entity.value,
        "direction": request.direction.value,
        "action": request.action,
        "priority": request.priority,
        "due_at": request.due_at,
        "payload": dict(request.payload),
        "record_key": request.record_key,
        "hold_reason": request.hold_reason,
        "run_id": request.run_id,
    }


def _knock(row: Mapping[str, Any]) -> Knock:
    return Knock(row["company_id"], row["id"], row["epoch"], row["priority"])
