"""`shared/store/pins.py`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from shared.store import pins as production
from tests.simulation.store.sessions import Session
from tests.simulation.store.statements import Result, imitates, shown

_COLUMNS = ("record_id", "unit", "decision", "rejected", "norm", "key_id", "decided_at", "decided_by")


@imitates(production, "_OF_RECORDS")
async def of_records(session: Session, *, ids: Sequence[UUID]) -> Result:
    table = session.memory.tables["record_pins"]
    rows = (row for record_id in dict.fromkeys(ids) for row in session.rows_at(table, "record", record_id))
    return shown(rows, _COLUMNS)


@imitates(production, "_PUT")
async def put(
    session: Session,
    *,
    record: UUID,
    unit: str,
    company: UUID,
    decision: str,
    rejected: Sequence[str],
    norm: int,
    key: str,
    at: datetime,
    by: str,
) -> Result:
    row = {
        "record_id": record,
        "unit": unit,
        "company_id": company,
        "decision": decision,
        "rejected": list(rejected),
        "norm": norm,
        "key_id": key,
        "decided_at": at,
        "decided_by": by,
    }
    table = session.memory.tables["record_pins"]
    await session.upsert(
        table, row, table.primary.name, lambda pin, excluded: {**pin, **{name: excluded[name] for name in _COLUMNS}}
    )
    return 1


@imitates(production, "_CLEAR")
async def clear(session: Session, *, ids: Sequence[UUID], units: Sequence[str] | None) -> Result:
    table = session.memory.tables["record_pins"]
    slots = [
        slot
        for record_id in dict.fromkeys(ids)
        for slot in session.at(table, "record", record_id, lambda pin: units is None or pin["unit"] in units)
    ]
    return len(await session.delete(table, slots))
