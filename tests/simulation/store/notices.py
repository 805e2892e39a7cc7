"""`shared/store/notices.py`."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from shared.store import notices as production
from tests.simulation.store.sessions import Session
from tests.simulation.store.statements import Result, imitates
from tests.simulation.store.tables import Row


@imitates(production, "_COMPANIES")
async def companies_to_remind(session: Session, *, after: timedelta) -> Result:
    before = session.clock() - after
    rows = session.rows(session.memory.tables["conflicts"], lambda row: _is_late(row, before), everybody=True)
    return [{"company": company_id} for company_id in sorted({row["company_id"] for row in rows})]


@imitates(production, "_REMIND")
async def remind(session: Session, *, company: UUID, after: timedelta) -> Result:
    conflicts, notices = session.memory.tables["conflicts"], session.memory.tables["notices"]
    before = session.clock() - after

    def where(row: Row) -> bool:
        return _is_late(row, before)

    late = await session.update(
        conflicts, session.slots(conflicts, where), where, lambda row: {**row, "reminded_at": session.clock()}
    )
    told = 0
    for _, item in late:
        notice = {
            "company_id": company,
            "kind": "conflict_overdue",
            "audience": "data_manager",
            "conflict_id": item["id"],
            "entity_type": item["entity_type"],
            "record_id": item["record_id"],
        }
        told += await session.insert_unless(notices, notice, "notices_once") is not None
    return told


@imitates(production, "_LISTED")
async def listed(
    session: Session, *, company: UUID, kind: str | None, at: datetime | None, after: UUID | None, limit: int
) -> Result:
    rows = session.rows(
        session.memory.tables["notices"],
        lambda row: (
            row["company_id"] == company
            and kind in (None, row["kind"])
            and (at is None or (row["at"], row["id"]) < (at, after))
        ),
    )
    newest = sorted(rows, key=lambda row: (row["at"], row["id"]), reverse=True)
    return [{**row, "entity": row["entity_type"]} for row in newest[:limit]]


def _is_late(row: Row, before: datetime) -> bool:
    return bool(row["status"] == "open" and row["reminded_at"] is None and row["opened_at"] < before)
