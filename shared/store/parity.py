"""Full comparisons of both sides: what the vendor has listed so far, where it differs, and what it all came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID, uuid4

from pydantic import JsonValue

from shared.model import EntityType
from shared.store.database import Transaction, as_json


@dataclass(frozen=True, slots=True)
class ParityRun:
    """A row of `parity_runs`."""

    id: UUID
    integration_id: UUID
    entity: EntityType
    trigger: str
    repairs: bool
    status: str
    started_at: datetime
    ended_at: datetime | None
    position: str | None
    pages: int
    requests: int
    records_read: int
    unnamed: int
    """Rows that the vendor listed without an id: nothing tells what they are."""
    fields_compared: int
    fields_hidden: int
    records: int | None
    drift: int | None
    explained: int | None
    certificate: Mapping[str, JsonValue] | None
    error: str | None

    @property
    def is_listed(self) -> bool:
        """The vendor's last page has been seen: only the closing is left."""
        return self.pages > 0 and self.position is None


@dataclass(frozen=True, slots=True)
class DifferenceRow:
    """A row of `parity_differences`: ids and names of units, never a value."""

    external_id: str
    kind: str
    record_id: UUID | None
    link_id: UUID | None
    units: Sequence[str]
    cause: str | None
    """What explains it; None = drift."""
    repair: str | None
    other_record_id: UUID | None = None
    """The record that the vendor's one really is, as far as its identity says."""


@dataclass(frozen=True, slots=True)
class PageFigures:
    """What a page came to."""

    requests: int
    records: int
    unnamed: int
    fields_compared: int
    fields_hidden: int


_START: LiteralString = """
INSERT INTO parity_runs (id, company_id, integration_id, entity_type, trigger, repairs)
VALUES (%(id)s, %(company)s, %(integration)s, %(entity)s, %(trigger)s, %(repairs)s)
ON CONFLICT (integration_id, entity_type) WHERE status = 'running'
DO UPDATE SET repairs = parity_runs.repairs OR excluded.repairs
RETURNING id
"""
# Its job was cancelled or given up: what it has seen is too old to be gone on with.
_GIVE_UP: LiteralString = """
UPDATE parity_runs SET status = 'failed', ended_at = clock_timestamp(),
    error = 'it did not come to its end within a day'
WHERE integration_id = %(integration)s AND entity_type = %(entity)s AND status = 'running'
    AND started_at < clock_timestamp() - interval '1 day'
RETURNING id
"""
_CANCEL: LiteralString = """
WITH ended AS (
    UPDATE parity_runs SET status = 'failed', ended_at = clock_timestamp(), error = %(error)s
    WHERE integration_id = %(integration)s AND entity_type = ANY(%(entities)s) AND status = 'running' RETURNING id
)
DELETE FROM parity_seen s USING ended WHERE s.parity_id = ended.id
"""
_RUNNING: LiteralString = """
SELECT * FROM parity_runs WHERE integration_id = %(integration)s AND entity_type = %(entity)s AND status = 'running'
"""
_GET: LiteralString = "SELECT * FROM parity_runs WHERE id = %(id)s"
_LATEST: LiteralString = """
SELECT DISTINCT ON (entity_type) * FROM parity_runs WHERE integration_id = %(integration)s
    AND (%(entity)s::text IS NULL OR entity_type = %(entity)s) AND (NOT %(ended)s OR status <> 'running')
ORDER BY entity_type, started_at DESC
"""
_SEE: LiteralString = """
INSERT INTO parity_seen (parity_id, company_id, external_id, digest)
SELECT %(id)s, %(company)s, u.external_id, u.digest
FROM unnest(%(ids)s::text[], %(digests)s::bytea[]) AS u (external_id, digest)
ON CONFLICT (parity_id, external_id) DO UPDATE SET digest = excluded.digest
"""
_NOTE: LiteralString = """
INSERT INTO parity_differences (parity_id, company_id, external_id, kind, record_id, link_id, units, cause, repair,
    other_record_id)
SELECT %(id)s, %(company)s, r.external_id, r.kind, r.record_id, r.link_id, r.units, r.cause, r.repair,
    r.other_record_id
FROM jsonb_to_recordset(%(rows)s) AS r (external_id text, kind text, record_id uuid, link_id uuid, units text[],
    cause text, repair text, other_record_id uuid)
ON CONFLICT (parity_id, external_id) DO UPDATE SET kind = excluded.kind, record_id = excluded.record_id,
    link_id = excluded.link_id, units = excluded.units, cause = excluded.cause, repair = excluded.repair,
    other_record_id = excluded.other_record_id
"""
_TURN: LiteralString = """
UPDATE parity_runs SET position = %(position)s, pages = pages + 1, requests = requests + %(requests)s,
    records_read = records_read + %(records)s, unnamed = unnamed + %(unnamed)s,
    fields_compared = fields_compared + %(fields_compared)s, fields_hidden = fields_hidden + %(fields_hidden)s
WHERE id = %(id)s AND status = 'running'
"""
_RESTART: LiteralString = """
WITH seen AS (DELETE FROM parity_seen WHERE parity_id = %(id)s),
    differences AS (DELETE FROM parity_differences WHERE parity_id = %(id)s)
UPDATE parity_runs SET started_at = clock_timestamp(), position = NULL, pages = 0, records_read = 0,
    unnamed = 0, fields_compared = 0, fields_hidden = 0
WHERE id = %(id)s
"""
_SIZE: LiteralString = """
SELECT (SELECT count(*) FROM parity_seen WHERE parity_id = %(id)s)
    + (SELECT count(*) FROM parity_differences WHERE parity_id = %(id)s AND kind = 'missing_there') AS records,
    clock_timestamp() AS at
"""
_TALLY: LiteralString = """
SELECT kind, cause, count(*) AS count FROM parity_differences WHERE parity_id = %(id)s GROUP BY 1, 2 ORDER BY 1, 2
"""
_DIFFERENCES: LiteralString = """
SELECT external_id, kind, record_id, units, cause, repair FROM parity_differences
WHERE parity_id = %(id)s AND external_id > %(after)s ORDER BY external_id LIMIT %(limit)s
"""
_END: LiteralString = """
UPDATE parity_runs SET status = %(status)s, ended_at = clock_timestamp(), records = %(records)s, drift = %(drift)s,
    explained = %(explained)s, certificate = %(certificate)s, error = %(error)s
WHERE id = %(id)s AND status = 'running'
"""
_FORGET_SEEN: LiteralString = "DELETE FROM parity_seen WHERE parity_id = %(id)s"
_RECURRING: LiteralString = """
SELECT count(*) AS count FROM parity_differences d
WHERE d.parity_id = %(id)s AND d.cause IS NULL AND EXISTS (
    SELECT FROM parity_differences o WHERE o.external_id = d.external_id AND o.cause IS NULL AND o.parity_id = (
        SELECT p.id FROM parity_runs p WHERE p.integration_id = %(integration)s AND p.entity_type = %(entity)s
            AND p.status = 'complete' AND p.id <> %(id)s ORDER BY p.started_at DESC LIMIT 1))
"""
_DROP_OLD: LiteralString = """
WITH old AS (
    SELECT id FROM parity_runs WHERE integration_id = %(integration)s AND entity_type = %(entity)s
    ORDER BY started_at DESC OFFSET %(keep)s
), differences AS (DELETE FROM parity_differences d USING old WHERE d.parity_id = old.id),
    seen AS (DELETE FROM parity_seen s USING old WHERE s.parity_id = old.id)
DELETE FROM parity_runs p USING old WHERE p.id = old.id
"""


class Parity:
    """Statements on `parity_runs`, `parity_seen` and `parity_differences`. Each takes the transaction it belongs to."""

    async def start(
        self, tx: Transaction, integration_id: UUID, entity: EntityType, *, trigger: str, repairs: bool
    ) -> UUID:
        """Begin a comparison and return its id; one that runs already is that one, and repairs if either would."""
        for stale in await tx.rows(_GIVE_UP, integration=integration_id, entity=entity.value):
            await tx.run(_FORGET_SEEN, id=stale["id"])
        row = await tx.one(
            _START,
            id=uuid4(),
            company=tx.company,
            integration=integration_id,
            entity=entity.value,
            trigger=trigger,
            repairs=repairs,
        )
        return UUID(str(row["id"]))

    async def cancel(
        self, tx: Transaction, integration_id: UUID, entities: Sequence[EntityType], *, error: str
    ) -> None:
        """End the comparisons of *entities* that are under way; what they had seen is let go."""
        await tx.run(_CANCEL, integration=integration_id, entities=[each.value for each in entities], error=error)

    async def running(self, tx: Transaction, integration_id: UUID, entity: EntityType) -> ParityRun | None:
        """Return the comparison under way, or None."""
        row = await tx.row(_RUNNING, integration=integration_id, entity=entity.value)
        return _run(row) if row else None

    async def get(self, tx: Transaction, parity_id: UUID) -> ParityRun | None:
        """Return a comparison, or None."""
        row = await tx.row(_GET, id=parity_id)
        return _run(row) if row else None

    async def latest(
        self, tx: Transaction, integration_id: UUID, entity: EntityType | None = None, *, is_ended: bool = False
    ) -> list[ParityRun]:
        """Return the newest comparison of each entity (or of *entity*); with *is_ended* the newest that is over."""
        rows = await tx.rows(
            _LATEST, integration=integration_id, entity=entity.value if entity else None, ended=is_ended
        )
        return [_run(row) for row in rows]

    async def see(self, tx: Transaction, parity_id: UUID, digests: Mapping[str, bytes]) -> None:
        """Remember what a page listed."""
        await tx.run(_SEE, id=parity_id, company=tx.company, ids=list(digests), digests=list(digests.values()))

    async def note(self, tx: Transaction, parity_id: UUID, rows: Sequence[DifferenceRow]) -> None:
        """Keep differences; a record that is listed twice keeps the later one."""
        if rows:
            await tx.run(_NOTE, id=parity_id, company=tx.company, rows=as_json([_difference(row) for row in rows]))

    async def turn(self, tx: Transaction, parity_id: UUID, position: str | None, figures: PageFigures) -> bool:
        """
        Remember where the next page starts (None: this was the last one), and add what this one came to.

        Return False when the comparison is over: somebody has ended it.
        """
        touched = await tx.run(
            _TURN,
            id=parity_id,
            position=position,
            requests=figures.requests,
            records=figures.records,
            unnamed=figures.unnamed,
            fields_compared=figures.fields_compared,
            fields_hidden=figures.fields_hidden,
        )
        return touched == 1

    async def restart(self, tx: Transaction, parity_id: UUID) -> None:
        """Begin again at the first page."""
        await tx.run(_RESTART, id=parity_id)

    async def size(self, tx: Transaction, run: ParityRun) -> tuple[int, datetime]:
        """Return how many records both sides hold together, and the time by the database's clock."""
        row = await tx.one(_SIZE, id=run.id)
        return row["records"], row["at"]

    async def tally(self, tx: Transaction, parity_id: UUID) -> list[tuple[str, str | None, int]]:
        """Return kind, cause and number of the differences."""
        return [(row["kind"], row["cause"], row["count"]) for row in await tx.rows(_TALLY, id=parity_id)]

    async def differences(
        self, tx: Transaction, parity_id: UUID, *, after: str = "", limit: int = 500
    ) -> list[dict[str, Any]]:
        """Return differences in the order of their external ids, later than *after*."""
        return await tx.rows(_DIFFERENCES, id=parity_id, after=after, limit=limit)

    async def recurring(self, tx: Transaction, run: ParityRun) -> int:
        """Return how many records drift now and did in the comparison before."""
        row = await tx.one(_RECURRING, id=run.id, integration=run.integration_id, entity=run.entity.value)
        return int(row["count"])

    async def end(
        self,
        tx: Transaction,
        run: ParityRun,
        status: str,
        *,
        records: int | None = None,
        drift: int | None = None,
        explained: int | None = None,
        certificate: Mapping[str, JsonValue] | None = None,
        error: str | None = None,
    ) -> None:
        """End a comparison; what it had seen is let go. The table refuses `complete` without a certificate."""
        await tx.run(
            _END,
            id=run.id,
            status=status,
            records=records,
            drift=drift,
            explained=explained,
            certificate=None if certificate is None else as_json(dict(certificate)),
            error=error,
        )
        await tx.run(_FORGET_SEEN, id=run.id)

    async def drop_old(self, tx: Transaction, integration_id: UUID, entity: EntityType, *, keep: int) -> None:
        """Keep the newest comparisons alone."""
        await tx.run(_DROP_OLD, integration=integration_id, entity=entity.value, keep=keep)


def _run(row: Mapping[str, Any]) -> ParityRun:
    values = {name: row[name] for name in ParityRun.__dataclass_fields__ if name != "entity"}
    return ParityRun(entity=EntityType(row["entity_type"]), **values)


def _difference(row: DifferenceRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in DifferenceRow.__dataclass_fields__} | {"units": list(row.units)}
