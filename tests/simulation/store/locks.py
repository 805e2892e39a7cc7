"""
Locks as PostgreSQL grants them: three strengths, a queue in order of arrival, and an error for who closes a circle.

A lock belongs to a session until its end, or until the savepoint is undone within which it was taken.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import takewhile
from typing import TYPE_CHECKING

from psycopg.errors import DeadlockDetected, LockNotAvailable

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
    """
    One lock: who holds it how strongly, and who waits.

    One that *is_fair* lets nobody pass a waiter with whom he clashes, as advisory locks do; rows let pass.
    """

    is_fair: bool = False
    holders: dict[Session, Strength] = field(default_factory=dict)
    queue: deque[Waiter] = field(default_factory=deque)

    def is_free_for(self, session: Session, strength: Strength) -> bool:
        """Whether *session* would get it at once."""
        if any(holder is not session and _clash(how, strength) for holder, how in self.holders.items()):
            return False
        return session in self.holders or not self._ahead(strength, self.queue)

    def _ahead(self, strength: Strength, queue: Iterable[Waiter]) -> list[Session]:
        """Return who waits before one of *strength* may pass."""
        return [waiter.session for waiter in queue if self.is_fair and _clash(waiter.strength, strength)]

    def take(self, session: Session, strength: Strength) -> None:
        """Give it to *session*, which remembers what it held before."""
        before = self.holders.get(session)
        if before is None or before < strength:
            self.holders[session] = strength
            session.locks.append((self, before))

    async def acquire(self, session: Session, strength: Strength) -> bool:
        """Wait until *session* has it; return whether it had to wait. Raises DeadlockDetected and LockNotAvailable."""
        if self.is_free_for(session, strength):
            self.take(session, strength)
            return False
        waiter = Waiter(session, strength, asyncio.get_running_loop().create_future())
        self.queue.append(waiter)
        session.waits = (self, waiter)
        try:
            if _is_circle(session):
                raise DeadlockDetected("deadlock detected")
            async with asyncio.timeout(session.patience_s):
                await waiter.granted
        except TimeoutError:
            raise LockNotAvailable("canceling statement due to lock timeout") from None
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
        waiting, self.queue = self.queue, deque()
        for waiter in waiting:
            if self.is_free_for(waiter.session, waiter.strength):
                self.take(waiter.session, waiter.strength)
                waiter.session.waits = None
                if not waiter.granted.done():
                    waiter.granted.set_result(None)
            else:
                self.queue.append(waiter)

    def blockers(self, waiter: Waiter) -> list[Session]:
        """Return whom *waiter* waits for."""
        before = takewhile(lambda each: each is not waiter, self.queue)
        hold = [s for s, how in self.holders.items() if s is not waiter.session and _clash(how, waiter.strength)]
        return [*hold, *self._ahead(waiter.strength, before)]


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
