"""`shared/store/delete_brakes.py`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from shared.store import delete_brakes as production
from tests.simulation.store.sessions import Session
from tests.simulation.store.statements import Result, imitates
from tests.simulation.store.tables import Row

_DAY = timedelta(days=1)


@imitates(production, "_LOCK")
async def lock(session: Session, *, integration: str) -> Result:
    await session.advise(f"deletes {integration}")
    return [{}]


@imitates(production, "_FIGURES")
async def figures(session: Session, *, integration: UUID, entity: str) -> Result:
    links = session.rows(
        session.memory.tables["external_entity_map"],
        lambda row: (row["integration_id"], row["entity_type"]) == (integration, entity),
    )
    approved = {
        held["link_id"]
        for held in session.rows(session.memory.tables["held_deletes"])
        if _brake_of(session, held)["state"] == "approved"
    }
    since = session.clock() - _DAY
    gone = [
        row
        for row in links
        if row["state"] == "gone"
        and row["changed_at"] is not None
        and row["changed_at"] > since
        and row["id"] not in approved
    ]
    return [{"live": sum(row["state"] == "live" for row in links), "gone": len(gone)}]


@imitates(production, "_DECISION")
async def decision(session: Session, *, link: UUID) -> Result:
    held = session.rows(session.memory.tables["held_deletes"], lambda row: row["link_id"] == link)
    brakes = sorted((_brake_of(session, row) for row in held), key=lambda brake: brake["opened_at"])
    return [{"state": brakes[-1]["state"]}] if brakes else []


@imitates(production, "_OPEN")
async def open_one(session: Session, *, integration: UUID) -> Result:
    table = session.memory.tables["delete_brakes"]
    return [_shown(session, row) for row in session.rows_at(table, "delete_brakes_open", integration)]


@imitates(production, "_LISTED")
async def listed(session: Session, *, integration: UUID, at: datetime | None, after: UUID | None, limit: int) -> Result:
    rows = session.rows(
        session.memory.tables["delete_brakes"],
        lambda row: (
            row["integration_id"] == integration and (at is None or (row["opened_at"], row["id"]) < (at, after))
        ),
    )
    ordered = sorted(rows, key=lambda row: (row["opened_at"], row["id"]), reverse=True)
    return [_shown(session, row) for row in ordered[:limit]]


@imitates(production, "_PULL")
async def pull(
    session: Session, *, id: UUID, company: UUID, integration: UUID, entity: str, disappeared: int, allowed: int
) -> Result:
    row = {
        "id": id,
        "company_id": company,
        "integration_id": integration,
        "entity_type": entity,
        "disappeared": disappeared,
        "allowed": allowed,
    }
    await session.insert(session.memory.tables["delete_brakes"], row)
    return 1


@imitates(production, "_HOLD")
async def hold(
    session: Session, *, brake: UUID, company: UUID, entity: str, links: Sequence[UUID], records: Sequence[UUID]
) -> Result:
    added = 0
    for link, record in zip(links, records, strict=True):
        row = {
            "brake_id": brake,
            "company_id": company,
            "link_id": link,
            "entity_type": entity,
            "record_id": record,
        }
        added += await session.insert_unless(session.memory.tables["held_deletes"], row) is not None
    return added


@imitates(production, "_DECIDE")
async def decide(session: Session, *, state: str, by: str, integration: UUID) -> Result:
    table = session.memory.tables["delete_brakes"]
    changed = await session.update(
        table,
        session.at(table, "delete_brakes_open", integration),
        lambda row: row["state"] == "open",
        lambda row: {**row, "state": state, "ended_at": session.clock(), "ended_by": by},
    )
    return [{"id": after["id"]} for _, after in changed]


@imitates(production, "_HELD")
async def held(session: Session, *, brake: UUID) -> Result:
    rows = session.rows(session.memory.tables["held_deletes"], lambda row: row["brake_id"] == brake)
    return [
        {"entity_type": row["entity_type"], "record_id": row["record_id"]}
        for row in sorted(rows, key=lambda row: row["record_id"])
    ]


@imitates(production, "_KEPT")
async def kept(session: Session, *, links: Sequence[UUID]) -> Result:
    rows = session.rows(session.memory.tables["held_deletes"], lambda row: row["link_id"] in links)
    return [{"link_id": row["link_id"]} for row in rows if _brake_of(session, row)["state"] == "rejected"]


def _brake_of(session: Session, row: Row) -> Row:
    table = session.memory.tables["delete_brakes"]
    (slot,) = session.by_key(table, row["brake_id"])
    return session.seen(slot)


def _shown(session: Session, row: Row) -> dict[str, Any]:
    held_rows = session.rows(session.memory.tables["held_deletes"], lambda each: each["brake_id"] == row["id"])
    return {**session.memory.tables["delete_brakes"].fresh(row), "held": len(held_rows)}
