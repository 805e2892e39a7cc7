"""What a deleted integration leaves behind: leases, submissions, creates, issues, quarantined records and conflicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from shared.store.database import Transaction

# The lock of all claims of the company (`lease_job`): a claim that has it waits for nothing else, and one that waits
# for it gives up after a second.
_STOP_CLAIMS: LiteralString = """
SELECT set_config('lock_timeout', %(patience_s)s || 's', true),
    pg_advisory_xact_lock(hashtextextended('claim ' || %(company)s::text, 0))
"""
# A worker's transaction holds its job FOR KEY SHARE (`Ledger.guard`): what it writes is committed when this comes back,
# and what it wants to write next finds no lease.
_TAKE_LEASES: LiteralString = """
WITH at_work AS MATERIALIZED (
    SELECT id FROM sync_queue
    WHERE integration_id = %(integration)s AND status = 'processing' AND action = ANY(%(actions)s)
    ORDER BY id FOR UPDATE
)
UPDATE sync_queue q SET status = 'pending', lease_until = NULL, lease_token = NULL FROM at_work w WHERE q.id = w.id
"""
# Archived ones too: whoever restores one would wait for an integration that is gone.
_FAIL_QUEUED: LiteralString = """
WITH queued AS (
    SELECT r.id, EXISTS (
        SELECT FROM create_intents c
        WHERE c.integration_id = %(integration)s AND c.record_id IN (r.id, r.candidate_id) AND c.state = 'open'
            AND c.sent_at IS NOT NULL) AS was_sent
    FROM records r
    WHERE r.company_id = %(company)s AND r.entity_type = 'application' AND r.submission ->> 'state' = 'queued'
        AND r.submission ->> 'integration_id' = %(integration)s::text
    ORDER BY r.id FOR UPDATE
)
UPDATE records o SET updated_at = clock_timestamp(), submission = o.submission || jsonb_build_object(
    'state', 'failed', 'error', CASE WHEN q.was_sent THEN %(sent)s::text ELSE %(unsent)s::text END)
FROM queued q WHERE o.entity_type = 'application' AND o.id = q.id
RETURNING o.id, q.was_sent
"""
# A day more than the nightly upkeep comes to the company for its sake.
_OF_COMPANY: LiteralString = """
SELECT id FROM integrations
WHERE company_id = %(company)s AND deleted_at > clock_timestamp() - interval '31 days' ORDER BY id
"""
_TAKE_BACK: LiteralString = """
UPDATE sync_queue SET status = 'pending', lease_until = NULL, lease_token = NULL
WHERE integration_id = %(integration)s AND status = 'processing' AND lease_until <= clock_timestamp()
"""
_END_INTENTS: LiteralString = """
UPDATE create_intents SET state = 'withdrawn', ended_at = clock_timestamp(), sent_sealed = NULL
WHERE integration_id = %(integration)s AND state = 'open'
"""
_END_ISSUES: LiteralString = """
UPDATE issues SET ended_at = clock_timestamp() WHERE integration_id = %(integration)s AND ended_at IS NULL
"""
_END_QUARANTINE: LiteralString = """
UPDATE quarantine SET ended_at = clock_timestamp() WHERE integration_id = %(integration)s AND ended_at IS NULL
"""
# Of a field's item the sides are its links. The last ones stay to be seen where the item closes for lack of others.
_LEAVE_CONFLICTS: LiteralString = """
WITH of_links AS (
    SELECT c.id, array_agg(l.id::text) AS links FROM external_entity_map l
    JOIN conflicts c ON c.record_id = l.internal_id AND c.status = 'open' AND c.kind IN ('field', 'refused')
        AND c.inputs ? l.id::text
    WHERE l.integration_id = %(integration)s GROUP BY c.id
)
UPDATE conflicts c SET version = c.version + 1, updated_at = clock_timestamp(),
    inputs = CASE WHEN c.inputs - o.links = '{}' THEN c.inputs ELSE c.inputs - o.links END,
    status = CASE WHEN c.inputs - o.links = '{}' THEN 'closed' ELSE c.status END,
    ended_at = CASE WHEN c.inputs - o.links = '{}' THEN clock_timestamp() END,
    ended_by = CASE WHEN c.inputs - o.links = '{}' THEN 'integration_deleted' END
FROM of_links o WHERE c.id = o.id AND c.status = 'open'
"""
PATIENCE_S = 20
"""How long a deletion waits for a page, or a record, that is just being written."""


@dataclass(frozen=True, slots=True)
class Unsubmitted:
    """An application that will not come to its vendor; *was_sent*: the vendor may have it nevertheless."""

    application_id: UUID
    was_sent: bool


class Leavings:
    """Statements that end what waits for an integration that is gone."""

    async def take_leases(self, tx: Transaction, integration_id: UUID, actions: Sequence[str]) -> None:
        """
        End the leases of its jobs of *actions*, when the transactions are over in which they write just now.

        Until this transaction ends none of the company's jobs is claimed: call it before anything else, and do not
        tarry. Waits for `PATIENCE_S`, here and for any later lock; then raises Unavailable.
        """
        await tx.rows(_STOP_CLAIMS, company=tx.company, patience_s=str(PATIENCE_S))
        await tx.run(_TAKE_LEASES, integration=integration_id, actions=list(actions))

    async def fail_queued(self, tx: Transaction, integration_id: UUID, *, unsent: str, sent: str) -> list[Unsubmitted]:
        """
        Mark what is queued for the integration as failed; return it, by id.

        *unsent* is told of it, *sent* where a call may have made the application, or its candidate, at the vendor.
        Call it before `end`, which forgets that.
        """
        rows = await tx.rows(_FAIL_QUEUED, company=tx.company, integration=integration_id, unsent=unsent, sent=sent)
        return sorted((Unsubmitted(row["id"], row["was_sent"]) for row in rows), key=lambda each: each.application_id)

    async def of_company(self, tx: Transaction) -> list[UUID]:
        """Return the company's integrations that were deleted within 31 days."""
        return [row["id"] for row in await tx.rows(_OF_COMPANY, company=tx.company)]

    async def take_back(self, tx: Transaction, integration_id: UUID) -> None:
        """Let the jobs wait again whose worker is gone."""
        await tx.run(_TAKE_BACK, integration=integration_id)

    async def end(self, tx: Transaction, integration_id: UUID) -> None:
        """
        End its open creates, its issues, and what was set aside of its records.

        It is no side of a conflict any more; one that has no other side closes.
        """
        for statement in (_END_INTENTS, _END_ISSUES, _END_QUARANTINE, _LEAVE_CONFLICTS):
            await tx.run(statement, integration=integration_id)
