"""`shared/store/dead_letters.py`, as far as worlds use it: one letter redriven."""

from __future__ import annotations

from uuid import UUID

from shared.store import dead_letters as production
from tests.simulation.store.sessions import Change, Session
from tests.simulation.store.statements import Result, imitates, least, shown
from tests.simulation.store.tables import Condition, Row

_KEY = ("integration_id", "action", "entity_type", "record_key")
_KNOCK = ("id", "company_id", "epoch", "priority")


@imitates(production, "_REDRIVE")
async def redrive(
    session: Session, *, letter: UUID | None, group: str | None, integration: UUID | None, limit: int
) -> Result:
    if letter is None or group is not None or integration is not None or limit < 1:
        raise NotImplementedError("worlds redrive their letters one by one")
    letters = session.memory.tables["dead_letters"]
    ended = await session.update(
        letters,
        session.by_key(letters, letter),
        lambda row: row["state"] == "open",
        lambda row: {**row, "state": "redriven", "ended_at": session.clock()},
    )
    jobs = [job for _, row in ended for job in await _asked(session, row["job_id"])]
    nothing = dict.fromkeys(_KNOCK)
    return [{**job, "letters": len(ended)} for job in shown(jobs, _KNOCK) or [nothing]]


async def _asked(session: Session, failed_id: UUID) -> list[Row]:
    """Ask for the job that has its key by now, or let the failed one run again."""
    jobs = session.memory.tables["sync_queue"]
    places = session.by_key(jobs, failed_id)
    for old in [session.seen(slot) for slot in places if session.seen(slot)["status"] == "failed"]:
        alike = session.at(jobs, "sync_queue_open", tuple(old[name] for name in _KEY), _same_key(old))
        if bumped := await session.update(jobs, alike, _same_key(old), _bumped(session, old)):
            await session.delete(jobs, places)
            return [after for _, after in bumped]
        revived = await session.update(jobs, places, lambda job: job["status"] == "failed", _revived(session))
        return [after for _, after in revived]
    return []


def _same_key(old: Row) -> Condition:
    return lambda job: (
        job["id"] != old["id"]
        and job["status"] in ("pending", "processing")
        and all(job[name] == old[name] for name in _KEY)
    )


def _bumped(session: Session, old: Row) -> Change:
    whole = {"mode": "full"} if old["payload"].get("mode") == "full" else {}

    def change(job: Row) -> Row:
        is_pending = job["status"] == "pending"
        return {
            **job,
            "requested_seq": job["requested_seq"] + 1,
            "priority": least(job["priority"], old["priority"]),
            "payload": {**old["payload"], **job["payload"], **whole},
            "retry_count": 0 if is_pending else job["retry_count"],
            "hold_reason": None,
            "scheduled_at": session.clock() if is_pending else job["scheduled_at"],
        }

    return change


def _revived(session: Session) -> Change:
    return lambda job: {
        **job,
        "status": "pending",
        "epoch": job["epoch"] + 1,
        "retry_count": 0,
        "crashes": 0,
        "scheduled_at": session.clock(),
        "completed_at": None,
        "hold_reason": None,
        "error_message": None,
        "error_code": None,
    }
