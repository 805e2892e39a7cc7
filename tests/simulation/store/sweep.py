"""What `shared/sync/workers/sweep.py` asks of the ledger for all companies, and `shared/store/heartbeats.py`."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from uuid import UUID

from shared.store import heartbeats
from shared.sync.workers import sweep as production
from tests.simulation.store.claims import active, last_priority
from tests.simulation.store.locks import Strength
from tests.simulation.store.sessions import Session
from tests.simulation.store.statements import Result, imitates
from tests.simulation.store.tables import INFINITY, Row

_LONG = timedelta(hours=1)
_OLD = timedelta(hours=24)
_AT_ONCE = 5000


@imitates(heartbeats, "_BEAT")
async def beat(session: Session, *, name: str) -> Result:
    await session.upsert(
        session.memory.tables["heartbeats"],
        {"name": name, "at": session.clock()},
        "heartbeats_pkey",
        lambda row, excluded: {**row, "at": excluded["at"]},
    )
    return 1


@imitates(production, "_DUE_JOBS")
async def due_jobs(session: Session, *, low: int, high: int, per_integration: int, limit: int) -> Result:
    moment = session.clock()
    integrations = {row["id"]: row for row in session.rows(session.memory.tables["integrations"], everybody=True)}
    running: Counter[UUID] = Counter()
    due: list[tuple[int, datetime, Row]] = []

    def may_run(job: Row) -> bool:
        return bool(low <= job["priority"] <= last_priority(integrations[job["integration_id"]], high, moment))

    for slot in active(session, "processing"):
        job = session.seen(slot)
        if job["lease_until"] >= moment:
            running[job["integration_id"]] += 1
        elif may_run(job):
            due.append((job["priority"], job["lease_until"], job))
    for slot in active(session, "pending"):
        job = session.seen(slot)
        if job["scheduled_at"] <= moment and may_run(job):
            due.append((job["priority"], job["scheduled_at"], job))
    due.sort(key=lambda each: each[:2])
    place: Counter[UUID] = Counter()
    turn: Counter[UUID] = Counter()
    fair: list[tuple[int, int, datetime, Row]] = []
    for priority, since, job in due:
        place[job["integration_id"]] += 1
        if place[job["integration_id"]] <= per_integration - running[job["integration_id"]]:
            turn[job["company_id"]] += 1
            fair.append((turn[job["company_id"]], priority, since, job))
    fair.sort(key=lambda each: each[:3])
    return [
        {"job_id": job["id"], "company": job["company_id"], "job_epoch": job["epoch"]} for _, _, _, job in fair[:limit]
    ]


@imitates(production, "_TEND")
async def tend(session: Session) -> Result:
    jobs = session.memory.tables["sync_queue"]
    moment = session.clock()

    def waits_long(job: Row) -> bool:
        is_held = (job["status"], job["scheduled_at"]) == ("pending", INFINITY) and job["hold_reason"] is not None
        return is_held and (job["started_at"] or job["created_at"]) < moment - _LONG

    def is_old(job: Row) -> bool:
        return bool(job["status"] == "completed" and job["completed_at"] < moment - _OLD)

    waiting = [slot for slot in active(session, "pending") if waits_long(session.seen(slot))]
    completed = [slot for slot in active(session, "completed") if is_old(session.seen(slot))]
    completed.sort(key=lambda slot: session.seen(slot)["completed_at"])
    free = await session.lock(completed[:_AT_ONCE], Strength.FOR_UPDATE, is_old, skip_locked=True)
    woken = await session.update(jobs, waiting, waits_long, lambda job: {**job, "scheduled_at": session.clock()})
    purged = await session.delete(jobs, free, is_old)
    return [{"woken": len(woken), "purged": len(purged)}]
