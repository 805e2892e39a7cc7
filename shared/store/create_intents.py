"""Create intents: what may have been created at a vendor, written down before the call that may do it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID, uuid4

from shared.model import EntityType
from shared.store.database import Transaction


@dataclass(frozen=True, slots=True)
class CreateIntent:
    """An open intent. *sent_at* says that the record may exist at the vendor."""

    id: UUID
    sent_at: datetime | None
    age_s: float
    """Seconds since *sent_at*, by the database's clock; 0 before."""
    sent_sealed: bytes | None
    """What was sent, under the person's key."""


@dataclass(frozen=True, slots=True)
class SentApplication:
    """An application of ours that a call may have made at the vendor, and nobody knows yet."""

    id: UUID
    candidate_id: UUID
    job_id: UUID
    intent: CreateIntent


_OPEN: LiteralString = """
INSERT INTO create_intents AS c (id, company_id, integration_id, entity_type, record_id, identity_key, lease_token)
VALUES (%(id)s, %(company)s, %(integration)s, %(entity)s, %(record)s, %(key)s, %(token)s)
ON CONFLICT (integration_id, entity_type, record_id) WHERE state = 'open'
DO UPDATE SET lease_token = excluded.lease_token,
    identity_key = CASE WHEN c.sent_at IS NULL THEN excluded.identity_key ELSE c.identity_key END
RETURNING id, sent_at, sent_sealed,
    coalesce(extract(epoch FROM clock_timestamp() - sent_at), 0)::double precision AS age_s
"""
_SENT: LiteralString = """
UPDATE create_intents
SET sent_at = coalesce(%(since)s::timestamptz, clock_timestamp()), sent_sealed = %(sealed)s, identity_key = %(key)s
WHERE id = %(id)s AND state = 'open'
"""
_END: LiteralString = """
UPDATE create_intents SET state = %(state)s, ended_at = clock_timestamp(), sent_sealed = NULL
WHERE id = %(id)s AND state = 'open'
"""
_FIND: LiteralString = """
SELECT id, sent_at, sent_sealed, coalesce(extract(epoch FROM clock_timestamp() - sent_at), 0)::double precision AS age_s
FROM create_intents
WHERE integration_id = %(integration)s AND entity_type = %(entity)s AND record_id = %(record)s AND state = 'open'
"""
_UNSETTLED: LiteralString = """
SELECT record_id FROM create_intents
WHERE integration_id = %(integration)s AND entity_type = %(entity)s AND state = 'open' AND sent_at IS NOT NULL
ORDER BY record_id
"""
_ANY_OPEN: LiteralString = """
SELECT 1 FROM create_intents
WHERE integration_id = %(integration)s AND entity_type = %(entity)s AND state = 'open' LIMIT 1
"""
_HOLDS: LiteralString = """
SELECT identity_key FROM create_intents
WHERE integration_id = %(integration)s AND identity_key = ANY(%(keys)s) AND state = 'open' AND sent_at IS NOT NULL
"""
_SENT_APPLICATIONS: LiteralString = """
SELECT r.id AS application_id, r.candidate_id, r.job_id, i.id, i.sent_at, i.sent_sealed,
    extract(epoch FROM clock_timestamp() - i.sent_at)::double precision AS age_s
FROM create_intents i
JOIN records r ON r.company_id = i.company_id AND r.entity_type = i.entity_type AND r.id = i.record_id
WHERE i.integration_id = %(integration)s AND i.entity_type = 'application' AND i.state = 'open'
    AND i.sent_at IS NOT NULL AND r.job_id = ANY(%(jobs)s) AND r.candidate_id IS NOT NULL
ORDER BY r.id
"""


class CreateIntents:
    """Statements on `create_intents`."""

    async def open(
        self,
        tx: Transaction,
        integration_id: UUID,
        entity: EntityType,
        record_id: UUID,
        *,
        identity_key: str,
        lease_token: int,
    ) -> CreateIntent:
        """Open the intent, or take over the one that an earlier attempt left: once sent, it keeps its key."""
        row = await tx.one(
            _OPEN,
            id=uuid4(),
            company=tx.company,
            integration=integration_id,
            entity=entity.value,
            record=record_id,
            key=identity_key,
            token=lease_token,
        )
        return _intent(row)

    async def mark_sent(
        self, tx: Transaction, intent_id: UUID, *, identity_key: str, sealed: bytes, since: datetime | None = None
    ) -> None:
        """Say that the call is about to be made, or was *since*; for whom, and (*sealed*) what of."""
        await tx.run(_SENT, id=intent_id, key=identity_key, sealed=sealed, since=since)

    async def end(self, tx: Transaction, intent_id: UUID, state: str) -> None:
        """End an intent as `linked`, `review` or `withdrawn`; what was sent is forgotten."""
        await tx.run(_END, id=intent_id, state=state)

    async def find(
        self, tx: Transaction, integration_id: UUID, entity: EntityType, record_id: UUID
    ) -> CreateIntent | None:
        """Return the record's open intent, or None."""
        row = await tx.row(_FIND, integration=integration_id, entity=entity.value, record=record_id)
        return None if row is None else _intent(row)

    async def unsettled(self, tx: Transaction, integration_id: UUID, entity: EntityType) -> list[UUID]:
        """Return the records of *entity* that a call may have created at the vendor, and nobody knows yet, by id."""
        rows = await tx.rows(_UNSETTLED, integration=integration_id, entity=entity.value)
        return [row["record_id"] for row in rows]

    async def any_open(self, tx: Transaction, integration_id: UUID, entity: EntityType) -> bool:
        """Whether a create of *entity* may be under way at the vendor."""
        return await tx.row(_ANY_OPEN, integration=integration_id, entity=entity.value) is not None

    async def open_identities(self, tx: Transaction, integration_id: UUID, keys: list[str]) -> set[str]:
        """Return those of *keys* for which a create may be under way at the vendor."""
        if not keys:
            return set()
        return {row["identity_key"] for row in await tx.rows(_HOLDS, integration=integration_id, keys=keys)}

    async def sent_applications(
        self, tx: Transaction, integration_id: UUID, job_ids: Sequence[UUID]
    ) -> list[SentApplication]:
        """Return applications for the jobs of which a call may have made some at the vendor, by id."""
        rows = await tx.rows(_SENT_APPLICATIONS, integration=integration_id, jobs=list(job_ids)) if job_ids else []
        return [
            SentApplication(row["application_id"], row["candidate_id"], row["job_id"], _intent(row)) for row in rows
        ]


def _intent(row: Mapping[str, Any]) -> CreateIntent:
    return CreateIntent(row["id"], row["sent_at"], row["age_s"], row["sent_sealed"])
