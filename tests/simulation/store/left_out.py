"""`shared/store/left_out.py`."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from shared.store import left_out as production
from tests.simulation.store.sessions import Session
from tests.simulation.store.statements import Result, imitates


@imitates(production, "_PUT")
async def put(
    session: Session, *, company: UUID, integration: UUID, entity: str, ids: Sequence[str], filter: str
) -> Result:
    table, added = session.memory.tables["left_out"], 0
    for external_id in ids:
        row = {
            "company_id": company,
            "integration_id": integration,
            "entity_type": entity,
            "external_id": external_id,
            "filter": filter,
        }
        added += await session.insert_unless(table, row, table.primary.name) is not None
    return added


@imitates(production, "_KNOWN")
async def known(session: Session, *, integration: UUID, entity: str, ids: Sequence[str], filter: str) -> Result:
    wanted = frozenset(ids)
    rows = session.rows(
        session.memory.tables["left_out"],
        lambda row: (
            (row["integration_id"], row["entity_type"], row["filter"]) == (integration, entity, filter)
            and row["external_id"] in wanted
        ),
    )
    return [{"external_id": row["external_id"]} for row in rows]


@imitates(production, "_PUT_CHILDREN")
async def put_children(
    session: Session,
    *,
    company: UUID,
    integration: UUID,
    entity: str,
    ids: Sequence[str],
    filters: Sequence[str],
    parent_types: Sequence[str],
    parent_ids: Sequence[str],
) -> Result:
    table = session.memory.tables["left_out"]
    for external_id, name, parent_type, parent_id in zip(ids, filters, parent_types, parent_ids, strict=True):
        row = {
            "company_id": company,
            "integration_id": integration,
            "entity_type": entity,
            "external_id": external_id,
            "filter": name,
            "parent_type": parent_type,
            "parent_id": parent_id,
        }
        await session.upsert(
            table,
            row,
            table.primary.name,
            lambda known, excluded: {**known, **{name: excluded[name] for name in ("parent_type", "parent_id")}},
        )
    return len(ids)


@imitates(production, "_TAKE_CHILDREN")
async def take_children(session: Session, *, integration: UUID, entity: str, ids: Sequence[str]) -> Result:
    wanted = frozenset(ids)
    table = session.memory.tables["left_out"]
    slots = session.slots(
        table,
        lambda row: (row["integration_id"], row["parent_type"]) == (integration, entity) and row["parent_id"] in wanted,
    )
    gone = await session.delete(table, slots)
    return [{name: row[name] for name in ("entity_type", "external_id")} for row in gone]


@imitates(production, "_ARRIVED")
async def arrived(session: Session, *, integration: UUID) -> Result:
    links = {
        (row["entity_type"], row["external_id"])
        for row in session.rows(
            session.memory.tables["external_entity_map"],
            lambda row: row["integration_id"] == integration and row["state"] == "live",
        )
    }
    parents = {
        (row["parent_type"], row["parent_id"])
        for row in session.rows(
            session.memory.tables["left_out"],
            lambda row: row["integration_id"] == integration and row["parent_id"] is not None,
        )
    }
    return [{"parent_type": kind, "parent_id": external_id} for kind, external_id in sorted(parents & links)]


@imitates(production, "_FORGET")
async def forget(session: Session, *, integration: UUID) -> Result:
    table = session.memory.tables["left_out"]
    return len(await session.delete(table, session.slots(table, lambda row: row["integration_id"] == integration)))
