"""What people should see of an integration: quarantined records and issues, one open row per subject."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID, uuid4

from shared.model import EntityType
from shared.store.database import Transaction, as_json


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A record that could not be taken in, with its cause: path and rule, never a value."""

    external_id: str | None
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Issue:
    """Something that people should know of *subject*."""

    kind: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class Told:
    """An open issue, whose it is, and when it was raised last."""

    company: UUID
    integration: UUID
    told_at: datetime


_QUARANTINE: LiteralString = """
INSERT INTO quarantine AS q (id, company_id, integration_id, entity_type, external_id, run_id, code, reason)
SELECT r.id, %(company)s, %(integration)s, %(entity)s, r.external_id, %(run)s, r.code, r.reason
FROM jsonb_to_recordset(%(rows)s) AS r (id uuid, external_id text, code text, reason text)
ON CONFLICT (integration_id, entity_type, external_id) WHERE ended_at IS NULL AND external_id IS NOT NULL
DO UPDATE SET tries = q.tries + 1, last_seen_at = clock_timestamp(), code = excluded.code, reason = excluded.reason,
    run_id = excluded.run_id
"""
_RECOVER: LiteralString = """
UPDATE quarantine SET ended_at = clock_timestamp()
WHERE integration_id = %(integration)s AND entity_type = %(entity)s AND external_id = ANY(%(ids)s) AND ended_at IS NULL
"""
_ASIDE: LiteralString = """
SELECT entity_type, external_id FROM quarantine
WHERE integration_id = %(integration)s AND ended_at IS NULL AND external_id IS NOT NULL
    AND (%(entity)s::text IS NULL OR entity_type = %(entity)s) AND (%(code)s::text IS NULL OR code = %(code)s)
    AND (%(ids)s::text[] IS NULL OR external_id = ANY(%(ids)s))
ORDER BY first_seen_at, id LIMIT 10000
"""
_RAISE: LiteralString = """
INSERT INTO issues AS i (id, company_id, integration_id, kind, subject, detail)
SELECT r.id, %(company)s, %(integration)s, r.kind, r.subject, r.detail
FROM jsonb_to_recordset(%(rows)s) AS r (id uuid, kind text, subject text, detail text)
ON CONFLICT (integration_id, kind, subject, company_id) WHERE ended_at IS NULL
DO UPDATE SET times = i.times + 1, last_seen_at = clock_timestamp(), detail = excluded.detail
RETURNING times
"""
_SETTLE: LiteralString = """
UPDATE issues SET ended_at = clock_timestamp()
WHERE integration_id = %(integration)s AND kind = %(kind)s AND subject = %(subject)s AND ended_at IS NULL
"""
_SETTLE_ALL: LiteralString = """
UPDATE issues SET ended_at = clock_timestamp()
WHERE integration_id = %(integration)s AND kind = %(kind)s AND subject = ANY(%(subjects)s) AND ended_at IS NULL
"""
_SETTLE_AS_TOLD: LiteralString = """
UPDATE issues SET ended_at = clock_timestamp()
WHERE integration_id = %(integration)s AND kind = %(kind)s AND subject = %(subject)s AND ended_at IS NULL
    AND last_seen_at = %(told_at)s
"""
_TOLD_OF_BREAKERS: LiteralString = "SELECT company, integration, told_at FROM told_of_breakers()"
_SETTLE_OTHERS: LiteralString = """
UPDATE issues SET ended_at = clock_timestamp()
WHERE integration_id = %(integration)s AND kind = %(kind)s AND starts_with(subject, %(prefix)s)
    AND subject <> ALL(%(keep)s::text[]) AND ended_at IS NULL
"""
# Each half has its own index and gives no more than a page, however many there are of the other.
_LISTED: LiteralString = """
(SELECT id, kind, subject, detail, NULL AS entity, NULL AS external_id, NULL AS code, times, NULL::uuid AS run_id,
    opened_at, last_seen_at, ended_at
FROM issues WHERE integration_id = %(integration)s AND (ended_at IS NULL) = ANY(%(open)s)
    AND (%(at)s::timestamptz IS NULL OR (opened_at, id) < (%(at)s, %(after)s::uuid))
ORDER BY issues.opened_at DESC, issues.id DESC LIMIT %(limit)s)
UNION ALL
(SELECT id, NULL, NULL, reason, entity_type, external_id, code, tries, run_id, first_seen_at, last_seen_at, ended_at
FROM quarantine WHERE integration_id = %(integration)s AND (ended_at IS NULL) = ANY(%(open)s)
    AND (%(at)s::timestamptz IS NULL OR (first_seen_at, id) < (%(at)s, %(after)s::uuid))
ORDER BY quarantine.first_seen_at DESC, quarantine.id DESC LIMIT %(limit)s)
ORDER BY opened_at DESC, id DESC LIMIT %(limit)s
"""
_OPEN: LiteralString = """
SELECT (SELECT count(*) FROM issues WHERE integration_id = %(integration)s AND ended_at IS NULL)
    + (SELECT count(*) FROM quarantine WHERE integration_id = %(integration)s AND ended_at IS NULL) AS count
"""


class Attention:
    """Statements on `quarantine` and `issues`."""

    async def quarantine(
        self,
        tx: Transaction,
        integration_id: UUID,
        entity: EntityType,
        rows: Sequence[Quarantined],
        run_id: UUID | None,
    ) -> None:
        """Set records aside; one that is already aside counts one try more."""
        if rows:
            content = [
                {"id": uuid4(), "external_id": row.external_id, "code": row.code, "reason": row.reason} for row in rows
            ]
            await tx.run(
                _QUARANTINE,
                company=tx.company,
                integration=integration_id,
                entity=entity.value,
                run=run_id,
                rows=as_json(content),
            )

    async def aside(
        self,
        tx: Transaction,
        integration_id: UUID,
        *,
        entity: EntityType | None,
        external_ids: Sequence[str] | None,
        code: str | None,
    ) -> list[tuple[EntityType, str]]:
        """Return what is set aside and has an id, narrowed down by what is not None, oldest first."""
        rows = await tx.rows(
            _ASIDE,
            integration=integration_id,
            entity=entity.value if entity else None,
            ids=None if external_ids is None else list(external_ids),
            code=code,
        )
        return [(EntityType(row["entity_type"]), row["external_id"]) for row in rows]

    async def recover(
        self, tx: Transaction, integration_id: UUID, entity: EntityType, external_ids: Sequence[str]
    ) -> int:
        """Take records out of quarantine that came in after all, or that stay away for another reason."""
        if not external_ids:
            return 0
        return await tx.run(_RECOVER, integration=integration_id, entity=entity.value, ids=list(external_ids))

    async def raise_issue(self, tx: Transaction, integration_id: UUID, *, kind: str, subject: str, detail: str) -> bool:
        """Open an issue of the integration, or count it once more; return whether it is new."""
        return await self.raise_issues(tx, integration_id, [Issue(kind, subject, detail)]) == 1

    async def raise_issues(self, tx: Transaction, integration_id: UUID, issues: Sequence[Issue]) -> int:
        """Open issues, or count each once more (the last of one kind and subject); return how many are new."""
        content = {
            (each.kind, each.subject): {
                "id": uuid4(),
                "kind": each.kind,
                "subject": each.subject,
                "detail": each.detail,
            }
            for each in sorted(issues, key=lambda each: (each.kind, each.subject))  # all lock them in one order
        }
        if not content:
            return 0
        rows = await tx.rows(
            _RAISE, company=tx.company, integration=integration_id, rows=as_json(list(content.values()))
        )
        return sum(row["times"] == 1 for row in rows)

    async def settle_issue(self, tx: Transaction, integration_id: UUID, *, kind: str, subject: str) -> None:
        """Close an issue that no longer holds."""
        await tx.run(_SETTLE, integration=integration_id, kind=kind, subject=subject)

    async def settle_issues(self, tx: Transaction, integration_id: UUID, *, kind: str, subjects: Sequence[str]) -> None:
        """Close the issues of these subjects that no longer hold."""
        if subjects:
            await tx.run(_SETTLE_ALL, integration=integration_id, kind=kind, subjects=list(subjects))

    async def settle_as_told(
        self, tx: Transaction, integration_id: UUID, *, kind: str, subject: str, told_at: datetime
    ) -> bool:
        """Close an issue that was last raised at *told_at*; False if it was raised anew, or closed, since."""
        settled = await tx.run(_SETTLE_AS_TOLD, integration=integration_id, kind=kind, subject=subject, told_at=told_at)
        return settled > 0

    async def told_of_breakers(self, tx: Transaction) -> list[Told]:
        """Return the integrations of all companies whose vendor is told to be out of reach (dispatch)."""
        return [Told(**row) for row in await tx.rows(_TOLD_OF_BREAKERS)]

    async def settle_others(
        self, tx: Transaction, integration_id: UUID, *, kind: str, prefix: str, keep: Sequence[str]
    ) -> None:
        """Close the issues of *kind* whose subject begins with *prefix*, but for the subjects in *keep*."""
        await tx.run(_SETTLE_OTHERS, integration=integration_id, kind=kind, prefix=prefix, keep=list(keep))

    async def open_count(self, tx: Transaction, integration_id: UUID) -> int:
        """Return how many issues and quarantined records of an integration are open."""
        return int((await tx.one(_OPEN, integration=integration_id))["count"])

    async def listed(
        self,
        tx: Transaction,
        integration_id: UUID,
        *,
        is_open: bool | None,
        after: tuple[datetime, UUID] | None,
        limit: int,
    ) -> list[dict[str, Any]]:
        """
        Return an integration's issues and quarantined records in one list, newest first.

        *is_open* None means both. A quarantined record has no *kind*: its reason stands in *detail*, its tries in
        *times*, its first sight in *opened_at*.
        """
        query, parameters = self.listing(integration_id, is_open=is_open, after=after, limit=limit)
        return await tx.rows(query, **parameters)

    @staticmethod
    def listing(
        integration_id: UUID, *, is_open: bool | None, after: tuple[datetime, UUID] | None, limit: int
    ) -> tuple[LiteralString, dict[str, Any]]:
        """Return the query of `listed` and its parameters."""
        at, row_id = after or (None, None)
        wanted = [True, False] if is_open is None else [is_open]
        return _LISTED, {"integration": integration_id, "open": wanted, "at": at, "after": row_id, "limit": limit}
