"""`shared/store/records.py`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from shared.store import records as production
from tests.simulation.store.locks import Strength
from tests.simulation.store.sessions import Session
from tests.simulation.store.statements import Result, imitates, recordset, text_of
from tests.simulation.store.tables import Row, Slot


@imitates(production, "_GET")
async def get(session: Session, *, entity: str, ids: Sequence[UUID]) -> Result:
    table = session.memory.tables["records"]
    return [table.fresh(session.seen(slot)) for slot in _slots(session, entity, ids)]


@imitates(production, "_LOCK")
async def lock(session: Session, *, entity: str, ids: Sequence[UUID]) -> Result:
    table = session.memory.tables["records"]
    slots = await session.lock(_slots(session, entity, sorted(ids)), Strength.FOR_UPDATE)
    return [table.fresh(session.seen(slot)) for slot in slots]


@imitates(production, "_INSERT")
async def insert(session: Session, *, company: UUID, entity: str, rows: str) -> Result:
    added = recordset(rows)
    for row in added:
        record = {
            "company_id": company,
            "entity_type": entity,
            "id": UUID(row["id"]),
            "data": row["data"],
            "stamps": row["stamps"],
            "archived_at": session.clock() if row["is_archived"] else None,
            "submission": row["submission"],
        }
        await session.insert(session.memory.tables["records"], record)
    return len(added)


@imitates(production, "_UPDATE")
async def update(session: Session, *, entity: str, rows: str) -> Result:
    table = session.memory.tables["records"]
    wanted = {UUID(row["id"]): row for row in recordset(rows)}

    def where(record: Row) -> bool:
        return bool(record["version"] == wanted[record["id"]]["based_on"])

    def change(record: Row) -> Row:
        row = wanted[record["id"]]
        return {
            **record,
            "data": row["data"],
            "stamps": row["stamps"],
            "version": record["version"] + 1,
            "updated_at": session.clock(),
            "archived_at": (record["archived_at"] or session.clock()) if row["is_archived"] else None,
            "archived_by": (row["archived_by"] or record["archived_by"]) if row["is_archived"] else None,
            "submission": record["submission"] if row["submission"] is None else row["submission"],
        }

    slots = [slot for slot in _slots(session, entity, list(wanted)) if where(session.seen(slot))]
    return len(await session.update(table, slots, where, change))


@imitates(production, "_SUBMISSION")
async def submission(session: Session, *, id: UUID, submission: str) -> Result:
    added = orjson.loads(submission)
    return len(
        await session.update(
            session.memory.tables["records"],
            _slots(session, "application", [id]),
            lambda _: True,
            lambda record: {
                **record,
                "submission": {**(record["submission"] or {}), **added},
                "updated_at": session.clock(),
            },
        )
    )


@imitates(production, "_ARRIVED")
async def arrived(session: Session, *, integration: UUID, at: str, rows: str) -> Result:
    external_ids = {UUID(row["id"]): row["external_id"] for row in recordset(rows)}

    def where(record: Row) -> bool:
        state = (record["submission"] or {}).get("state")
        return state is not None and state != "submitted"

    def change(record: Row) -> Row:
        told = {
            "state": "submitted",
            "external_id": external_ids[record["id"]],
            "integration_id": str(integration),
            "submitted_at": at,
            "error": None,
        }
        return {**record, "submission": {**(record["submission"] or {}), **told}, "updated_at": session.clock()}

    slots = [slot for slot in _slots(session, "application", list(external_ids)) if where(session.seen(slot))]
    return len(await session.update(session.memory.tables["records"], slots, where, change))


@imitates(production, "_LOCK_IDENTITIES")
async def lock_identities(session: Session, *, company: str, keys: Sequence[str]) -> Result:
    for key in sorted(set(keys)):
        await session.advise(f"{company} {key}")
    return [{"count": len(set(keys))}]


@imitates(production, "_BY_EMAIL")
async def by_email(session: Session, *, company: UUID, integration: UUID, keys: Sequence[str]) -> Result:
    links = session.memory.tables["external_entity_map"]
    found: list[tuple[tuple[datetime, UUID], dict[str, Any]]] = []
    for key in keys:
        for record in _living(session, "email", key, company):
            linked = [
                link["external_id"]
                for link in session.rows_at(links, "internal", record["id"])
                if (link["integration_id"], link["entity_type"], link["state"]) == (integration, "candidate", "live")
            ]
            row = {
                "id": record["id"],
                "email_key": key,
                "first_name": text_of(record["data"], "first_name"),
                "last_name": text_of(record["data"], "last_name"),
            }
            order = (record["created_at"], record["id"])
            found.extend((order, {**row, "external_id": external_id}) for external_id in linked or [None])
    return [row for _, row in sorted(found, key=lambda each: each[0])]


@imitates(production, "_APPLICATION_EXISTS")
async def application_exists(session: Session, *, company: UUID, candidate: UUID, job: UUID) -> Result:
    rows = _living(session, "candidate", candidate, company)
    return [{"id": row["id"]} for row in rows if row["job_id"] == job]


@imitates(production, "_APPLICATION_ARCHIVED")
async def application_archived(session: Session, *, company: UUID, candidate: UUID, job: UUID) -> Result:
    links = session.memory.tables["external_entity_map"]
    live = {
        link["internal_id"]
        for link in session.rows(links)
        if (link["entity_type"], link["state"]) == ("application", "live")
    }
    rows = [
        row
        for row in session.rows_at(session.memory.tables["records"], "candidate", candidate)
        if row["company_id"] == company
        and row["job_id"] == job
        and row["archived_by"] is not None
        and row["id"] in live
    ]
    newest = sorted(rows, key=lambda row: row["archived_at"], reverse=True)
    return [{"id": row["id"]} for row in newest[:1]]


@imitates(production, "_UNLINKED_APPLICATIONS")
async def unlinked_applications(session: Session, *, company: UUID, integration: UUID, pairs: Sequence[str]) -> Result:
    links = session.memory.tables["external_entity_map"]
    found: dict[tuple[UUID, UUID], Row] = {}
    for pair in pairs:
        candidate_id, job_id = (UUID(each) for each in pair.split(" "))
        rows = [
            row
            for row in _living(session, "candidate", candidate_id, company)
            if row["job_id"] == job_id
            and not any(
                link["entity_type"] == "application"
                and link["integration_id"] == integration
                and link["state"] != "tombstone"
                for link in session.rows_at(links, "internal", row["id"])
            )
        ]
        if rows:
            found[candidate_id, job_id] = min(rows, key=lambda row: row["created_at"])
    return [
        {"id": row["id"], "pair": f"{candidate_id} {job_id}"}
        for (candidate_id, job_id), row in sorted(found.items(), key=lambda each: each[0])
    ]


@imitates(production, "_CHILDREN")
async def children(session: Session, *, company: UUID, candidate: UUID) -> Result:
    rows = session.rows_at(
        session.memory.tables["records"], "candidate", candidate, lambda row: row["company_id"] == company
    )
    return [{"id": row["id"]} for row in rows]


def _slots(session: Session, entity: str, ids: Sequence[UUID]) -> list[Slot]:
    table = session.memory.tables["records"]
    return [slot for record_id in dict.fromkeys(ids) for slot in session.by_key(table, (record_id, entity))]


def _living(session: Session, index: str, key: object, company: UUID) -> list[Row]:
    """Return the company's records at *key* that are not archived."""
    table = session.memory.tables["records"]
    return session.rows_at(table, index, key, lambda row: row["company_id"] == company and row["archived_at"] is None)
