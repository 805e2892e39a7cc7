"""Links: which id a record has in which system, with what both sides last agreed on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

import orjson
from pydantic import JsonValue

from shared.errors import Conflict
from shared.model import EntityType
from shared.store.database import Transaction, rows_as_json

OUT_OF_DATE = b""
"""Digest of a link that was merged, and whose prints are to be made anew: no record has it."""
EXTERNAL_KEY = "ext:"
"""Begins the record key of a job for a record that only the vendor's id names."""


@dataclass(frozen=True, slots=True)
class Link:
    """A row of `external_entity_map`."""

    id: UUID
    integration_id: UUID
    entity: EntityType
    internal_id: UUID
    external_id: str
    state: str
    is_primary: bool
    sync_version: int
    fence: int
    vendor_version: str | None
    last_synced_at: datetime
    """By the database's clock: when what the link says was last written down, after it had been seen or done."""
    digest: bytes | None
    base: Mapping[str, Any]

    def unseen(self) -> LinkWrite:
        """Return what leaves the link as it is, but for its digest: the next sight of its record is looked at whole."""
        return LinkWrite(
            id=self.id,
            internal_id=self.internal_id,
            external_id=self.external_id,
            digest=None,
            base=self.base,
            based_on=self.sync_version,
            fence=self.fence,
            state=self.state,
            is_primary=self.is_primary,
        )


@dataclass(slots=True)
class LinkWrite:
    """
    What a link is to be; *based_on* is the `sync_version` that was read, 0 for a new one.

    Never changed; not frozen only because a frozen one takes twice as long to make, and a page makes hundreds.
    """

    id: UUID
    internal_id: UUID
    external_id: str
    digest: bytes | None
    base: Mapping[str, JsonValue]
    based_on: int = 0
    fence: int = 0
    vendor_version: str | None = None
    state: str = "live"
    is_primary: bool = True
    encoded: bytes | None = None
    """The row of a new link as `encoded_link` made it in another process; *base* is empty here then."""


_COLUMNS: LiteralString = (
    "id, integration_id, entity_type, internal_id, external_id, state, is_primary, sync_version, fence,"
    " vendor_version, last_synced_at, digest, base"
)

_BY_EXTERNAL: LiteralString = f"""
SELECT {_COLUMNS} FROM external_entity_map
WHERE integration_id = %(integration)s AND entity_type = %(entity)s AND external_id = ANY(%(ids)s)
    AND state <> 'tombstone'
"""

_INTERNAL_IDS: LiteralString = """
SELECT external_id, internal_id FROM external_entity_map
WHERE integration_id = %(integration)s AND entity_type = %(entity)s AND external_id = ANY(%(ids)s)
    AND state <> 'tombstone'
"""

_DIGESTS: LiteralString = """
SELECT external_id, internal_id, digest, state FROM external_entity_map
WHERE integration_id = %(integration)s AND entity_type = %(entity)s AND external_id = ANY(%(ids)s)
    AND state <> 'tombstone'
"""

_OF_RECORDS: LiteralString = f"""
SELECT {_COLUMNS} FROM external_entity_map WHERE internal_id = ANY(%(ids)s) AND state <> 'tombstone'
ORDER BY created_at, id
"""

_LOCK: LiteralString = f"SELECT {_COLUMNS} FROM external_entity_map WHERE id = ANY(%(ids)s) ORDER BY id FOR UPDATE"

_INSERT: LiteralString = """
INSERT INTO external_entity_map (id, company_id, integration_id, entity_type, internal_id, external_id, fence,
    vendor_version, digest, base, is_primary)
SELECT r.id, %(company)s, %(integration)s, %(entity)s, r.internal_id, r.external_id, r.fence, r.vendor_version,
    decode(r.digest, 'hex'), r.base, r.is_primary
FROM jsonb_to_recordset(%(rows)s) AS r (id uuid, internal_id uuid, external_id text, fence bigint, vendor_version text,
    digest text, base jsonb, is_primary boolean)
ON CONFLICT DO NOTHING
"""

# The vendor has deleted whom the record was linked to, and has the person anew: the ended link makes room.
_STEP_ASIDE: LiteralString = """
UPDATE external_entity_map SET is_primary = false, sync_version = sync_version + 1
WHERE integration_id = %(integration)s AND entity_type = %(entity)s AND internal_id = ANY(%(ids)s)
    AND state = 'gone' AND is_primary
"""

_UPDATE: LiteralString = """
UPDATE external_entity_map l SET base = r.base, digest = decode(r.digest, 'hex'), fence = greatest(l.fence, r.fence),
    vendor_version = coalesce(r.vendor_version, l.vendor_version), internal_id = r.internal_id,
    changed_at = CASE WHEN l.state <> r.state THEN clock_timestamp() ELSE l.changed_at END, state = r.state,
    is_primary = r.is_primary, sync_version = l.sync_version + 1, last_synced_at = clock_timestamp()
FROM jsonb_to_recordset(%(rows)s) AS r (id uuid, internal_id uuid, external_id text, fence bigint, vendor_version text,
    digest text, base jsonb, is_primary boolean, based_on integer, state text)
WHERE l.id = r.id AND l.sync_version = r.based_on
"""

_MOVED: LiteralString = """
SELECT DISTINCT l.internal_id FROM external_entity_map l
JOIN records r ON r.id = l.internal_id AND r.entity_type = l.entity_type
WHERE l.integration_id = %(integration)s AND l.entity_type = %(entity)s AND l.state = 'live'
    AND r.updated_at > l.last_synced_at AND (%(after)s::uuid IS NULL OR l.internal_id > %(after)s)
ORDER BY l.internal_id LIMIT %(limit)s
"""

_TICKET: LiteralString = "SELECT nextval('observation_seq') AS ticket, clock_timestamp() AS at"


@dataclass(frozen=True, slots=True)
class Ticket:
    """Taken before a request is sent; orders what the requests showed."""

    number: int
    at: datetime
    """The database's clock."""


class Links:
    """Statements on `external_entity_map`. Each takes the transaction it belongs to."""

    async def ticket(self, tx: Transaction) -> Ticket:
        """Take the next observation ticket."""
        row = await tx.one(_TICKET)
        return Ticket(row["ticket"], row["at"])

    async def by_external(
        self, tx: Transaction, integration_id: UUID, entity: EntityType, external_ids: Sequence[str]
    ) -> dict[str, Link]:
        """Return the links of *external_ids*, by external id."""
        rows = await tx.rows(_BY_EXTERNAL, integration=integration_id, entity=entity.value, ids=list(external_ids))
        return {row["external_id"]: _link(row) for row in rows}

    async def digests(
        self, tx: Transaction, integration_id: UUID, entity: EntityType, external_ids: Sequence[str]
    ) -> dict[str, tuple[UUID, bytes | None, str]]:
        """Return record id, digest and state by external id: all that is needed to see what did not change."""
        rows = await tx.rows(_DIGESTS, integration=integration_id, entity=entity.value, ids=list(external_ids))
        return {row["external_id"]: (row["internal_id"], row["digest"], row["state"]) for row in rows}

    async def internal_ids(
        self, tx: Transaction, integration_id: UUID, entity: EntityType, external_ids: Sequence[str]
    ) -> dict[str, UUID]:
        """Translate the vendor's ids into ours, where they are known."""
        if not external_ids:
            return {}
        rows = await tx.rows(_INTERNAL_IDS, integration=integration_id, entity=entity.value, ids=list(external_ids))
        return {row["external_id"]: row["internal_id"] for row in rows}

    async def record_keys(
        self, tx: Transaction, integration_id: UUID, entity: EntityType, external_ids: Sequence[str]
    ) -> dict[str, str]:
        """Return the key under which a job for each external id is serialised: our id, else `ext:<external id>`."""
        known = await self.internal_ids(tx, integration_id, entity, external_ids)
        return {
            external_id: str(known[external_id]) if external_id in known else EXTERNAL_KEY + external_id
            for external_id in external_ids
        }

    async def of_records(self, tx: Transaction, record_ids: Sequence[UUID]) -> dict[UUID, list[Link]]:
        """Return every link of each record, oldest first."""
        found: dict[UUID, list[Link]] = {}
        if record_ids:
            for row in await tx.rows(_OF_RECORDS, ids=list(record_ids)):
                found.setdefault(row["internal_id"], []).append(_link(row))
        return found

    async def moved_records(
        self, tx: Transaction, integration_id: UUID, entity: EntityType, after: UUID | None, limit: int
    ) -> list[UUID]:
        """Return linked records that changed here since the base last moved, by id, beyond *after*."""
        rows = await tx.rows(_MOVED, integration=integration_id, entity=entity.value, after=after, limit=limit)
        return [row["internal_id"] for row in rows]

    async def lock(self, tx: Transaction, link_ids: Sequence[UUID]) -> dict[UUID, Link]:
        """Return the links as they are now, locked until the transaction ends, in the order of their ids."""
        if not link_ids:
            return {}
        return {row["id"]: _link(row) for row in await tx.rows(_LOCK, ids=list(link_ids))}

    async def insert(
        self, tx: Transaction, integration_id: UUID, entity: EntityType, writes: Sequence[LinkWrite]
    ) -> None:
        """
        Add links; an ended primary link of the same record makes room for a new one.

        Raises Conflict when another worker linked one of the ids meanwhile.
        """
        if not writes:
            return
        place = {"integration": integration_id, "entity": entity.value}
        rows = rows_as_json([_row(write) for write in writes])
        added = await tx.run(_INSERT, company=tx.company, **place, rows=rows)
        if added == len(writes):
            return
        wanted = [write.internal_id for write in writes if write.is_primary]
        if await tx.run(_STEP_ASIDE, **place, ids=wanted):
            added += await tx.run(_INSERT, company=tx.company, **place, rows=rows)
        if added != len(writes):
            raise Conflict("a record was linked meanwhile")

    async def update(self, tx: Transaction, writes: Sequence[LinkWrite]) -> None:
        """Write links, each one `sync_version` on. Raises Conflict if one is no longer at *based_on*."""
        if not writes:
            return
        if await tx.run(_UPDATE, rows=rows_as_json([_row(write) for write in writes])) != len(writes):
            raise Conflict("a link has changed meanwhile")


def _link(row: Mapping[str, Any]) -> Link:
    return Link(
        id=row["id"],
        integration_id=row["integration_id"],
        entity=EntityType(row["entity_type"]),
        internal_id=row["internal_id"],
        external_id=row["external_id"],
        state=row["state"],
        is_primary=row["is_primary"],
        sync_version=row["sync_version"],
        fence=row["fence"],
        vendor_version=row["vendor_version"],
        last_synced_at=row["last_synced_at"],
        digest=row["digest"],
        base=row["base"],
    )


def encoded_link(write: LinkWrite) -> bytes:
    """Return the row of *write* as JSON."""
    return orjson.dumps(_row(write))


def _row(write: LinkWrite) -> dict[str, Any] | orjson.Fragment:
    if write.encoded is not None:
        return orjson.Fragment(write.encoded)
    return {
        "id": write.id,
        "internal_id": write.internal_id,
        "external_id": write.external_id,
        "digest": write.digest.hex() if write.digest is not None else None,
        "base": dict(write.base),
        "based_on": write.based_on,
        "fence": write.fence,
        "vendor_version": write.vendor_version,
        "state": write.state,
        "is_primary": write.is_primary,
    }
