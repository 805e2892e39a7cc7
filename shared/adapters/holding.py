"""What one process knows of an account's window, and the slice that it holds of it."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field
from uuid import uuid4

from shared.adapters.window import Report, VendorClock, Window

POLL_S = 0.01
"""How often callers look whether the one call that asks has been answered, within a process."""
SHARED_POLL_S = 0.05
"""The same where looking means to read a shared row."""
LONGEST_POLL_S = 0.5
SLICE_S = 0.5
"""A slice is what this process spends in so long, going by the last one."""
ASK_LASTS_S = 10.0
"""
The others wait so long for a call that asks: its process has died, or the vendor hangs. Another one asks beside it
then, so that a hanging vendor fails often enough to be noticed (`breaker.py`) before the first question times out.
"""
SILENT_S = 60.0
"""How long a vendor that tells no limits is called without looking at the row again."""


@dataclass(frozen=True, slots=True)
class Permit:
    """One call that may be sent. Give it back answered or unanswered."""

    reset: float | None
    """End of the window that grants it; None: none was known."""
    ask: str = ""
    """Its name, where it asks whether the window has turned."""
    is_local: bool = False
    """The shared row does not know of it."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Calls of the window that ends at *reset*, leased at once."""

    calls: int
    reset: float | None
    is_local: bool


@dataclass(slots=True)
class Holding:
    """What this process knows of an account, and holds of its window."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    clock: VendorClock = field(default_factory=VendorClock)
    window: Window = field(default_factory=Window)
    told_at: float = 0.0
    """When this process first saw that window."""
    calls: int = 0
    """Leased and not spent."""
    is_local: bool = False
    report: Report = field(default_factory=Report)
    waiting: int = 0
    leased_at: float = 0.0
    leased: int = 0
    polls: int = 0
    silent_until: float = 0.0
    ask_seen_at: float = 0.0

    def adopt(self, window: Window, now: float) -> None:
        """Take over what the row says; of another window nothing is held here and nothing is known."""
        if window.reset != self.window.reset:
            self.calls, self.report, self.told_at = 0, Report(), now
        if window.ask != self.window.ask:
            self.ask_seen_at, self.polls = now, 0
        self.window = window

    def turns_at(self) -> float:
        """Return our time at which the window has turned, as far as is known."""
        return self.clock.turns_at(self.window, self.told_at)

    def blocked_s(self, now: float) -> float:
        """Return for how long nobody may call; 0 or less: not at all."""
        return self.window.blocked_until - self.clock.offset_s - now

    def take(self, now: float) -> Permit | None:
        """Spend one call of the slice."""
        if now < self.silent_until and self.blocked_s(now) <= 0:
            return Permit(None)
        if self.calls == 0 or now >= self.turns_at() or self.blocked_s(now) > 0:
            return None
        self.calls -= 1
        return Permit(self.window.reset, is_local=self.is_local)

    def _wanted(self, now: float) -> int:
        """Return what this process will spend in `SLICE_S`, those that wait at the least."""
        elapsed_s = max(now - self.leased_at, 1e-3)
        return max(self.waiting, math.ceil(self.leased / elapsed_s * SLICE_S))

    def poll_s(self, *, is_shared: bool) -> float:
        """Return how long to wait before looking again, longer each time."""
        if not is_shared:
            return POLL_S
        self.polls += 1
        return min(LONGEST_POLL_S, SHARED_POLL_S * 1.5 ** (self.polls - 1))

    def step(
        self, window: Window, now: float, share: float, holder: str, *, is_shared: bool
    ) -> tuple[Window, Permit | Slice | float]:
        """Return what the row is to be, and what it gives: a permit outside any slice, a slice, or seconds to wait."""
        blocked_s = self.blocked_s(now)
        if blocked_s > 0:
            return window, blocked_s
        if window.is_silent:
            return window, Permit(None)
        if window.reset is None or now >= self.turns_at():
            return self._at_the_turn(window, now, is_shared=is_shared)
        if window.free(share) > 0:
            calls = window.slice_of(share, self._wanted(now) if is_shared else 1, holder)
            return window.leased(calls, holder), Slice(calls, window.reset, is_local=not is_shared)
        until_turn_s = max(self.turns_at() - now, POLL_S)
        return window, until_turn_s if window.is_spent(share) else min(self.poll_s(is_shared=is_shared), until_turn_s)

    def _at_the_turn(self, window: Window, now: float, *, is_shared: bool) -> tuple[Window, Permit | float]:
        if window.ask and now - self.ask_seen_at < ASK_LASTS_S:
            return window, self.poll_s(is_shared=is_shared)
        ask = uuid4().hex[:12]
        return window.asked(ask), Permit(window.reset, ask)

    def hold(self, found: Permit | Slice, now: float) -> Permit:
        """Keep what the row gave, and spend one call of it."""
        self.polls = 0
        if isinstance(found, Permit):
            self.silent_until = 0.0 if found.ask else now + SILENT_S
            return found
        self.is_local, self.leased_at = found.is_local, now
        self.leased, self.calls = found.calls, found.calls - 1
        return Permit(found.reset, is_local=found.is_local)
