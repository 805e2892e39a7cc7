"""Canonical records: the one path by which they are read for a merge and written after it, a set at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

import orjson
from pydantic import JsonValue

from shared.errors import Conflict, NotFound
from shared.model import EntityType, JsonObject
from shared.store.database import Transaction, as_json, rows_as_json


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A canonical record as it stands."""

    id: UUID
    entity: EntityType
    data: JsonObject
    stamps: JsonObject
    """Per unit, as `shared.sync.merging.stamps` writes them."""
    version: int
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None = None
    submission: JsonObject | None = None
    archived_by: str | None = None
    """The person who archived it, or the candidate with whom an application went; None: a system was followed."""

    @property
    def is_erased(self) -> bool:
        """Whether nothing is left of the person, and nothing is to come back by another link."""
        return self.archived_at is not None and not self.data


@dataclass(slots=True)
class RecordWrite:
    """
    What a record is to be; *based_on* is the version that was read, 0 for a new one.

    Never changed; not frozen only because a frozen one takes twice as long to make, and a page makes hundreds.
    """

    id: UUID
    entity: EntityType
    data: Mapping[str, JsonValue]
    stamps: Mapping[str, JsonValue]
    based_on: int = 0
    is_archived: bool = False
    submission: Mapping[str, JsonValue] | None = None
    archived_by: str | None = None
    """Who archives it; None leaves that as it is, as long as it stays archived."""
    encoded: bytes | None = None
    """The row of a new record as `encoded_record` made it in another process; *data* and *stamps* are empty then."""


@dataclass(frozen=True, slots=True)
class Namesake:
    """A candidate who holds an e-mail that somebody else came with."""

    id: UUID
    email_key: str
    first_name: str | None
    last_name: str | None
    linked_external_id: str | None
    """The id that this integration already links to them."""


_COLUMNS: LiteralString = (
    "id, entity_type, data, stamps, version, created_at, updated_at, archived_at, submission, archived_by"
)

_GET: LiteralString = f"SELECT {_COLUMNS} FROM records WHERE entity_type = %(entity)s AND id = ANY(%(ids)s)"

_LOCK: LiteralString = f"{_GET} ORDER BY id FOR UPDATE"

_INSERT: LiteralString = """
INSERT INTO records (company_id, entity_type, id, data, stamps, archived_at, submission)
SELECT %(company)s, %(entity)s, r.id, r.data, r.stamps, CASE WHEN r.is_archived THEN clock_timestamp() END, r.submission
FROM jsonb_to_recordset(%(rows)s) AS r (id uuid, data jsonb, stamps jsonb, is_archived boolean, submission jsonb)
"""

_UPDATE: LiteralString = """
UPDATE records o SET data = r.data, stamps = r.stamps, version = o.version + 1, updated_at = clock_timestamp(),
    archived_at = CASE WHEN r.is_archived THEN coalesce(o.archived_at, clock_timestamp()) END,
    archived_by = CASE WHEN r.is_archived THEN coalesce(r.archived_by, o.archived_by) END,
    submission = coalesce(r.submission, o.submission)
FROM jsonb_to_recordset(%(rows)s) AS r (id uuid, data jsonb, stamps jsonb, based_on integer, is_archived boolean,
    submission jsonb, archived_by text)
WHERE o.entity_type = %(entity)s AND o.id = r.id AND o.version = r.based_on
"""

_SUBMISSION: LiteralString = """
UPDATE records SET submission = coalesce(submission, '{}') || %(submission)s, updated_at = clock_timestamp()
WHERE entity_type = 'application' AND id = %(id)s
"""

_ARRIVED: LiteralString = """
UPDATE records o SET submission = o.submission || jsonb_build_object('state', 'submitted', 'external_id', r.external_id,
    'integration_id', %(integration)s::text, 'submitted_at', %(at)s::text, 'error', NULL),
    updated_at = clock_timestamp()
FROM jsonb_to_recordset(%(rows)s) AS r (id uuid, external_id text)
WHERE o.entity_type = 'application' AND o.id = r.id AND o.submission ->> 'state' <> 'submitted'
"""

_LOCK_IDENTITIES: LiteralString = """
SELECT count(*) FROM (
    SELECT pg_advisory_xact_lock(k.key) FROM (
        SELECT DISTINCT hashtextextended(%(company)s || ' ' || u.value, 0) AS key
        FROM unnest(%(keys)s::text[]) AS u (value) ORDER BY 1) k
    OFFSET 0) locked
"""

# Each LATERAL with OFFSET 0 is looked up by its index, key by key. Left to itself the planner, whose statistics know
# nothing of a company that is just being imported, reads all of its records, and all links again for each match.
_BY_EMAIL: LiteralString = """
SELECT r.id, k.email_key, r.first_name, r.last_name, l.external_id
FROM unnest(%(keys)s::text[]) AS k (email_key)
CROSS JOIN LATERAL (
    SELECT id, created_at, data ->> 'first_name' AS first_name, data ->> 'last_name' AS last_name FROM records
    WHERE company_id = %(company)s AND entity_type = 'candidate' AND email_key = k.email_key AND archived_at IS NULL
    OFFSET 0) r
LEFT JOIN LATERAL (
    SELECT integration_id, entity_type, state, external_id FROM external_entity_map WHERE internal_id = r.id OFFSET 0
    ) l ON l.integration_id = %(integration)s AND l.entity_type = 'candidate' AND l.state = 'live'
ORDER BY r.created_at, r.id
"""

_APPLICATION_EXISTS: LiteralString = """
SELECT id FROM records WHERE company_id = %(company)s AND entity_type = 'application'
    AND candidate_id = %(candidate)s AND job_id = %(job)s AND archived_at IS NULL
"""

_APPLICATION_ARCHIVED: LiteralString = """
SELECT r.id FROM records r WHERE r.company_id = %(company)s AND r.entity_type = 'application'
    AND r.candidate_id = %(candidate)s AND r.job_id = %(job)s AND r.archived_by IS NOT NULL AND EXISTS (
        SELECT FROM external_entity_map l WHERE l.internal_id = r.id AND l.entity_type = 'application'
            AND l.state = 'live')
ORDER BY r.archived_at DESC LIMIT 1
"""

_UNLINKED_APPLICATIONS: LiteralString = """
SELECT DISTINCT ON (r.candidate_id, r.job_id) r.id, r.candidate_id || ' ' || r.job_id AS pair
FROM unnest(%(pairs)s::text[]) AS p (pair)
JOIN records r ON r.company_id = %(company)s AND r.entity_type = 'application'
    AND r.candidate_id = split_part(p.pair, ' ', 1)::uuid AND r.job_id = split_part(p.pair, ' ', 2)::uuid
WHERE r.archived_at IS NULL AND NOT EXISTS (
    SELECT FROM external_entity_map l WHERE l.internal_id = r.id AND l.entity_type = 'application'
        AND l.integration_id = %(integration)s AND l.state <> 'tombstone')
ORDER BY r.candidate_id, r.job_id, r.created_at
"""

_CHILDREN: LiteralString = """
SELECT id FROM records WHERE company_id = %(company)s AND entity_type = 'application' AND candidate_id = %(candidate)s
"""


class Records:
    """Statements on `records`. Each takes the transaction it belongs to."""

    async def get(self, tx: Transaction, entity: EntityType, ids: Sequence[UUID]) -> dict[UUID, StoredRecord]:
        """Return the records of *ids* that exist."""
        return _by_id(await tx.rows(_GET, entity=entity.value, ids=list(ids)))

    async def fetch(self, tx: Transaction, entity: EntityType, record_id: UUID) -> StoredRecord:
        """Return one record. Raises NotFound."""
        found = await self.get(tx, entity, [record_id])
        if record_id not in found:
            raise NotFound(f"there is no {entity.value} {record_id}")
        return found[record_id]

    async def lock(self, tx: Transaction, entity: EntityType, ids: Sequence[UUID]) -> dict[UUID, StoredRecord]:
        """Return the records of *ids* that exist, locked until the transaction ends, in the order of their ids."""
        if not ids:
            return {}
        return _by_id(await tx.rows(_LOCK, entity=entity.value, ids=list(ids)))

    async def insert(self, tx: Transaction, entity: EntityType, writes: Sequence[RecordWrite]) -> None:
        """Add new records of one entity."""
        if writes:
            await tx.run(
                _INSERT, company=tx.company, entity=entity.value, rows=rows_as_json([_row(write) for write in writes])
            )

    async def update(self, tx: Transaction, entity: EntityType, writes: Sequence[RecordWrite]) -> None:
        """Write records of one entity, each one version on. Raises Conflict if one is no longer at *based_on*."""
        if not writes:
            return
        touched = await tx.run(_UPDATE, entity=entity.value, rows=rows_as_json([_row(write) for write in writes]))
        if touched != len(writes):
            raise Conflict("a record has changed meanwhile")

    async def mark_submission(self, tx: Transaction, record_id: UUID, submission: Mapping[str, JsonValue]) -> None:
        """Set the given keys of an application's `submission`; the record's version stays."""
        await tx.run(_SUBMISSION, id=record_id, submission=as_json(dict(submission)))

    async def submissions_arrived(
        self, tx: Transaction, integration_id: UUID, external_ids: Mapping[UUID, str], *, at: datetime
    ) -> None:
        """Mark those of these applications that were submitted, and seen at the vendor before their create was told."""
        if external_ids:
            rows = [{"id": str(record), "external_id": external} for record, external in external_ids.items()]
            await tx.run(_ARRIVED, integration=integration_id, at=at.isoformat(), rows=as_json(rows))

    async def lock_identities(self, tx: Transaction, keys: Sequence[str]) -> None:
        """
        Wait until no other transaction creates a record for any of *keys*, and keep others waiting.

        Two vendors that bring the same new person at once meet here.
        """
        if keys:
            await tx.rows(_LOCK_IDENTITIES, company=str(tx.company), keys=sorted(set(keys)))

    async def find_by_email(
        self, tx: Transaction, integration_id: UUID, email_keys: Sequence[str]
    ) -> dict[str, list[Namesake]]:
        """Return the candidates who hold one of *email_keys* (trimmed, lower case), oldest first."""
        found: dict[str, list[Namesake]] = {}
        if not email_keys:
            return found
        for row in await tx.rows(_BY_EMAIL, company=tx.company, integration=integration_id, keys=list(email_keys)):
            namesake = Namesake(row["id"], row["email_key"], row["first_name"], row["last_name"], row["external_id"])
            found.setdefault(namesake.email_key, []).append(namesake)
        return found

    async def application_of(self, tx: Transaction, candidate_id: UUID, job_id: UUID) -> UUID | None:
        """Return the candidate's application for that job, or None."""
        row = await tx.row(_APPLICATION_EXISTS, company=tx.company, candidate=candidate_id, job=job_id)
        return row["id"] if row else None

    async def archived_application_of(self, tx: Transaction, candidate_id: UUID, job_id: UUID) -> UUID | None:
        """Return the application that somebody archived here and that lives on at a vendor, or None."""
        row = await tx.row(_APPLICATION_ARCHIVED, company=tx.company, candidate=candidate_id, job=job_id)
        return row["id"] if row else None

    async def unlinked_applications(
        self, tx: Transaction, integration_id: UUID, pairs: Sequence[str]
    ) -> dict[str, UUID]:
        """Return applications without a link at the integration, by `<candidate id> <job id>`, the oldest of each."""
        if not pairs:
            return {}
        rows = await tx.rows(_UNLINKED_APPLICATIONS, company=tx.company, integration=integration_id, pairs=list(pairs))
        return {row["pair"]: row["id"] for row in rows}

    async def applications_of(self, tx: Transaction, candidate_id: UUID) -> list[UUID]:
        """Return the ids of a candidate's applications."""
        return [row["id"] for row in await tx.rows(_CHILDREN, company=tx.company, candidate=candidate_id)]


def stored(row: Mapping[str, Any]) -> StoredRecord:
    """Read a row of `records`."""
    return StoredRecord(
        id=row["id"],
        entity=EntityType(row["entity_type"]),
        data=row["data"],
        stamps=row["stamps"],
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        archived_at=row["archived_at"],
        submission=row["submission"],
        archived_by=row["archived_by"],
    )


def _by_id(rows: Sequence[Mapping[str, Any]]) -> dict[UUID, StoredRecord]:
    return {row["id"]: stored(row) for row in rows}


def encoded_record(write: RecordWrite) -> bytes:
    """Return the row of *write* as JSON."""
    return orjson.dumps(_row(write))


def _row(write: RecordWrite) -> dict[str, Any] | orjson.Fragment:
    if write.encoded is not None:
        return orjson.Fragment(write.encoded)
    return {
        "id": write.id,
        "data": dict(write.data),
        "stamps": dict(write.stamps),
        "based_on": write.based_on,
        "is_archived": write.is_archived,
        "submission": None if write.submission is None else dict(write.submission),
        "archived_by": write.archived_by,
    }
