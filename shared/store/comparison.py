"""Both sides of a comparison as they stand: pages of links with their records, sums by ranges, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from pydantic import JsonValue

from shared.model import EntityType
from shared.store.database import Transaction
from shared.store.links import Link
from shared.store.parity import DifferenceRow, ParityRun
from shared.store.records import StoredRecord, stored

RANGES = 4096
"""How many ranges the external ids fall into (`parity_range`)."""


@dataclass(frozen=True, slots=True)
class Sides:
    """A link with the record it points at, as they stand; *record* None: it is not there."""

    link: Link
    record: StoredRecord | None
    last_synced_at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """How a link and its record stand, as one hash, and how they stood when they were last found in step."""

    link_id: UUID
    digest: bytes | None
    """Of the vendor's record as last merged."""
    seal: bytes | None
    """None: the record is not there."""
    sealed: bytes | None
    """None: they were never found in step."""
    fields_compared: int
    fields_hidden: int

    def is_unmoved(self, digest: bytes) -> bool:
        """Whether nothing has changed since they were in step, neither here nor at the vendor, who shows *digest*."""
        return self.seal is not None and self.seal == self.sealed and self.digest == digest


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What else is known of a record that differs."""

    has_job: bool
    """A reconcile of it is pending or under way."""
    has_failed: bool
    """A reconcile of it was given up, and is a dead letter."""
    hold_reason: str | None
    is_quarantined: bool
    has_review: bool
    """Who it is waits for a person."""
    conflict_units: frozenset[str]
    """Units with an open item."""


@dataclass(frozen=True, slots=True)
class RangeSums:
    """Both sides summed up: the ranges in which they differ, and one sum over all ranges for each."""

    differing: Sequence[int]
    theirs: str
    ours: str


@dataclass(frozen=True, slots=True)
class StoredData:
    """A record's id and values."""

    id: UUID
    data: Mapping[str, JsonValue]


_STANDINGS: LiteralString = """
SELECT l.id, l.external_id, l.digest, s.seal AS sealed, s.fields_compared, s.fields_hidden,
    sha256(convert_to(%(context)s || ' ' || l.state || ' ' || l.internal_id || l.base || r.data
        || coalesce(r.archived_at::text, ''), 'UTF8')) AS seal
FROM external_entity_map l
LEFT JOIN records r ON r.id = l.internal_id AND r.entity_type = l.entity_type
LEFT JOIN parity_seals s ON s.link_id = l.id
WHERE l.integration_id = %(integration)s AND l.entity_type = %(entity)s AND l.external_id = ANY(%(ids)s)
    AND l.state <> 'tombstone'
"""
_SEAL: LiteralString = """
INSERT INTO parity_seals (link_id, company_id, seal, fields_compared, fields_hidden)
SELECT l.id, %(company)s, u.seal, u.compared, u.hidden
FROM unnest(%(links)s::uuid[], %(seals)s::bytea[], %(compared)s::smallint[], %(hidden)s::smallint[])
    AS u (link_id, seal, compared, hidden)
JOIN external_entity_map l ON l.id = u.link_id
ON CONFLICT (link_id) DO UPDATE SET seal = excluded.seal, fields_compared = excluded.fields_compared,
    fields_hidden = excluded.fields_hidden
"""
_SIDES: LiteralString = """
SELECT l.id, l.integration_id, l.entity_type, l.internal_id, l.external_id, l.state, l.is_primary, l.sync_version,
    l.fence, l.vendor_version, l.last_synced_at, l.digest, l.base, r.id AS record_id, r.data, r.stamps,
    r.version, r.created_at, r.updated_at, r.archived_at, r.submission,
    r.archived_by
FROM external_entity_map l LEFT JOIN records r ON r.id = l.internal_id AND r.entity_type = l.entity_type
WHERE l.integration_id = %(integration)s AND l.entity_type = %(entity)s AND l.external_id = ANY(%(ids)s)
    AND l.state <> 'tombstone'
"""
_CIRCUMSTANCES: LiteralString = """
SELECT w.external_id, j.id IS NOT NULL AS has_job, f.id IS NOT NULL AS has_failed, j.hold_reason,
    q.id IS NOT NULL AS is_quarantined, m.id IS NOT NULL AS has_review, coalesce(c.units, '{}') AS conflict_units
FROM unnest(%(ids)s::text[], %(records)s::uuid[]) AS w (external_id, record_id)
LEFT JOIN LATERAL (
    SELECT s.id, s.hold_reason FROM sync_queue s WHERE s.integration_id = %(integration)s AND s.action = 'reconcile'
        AND s.entity_type = %(entity)s AND s.record_key IN (w.record_id::text, 'ext:' || w.external_id)
        AND s.status IN ('pending', 'processing') ORDER BY s.hold_reason NULLS FIRST LIMIT 1) j ON true
LEFT JOIN LATERAL (
    SELECT s.id FROM sync_queue s WHERE s.integration_id = %(integration)s AND s.action = 'reconcile'
        AND s.entity_type = %(entity)s AND s.record_key = w.record_id::text AND s.status = 'failed' LIMIT 1) f ON true
LEFT JOIN LATERAL (
    SELECT s.id FROM quarantine s WHERE s.integration_id = %(integration)s AND s.entity_type = %(entity)s
        AND s.external_id = w.external_id AND s.ended_at IS NULL LIMIT 1) q ON true
LEFT JOIN LATERAL (
    SELECT s.id FROM conflicts s WHERE s.integration_id = %(integration)s AND s.entity_type = %(entity)s
        AND s.external_id = w.external_id AND s.status = 'open' AND s.kind = 'ambiguous_match' LIMIT 1) m ON true
LEFT JOIN LATERAL (
    SELECT array_agg(s.unit) AS units FROM conflicts s WHERE s.record_id = w.record_id AND s.status = 'open'
        AND s.unit IS NOT NULL) c ON true
"""
_TOUCHED: LiteralString = """
SELECT h.record_id, h.units FROM unnest(%(ids)s::uuid[], %(moments)s::timestamptz[]) AS w (record_id, at)
JOIN record_history h ON h.record_id = w.record_id AND h.at > w.at
"""
_SUMS: LiteralString = """
WITH theirs AS (
    SELECT range, md5(string_agg(external_id || ' ' || encode(digest, 'hex'), ',' ORDER BY external_id)) AS sum
    FROM parity_seen WHERE parity_id = %(id)s GROUP BY range
), ours AS (
    SELECT parity_range(external_id) AS range, md5(string_agg(
        external_id || ' ' || coalesce(encode(digest, 'hex'), '?'), ',' ORDER BY external_id COLLATE "C")) AS sum
    FROM external_entity_map
    WHERE integration_id = %(integration)s AND entity_type = %(entity)s AND state = 'live' GROUP BY 1
)
SELECT coalesce(array_agg(range ORDER BY range) FILTER (WHERE t.sum IS DISTINCT FROM o.sum), '{}') AS differing,
    md5(coalesce(string_agg(range || ' ' || t.sum, ',' ORDER BY range), '')) AS theirs,
    md5(coalesce(string_agg(range || ' ' || o.sum, ',' ORDER BY range), '')) AS ours
FROM theirs t FULL JOIN ours o USING (range)
"""
# Only ranges whose sums differ are compared row by row. What was linked after the listing began can't be in it.
_MISSING: LiteralString = """
SELECT l.id AS link_id, l.internal_id, l.external_id FROM external_entity_map l
WHERE l.integration_id = %(integration)s AND l.entity_type = %(entity)s AND l.state = 'live'
    AND parity_range(l.external_id) = ANY(%(ranges)s) AND l.created_at < %(before)s
    AND NOT EXISTS (SELECT FROM parity_seen s WHERE s.parity_id = %(id)s AND s.external_id = l.external_id)
ORDER BY l.external_id COLLATE "C" LIMIT %(limit)s
"""
# A suspicion holds if the record is nobody's at this integration, or its own link is under the same suspicion.
_CONFIRM: LiteralString = """
UPDATE parity_differences d SET kind = 'wrong_record', cause = NULL, repair = NULL
WHERE d.parity_id = %(id)s AND d.other_record_id IS NOT NULL AND NOT EXISTS (
    SELECT FROM external_entity_map l
    WHERE l.internal_id = d.other_record_id AND l.integration_id = %(integration)s AND l.state = 'live'
        AND NOT EXISTS (SELECT FROM parity_differences o
            WHERE o.parity_id = d.parity_id AND o.external_id = l.external_id AND o.other_record_id IS NOT NULL))
RETURNING d.link_id, d.other_record_id
"""
_UNCONFIRMED: LiteralString = """
SELECT * FROM parity_differences WHERE parity_id = %(id)s AND other_record_id IS NOT NULL AND kind <> 'wrong_record'
"""
# Three steps, since a record may have one primary link at an integration and two links are to change places.
_STEP_ASIDE: LiteralString = "UPDATE external_entity_map SET is_primary = false WHERE id = ANY(%(links)s)"
_REPOINT: LiteralString = """
UPDATE external_entity_map l SET internal_id = u.record_id, base = '{}', digest = NULL,
    sync_version = l.sync_version + 1, last_synced_at = clock_timestamp()
FROM unnest(%(links)s::uuid[], %(records)s::uuid[]) AS u (link_id, record_id) WHERE l.id = u.link_id
"""
_STEP_FORWARD: LiteralString = """
UPDATE external_entity_map l SET is_primary = true WHERE l.id = ANY(%(links)s) AND NOT EXISTS (
    SELECT FROM external_entity_map o WHERE o.integration_id = l.integration_id AND o.entity_type = l.entity_type
        AND o.internal_id = l.internal_id AND o.id <> l.id AND o.is_primary AND o.state <> 'tombstone')
"""
_BY_EMAIL: LiteralString = """
SELECT r.id, r.email_key AS key, r.data FROM records r
WHERE r.company_id = %(company)s AND r.entity_type = 'candidate' AND r.email_key = ANY(%(keys)s)
"""
_BY_PAIR: LiteralString = """
SELECT r.id, p.pair AS key, r.data FROM unnest(%(keys)s::text[]) AS p (pair)
JOIN records r ON r.company_id = %(company)s AND r.entity_type = 'application'
    AND r.candidate_id = split_part(p.pair, ' ', 1)::uuid AND r.job_id = split_part(p.pair, ' ', 2)::uuid
"""
# An approval was of that one disappearance; were it kept, the next loss of a permission would meet no brake. What is
# archived here and still to be deleted there is alive until then: to see it says nothing against the decision.
_SEEN_AGAIN: LiteralString = """
DELETE FROM held_deletes h USING external_entity_map l, parity_seen s, delete_brakes b, parity_runs p
WHERE l.id = h.link_id AND l.integration_id = %(integration)s AND l.entity_type = %(entity)s
    AND s.parity_id = %(parity)s AND s.external_id = l.external_id AND b.id = h.brake_id AND p.id = s.parity_id
    AND (b.state <> 'approved' OR l.state = 'live' AND b.ended_at < p.started_at)
    AND NOT EXISTS (SELECT FROM removals r WHERE r.link_id = h.link_id AND r.state IN ('wanted', 'sent'))
"""


class Comparison:
    """Statements that look at links and records for a comparison, and put wrong links right."""

    async def standings(
        self, tx: Transaction, integration_id: UUID, entity: EntityType, external_ids: Sequence[str], *, context: str
    ) -> dict[str, Standing]:
        """Return how links and records stand, by external id. *context*: what else an examination depends on."""
        rows = await tx.rows(
            _STANDINGS, integration=integration_id, entity=entity.value, ids=list(external_ids), context=context
        )
        return {
            row["external_id"]: Standing(
                row["id"],
                row["digest"],
                row["seal"],
                row["sealed"],
                row["fields_compared"] or 0,
                row["fields_hidden"] or 0,
            )
            for row in rows
        }

    async def seal(self, tx: Transaction, standings: Sequence[Standing]) -> None:
        """Remember links that were found in step, with their records, as they stand."""
        if standings:
            await tx.run(
                _SEAL,
                company=tx.company,
                links=[each.link_id for each in standings],
                seals=[each.seal for each in standings],
                compared=[each.fields_compared for each in standings],
                hidden=[each.fields_hidden for each in standings],
            )

    async def sides(
        self, tx: Transaction, integration_id: UUID, entity: EntityType, external_ids: Sequence[str]
    ) -> dict[str, Sides]:
        """Return links with their records, by external id."""
        rows = await tx.rows(_SIDES, integration=integration_id, entity=entity.value, ids=list(external_ids))
        return {row["external_id"]: _sides(row) for row in rows}

    async def circumstances(
        self, tx: Transaction, integration_id: UUID, entity: EntityType, record_ids: Mapping[str, UUID | None]
    ) -> dict[str, Circumstances]:
        """Return what is known of records that differ; *record_ids* by external id."""
        rows = await tx.rows(
            _CIRCUMSTANCES,
            integration=integration_id,
            entity=entity.value,
            ids=list(record_ids),
            records=list(record_ids.values()),
        )
        return {
            row["external_id"]: Circumstances(
                row["has_job"],
                row["has_failed"],
                row["hold_reason"],
                row["is_quarantined"],
                row["has_review"],
                frozenset(row["conflict_units"]),
            )
            for row in rows
        }

    async def touched(self, tx: Transaction, since: Mapping[UUID, datetime]) -> dict[UUID, set[str]]:
        """Return which units of each record have history later than its moment in *since*: they were changed by us."""
        found: dict[UUID, set[str]] = {}
        if since:
            for row in await tx.rows(_TOUCHED, ids=list(since), moments=list(since.values())):
                found.setdefault(row["record_id"], set()).update(row["units"])
        return found

    async def holders(self, tx: Transaction, entity: EntityType, keys: Sequence[str]) -> dict[str, list[StoredData]]:
        """Return the records that hold an identity: a candidate's e-mail key, an application's `<candidate> <job>`."""
        found: dict[str, list[StoredData]] = {}
        if keys:
            query = _BY_EMAIL if entity is EntityType.CANDIDATE else _BY_PAIR
            for row in await tx.rows(query, company=tx.company, keys=list(keys)):
                found.setdefault(row["key"], []).append(StoredData(row["id"], row["data"]))
        return found

    async def sums(self, tx: Transaction, run: ParityRun) -> RangeSums:
        """Sum up both sides by ranges of their external ids."""
        row = await tx.one(_SUMS, id=run.id, integration=run.integration_id, entity=run.entity.value)
        return RangeSums(row["differing"], row["theirs"], row["ours"])

    async def missing_there(
        self, tx: Transaction, run: ParityRun, ranges: Sequence[int], *, before: datetime, limit: int
    ) -> list[tuple[UUID, UUID, str]]:
        """Return link, record and external id of what the vendor did not list, in *ranges*, linked before *before*."""
        rows = await tx.rows(
            _MISSING,
            id=run.id,
            integration=run.integration_id,
            entity=run.entity.value,
            ranges=list(ranges),
            before=before,
            limit=limit,
        )
        return [(row["link_id"], row["internal_id"], row["external_id"]) for row in rows]

    async def confirm_wrong_records(self, tx: Transaction, run: ParityRun) -> dict[UUID, UUID]:
        """Settle which suspicions of a wrong link hold; return the record that each such link belongs to."""
        rows = await tx.rows(_CONFIRM, id=run.id, integration=run.integration_id)
        return {row["link_id"]: row["other_record_id"] for row in rows}

    async def suspected(self, tx: Transaction, parity_id: UUID) -> list[DifferenceRow]:
        """Return the suspicions that did not hold, as what they were found to be at first."""
        return [
            DifferenceRow(
                row["external_id"],
                row["kind"],
                row["record_id"],
                row["link_id"],
                row["units"],
                row["cause"],
                row["repair"],
                row["other_record_id"],
            )
            for row in await tx.rows(_UNCONFIRMED, id=parity_id)
        ]

    async def repoint(self, tx: Transaction, record_by_link: Mapping[UUID, UUID]) -> None:
        """Let links point at other records; what was agreed over the wrong one is forgotten."""
        links, records = list(record_by_link), list(record_by_link.values())
        if links:
            await tx.run(_STEP_ASIDE, links=links)
            await tx.run(_REPOINT, links=links, records=records)
            await tx.run(_STEP_FORWARD, links=links)

    async def seen_again(self, tx: Transaction, integration_id: UUID, entity: EntityType, parity_id: UUID) -> None:
        """Forget about holding what a comparison has seen alive."""
        await tx.run(_SEEN_AGAIN, integration=integration_id, entity=entity.value, parity=parity_id)


def _sides(row: Mapping[str, Any]) -> Sides:
    names = [name for name in Link.__dataclass_fields__ if name != "entity"]
    link = Link(entity=EntityType(row["entity_type"]), **{name: row[name] for name in names})
    if row["record_id"] is None:
        return Sides(link, None, row["last_synced_at"])
    return Sides(link, stored({**row, "id": row["record_id"]}), row["last_synced_at"])
