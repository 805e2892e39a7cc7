"""`shared/store/history.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from shared.store import history as production
from tests.simulation.store.sessions import Session
from tests.simulation.store.statements import Result, imitates


@imitates(production, "_ENSURE")
async def ensure(session: Session, *, company: UUID, kid: str, ids: Sequence[UUID], salts: Sequence[bytes]) -> Result:
    table = session.memory.tables["person_keys"]
    added = 0
    for record_id, salt in zip(ids, salts, strict=True):
        row = {"record_id": record_id, "company_id": company, "kid": kid, "salt": salt}
        added += await session.insert_unless(table, row, table.primary.name) is not None
    return added


@imitates(production, "_KEYS")
async def keys(session: Session, *, ids: Sequence[UUID]) -> Result:
    table = session.memory.tables["person_keys"]
    return [dict(session.seen(slot)) for record_id in ids for slot in session.by_key(table, record_id)]


@imitates(production, "_FORGET")
async def forget(session: Session, *, ids: Sequence[UUID]) -> Result:
    table = session.memory.tables["person_keys"]
    slots = [slot for record_id in dict.fromkeys(ids) for slot in session.by_key(table, record_id)]
    return len(await session.delete(table, slots))


@imitates(production, "_INSERT")
async def insert(
    session: Session,
    *,
    company: UUID,
    record_ids: Sequence[UUID],
    entities: Sequence[str],
    versions: Sequence[int],
    units: Sequence[str],
    sealed: Sequence[bytes],
    sources: Sequence[str],
    job_ids: Sequence[UUID | None],
    run_ids: Sequence[UUID | None],
    sides: Sequence[str],
) -> Result:
    names = ("record_id", "entity_type", "version", "units", "sealed", "source", "job_id", "run_id", "side")
    added = 0
    for values in zip(record_ids, entities, versions, units, sealed, sources, job_ids, run_ids, sides, strict=True):
        row = dict(zip(names, values, strict=True))
        row |= {"company_id": company, "at": session.clock(), "units": row["units"].split(",") if row["units"] else []}
        await session.insert(session.memory.tables["record_history"], row)
        added += 1
    return added


@imitates(production, "_OF_UNITS")
async def of_units(session: Session, *, ids: Sequence[UUID], units: Sequence[str], limit: int) -> Result:
    table = session.memory.tables["record_history"]
    wanted = frozenset(units)
    found: list[dict[str, Any]] = []
    for record_id in ids:
        rows = session.rows_at(
            table, "record", record_id, lambda row: row["side"] == "ours" and not wanted.isdisjoint(row["units"])
        )
        newest = sorted(rows, key=lambda row: (row["version"], row["at"], row["seq"]), reverse=True)
        found.extend(dict(row) for row in newest[:limit])
    return found


@imitates(production, "_OF")
async def of(session: Session, *, record: UUID, limit: int) -> Result:
    rows = session.rows_at(session.memory.tables["record_history"], "record", record)
    newest = sorted(rows, key=lambda row: (row["version"], row["at"], row["seq"]), reverse=True)
    return [dict(row) for row in newest[:limit]]
