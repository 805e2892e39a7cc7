"""`shared/store/run_changes.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from uuid import UUID

from shared.store import run_changes as production
from tests.simulation.store.sessions import Session
from tests.simulation.store.statements import Result, imitates
from tests.simulation.store.tables import Row


@imitates(production, "_CHANGED")
async def changed(session: Session, *, run: UUID, since: datetime, after: UUID | None, limit: int) -> Result:
    rows = session.rows(
        session.memory.tables["record_history"],
        lambda row: row["run_id"] == run and row["at"] >= since and row["side"] != "lost",
    )
    return [{"record_id": record_id} for record_id in _page((row["record_id"] for row in rows), after, limit)]


@imitates(production, "_CREATED")
async def created(
    session: Session, *, run: UUID, integration: UUID, since: datetime, after: UUID | None, limit: int
) -> Result:
    rows = session.rows(
        session.memory.tables["sync_logs"],
        lambda row: (
            (row["run_id"], row["integration_id"], row["action"], row["direction"])
            == (run, integration, "created", "inbound")
            and row["synced_at"] >= since
        ),
    )
    return [{"entity_id": record_id} for record_id in _page((row["entity_id"] for row in rows), after, limit)]


@imitates(production, "_FORGOTTEN")
async def forgotten(session: Session, *, run: UUID, integration: UUID, since: datetime, created: int) -> Result:
    return []  # no month ever leaves this log


@imitates(production, "_SINCE")
async def changes_since(session: Session, *, ids: Sequence[UUID], since: datetime) -> Result:
    table = session.memory.tables["record_history"]
    rows = [
        row
        for record_id in sorted(set(ids))
        for row in session.rows_at(table, "record", record_id, lambda row: row["at"] >= since and row["side"] != "lost")
    ]
    return [
        dict(row) for row in sorted(rows, key=lambda row: (row["record_id"], row["version"], row["at"], row["seq"]))
    ]


@imitates(production, "_IN_USE")
async def in_use(session: Session, *, company: UUID, integration: UUID, ids: Sequence[UUID]) -> Result:
    wanted = frozenset(ids)

    def is_living(row: Row) -> bool:
        return (row["company_id"], row["entity_type"], row["archived_at"]) == (company, "application", None)

    living = session.rows(session.memory.tables["records"], is_living)
    links = session.rows(
        session.memory.tables["external_entity_map"],
        lambda link: link["integration_id"] != integration and link["state"] != "tombstone",
    )
    used = {row["candidate_id"] for row in living} | {row["job_id"] for row in living}
    return [{"id": record_id} for record_id in sorted((used | {link["internal_id"] for link in links}) & wanted)]


@imitates(production, "_CREATE")
async def create(
    session: Session,
    *,
    id: UUID,
    company: UUID,
    integration: UUID,
    parent: UUID | None,
    entity: str | None,
    direction: str,
    reverts: UUID,
) -> Result:
    row = {
        "id": id,
        "company_id": company,
        "integration_id": integration,
        "parent_id": parent,
        "entity_type": entity,
        "direction": direction,
        "mode": "revert",
        "trigger": "manual",
        "reverts": reverts,
    }
    return int(await session.insert_unless(session.memory.tables["runs"], row) is not None)


@imitates(production, "_REVERTS")
async def reverts(session: Session, *, id: UUID) -> Result:
    table = session.memory.tables["runs"]
    return [{"reverts": session.seen(slot)["reverts"]} for slot in session.by_key(table, id)]


@imitates(production, "_REOPEN")
async def reopen(session: Session, *, id: UUID) -> Result:
    table = session.memory.tables["runs"]

    def where(run: Row) -> bool:
        return run["status"] == "failed" and not session.rows(
            table,
            lambda other: (
                run["reverts"] is not None
                and (other["reverts"], other["entity_type"]) == (run["reverts"], run["entity_type"])
                and other["status"] == "running"
            ),
        )

    return await _goes_on(session, id, where, {"error": None})


@imitates(production, "_REOPEN_PARENT")
async def reopen_parent(session: Session, *, id: UUID) -> Result:
    return await _goes_on(session, id, lambda run: bool(run["status"] != "running"), {"evidence": None})


async def _goes_on(session: Session, id: UUID, where: Callable[[Row], bool], cleared: Row) -> int:
    table = session.memory.tables["runs"]
    slots = session.at(table, table.primary.name, id, where)
    return len(
        await session.update(table, slots, where, lambda run: {**run, "status": "running", "ended_at": None, **cleared})
    )


@imitates(production, "_LEFT_OVER")
async def left_over(session: Session, *, integration: UUID, entity: str | None) -> Result:
    table = session.memory.tables["runs"]
    going = session.rows_at(
        table,
        "integration",
        integration,
        lambda row: row["status"] == "running" and row["entity_type"] is not None,
    )
    working = {row["id"] for row in going if _has_job(session, row)}
    waited_for = {row["parent_id"] for row in going if row["id"] in working} - {None}
    found = [
        row
        for row in going
        if row["id"] not in working and entity in (None, row["entity_type"]) and row["parent_id"] not in waited_for
    ]
    return [table.fresh(row) for row in sorted(found, key=lambda row: (row["started_at"], row["id"]))]


def _has_job(session: Session, run: Row) -> bool:
    if run["mode"] == "revert":
        action, key = "revert", str(run["id"])
    else:
        action, key = "pull" if run["direction"] == "inbound" else "push_moved", "all"
    jobs = session.memory.tables["sync_queue"]
    wanted = (run["integration_id"], action, run["entity_type"], key)
    return bool(
        session.rows_at(jobs, "sync_queue_open", wanted, lambda job: job["status"] in ("pending", "processing"))
    )


def _page(ids: Iterable[UUID | None], after: UUID | None, limit: int) -> list[UUID]:
    found = {record_id for record_id in ids if record_id is not None and (after is None or record_id > after)}
    return sorted(found)[:limit]
