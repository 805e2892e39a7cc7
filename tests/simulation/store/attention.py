"""`shared/store/attention.py`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.store import attention as production
from tests.simulation.store.sessions import Session
from tests.simulation.store.statements import Result, imitates, recordset
from tests.simulation.store.tables import Row


@imitates(production, "_QUARANTINE")
async def quarantine(
    session: Session, *, company: UUID, integration: UUID, entity: str, run: UUID | None, rows: str
) -> Result:
    def change(aside: Row, excluded: Row) -> Row:
        return {
            **aside,
            **{name: excluded[name] for name in ("code", "reason", "run_id")},
            "tries": aside["tries"] + 1,
            "last_seen_at": session.clock(),
        }

    asked = recordset(rows)
    for row in asked:
        given = {
            **row,
            "id": UUID(row["id"]),
            "company_id": company,
            "integration_id": integration,
            "entity_type": entity,
            "run_id": run,
        }
        await session.upsert(session.memory.tables["quarantine"], given, "quarantine_open", change)
    return len(asked)


@imitates(production, "_RECOVER")
async def recover(session: Session, *, integration: UUID, entity: str, ids: Sequence[str]) -> Result:
    table = session.memory.tables["quarantine"]
    slots = [
        slot
        for external_id in dict.fromkeys(ids)
        for slot in session.at(table, "quarantine_open", (integration, entity, external_id))
    ]
    return len(await session.update(table, slots, _is_open, lambda row: {**row, "ended_at": session.clock()}))


@imitates(production, "_ASIDE")
async def aside(
    session: Session, *, integration: UUID, entity: str | None, ids: Sequence[str] | None, code: str | None
) -> Result:
    rows = session.rows(
        session.memory.tables["quarantine"],
        lambda row: (
            row["integration_id"] == integration
            and _is_open(row)
            and row["external_id"] is not None
            and (entity is None or row["entity_type"] == entity)
            and (code is None or row["code"] == code)
            and (ids is None or row["external_id"] in ids)
        ),
    )
    ordered = sorted(rows, key=lambda row: (row["first_seen_at"], row["id"]))
    return [{name: row[name] for name in ("entity_type", "external_id")} for row in ordered[:10_000]]


@imitates(production, "_RAISE")
async def raise_issues(session: Session, *, company: UUID, integration: UUID, rows: str) -> Result:
    told = []
    for row in recordset(rows):
        given = {**row, "id": UUID(row["id"]), "company_id": company, "integration_id": integration}
        written = await session.upsert(
            session.memory.tables["issues"],
            given,
            "issues_open",
            lambda issue, excluded: {
                **issue,
                "times": issue["times"] + 1,
                "last_seen_at": session.clock(),
                "detail": excluded["detail"],
            },
        )
        told.append({"times": written[0]["times"]})
    return told


@imitates(production, "_SETTLE")
async def settle(session: Session, *, integration: UUID, kind: str, subject: str) -> Result:
    table = session.memory.tables["issues"]
    slots = session.at(table, "issues_open", (integration, kind, subject, session.company_id))
    return len(await session.update(table, slots, _is_open, lambda row: {**row, "ended_at": session.clock()}))


@imitates(production, "_SETTLE_ALL")
async def settle_all(session: Session, *, integration: UUID, kind: str, subjects: Sequence[str]) -> Result:
    table = session.memory.tables["issues"]
    slots = [
        slot
        for subject in dict.fromkeys(subjects)
        for slot in session.at(table, "issues_open", (integration, kind, subject, session.company_id))
    ]
    return len(await session.update(table, slots, _is_open, lambda row: {**row, "ended_at": session.clock()}))


@imitates(production, "_SETTLE_AS_TOLD")
async def settle_as_told(session: Session, *, integration: UUID, kind: str, subject: str, told_at: datetime) -> Result:
    def is_as_told(row: Row) -> bool:
        return _is_open(row) and row["last_seen_at"] == told_at

    table = session.memory.tables["issues"]
    slots = session.at(table, "issues_open", (integration, kind, subject, session.company_id), is_as_told)
    return len(await session.update(table, slots, is_as_told, lambda row: {**row, "ended_at": session.clock()}))


@imitates(production, "_TOLD_OF_BREAKERS")
async def told_of_breakers(session: Session) -> Result:
    issues = session.rows(session.memory.tables["issues"], everybody=True)
    return [
        {"company": row["company_id"], "integration": row["integration_id"], "told_at": row["last_seen_at"]}
        for row in issues
        if row["kind"] == "vendor_unreachable" and _is_open(row) and row["integration_id"] is not None
    ]


@imitates(production, "_SETTLE_OTHERS")
async def settle_others(session: Session, *, integration: UUID, kind: str, prefix: str, keep: Sequence[str]) -> Result:
    def where(row: Row) -> bool:
        return (
            (row["integration_id"], row["kind"]) == (integration, kind)
            and row["subject"].startswith(prefix)
            and row["subject"] not in keep
            and _is_open(row)
        )

    table = session.memory.tables["issues"]
    slots = session.slots(table, where)
    return len(await session.update(table, slots, where, lambda row: {**row, "ended_at": session.clock()}))


@imitates(production, "_LISTED")
async def listed(
    session: Session,
    *,
    integration: UUID,
    open: Sequence[bool],
    at: datetime | None,
    after: UUID | None,
    limit: int,
) -> Result:
    found = [_as_listed(row, "opened_at") for row in session.rows(session.memory.tables["issues"])]
    found += [_as_listed(row, "first_seen_at") for row in session.rows(session.memory.tables["quarantine"])]
    wanted = [
        row
        for row in found
        if row.pop("integration_id") == integration
        and _is_open(row) in open
        and (at is None or (row["opened_at"], row["id"]) < (at, after))
    ]
    return sorted(wanted, key=lambda row: (row["opened_at"], row["id"]), reverse=True)[:limit]


def _as_listed(row: Row, since: str) -> dict[str, Any]:
    return {
        "id": row["id"],
        "integration_id": row["integration_id"],
        "kind": row.get("kind"),
        "subject": row.get("subject"),
        "detail": row["detail"] if "detail" in row else row["reason"],
        "entity": row.get("entity_type"),
        "external_id": row.get("external_id"),
        "code": row.get("code"),
        "times": row["times"] if "times" in row else row["tries"],
        "run_id": row.get("run_id"),
        "opened_at": row[since],
        "last_seen_at": row["last_seen_at"],
        "ended_at": row["ended_at"],
    }


@imitates(production, "_OPEN")
async def count_open(session: Session, *, integration: UUID) -> Result:
    def where(row: Row) -> bool:
        return row["integration_id"] == integration and _is_open(row)

    tables = (session.memory.tables[name] for name in ("issues", "quarantine"))
    return [{"count": sum(len(session.slots(table, where)) for table in tables)}]


def _is_open(row: Row) -> bool:
    return row["ended_at"] is None
