"""`shared/store/schedules.py`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from shared.store import schedules as production
from tests.simulation.store.claims import runs
from tests.simulation.store.locks import Strength
from tests.simulation.store.sessions import Session
from tests.simulation.store.statements import Result, imitates
from tests.simulation.store.tables import Row


@imitates(production, "_PUT")
async def put(
    session: Session,
    *,
    id: UUID,
    company: UUID,
    integration: UUID,
    entity: str,
    mode: str,
    every_s: int,
    time_zone: str,
    enabled: bool,
) -> Result:
    row = {
        "id": id,
        "company_id": company,
        "integration_id": integration,
        "entity_type": entity,
        "mode": mode,
        "every_s": every_s,
        "time_zone": time_zone,
        "enabled": enabled,
        "next_due_at": session.clock() + timedelta(seconds=every_s),
    }
    await session.upsert(
        session.memory.tables["schedules"],
        row,
        "schedules_integration_id_entity_type_mode_key",
        lambda schedule, excluded: {
            **schedule,
            **{name: excluded[name] for name in ("every_s", "time_zone", "enabled")},
            "next_due_at": min(schedule["next_due_at"], excluded["next_due_at"]),
            "anchor_at": None,
        },
    )
    return 1


@imitates(production, "_LIST")
async def of_integration(session: Session, *, integration: UUID) -> Result:
    rows = session.rows(session.memory.tables["schedules"], lambda row: row["integration_id"] == integration)
    return [_read(session, row) for row in sorted(rows, key=lambda row: (row["entity_type"], row["mode"]))]


@imitates(production, "_LOCK_DUE")
async def lock_due(session: Session, *, id: UUID) -> Result:
    table = session.memory.tables["schedules"]

    def where(row: Row) -> bool:
        return bool(row["enabled"] and row["next_due_at"] <= session.clock())

    slots = session.at(table, table.primary.name, id, where)
    return [_read(session, session.seen(slot)) for slot in await session.lock(slots, Strength.FOR_UPDATE, where)]


@imitates(production, "_DUE")
async def due(session: Session, *, limit: int) -> Result:
    moment = session.clock()
    integrations = {row["id"]: row for row in session.rows(session.memory.tables["integrations"], everybody=True)}
    found = session.rows(
        session.memory.tables["schedules"],
        lambda row: (
            row["enabled"] and row["next_due_at"] <= moment and runs(integrations[row["integration_id"]], moment)
        ),
        everybody=True,
    )
    return [
        {"schedule_id": row["id"], "company": row["company_id"]}
        for row in sorted(found, key=lambda row: row["next_due_at"])[:limit]
    ]


@imitates(production, "_ADVANCE")
async def advance(session: Session, *, id: UUID, next: datetime, anchor: datetime) -> Result:
    table = session.memory.tables["schedules"]
    changed = await session.update(
        table,
        session.by_key(table, id),
        lambda _: True,
        lambda row: {**row, "last_enqueued_at": session.clock(), "next_due_at": next, "anchor_at": anchor},
    )
    return len(changed)


@imitates(production, "_SKIP")
async def skip(session: Session, *, id: UUID) -> Result:
    table = session.memory.tables["schedules"]

    def where(row: Row) -> bool:
        return bool(row["next_due_at"] <= session.clock())

    changed = await session.update(
        table,
        session.at(table, table.primary.name, id, where),
        where,
        lambda row: {**row, "next_due_at": session.clock() + timedelta(seconds=row["every_s"])},
    )
    return len(changed)


@imitates(production, "_REMOVE")
async def remove(session: Session, *, integration: UUID) -> Result:
    table = session.memory.tables["schedules"]
    return len(await session.delete(table, session.slots(table, lambda row: row["integration_id"] == integration)))


def _read(session: Session, row: Row) -> dict[str, Any]:
    return {**row, "anchor_at": row["anchor_at"] or row["next_due_at"], "read_at": session.clock()}
