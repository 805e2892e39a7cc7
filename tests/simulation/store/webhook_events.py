"""`shared/store/webhook_events.py`."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from shared.store import webhook_events as production
from tests.simulation.store.sessions import Session
from tests.simulation.store.statements import Result, imitates, moment, recordset
from tests.simulation.store.tables import Row

_GONE_AFTER = timedelta(days=30)


@imitates(production, "_RECEIVER")
async def receiver(session: Session, *, integration: UUID | None) -> Result:
    since = session.clock() - _GONE_AFTER
    rows = session.rows(
        session.memory.tables["integrations"],
        lambda row: integration is None or row["id"] == integration,
    )
    return [
        {
            **row,
            "is_paused": not row["sync_enabled"],
            "is_deleted": row["deleted_at"] is not None,
            "wants_full_comparison": row["full_compare_wanted_at"] is not None,
            "asked_at": session.clock(),
        }
        for row in rows
        if row["deleted_at"] is None or row["deleted_at"] > since
    ]


@imitates(production, "_RECORD")
async def record(session: Session, *, company: UUID, integration: UUID, rows: str) -> Result:
    def change(event: Row, excluded: Row) -> Row:
        taken = ("state", "processed_at", "records", "size_bytes", "headers_sealed", "body_sealed")
        return {
            **event,
            **{name: excluded[name] for name in taken},
            "times": event["times"] + excluded["times"],
        }

    asked = sorted(recordset(rows), key=lambda row: UUID(row["id"]))
    for row in asked:
        event = {
            **row,
            "id": UUID(row["id"]),
            "company_id": company,
            "integration_id": integration,
            "received_at": moment(row["received_at"]),
            "processed_at": None if row["state"] == "kept" else session.clock(),
        }
        await session.upsert(session.memory.tables["webhook_events"], event, "webhook_events_pkey", change)
    return len(asked)


@imitates(production, "_SETTLE")
async def settle(session: Session, *, id: UUID, state: str, records: int) -> Result:
    table = session.memory.tables["webhook_events"]

    def where(event: Row) -> bool:
        return bool(event["state"] == "kept")

    changed = await session.update(
        table,
        session.at(table, table.primary.name, id, where),
        where,
        lambda event: {
            **event,
            "state": state,
            "processed_at": session.clock(),
            "records": records,
            "headers_sealed": None,
            "body_sealed": None,
        },
    )
    return len(changed)


@imitates(production, "_COUNT_KEEPING")
async def count_keeping(session: Session, *, integration: UUID) -> Result:
    await session.advise(f"kept {integration}")
    return 1


@imitates(production, "_KEPT_SIZE")
async def kept_size(session: Session, *, integration: UUID) -> Result:
    kept = _kept(session, integration)
    return [{"events": len(kept), "size_bytes": sum(event["size_bytes"] for event in kept)}]


@imitates(production, "_KEPT")
async def kept_after(
    session: Session, *, integration: UUID, after_at: datetime, after_id: UUID, limit: int, budget: int
) -> Result:
    events = sorted(_kept(session, integration), key=lambda event: (event["received_at"], event["id"]))
    later = [event for event in events if (event["received_at"], event["id"]) > (after_at, after_id)]
    found, before = [], 0
    for event in later[:limit]:
        if before >= budget:
            break
        before += event["size_bytes"]
        names = ("id", "integration_id", "received_at", "headers_sealed", "body_sealed")
        found.append({name: event[name] for name in names})
    return found


@imitates(production, "_WANT_FULL")
async def want_full(session: Session, *, integration: UUID) -> Result:
    table = session.memory.tables["integrations"]

    def where(row: Row) -> bool:
        return row["full_compare_wanted_at"] is None

    changed = await session.update(
        table,
        session.at(table, table.primary.name, integration, where),
        where,
        lambda row: {**row, "full_compare_wanted_at": session.clock()},
    )
    return len(changed)


@imitates(production, "_WANT_FULL_FOR_OLD")
async def want_full_for_old(session: Session, *, days: int) -> Result:
    before = session.clock() - timedelta(days=days)
    events, table = session.memory.tables["webhook_events"], session.memory.tables["integrations"]
    old = session.rows(events, lambda event: event["state"] == "kept" and event["received_at"] < before)
    missed = {event["integration_id"] for event in old}

    def where(row: Row) -> bool:
        return row["id"] in missed and row["full_compare_wanted_at"] is None

    changed = await session.update(
        table,
        session.slots(table, where),
        where,
        lambda row: {**row, "full_compare_wanted_at": session.clock()},
    )
    return len(changed)


@imitates(production, "_PURGE")
async def purge(session: Session, *, days: int) -> Result:
    table = session.memory.tables["webhook_events"]
    before = session.clock() - timedelta(days=days)
    return len(await session.delete(table, session.slots(table, lambda event: event["received_at"] < before)))


@imitates(production, "_ALL")
async def all_integrations(session: Session) -> Result:
    since = session.clock() - _GONE_AFTER
    rows = session.rows(session.memory.tables["integrations"], everybody=True)
    return [
        {"integration": row["id"], "company": row["company_id"]}
        for row in rows
        if row["deleted_at"] is None or row["deleted_at"] > since
    ]


def _kept(session: Session, integration: UUID) -> list[Row]:
    return session.rows(
        session.memory.tables["webhook_events"],
        lambda event: event["integration_id"] == integration and event["state"] == "kept",
    )
