"""Statements on `webhook_events`, and what the intake reads and marks of `integrations`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from shared.model import EntityType
from shared.store.database import Transaction, as_json


@dataclass(frozen=True, slots=True)
class Receiver:
    """An integration as far as its webhooks are concerned."""

    integration_id: UUID
    platform: str
    is_paused: bool
    is_deleted: bool
    entities: frozenset[EntityType]
    """Those that are kept in step."""
    secrets_sealed: str | None
    secrets_version: int
    wants_full_comparison: bool
    asked_at: datetime
    """When this was so, by the database's clock."""


@dataclass(frozen=True, slots=True)
class EventRow:
    """What is recorded of one event; a second delivery under the same id counts one up."""

    id: UUID
    event_id: str | None
    """The vendor's; of a kept event with the digest of its body, for several may come under one id."""
    state: str
    """processed, kept or refused."""
    received_at: datetime
    records: int = 0
    size_bytes: int = 0
    headers_sealed: str | None = None
    """Of kept events alone."""
    body_sealed: str | None = None
    times: int = 1


@dataclass(frozen=True, slots=True)
class KeptEvent:
    """A kept event: verified, sealed, waiting until its integration runs again."""

    id: UUID
    integration_id: UUID
    received_at: datetime
    headers_sealed: str
    body_sealed: str


_RECEIVER: LiteralString = """
SELECT id, platform, NOT sync_enabled AS is_paused, deleted_at IS NOT NULL AS is_deleted,
    sync_roles, sync_candidates, sync_applications, webhook_secret_sealed, webhook_secrets_version,
    full_compare_wanted_at IS NOT NULL AS wants_full_comparison, clock_timestamp() AS asked_at
FROM integrations WHERE (%(integration)s::uuid IS NULL OR id = %(integration)s)
    AND (deleted_at IS NULL OR deleted_at > clock_timestamp() - interval '30 days')
"""

# A body stays only while its event is kept: whatever comes later of the same event takes it away or replaces it.
_RECORD: LiteralString = """
INSERT INTO webhook_events AS e (id, company_id, integration_id, event_id, state, received_at, processed_at, records,
    size_bytes, headers_sealed, body_sealed, times)
SELECT r.id, %(company)s, %(integration)s, r.event_id, r.state, r.received_at,
    CASE WHEN r.state <> 'kept' THEN clock_timestamp() END, r.records, r.size_bytes, r.headers_sealed, r.body_sealed,
    r.times
FROM jsonb_to_recordset(%(rows)s) AS r (id uuid, event_id text, state text, received_at timestamptz, records integer,
    size_bytes integer, headers_sealed text, body_sealed text, times integer)
ORDER BY r.id
ON CONFLICT (id) DO UPDATE SET times = e.times + excluded.times, state = excluded.state,
    processed_at = excluded.processed_at, records = excluded.records, size_bytes = excluded.size_bytes,
    headers_sealed = excluded.headers_sealed, body_sealed = excluded.body_sealed
"""

_SETTLE: LiteralString = """
UPDATE webhook_events SET state = %(state)s, processed_at = clock_timestamp(), records = %(records)s,
    headers_sealed = NULL, body_sealed = NULL
WHERE id = %(id)s AND state = 'kept'
"""

_COUNT_KEEPING: LiteralString = "SELECT pg_advisory_xact_lock(hashtextextended('kept ' || %(integration)s::text, 0))"

_KEPT_SIZE: LiteralString = """
SELECT count(*) AS events, coalesce(sum(size_bytes), 0)::bigint AS size_bytes FROM webhook_events
WHERE integration_id = %(integration)s AND state = 'kept'
"""

# Bodies may have a megabyte: a batch ends at *budget* bytes of them, but holds one event at least.
_KEPT: LiteralString = """
SELECT e.id, e.integration_id, e.received_at, e.headers_sealed, e.body_sealed FROM (
    SELECT id, sum(size_bytes) OVER (ORDER BY received_at, id) - size_bytes AS before FROM (
        SELECT id, received_at, size_bytes FROM webhook_events
        WHERE integration_id = %(integration)s AND state = 'kept'
            AND (received_at, id) > (%(after_at)s::timestamptz, %(after_id)s)
        ORDER BY received_at, id LIMIT %(limit)s
    ) n
) b JOIN webhook_events e USING (id)
WHERE b.before < %(budget)s ORDER BY e.received_at, e.id
"""

_WANT_FULL: LiteralString = """
UPDATE integrations SET full_compare_wanted_at = clock_timestamp()
WHERE id = %(integration)s AND full_compare_wanted_at IS NULL
"""

# What a kept event named, nobody has looked at yet.
_WANT_FULL_FOR_OLD: LiteralString = """
UPDATE integrations i SET full_compare_wanted_at = clock_timestamp()
WHERE i.full_compare_wanted_at IS NULL AND EXISTS (
    SELECT FROM webhook_events e WHERE e.integration_id = i.id AND e.state = 'kept'
        AND e.received_at < clock_timestamp() - %(days)s * interval '1 day')
"""

_PURGE: LiteralString = """
DELETE FROM webhook_events WHERE received_at < clock_timestamp() - %(days)s * interval '1 day'
"""

_COMPANY: LiteralString = "SELECT company FROM company_of_integration(%(integration)s)"

_ALL: LiteralString = "SELECT integration, company FROM all_integrations()"


class WebhookEvents:
    """Each takes the transaction it belongs to."""

    async def company_of(self, tx: Transaction, integration_id: UUID) -> UUID | None:
        """Return the company of an integration, deleted ones too; None for an id that never existed (dispatch)."""
        row = await tx.row(_COMPANY, integration=integration_id)
        return row["company"] if row else None

    async def all_integrations(self, tx: Transaction) -> dict[UUID, set[UUID]]:
        """Return the integrations of each company, those deleted within 30 days too (dispatch)."""
        found: dict[UUID, set[UUID]] = {}
        for row in await tx.rows(_ALL):
            found.setdefault(row["company"], set()).add(row["integration"])
        return found

    async def receivers(self, tx: Transaction, integration_id: UUID | None = None) -> dict[UUID, Receiver]:
        """Return that integration, or all of the company; deleted ones leave after 30 days."""
        rows = await tx.rows(_RECEIVER, integration=integration_id)
        return {
            row["id"]: Receiver(
                integration_id=row["id"],
                platform=row["platform"],
                is_paused=row["is_paused"],
                is_deleted=row["is_deleted"],
                entities=frozenset(entity for entity, column in _SWITCHES.items() if row[column]),
                secrets_sealed=row["webhook_secret_sealed"],
                secrets_version=row["webhook_secrets_version"],
                wants_full_comparison=row["wants_full_comparison"],
                asked_at=row["asked_at"],
            )
            for row in rows
        }

    async def record(self, tx: Transaction, integration_id: UUID, rows: Sequence[EventRow]) -> None:
        """Record events; of several under one id the last one counts, and how many they are."""
        by_id: dict[UUID, EventRow] = {}
        for row in rows:
            known = by_id.get(row.id)
            by_id[row.id] = row if known is None else replace(row, times=row.times + known.times)
        if by_id:
            content = as_json([asdict(row) for row in by_id.values()])
            await tx.run(_RECORD, company=tx.company, integration=integration_id, rows=content)

    async def kept_size(self, tx: Transaction, integration_id: UUID) -> tuple[int, int]:
        """Return how many events are kept, and their bytes; other transactions that ask wait for this one's end."""
        await tx.run(_COUNT_KEEPING, integration=integration_id)
        kept = await tx.one(_KEPT_SIZE, integration=integration_id)
        return kept["events"], kept["size_bytes"]

    async def kept(
        self, tx: Transaction, integration_id: UUID, *, after: tuple[datetime, UUID], limit: int, budget_bytes: int
    ) -> list[KeptEvent]:
        """Return the kept events that follow *after* (received at, id), oldest first, some *budget_bytes* at most."""
        rows = await tx.rows(
            _KEPT,
            integration=integration_id,
            after_at=after[0],
            after_id=after[1],
            limit=limit,
            budget=budget_bytes,
        )
        return [KeptEvent(**row) for row in rows]

    async def settle(self, tx: Transaction, row_id: UUID, state: str, *, records: int) -> None:
        """End the keeping of an event: its body goes."""
        await tx.run(_SETTLE, id=row_id, state=state, records=records)

    async def want_full_comparison(self, tx: Transaction, integration_id: UUID) -> bool:
        """Mark that events were not kept; return whether this is new."""
        return await tx.run(_WANT_FULL, integration=integration_id) > 0

    async def purge(self, tx: Transaction, *, days: int) -> int:
        """Delete the company's events that are older than *days*; a full comparison makes up for those still kept."""
        await tx.run(_WANT_FULL_FOR_OLD, days=days)
        return await tx.run(_PURGE, days=days)


_SWITCHES = {
    EntityType.JOB: "sync_roles",
    EntityType.CANDIDATE: "sync_candidates",
    EntityType.APPLICATION: "sync_applications",
}
