"""
Locks as PostgreSQL grants them: three strengths, a queue in order of arrival, and an error for who closes a circle.

A lock belongs to a session until its end, or until the savepoint is undone within which it was taken.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

from psycopg.errors import DeadlockDetected

if TYPE_CHECKING:
    from tests.simulation.store.sessions import Session


class Strength(IntEnum):
    """How a row is locked. An advisory lock is `FOR_UPDATE`, a shared one `KEY_SHARE`."""

    KEY_SHARE = 1
    NO_KEY_UPDATE = 2
    """What an UPDATE takes."""
    FOR_UPDATE = 3
    """What FOR UPDATE and DELETE take."""


def _clash(one: Strength, other: Strength) -> bool:
    """https://www.postgresql.org/docs/16/explicit-locking.html, table 13.3, without FOR SHARE."""
    return max(one, other) is Strength.FOR_UPDATE or one is other is Strength.NO_KEY_UPDATE


@dataclass(eq=False)
class Waiter:
    """Somebody in a queue."""

    session: Session
    strength: Strength
    granted: asyncio.Future[None]


@dataclass(eq=False)
class Lock:
    """One lock: who holds it how strongly, and who waits."""

    holders: dict[Session, Strength] = field(default_factory=dict)
    queue: deque[Waiter] = field(default_factory=deque)

    def is_free_for(self, session: Session, strength: Strength) -> bool:
        """Whether *session* would get it at once."""
        return all(held is session or not _clash(how, strength) for held, how in self.holders.items())

    def take(self, session: Session, strength: Strength) -> None:
        """Give it to *session*, which remembers what it held before."""
        before = self.holders.get(session)
        if before is None or before < strength:
            self.holders[session] = strength
            session.locks.append((self, before))

    async def acquire(self, session: Session, strength: Strength) -> bool:
        """Wait until *session* has it; return whether it had to wait. Raises DeadlockDetected."""
        if self.is_free_for(session, strength):
            self.take(session, strength)
            return False
        waiter = Waiter(session, strength, asyncio.get_running_loop().create_future())
        self.queue.append(waiter)
        session.waits = (self, waiter)
        try:
            if _is_circle(session):
                raise DeadlockDetected("deadlock detected")
            await waiter.granted
        finally:
            session.waits = None
            if waiter in self.queue:
                self.queue.remove(waiter)
                self.grant()  # those behind may have waited for this one alone
        return True

    def release(self, session: Session, before: Strength | None) -> None:
        """Set *session* back to what it held *before*, and let the next ones in."""
        if before is None:
            self.holders.pop(session, None)
        else:
            self.holders[session] = before
        self.grant()

    def grant(self) -> None:
        """Let in, in order of arrival, whoever clashes with nobody."""
        for waiter in list(self.queue):
            if self.is_free_for(waiter.session, waiter.strength):
                self.queue.remove(waiter)
                self.take(waiter.session, waiter.strength)
                if not waiter.granted.done():
                    waiter.granted.set_result(None)

    def blockers(self, waiter: Waiter) -> list[Session]:
        """Return whom *waiter* waits for."""
        return [s for s, how in self.holders.items() if s is not waiter.session and _clash(how, waiter.strength)]


def _is_circle(start: Session) -> bool:
    """Whether *start* waits, over any number of others, for itself."""
    seen: set[Session] = set()
    ahead = [start]
    while ahead:
        session = ahead.pop()
        if session.waits is None:
            continue
        lock, waiter = session.waits
        for blocker in lock.blockers(waiter):
            if blocker is start:
                return True
            if blocker not in seen:
                seen.add(blocker)
                ahead.append(blocker)
    return False
