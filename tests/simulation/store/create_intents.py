"""`shared/store/create_intents.py`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.store import create_intents as production
from tests.simulation.store.sessions import Session
from tests.simulation.store.statements import Result, imitates
from tests.simulation.store.tables import Row


@imitates(production, "_OPEN")
async def open_intent(
    session: Session,
    *,
    id: UUID,
    company: UUID,
    integration: UUID,
    entity: str,
    record: UUID,
    key: str,
    token: int,
) -> Result:
    row = {
        "id": id,
        "company_id": company,
        "integration_id": integration,
        "entity_type": entity,
        "record_id": record,
        "identity_key": key,
        "lease_token": token,
    }
    written = await session.upsert(
        session.memory.tables["create_intents"],
        row,
        "create_intents_open",
        lambda intent, excluded: {
            **intent,
            "lease_token": excluded["lease_token"],
            "identity_key": (excluded if intent["sent_at"] is None else intent)["identity_key"],
        },
    )
    return [_shown(session, written[0])]


@imitates(production, "_SENT")
async def sent(session: Session, *, id: UUID, key: str, sealed: bytes, since: datetime | None) -> Result:
    return await _set(
        session, id, lambda: {"sent_at": since or session.clock(), "sent_sealed": sealed, "identity_key": key}
    )


@imitates(production, "_END")
async def end(session: Session, *, id: UUID, state: str) -> Result:
    return await _set(session, id, lambda: {"state": state, "ended_at": session.clock(), "sent_sealed": None})


@imitates(production, "_FIND")
async def find(session: Session, *, integration: UUID, entity: str, record: UUID) -> Result:
    table = session.memory.tables["create_intents"]
    return [
        _shown(session, row) for row in session.rows_at(table, "create_intents_open", (integration, entity, record))
    ]


@imitates(production, "_UNSETTLED")
async def unsettled(session: Session, *, integration: UUID, entity: str) -> Result:
    rows = session.rows(
        session.memory.tables["create_intents"],
        lambda row: _is_sent(row) and (row["integration_id"], row["entity_type"]) == (integration, entity),
    )
    return [{"record_id": each} for each in sorted(row["record_id"] for row in rows)]


@imitates(production, "_ANY_OPEN")
async def any_open(session: Session, *, integration: UUID, entity: str) -> Result:
    rows = session.rows(
        session.memory.tables["create_intents"],
        lambda row: _is_open(row) and (row["integration_id"], row["entity_type"]) == (integration, entity),
    )
    return [{} for _ in rows[:1]]


@imitates(production, "_HOLDS")
async def holds(session: Session, *, integration: UUID, keys: Sequence[str]) -> Result:
    rows = session.rows(
        session.memory.tables["create_intents"],
        lambda row: _is_sent(row) and row["integration_id"] == integration and row["identity_key"] in keys,
    )
    return [{"identity_key": row["identity_key"]} for row in rows]


@imitates(production, "_SENT_APPLICATIONS")
async def sent_applications(session: Session, *, integration: UUID, jobs: Sequence[UUID]) -> Result:
    intents = session.rows(
        session.memory.tables["create_intents"],
        lambda row: _is_sent(row) and (row["integration_id"], row["entity_type"]) == (integration, "application"),
    )
    shown = {intent["record_id"]: _shown(session, intent) for intent in intents}
    records = session.rows(
        session.memory.tables["records"],
        lambda row: (
            row["id"] in shown
            and row["entity_type"] == "application"
            and row["job_id"] in jobs
            and row["candidate_id"] is not None
        ),
    )
    return [
        {**shown[row["id"]], "application_id": row["id"], "candidate_id": row["candidate_id"], "job_id": row["job_id"]}
        for row in sorted(records, key=lambda row: row["id"])
    ]


def _shown(session: Session, row: Row) -> dict[str, Any]:
    sent_at = row["sent_at"]
    age_s = 0.0 if sent_at is None else (session.clock() - sent_at).total_seconds()
    return {"id": row["id"], "sent_at": sent_at, "sent_sealed": row["sent_sealed"], "age_s": age_s}


def _is_open(row: Row) -> bool:
    return bool(row["state"] == "open")


def _is_sent(row: Row) -> bool:
    return _is_open(row) and row["sent_at"] is not None


async def _set(session: Session, intent_id: UUID, values: Any) -> int:
    table = session.memory.tables["create_intents"]
    slots = session.at(table, table.primary.name, intent_id, _is_open)
    return len(await session.update(table, slots, _is_open, lambda row: {**row, **values()}))
