"""The claim: `claim_job` and `lease_job` of `shared/store/migrations/0015_standstills.sql`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from psycopg.errors import LockNotAvailable

from shared.store import ledger as production
from tests.simulation.store.locks import Strength
from tests.simulation.store.sessions import Session
from tests.simulation.store.statements import Result, imitates
from tests.simulation.store.tables import INFINITY, Condition, Row, Slot

LOCK_TIMEOUT_S = 1.0
"""`lease_job` waits so long for another claim of the company; by the event loop's time."""

_EARLY = timedelta(seconds=2)


class _NothingLeased(Exception):
    """Undoes the block with its locks."""


@imitates(production, "_CLAIM")
async def claim(
    session: Session, *, job: UUID | None, low: int, high: int, ttl: float, cap: int, company_cap: int | None
) -> Result:
    moment = session.clock()
    caps = _Caps(cap, company_cap if low > 3 else None)
    if job is not None:
        for company_id, integration_id in _named(session, job, moment):
            leased = await _lease(session, company_id, integration_id, ttl, caps, job=job)
            if leased is not None:
                return [leased]
    turn = session.memory.numbers.next("turn_urgent" if low <= 3 else "turn_normal" if low <= 7 else "turn_bulk")
    for choice in _fairest(session, moment, low, high, caps, turn):
        leased = await _lease(session, choice.company_id, choice.integration_id, ttl, caps, priority=choice.priority)
        if leased is not None:
            return [leased]
    return []


@dataclass(frozen=True, slots=True)
class _Caps:
    integration: int
    company: int | None

    def hold(self, of_integration: int, of_company: int) -> bool:
        """Whether one more job may run beside so many."""
        return of_integration < self.integration and (self.company is None or of_company < self.company)


def last_priority(integration: Row, high: int, moment: datetime) -> int:
    """`last_priority`."""
    if not runs(integration, moment):
        return 1
    return 7 if high > 7 and _is_quiet(integration["config"], moment) else high


def _is_quiet(config: Row, moment: datetime) -> bool:
    quiet = config.get("quiet_hours")
    if quiet is None:
        return False
    try:
        wall = moment.astimezone(ZoneInfo(quiet["time_zone"])).time()
    except ZoneInfoNotFoundError:
        return False
    for span in quiet["spans"]:
        begins, ends = (time.fromisoformat(each) for each in span.split("-"))
        if begins <= wall < ends if begins < ends else wall >= begins or wall < ends:
            return True
    return False


def runs(integration: Row, moment: datetime) -> bool:
    """`integration_runs`."""
    stops = (integration["attention"], integration["deleted_at"])
    waits = integration["blocked_until"] is not None and integration["blocked_until"] > moment
    return bool(integration["sync_enabled"]) and stops == (None, None) and not waits


def _is_due_if_named(job: Row, moment: datetime) -> bool:
    due: datetime = job["scheduled_at"]
    return due <= moment + _EARLY or (job["error_code"] == "unforeseen" and due < INFINITY)


def _is_claimable_by_name(job: Row, moment: datetime) -> bool:
    if job["status"] == "pending":
        return _is_due_if_named(job, moment)
    return bool(job["status"] == "processing" and job["lease_until"] < moment)


def _named(session: Session, job_id: UUID, moment: datetime) -> list[tuple[UUID, UUID]]:
    jobs, integrations = session.memory.tables["sync_queue"], session.memory.tables["integrations"]
    found = []
    for slot in jobs.primary.find(job_id):
        job = slot.seen_by(session)
        if job is None or not _is_claimable_by_name(job, moment):
            continue
        integration = _integration(session, integrations.primary.find(job["integration_id"]))
        if job["priority"] <= last_priority(integration, 10, session.clock()):
            found.append((job["company_id"], job["integration_id"]))
    return found


def _integration(session: Session, slots: Any) -> Row:
    (slot,) = slots
    return session.seen(slot)


def active(session: Session, status: str) -> Iterator[Slot]:
    """Yield all companies' jobs of *status*."""
    index = session.memory.tables["sync_queue"].indexes["status"]
    for slot in index.find(status):
        job = slot.seen_by(session)
        if job is not None and job["status"] == status:
            yield slot


@dataclass(frozen=True, slots=True)
class _Choice:
    company_id: UUID
    integration_id: UUID
    priority: int
    due_at: datetime


def _fairest(session: Session, moment: datetime, low: int, high: int, caps: _Caps, turn: int) -> list[_Choice]:
    """Return what may be claimed, whose turn it is first."""
    running: Counter[UUID] = Counter()
    """By integration, and by company."""
    alike: Counter[UUID] = Counter()
    expired: list[Row] = []
    for slot in active(session, "processing"):
        job = session.seen(slot)
        if job["lease_until"] >= moment:
            running[job["integration_id"]] += 1
            running[job["company_id"]] += 1
            alike[job["company_id"]] += low <= job["priority"] <= high
        else:
            expired.append(job)
    pending = [session.seen(slot) for slot in active(session, "pending")]
    claimable = [
        choice
        for choice in _due(session, moment, low, high, pending, expired)
        if caps.hold(running[choice.integration_id], running[choice.company_id])
    ]
    companies = sorted({choice.company_id for choice in claimable})
    place = {company_id: number for number, company_id in enumerate(companies, 1)}
    claimable.sort(
        key=lambda choice: (
            alike[choice.company_id],
            (place[choice.company_id] + turn) % len(companies),
            timedelta(minutes=10) * choice.priority - (moment - choice.due_at),
            choice.due_at,
        )
    )
    return claimable


def _due(
    session: Session, moment: datetime, low: int, high: int, pending: list[Row], expired: list[Row]
) -> Iterator[_Choice]:
    """Yield for each integration and priority the time since when something is due, and the same of what is expired."""
    first: dict[tuple[UUID, int, bool], tuple[UUID, datetime]] = {}
    waiting = [(job, job["scheduled_at"], False) for job in pending if job["scheduled_at"] <= moment]
    for job, since, is_expired in (*waiting, *((job, job["lease_until"], True) for job in expired)):
        key = (job["integration_id"], job["priority"], is_expired)
        if low <= job["priority"] <= high and (key not in first or since < first[key][1]):
            first[key] = (job["company_id"], since)
    for slot in session.memory.tables["integrations"].slots:
        integration = slot.seen_by(session)
        if integration is None:
            continue
        highest = last_priority(integration, high, session.clock())
        for priority in range(low, highest + 1):
            for is_expired in (False, True):
                found = first.get((integration["id"], priority, is_expired))
                if found is not None:
                    yield _Choice(found[0], integration["id"], priority, found[1])


async def _lease(
    session: Session,
    company_id: UUID,
    integration_id: UUID,
    ttl: float,
    caps: _Caps,
    *,
    job: UUID | None = None,
    priority: int = 0,
) -> dict[str, Any] | None:
    """Lease the named job, or the first of *priority*; None, and no lock, where nothing may be leased."""
    moment = session.clock()
    try:
        with session.patient(LOCK_TIMEOUT_S):
            async with session.savepoint():
                await session.advise(f"claim {company_id}")
                _require_room(session, company_id, integration_id, moment, caps)
                return await _leased(session, integration_id, moment, ttl, job, priority)
    except (_NothingLeased, LockNotAvailable):
        return None


def _require_room(session: Session, company_id: UUID, integration_id: UUID, moment: datetime, caps: _Caps) -> None:
    live = [job for job in map(session.seen, active(session, "processing")) if job["lease_until"] >= moment]
    of_integration = sum(job["integration_id"] == integration_id for job in live)
    of_company = sum(job["company_id"] == company_id for job in live)
    if not caps.hold(of_integration, of_company):
        raise _NothingLeased


async def _leased(
    session: Session, integration_id: UUID, moment: datetime, ttl: float, named: UUID | None, priority: int
) -> dict[str, Any]:
    table = session.memory.tables["sync_queue"]
    processing = [
        slot for slot in active(session, "processing") if session.seen(slot)["integration_id"] == integration_id
    ]

    def is_expired(job: Row) -> bool:
        return (job["status"], job["priority"]) == ("processing", priority) and job["lease_until"] < moment

    def is_due(job: Row) -> bool:
        wanted = ("pending", integration_id, priority)
        return (job["status"], job["integration_id"], job["priority"]) == wanted and job["scheduled_at"] <= moment

    if named is not None:
        slots = [slot for slot in table.primary.find(named) if slot.seen_by(session) is not None]
        chosen = await _first(session, slots, lambda each: _is_claimable_by_name(each, moment))
    else:
        chosen = await _first(session, _in_order(session, processing, "lease_until"), is_expired)
        if chosen is None:
            chosen = await _first(session, _in_order(session, active(session, "pending"), "scheduled_at"), is_due)
    if chosen is None:
        raise _NothingLeased

    def change(row: Row) -> Row:
        return {
            **row,
            "status": "processing",
            "lease_token": session.memory.numbers.next("lease_seq"),
            "lease_until": session.clock() + timedelta(seconds=ttl),
            "claimed_seq": row["requested_seq"],
            "started_at": session.clock(),
            "hold_reason": None,
            "crashes": row["crashes"] + (row["status"] == "processing"),
        }

    ((_, after),) = await session.update(table, [chosen], lambda _: True, change)
    return {
        "job_id": after["id"],
        "company": after["company_id"],
        "token": after["lease_token"],
        "job_priority": after["priority"],
    }


def _in_order(session: Session, slots: Any, column: str) -> list[Slot]:
    return sorted(slots, key=lambda slot: session.seen(slot)[column])


async def _first(session: Session, slots: list[Slot], where: Condition) -> Slot | None:
    """`LIMIT 1 FOR UPDATE SKIP LOCKED`."""
    for slot in slots:
        if where(session.seen(slot)) and await session.lock([slot], Strength.FOR_UPDATE, where, skip_locked=True):
            return slot
    return None
