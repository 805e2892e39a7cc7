"""Which links' records are to be deleted at their vendor, because somebody archived them here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from shared.model import EntityType
from shared.store.database import Transaction

WANTED, SENT, DONE, KEPT, REFUSED, REVOKED = "wanted", "sent", "done", "kept", "refused", "revoked"
"""
Asked for; sent, and no answer is known; gone at the vendor; a person decided that it stays; the vendor refuses;
restored here since it was sent.
"""


@dataclass(frozen=True, slots=True)
class Removal:
    """A row of `removals`."""

    link_id: UUID
    state: str
    asked_by: str
    asked_at: datetime
    ended_at: datetime | None
    detail: str | None

    @property
    def is_due(self) -> bool:
        """Whether the vendor is still to be asked, or to be asked how it ended."""
        return self.state in (WANTED, SENT)


_COLUMNS: LiteralString = "link_id, state, asked_by, asked_at, ended_at, detail"
_WANT: LiteralString = """
INSERT INTO removals (link_id, company_id, asked_by)
SELECT u.link_id, %(company)s, %(by)s FROM unnest(%(links)s::uuid[]) AS u (link_id)
ON CONFLICT (link_id) DO UPDATE SET
    state = CASE WHEN removals.state IN ('sent', 'revoked') AND removals.asked_by <> 'candidate'
        THEN 'sent' ELSE 'wanted' END,
    asked_by = excluded.asked_by, asked_at = clock_timestamp(), ended_at = NULL, detail = NULL
"""
_LOCK: LiteralString = f"SELECT {_COLUMNS} FROM removals WHERE link_id = ANY(%(links)s) ORDER BY link_id FOR UPDATE"
_MARK: LiteralString = """
UPDATE removals SET state = %(state)s, detail = %(detail)s,
    ended_at = CASE WHEN %(state)s IN ('wanted', 'sent') THEN NULL ELSE clock_timestamp() END
WHERE link_id = %(link)s
"""
_REVOKE: LiteralString = """
UPDATE removals SET state = 'revoked', ended_at = clock_timestamp()
WHERE link_id = ANY(%(links)s) AND state IN ('sent', 'revoked')
"""
_PRESUME: LiteralString = """
INSERT INTO removals (link_id, company_id, state, asked_by, ended_at)
SELECT u.link_id, %(company)s, 'revoked', 'candidate', clock_timestamp() FROM unnest(%(links)s::uuid[]) AS u (link_id)
"""
_WITHDRAW: LiteralString = "DELETE FROM removals WHERE link_id = ANY(%(links)s) AND state <> 'revoked'"
_KEEP: LiteralString = """
UPDATE removals SET state = 'kept', detail = %(detail)s, ended_at = clock_timestamp()
WHERE link_id = ANY(%(links)s) AND state IN ('wanted', 'sent')
"""
# Whoever holds a row at the moment asks the brake next, whose lock the caller has, and finds it rejected.
_KEEP_HELD: LiteralString = """
WITH held AS (
    SELECT r.link_id FROM removals r JOIN held_deletes h ON h.link_id = r.link_id
    WHERE h.brake_id = %(brake)s AND r.state = 'wanted' FOR UPDATE OF r SKIP LOCKED
)
UPDATE removals r SET state = 'kept', detail = NULL, ended_at = clock_timestamp()
FROM held JOIN external_entity_map l ON l.id = held.link_id WHERE r.link_id = held.link_id
RETURNING l.entity_type, l.internal_id, l.external_id
"""
_FORGET: LiteralString = "DELETE FROM removals WHERE link_id = ANY(%(links)s)"
_UNDER_WAY: LiteralString = """
SELECT count(*) AS sent FROM removals r JOIN external_entity_map l ON l.id = r.link_id
WHERE r.state IN ('sent', 'revoked') AND l.integration_id = %(integration)s AND l.entity_type = %(entity)s
    AND r.link_id <> %(link)s AND l.state = 'live'
"""


class Removals:
    """Statements on `removals`. Each takes the transaction it belongs to."""

    async def want(self, tx: Transaction, link_ids: Sequence[UUID], *, by: str) -> None:
        """
        Ask for the deletion of the records of *link_ids* at their vendors.

        What was sent before, and may have happened, goes on as sent: it counts at the brake until its end is known.
        """
        if link_ids:
            await tx.run(_WANT, company=tx.company, links=list(link_ids), by=by)

    async def lock(self, tx: Transaction, link_ids: Sequence[UUID]) -> dict[UUID, Removal]:
        """Return what was asked for of *link_ids*, locked until the transaction ends."""
        if not link_ids:
            return {}
        return {row["link_id"]: _removal(row) for row in await tx.rows(_LOCK, links=list(link_ids))}

    async def mark(self, tx: Transaction, link_id: UUID, state: str, *, detail: str | None = None) -> None:
        """Let the removal of *link_id* be in *state*."""
        await tx.run(_MARK, link=link_id, state=state, detail=detail)

    async def revoke(self, tx: Transaction, link_ids: Sequence[UUID]) -> bool:
        """Take back what was asked for *link_ids*; return whether something was sent, and may have happened."""
        if not link_ids:
            return False
        was_sent = await tx.run(_REVOKE, links=list(link_ids)) > 0
        await tx.run(_WITHDRAW, links=list(link_ids))
        return was_sent

    async def presume(self, tx: Transaction, link_ids: Sequence[UUID]) -> None:
        """Let *link_ids*, of which nothing was asked, count as revoked: they may have gone with their candidate."""
        if link_ids:
            await tx.run(_PRESUME, company=tx.company, links=list(link_ids))

    async def keep(self, tx: Transaction, link_ids: Sequence[UUID], *, detail: str) -> int:
        """Let the vendor keep what is due of *link_ids*; return how many that were."""
        return await tx.run(_KEEP, links=list(link_ids), detail=detail)

    async def keep_held(self, tx: Transaction, brake_id: UUID) -> list[tuple[EntityType, UUID, str]]:
        """
        Let the vendor keep what is wanted of what the brake holds; return entity, record and external id of each.

        The lock of the integration's deletes must be held.
        """
        rows = await tx.rows(_KEEP_HELD, brake=brake_id)
        return [(EntityType(row["entity_type"]), row["internal_id"], row["external_id"]) for row in rows]

    async def forget(self, tx: Transaction, link_ids: Sequence[UUID]) -> None:
        """Ask for nothing any more."""
        if link_ids:
            await tx.run(_FORGET, links=list(link_ids))

    async def under_way(self, tx: Transaction, integration_id: UUID, entity: EntityType, *, but: UUID) -> int:
        """Return how many others of the integration were sent, restored since or not, and are not known to be gone."""
        row = await tx.one(_UNDER_WAY, integration=integration_id, entity=entity.value, link=but)
        return int(row["sent"])


def _removal(row: Mapping[str, Any]) -> Removal:
    return Removal(**{name: row[name] for name in Removal.__dataclass_fields__})
