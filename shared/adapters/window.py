"""
One vendor account's window as all processes know it together: pure, so that whoever stores it decides nothing.

A process leases a *slice* of the window and spends it by itself. What may still be leased follows from the vendor's own
count: `remaining` is the lowest that any answer told, `answered` the calls known to be in that count, `granted` those
that were leased; so `remaining + answered - granted` is left whatever else uses the account and whenever a call that
is still under way will be counted. A call that is never answered stays granted: it costs its window one call.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

MARGIN_S = 0.05
"""Waited beyond the told end of a window, seconds."""
ROUNDING_S = 1.0
"""By how much a told end may be early: it is a whole second."""
FEWEST_TO_KEEP_BACK = 20
"""In windows of fewer calls than this none is kept back for the question: it would cost too much of them."""
PLAUSIBLE_SKEW_S = 1.5
"""A clock that its `Date` header (whole seconds, made once a second) shows no further off is taken to be exact."""
IMPLAUSIBLE_S = 2.0
"""A window told to have ended so long ago, or to last so much longer than any, is told by a clock that's off."""
MOST_HOLDERS = 64


@dataclass(frozen=True, slots=True)
class Told:
    """What one answer says about the window. None: it doesn't say."""

    limit: int | None
    remaining: int | None
    reset: float | None
    vendor_now: float | None
    """The `Date` header, epoch seconds; the true moment is up to a second later."""
    longest_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Report:
    """What one process has seen since it last told the others."""

    answered: int = 0
    strays: int = 0
    """Answered calls that this window counts though it did not grant them: they were on their way as it turned."""
    remaining: int | None = None

    def plus(self, remaining: int | None, *, is_stray: bool) -> Report:
        """Return it with one answer more."""
        return self.and_also(Report(1, int(is_stray), remaining))

    def and_also(self, other: Report) -> Report:
        """Return both as one."""
        told = [each for each in (self.remaining, other.remaining) if each is not None]
        return Report(self.answered + other.answered, self.strays + other.strays, min(told, default=None))


@dataclass(frozen=True, slots=True)
class Window:
    """Times are those of the vendor's clock, epoch seconds: the only one that all processes can learn."""

    reset: float | None = None
    """The told end. None: no answer has told one yet."""
    limit: int = 0
    remaining: int = 0
    granted: int = 0
    answered: int = 0
    longest_s: float = 60.0
    is_late: bool | None = None
    """The told end comes before the real one; None: not known yet."""
    is_silent: bool = False
    """Answers tell no limits."""
    ask: str = ""
    """Names the one call that asks whether the window has turned; empty while none is under way."""
    blocked_until: float = 0.0
    holders: tuple[str, ...] = ()
    """Processes that leased of this window."""
    crowd: int = 1
    """How many leased of the one before."""

    def allowed(self, share: float) -> int:
        """Return how many calls of this window are ours, of *share* (0 to 1) of the limit; one at the least."""
        return max(1, math.floor(self.limit * share + 1e-9))

    def free(self, share: float) -> int:
        """Return how many calls may be leased now, less than 1 where none may."""
        allowed = self.allowed(share)
        # Asked too early, the question is still within the old window's limit, if one call of it is left.
        is_asked_for = self.is_late is None and self.limit >= FEWEST_TO_KEEP_BACK and allowed == self.limit
        return min(self.remaining + self.answered - self.granted - is_asked_for, allowed - self.granted)

    def is_spent(self, share: float) -> bool:
        """Whether nothing can become free any more before the window turns."""
        return self.granted >= self.allowed(share) or self.granted <= self.answered

    def slice_of(self, share: float, wanted: int, holder: str) -> int:
        """Return how many of *wanted* calls *holder* gets: half of its even part of what is free, or one."""
        crowd = max(self.crowd, len({*self.holders, holder}))
        return max(1, min(wanted, self.free(share) // (2 * crowd)))

    def leased(self, calls: int, holder: str) -> Window:
        """Return it with *calls* granted to *holder*."""
        holders = self.holders
        if holder not in holders and len(holders) < MOST_HOLDERS:
            holders = (*holders, holder)
        return replace(self, granted=self.granted + calls, holders=holders)

    def asked(self, ask: str) -> Window:
        """Return it with the call *ask* on its way to see whether it has turned."""
        return replace(self, ask=ask)

    def unasked(self, ask: str) -> Window:
        """Return it without the call *ask*."""
        return replace(self, ask="") if self.ask == ask else self

    def told_early(self, ask: str) -> Window:
        """Return it after *ask* was answered within it: its told end comes before the real one."""
        return replace(self, ask="", is_late=True) if self.ask == ask else self

    def told_nothing(self, ask: str) -> Window:
        """Return it after *ask* was answered without a word about limits."""
        if self.reset is not None:
            return self.unasked(ask)
        return Window(is_silent=True, blocked_until=self.blocked_until)

    def blocked(self, until: float) -> Window:
        """Return it with nobody calling before *until*."""
        return replace(self, blocked_until=max(self.blocked_until, until))

    def reported(self, report: Report) -> Window:
        """Return it with what a process has seen."""
        return replace(
            self,
            answered=self.answered + report.answered,
            granted=self.granted + report.strays,
            remaining=self.remaining if report.remaining is None else min(self.remaining, report.remaining),
        )

    def turned(self, told: Told, holder: str, *, was_asked: bool) -> Window:
        """
        Return the window that *told* speaks of, which follows this one; its one call so far has been answered.

        Of the first that is seen all that is used counts as ours: its row may have been lost.
        """
        limit, remaining = told.limit or 0, told.remaining or 0
        used = 1 if self.reset is not None else max(1, limit - remaining)
        return Window(
            reset=told.reset,
            limit=limit,
            remaining=remaining,
            granted=used,
            answered=used,
            longest_s=told.longest_s,
            is_late=False if was_asked and self.reset is not None and self.is_late is None else self.is_late,
            blocked_until=self.blocked_until,
            holders=(holder,),
            crowd=max(1, len(self.holders)),
        )


@dataclass(slots=True)
class VendorClock:
    """How far a vendor's clock is from this process's, as its answers bound it."""

    low: float = float("-inf")
    """Vendor's clock minus ours is at least this."""
    high: float = field(default=float("inf"))

    def learn(self, vendor_now: float, sent_at: float, now: float) -> None:
        """Narrow the bounds by an answer that was made between *sent_at* and *now*."""
        low, high = vendor_now - now, vendor_now + 1.0 - sent_at
        if low > self.high or high < self.low:
            self.low, self.high = low, high  # a clock was set: what was known is void
        else:
            self.low, self.high = max(self.low, low), min(self.high, high)

    @property
    def ahead_s(self) -> float:
        """By how much the vendor's clock is ahead, as far as is known."""
        return self.low if self.low > float("-inf") else 0.0

    @property
    def offset_s(self) -> float:
        """The same, none where it may be exact."""
        is_plausible = self.low <= PLAUSIBLE_SKEW_S and self.high >= -PLAUSIBLE_SKEW_S
        return 0.0 if is_plausible else self.ahead_s

    def turns_at(self, window: Window, told_at: float) -> float:
        """Return our time at which *window*, first told at our *told_at*, has turned, as far as is known."""
        reset = window.reset or 0.0
        ahead_s = self.ahead_s - ROUNDING_S if window.is_late else self.offset_s
        turns_at = reset - ahead_s + MARGIN_S
        last = told_at + window.longest_s
        is_possible = told_at - IMPLAUSIBLE_S <= turns_at <= last + IMPLAUSIBLE_S
        return turns_at if is_possible else last
