"""`shared/store/links.py`."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from shared.store import links as production
from tests.simulation.store.locks import Strength
from tests.simulation.store.sessions import Session
from tests.simulation.store.statements import Result, imitates, recordset, shown
from tests.simulation.store.tables import Row


@imitates(production, "_BY_EXTERNAL")
async def by_external(session: Session, *, integration: UUID, entity: str, ids: Sequence[str]) -> Result:
    table = session.memory.tables["external_entity_map"]
    return [table.fresh(row) for row in _of_external(session, integration, entity, ids)]


@imitates(production, "_INTERNAL_IDS")
async def internal_ids(session: Session, *, integration: UUID, entity: str, ids: Sequence[str]) -> Result:
    return shown(_of_external(session, integration, entity, ids), ("external_id", "internal_id"))


@imitates(production, "_DIGESTS")
async def digests(session: Session, *, integration: UUID, entity: str, ids: Sequence[str]) -> Result:
    return shown(_of_external(session, integration, entity, ids), ("external_id", "internal_id", "digest", "state"))


@imitates(production, "_OF_RECORDS")
async def of_records(session: Session, *, ids: Sequence[UUID]) -> Result:
    table = session.memory.tables["external_entity_map"]
    rows = [
        row
        for record_id in dict.fromkeys(ids)
        for row in session.rows_at(table, "internal", record_id, lambda row: row["state"] != "tombstone")
    ]
    return [table.fresh(row) for row in sorted(rows, key=lambda row: (row["created_at"], row["id"]))]


@imitates(production, "_LOCK")
async def lock(session: Session, *, ids: Sequence[UUID]) -> Result:
    table = session.memory.tables["external_entity_map"]
    slots = [slot for link_id in sorted(set(ids)) for slot in session.by_key(table, link_id)]
    return [table.fresh(session.seen(slot)) for slot in await session.lock(slots, Strength.FOR_UPDATE)]


@imitates(production, "_INSERT")
async def insert(session: Session, *, company: UUID, integration: UUID, entity: str, rows: str) -> Result:
    added = 0
    for row in recordset(rows):
        link = {
            "id": UUID(row["id"]),
            "company_id": company,
            "integration_id": integration,
            "entity_type": entity,
            "internal_id": UUID(row["internal_id"]),
            "external_id": row["external_id"],
            "fence": row["fence"],
            "vendor_version": row["vendor_version"],
            "digest": _bytes(row["digest"]),
            "base": row["base"],
            "is_primary": row["is_primary"],
        }
        added += await session.insert_unless(session.memory.tables["external_entity_map"], link) is not None
    return added


@imitates(production, "_STEP_ASIDE")
async def step_aside(session: Session, *, integration: UUID, entity: str, ids: list[UUID]) -> Result:
    def where(link: Row) -> bool:
        return bool(
            link["integration_id"] == integration
            and link["entity_type"] == entity
            and link["internal_id"] in ids
            and link["state"] == "gone"
            and link["is_primary"]
        )

    def change(link: Row) -> Row:
        return {**link, "is_primary": False, "sync_version": link["sync_version"] + 1}

    table = session.memory.tables["external_entity_map"]
    slots = [slot for record_id in dict.fromkeys(ids) for slot in session.at(table, "internal", record_id, where)]
    return len(await session.update(table, slots, where, change))


@imitates(production, "_UPDATE")
async def update(session: Session, *, rows: str) -> Result:
    table = session.memory.tables["external_entity_map"]
    wanted = {UUID(row["id"]): row for row in recordset(rows)}

    def where(link: Row) -> bool:
        return bool(link["sync_version"] == wanted[link["id"]]["based_on"])

    def change(link: Row) -> Row:
        row = wanted[link["id"]]
        return {
            **link,
            "base": row["base"],
            "digest": _bytes(row["digest"]),
            "fence": max(link["fence"], row["fence"]),
            "vendor_version": link["vendor_version"] if row["vendor_version"] is None else row["vendor_version"],
            "internal_id": UUID(row["internal_id"]),
            "changed_at": session.clock() if link["state"] != row["state"] else link["changed_at"],
            "state": row["state"],
            "is_primary": row["is_primary"],
            "sync_version": link["sync_version"] + 1,
            "last_synced_at": session.clock(),
        }

    slots = [slot for link_id in wanted for slot in session.at(table, table.primary.name, link_id, where)]
    return len(await session.update(table, slots, where, change))


@imitates(production, "_MOVED")
async def moved(session: Session, *, integration: UUID, entity: str, after: UUID | None, limit: int) -> Result:
    links, records = session.memory.tables["external_entity_map"], session.memory.tables["records"]
    found = {
        link["internal_id"]
        for link in session.rows_at(links, "integration", (integration, entity), lambda row: row["state"] == "live")
        for record in session.rows_at(records, records.primary.name, (link["internal_id"], entity))
        if record["updated_at"] > link["last_synced_at"] and (after is None or link["internal_id"] > after)
    }
    return [{"internal_id": record_id} for record_id in sorted(found)[:limit]]


@imitates(production, "_TICKET")
async def ticket(session: Session) -> Result:
    return [{"ticket": session.memory.numbers.next("observation_seq"), "at": session.clock()}]


def _of_external(session: Session, integration: UUID, entity: str, ids: Sequence[str]) -> list[Row]:
    table = session.memory.tables["external_entity_map"]
    return [
        row
        for external_id in dict.fromkeys(ids)
        for row in session.rows_at(table, "external_entity_map_external", (integration, entity, external_id))
    ]


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)
