"""Record history as reverse deltas: what a change replaced, sealed under the person's own key."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, LiteralString
from uuid import UUID

from shared.model import EntityType
from shared.store.database import Transaction

SALT_BYTES = 32


@dataclass(frozen=True, slots=True)
class PersonKey:
    """Where a record's own key comes from; without the salt nothing sealed under it opens again."""

    record_id: UUID
    kid: str
    salt: bytes


class HistorySide(StrEnum):
    """Whose values a row keeps."""

    OURS = "ours"
    """What a change here replaced."""
    THEIRS = "theirs"
    """What a write of ours replaced at a vendor."""
    LOST = "lost"
    """A vendor's value that lost a decision and was written nowhere."""


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One change of one record."""

    record_id: UUID
    entity: EntityType
    version: int
    """The version that the change ended; of *theirs* and *lost* the one that stood then."""
    units: Sequence[str]
    sealed: bytes
    source: str
    """Who made the change, or whose values these are: `portal`, or an integration's id."""
    job_id: UUID | None = None
    run_id: UUID | None = None
    side: HistorySide = HistorySide.OURS


@dataclass(frozen=True, slots=True)
class PastChange:
    """A row of history as it is read."""

    version: int
    at: datetime
    units: Sequence[str]
    sealed: bytes
    source: str
    job_id: UUID | None
    run_id: UUID | None
    side: HistorySide


_ENSURE: LiteralString = """
INSERT INTO person_keys (record_id, company_id, kid, salt)
SELECT u.id, %(company)s, %(kid)s, u.salt FROM unnest(%(ids)s::uuid[], %(salts)s::bytea[]) AS u (id, salt)
ON CONFLICT (record_id) DO NOTHING
"""
_KEYS: LiteralString = "SELECT record_id, kid, salt FROM person_keys WHERE record_id = ANY(%(ids)s)"
_FORGET: LiteralString = "DELETE FROM person_keys WHERE record_id = ANY(%(ids)s)"
_INSERT: LiteralString = """
INSERT INTO record_history (company_id, record_id, entity_type, version, at, units, sealed, source, job_id, run_id,
    side)
SELECT %(company)s, u.record_id, u.entity, u.version, clock_timestamp(), string_to_array(u.units, ','), u.sealed,
    u.source, u.job_id, u.run_id, u.side
FROM unnest(%(record_ids)s::uuid[], %(entities)s::text[], %(versions)s::integer[], %(units)s::text[],
    %(sealed)s::bytea[], %(sources)s::text[], %(job_ids)s::uuid[], %(run_ids)s::uuid[],
    %(sides)s::text[]) AS u (record_id, entity, version, units, sealed, source, job_id, run_id, side)
"""
_OF: LiteralString = """
SELECT version, at, units, sealed, source, job_id, run_id, side FROM record_history
WHERE record_id = %(record)s ORDER BY version DESC, at DESC, seq DESC LIMIT %(limit)s
"""


_OF_UNITS: LiteralString = """
SELECT h.* FROM unnest(%(ids)s::uuid[]) AS r (id) CROSS JOIN LATERAL (
    SELECT record_id, version, at, units, sealed, source, job_id, run_id, side FROM record_history
    WHERE record_id = r.id AND side = 'ours' AND units && %(units)s::text[]
    ORDER BY version DESC, at DESC, seq DESC LIMIT %(limit)s
) AS h
"""


class History:
    """Statements on `record_history` and `person_keys`."""

    async def ensure_keys(self, tx: Transaction, record_ids: Sequence[UUID], kid: str) -> Mapping[UUID, PersonKey]:
        """Return the key material of each record; made on first use."""
        if not record_ids:
            return {}
        ids = sorted(set(record_ids))
        rows = await tx.rows(_KEYS, ids=ids)
        missing = sorted(set(ids) - {row["record_id"] for row in rows})
        if missing:
            salts = [secrets.token_bytes(SALT_BYTES) for _ in missing]
            await tx.run(_ENSURE, company=tx.company, kid=kid, ids=missing, salts=salts)
            rows = await tx.rows(_KEYS, ids=ids)
        return {row["record_id"]: PersonKey(row["record_id"], row["kid"], bytes(row["salt"])) for row in rows}

    async def forget(self, tx: Transaction, record_ids: Sequence[UUID]) -> None:
        """Drop the salts of the records: what was sealed under their keys can't be opened any more."""
        if record_ids:
            await tx.run(_FORGET, ids=list(record_ids))

    async def append(self, tx: Transaction, rows: Sequence[HistoryRow]) -> None:
        """Add *rows*."""
        if rows:
            await tx.run(
                _INSERT,
                company=tx.company,
                record_ids=[row.record_id for row in rows],
                entities=[row.entity.value for row in rows],
                versions=[row.version for row in rows],
                units=[",".join(row.units) for row in rows],
                sealed=[row.sealed for row in rows],
                sources=[row.source for row in rows],
                job_ids=[row.job_id for row in rows],
                run_ids=[row.run_id for row in rows],
                sides=[row.side.value for row in rows],
            )

    async def of(self, tx: Transaction, record_id: UUID, *, limit: int = 100) -> list[PastChange]:
        """Return the newest rows of a record, whatever their side, newest first."""
        return [change_of(row) for row in await tx.rows(_OF, record=record_id, limit=limit)]

    async def of_units(
        self, tx: Transaction, record_ids: Sequence[UUID], units: Sequence[str], *, limit: int = 50
    ) -> dict[UUID, list[PastChange]]:
        """Return the newest changes here of any of *units*, by record, each newest first, at most *limit* a record."""
        found: dict[UUID, list[PastChange]] = {}
        for row in await tx.rows(_OF_UNITS, ids=list(record_ids), units=list(units), limit=limit):
            found.setdefault(row["record_id"], []).append(change_of(row))
        return found


def change_of(row: Mapping[str, Any]) -> PastChange:
    """Read a row of `record_history`."""
    return PastChange(
        row["version"],
        row["at"],
        row["units"],
        bytes(row["sealed"]),
        row["source"],
        row["job_id"],
        row["run_id"],
        HistorySide(row["side"]),
    )
