"""What a deleted integration leaves behind: submissions, creates, issues and quarantined records end with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from shared.store.database import Transaction

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


@dataclass(frozen=True, slots=True)
class Unsubmitted:
    """An application that will not come to its vendor; *was_sent*: the vendor may have it nevertheless."""

    application_id: UUID
    was_sent: bool


class Leavings:
    """Statements that end what waits for an integration that is gone."""

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
        """End its open creates, its issues, and what was set aside of its records."""
        for statement in (_END_INTENTS, _END_ISSUES, _END_QUARANTINE):
            await tx.run(statement, integration=integration_id)
