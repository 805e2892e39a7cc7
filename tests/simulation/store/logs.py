"""`shared/store/logs.py`."""

from __future__ import annotations

from uuid import UUID

from shared.store import logs as production
from tests.simulation.store.sessions import Session
from tests.simulation.store.statements import Result, imitates, recordset

_IDS = ("integration_id", "entity_id", "run_id", "job_id")


@imitates(production, "_INSERT")
async def insert(session: Session, *, company: UUID, rows: str) -> Result:
    added = recordset(rows)
    for row in added:
        ids = {name: None if row[name] is None else UUID(row[name]) for name in _IDS}
        await session.insert(
            session.memory.tables["sync_logs"],
            {**row, **ids, "id": session.memory.numbers.uuid(), "company_id": company},
        )
    return len(added)
