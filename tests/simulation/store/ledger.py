"""`shared/store/ledger.py`, but for the claim (`tests.simulation.store.claims`)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import orjson

from shared.store import ledger as production
from tests.simulation.store.locks import Strength
from tests.simulation.store.sessions import Change, Session
from tests.simulation.store.statements import Result, imitates, moment, recordset, shown
from tests.simulation.store.tables import INFINITY, Condition, Row

_KEY = ("integration_id", "action", "entity_type", "record_key")


@imitates(production, "_ENQUEUE")
async def enqueue(session: Session, *, company: UUID, requests: str) -> Result:
    jobs, integrations = session.memory.tables["sync_queue"], session.memory.tables["integrations"]
    asked = [
        (request, session.seen(integration)["max_retries"])
        for request in recordset(requests)
        for integration in session.by_key(integrations, UUID(request["integration_id"]))
    ]
    asked.sort(key=lambda each: tuple(each[0][name] for name in _KEY))
    found = []
    for request, max_retries in asked:
        row = {
            "id": UUID(request["id"]),
            "company_id": company,
            "integration_id": UUID(request["integration_id"]),
            **{name: request[name] for name in ("entity_type", "direction", "action", "priority", "payload")},
            "scheduled_at": INFINITY
            if request["hold_reason"] is not None
            else moment(request["due_at"]) or session.clock(),
            "record_key": request["record_key"],
            "hold_reason": request["hold_reason"],
            "run_id": None if request["run_id"] is None else UUID(request["run_id"]),
            "max_retries": max_retries,
        }
        written = await session.upsert(jobs, row, "sync_queue_open", _asked_again)
        job = written[0]
        is_due = job["status"] == "pending" and job["scheduled_at"] <= session.clock()
        found.append({name: job[name] for name in ("id", "company_id", "epoch", "priority")} | {"is_due": is_due})
    return found


def _asked_again(job: Row, excluded: Row) -> Row:
    is_pending = job["status"] == "pending"
    payload = {**job["payload"], **excluded["payload"]}
    if "full" in (job["payload"].get("mode"), excluded["payload"].get("mode")):
        payload["mode"] = "full"
    return {
        **job,
        "requested_seq": job["requested_seq"] + 1,
        "priority": min(job["priority"], excluded["priority"]),
        "max_retries": excluded["max_retries"],
        "retry_count": 0 if is_pending else job["retry_count"],
        "payload": payload,
        "run_id": job["run_id"] or excluded["run_id"],
        "scheduled_at": min(job["scheduled_at"], excluded["scheduled_at"])
        if is_pending and job["hold_reason"] is None
        else job["scheduled_at"],
    }


def leased(token: int) -> Condition:
    """Whether a job is still the one that was claimed with *token*."""
    return lambda job: job["lease_token"] == token and job["status"] == "processing"


@imitates(production, "_LOAD")
async def load(session: Session, *, job: UUID, token: int) -> Result:
    table = session.memory.tables["sync_queue"]
    return [
        {**table.fresh(row), "lease_left_s": (row["lease_until"] - session.clock()).total_seconds()}
        for row in session.rows_at(table, table.primary.name, job, leased(token))
    ]


@imitates(production, "_GUARD")
async def guard(session: Session, *, job: UUID, token: int) -> Result:
    table = session.memory.tables["sync_queue"]
    slots = session.at(table, table.primary.name, job, leased(token))
    return [{} for _ in await session.lock(slots, Strength.KEY_SHARE, leased(token))]


@imitates(production, "_EXTEND")
async def extend(session: Session, *, job: UUID, token: int, ttl: float) -> Result:
    return len(
        await _settle(
            session, job, leased(token), lambda row: {**row, "lease_until": session.clock() + timedelta(seconds=ttl)}
        )
    )


@imitates(production, "_FINISH")
async def finish(session: Session, *, job: UUID, token: int) -> Result:
    def change(row: Row) -> Row:
        is_asked = row["requested_seq"] > row["claimed_seq"]
        return {
            **row,
            **_UNLEASED,
            "status": "pending" if is_asked else "completed",
            "scheduled_at": session.clock() if is_asked else row["scheduled_at"],
            "completed_at": None if is_asked else session.clock(),
            "retry_count": 0,
            "crashes": 0,
            "error_message": None,
            "error_code": None,
        }

    return shown(await _settle(session, job, leased(token), change), ("status", "epoch", "priority"))


@imitates(production, "_POSTPONE")
async def postpone(
    session: Session,
    *,
    job: UUID,
    token: int,
    wait_s: float,
    hold: str | None,
    attempts: int,
    code: str | None,
    message: str | None,
    payload: str,
    unforeseen: bool,
    got_on: bool,
) -> Result:
    added = orjson.loads(payload)

    def change(row: Row) -> Row:
        is_asked = row["requested_seq"] > row["claimed_seq"]
        if is_asked and (hold is not None or attempts > 0):
            due = session.clock()
        else:
            due = INFINITY if hold is not None else session.clock() + timedelta(seconds=wait_s)
        return {
            **row,
            **_UNLEASED,
            "status": "pending",
            "scheduled_at": due,
            "hold_reason": hold if row["requested_seq"] == row["claimed_seq"] else None,
            "retry_count": 0 if is_asked or got_on else row["retry_count"] + attempts,
            "crashes": row["crashes"] + 1 if unforeseen else 0,
            "error_message": message,
            "error_code": code,
            "payload": {**row["payload"], **added},
        }

    return shown(await _settle(session, job, leased(token), change), ("epoch", "priority"))


@imitates(production, "_FAIL")
async def fail(session: Session, *, id: UUID, job: UUID, token: int, queue: str, code: str, message: str) -> Result:
    def change(row: Row) -> Row:
        is_asked = row["requested_seq"] > row["claimed_seq"]
        return {
            **row,
            **_UNLEASED,
            "status": "pending" if is_asked else "failed",
            "scheduled_at": session.clock() if is_asked else row["scheduled_at"],
            "completed_at": None if is_asked else session.clock(),
            "retry_count": 0 if is_asked else row["retry_count"],
            "crashes": 0 if is_asked else row["crashes"],
            "error_message": message,
            "error_code": code,
        }

    ended = await _settle(session, job, leased(token), change)
    return [
        {"letter": await _letter(session, row, id, queue, code, message) if row["status"] == "failed" else None}
        for row in ended
    ]


@imitates(production, "_BURY")
async def bury(session: Session, *, id: UUID, job: UUID, epoch: int, queue: str, code: str, message: str) -> Result:
    def where(row: Row) -> bool:
        if row["epoch"] != epoch or row["requested_seq"] != row["claimed_seq"]:
            return False
        is_abandoned = row["status"] == "processing" and row["lease_until"] <= session.clock()
        return bool(is_abandoned or row["status"] == "pending")

    failed = await _settle(
        session,
        job,
        where,
        lambda row: {
            **row,
            **_UNLEASED,
            "status": "failed",
            "completed_at": session.clock(),
            "hold_reason": None,
            "error_message": message,
            "error_code": code,
        },
    )
    return [{"id": await _letter(session, row, id, queue, code, message)} for row in failed]


@imitates(production, "_STATE")
async def state(session: Session, *, job: UUID) -> Result:
    table = session.memory.tables["sync_queue"]
    return [
        {
            **{name: row[name] for name in _KEY},
            "status": row["status"],
            "epoch": row["epoch"],
            "error_message": row["error_message"],
            "is_asked_again": row["requested_seq"] > row["claimed_seq"],
            "is_leased": row["status"] == "processing" and row["lease_until"] > session.clock(),
        }
        for row in session.rows_at(table, table.primary.name, job)
    ]


@imitates(production, "_LOCK_WAITS")
async def lock_waits(session: Session, *, integration: str) -> Result:
    await session.advise(f"waits {integration}")
    return [{}]


@imitates(production, "_RELEASE_HELD")
async def release_held(session: Session, *, reasons: Sequence[str]) -> Result:
    jobs = session.memory.tables["sync_queue"]
    wanted = frozenset(reasons)

    def where(job: Row) -> bool:
        return job["status"] == "pending" and job["hold_reason"] in wanted

    slots = [slot for reason in sorted(wanted) for slot in session.at(jobs, "held", reason, where)]
    woken = await session.update(
        jobs, slots, where, lambda job: {**job, "scheduled_at": session.clock(), "hold_reason": None}
    )
    return shown([after for _, after in woken], _KNOCK)


@imitates(production, "_CANCEL")
async def cancel(
    session: Session, *, integration: UUID, actions: Sequence[str], entities: Sequence[str] | None
) -> Result:
    jobs = session.memory.tables["sync_queue"]

    def where(job: Row) -> bool:
        return (
            job["integration_id"] == integration
            and job["status"] == "pending"
            and (entities is None or job["entity_type"] in entities)
            and job["action"] in actions
        )

    gone = await session.delete(jobs, session.at(jobs, "status", "pending", where), where)
    return shown(gone, ("id", "entity_type", "direction", "record_key", "action", "run_id"))


_UNLEASED = {"lease_until": None, "lease_token": None}
_KNOCK = ("id", "company_id", "epoch", "priority")


async def _settle(session: Session, job: UUID, where: Condition, change: Change) -> list[Row]:
    jobs = session.memory.tables["sync_queue"]
    slots = session.at(jobs, jobs.primary.name, job, where)
    return [after for _, after in await session.update(jobs, slots, where, change)]


async def _letter(session: Session, job: Row, letter: UUID, queue: str, code: str, message: str) -> UUID:
    await session.insert(
        session.memory.tables["dead_letters"],
        {
            "id": letter,
            "company_id": job["company_id"],
            "integration_id": job["integration_id"],
            "job_id": job["id"],
            "queue": queue,
            "action": job["action"],
            "entity_type": job["entity_type"],
            "code": code,
            "cause": message,
            "attempts": job["retry_count"] + max(job["crashes"], 1),
        },
    )
    return letter
