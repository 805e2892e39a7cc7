"""
Pace by the vendor's own window, as its headers tell it: limit, remaining, time of reset.

A window is used up as fast as the caller likes, then everybody waits for its end. At that moment one call asks
whether the window has turned while the others wait for its answer, so that a clock which is a little off costs one
call and not a refusal. Until it is known whether the told time is exact (vendors round it, clocks differ), the last
call of the window is kept back for that question: asked too early, it is still within the old window's limit.

Calls of one vendor account share one window through a `WindowStore`. The one here serves one process.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol

from shared.errors import RateLimited

MARGIN_S = 0.05
"""Waited beyond the told end of a window, seconds."""
ROUNDING_S = 1.0
"""By how much a told end may be early: it is a whole second."""
POLL_S = 0.01
"""How often callers look whether the one call that asks has been answered."""
FEWEST_TO_KEEP_BACK = 20
"""In windows of fewer calls than this none is kept back for the question: it would cost too much of them."""
PLAUSIBLE_SKEW_S = 1.5
"""A clock that its `Date` header (whole seconds, made once a second) shows no further off is taken to be exact."""
IMPLAUSIBLE_S = 2.0
"""A window told to have ended so long ago, or to last so much longer than any, is told by a clock that's off."""
LONGEST_REFUSAL_S = 24 * 3600.0
LARGEST_NUMBER = 1e12
"""A header's number beyond this is neither a count nor a time."""
DEFAULT_REFUSAL_S = 30.0
"""Wait after a 429 that doesn't say how long."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Epoch seconds, and how to let time pass. An argument, so that tests need not wait."""

    now: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    def at(self, seconds_from_now: float) -> datetime:
        """Return the aware moment that is so many seconds away."""
        return datetime.fromtimestamp(self.now() + seconds_from_now, UTC)


@dataclass(frozen=True, slots=True)
class WindowHeaders:
    """Names of the headers that tell the window. *reset* holds epoch seconds of the vendor's clock."""

    limit: str = "x-ratelimit-limit"
    remaining: str = "x-ratelimit-remaining"
    reset: str = "x-ratelimit-reset"
    longest_s: float = 60.0
    """No window of this vendor is longer; bounds the wait where its clock is off and its `Date` doesn't say so."""


@dataclass(frozen=True, slots=True)
class Told:
    """What one answer says about the window. None: it doesn't say."""

    limit: int | None
    remaining: int | None
    reset: float | None
    vendor_now: float | None
    """The `Date` header, epoch seconds; the true moment is up to a second later."""
    longest_s: float = 60.0


def read_headers(headers: Mapping[str, str], names: WindowHeaders) -> Told:
    """Return what *headers* (lower-case keys, or a case-insensitive mapping) tell; nonsense counts as not told."""
    limit, remaining = _number(headers.get(names.limit)), _number(headers.get(names.remaining))
    return Told(
        limit=None if limit is None else int(limit),
        remaining=None if remaining is None else int(remaining),
        reset=_number(headers.get(names.reset)),
        vendor_now=read_date(headers.get("date")),
        longest_s=names.longest_s,
    )


def read_date(text: str | None) -> float | None:
    """Return epoch seconds of an HTTP date, None for nonsense."""
    try:
        moment = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def refusal_s(headers: Mapping[str, str], names: WindowHeaders, now: float) -> float:
    """
    Return how many seconds a 429 asks to wait: `Retry-After` in seconds or as a date, else the window's reset.

    Never less than one second, nor more than a day.
    """
    told = read_headers(headers, names)
    vendor_now = now if told.vendor_now is None else told.vendor_now
    text = headers.get("retry-after")
    wait = _number(text)
    if wait is None and (until := read_date(text)) is not None:
        wait = until - vendor_now
    if wait is None and told.reset is not None:
        wait = told.reset - vendor_now
    return min(max(DEFAULT_REFUSAL_S if wait is None else wait, 1.0), LONGEST_REFUSAL_S)


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 <= value < LARGEST_NUMBER else None


class WindowStore(Protocol):
    """Where the windows of vendor accounts are counted."""

    async def reserve(self, account: str, now: float) -> float:
        """Take one call and return 0.0, or return how many seconds to wait before asking again."""
        ...

    async def answered(self, account: str, told: Told, *, sent_at: float, now: float) -> None:
        """Give back a reserved call that was answered, with what the answer tells."""
        ...

    async def unanswered(self, account: str) -> None:
        """Give back a reserved call that got no answer; it counts as used."""
        ...

    async def refused(self, account: str, until: float) -> None:
        """Let nobody call before *until*, epoch seconds."""
        ...


@dataclass(slots=True)
class _Window:
    """One account's window as far as it is known."""

    limit: int = 0
    left: int = 0
    reset: float | None = None
    told_at: float = 0.0
    """When *reset* was first told, our clock."""
    longest_s: float = 60.0
    is_silent: bool = False
    """Answers tell no limits."""
    asked_at: float | None = None
    """When one call was let through to see whether the window has turned; None while none is under way."""
    is_late: bool | None = None
    """The told end comes before the real one; None: not known yet."""
    in_flight: int = 0
    blocked_until: float = 0.0
    skew_low: float = float("-inf")
    """Vendor's clock minus ours is at least this."""
    skew_high: float = float("inf")

    def turns_at(self) -> float:
        """Return our time at which the window has turned, as far as is known."""
        reset = self.reset or 0.0
        if self.is_late:
            turns_at = reset + ROUNDING_S - self._skew() + MARGIN_S
        else:
            is_plausible = self.skew_low <= PLAUSIBLE_SKEW_S and self.skew_high >= -PLAUSIBLE_SKEW_S
            turns_at = reset - (0.0 if is_plausible else self._skew()) + MARGIN_S
        last = self.told_at + self.longest_s
        is_possible = self.told_at - IMPLAUSIBLE_S <= turns_at <= last + IMPLAUSIBLE_S
        return turns_at if is_possible else last

    def _skew(self) -> float:
        return self.skew_low if self.skew_low > float("-inf") else 0.0

    def learn_skew(self, vendor_now: float, sent_at: float, now: float) -> None:
        low, high = vendor_now - now, vendor_now + 1.0 - sent_at
        if low > self.skew_high or high < self.skew_low:
            self.skew_low, self.skew_high = low, high  # a clock was set: what was known is void
        else:
            self.skew_low, self.skew_high = max(self.skew_low, low), min(self.skew_high, high)


@dataclass(slots=True)
class InProcessWindows:
    """A WindowStore for one process and event loop. Nothing here waits, so nothing here can interleave."""

    _windows: dict[str, _Window] = field(default_factory=dict)

    async def reserve(self, account: str, now: float) -> float:
        """Take one call and return 0.0, or return how many seconds to wait before asking again."""
        window = self._windows.setdefault(account, _Window())
        wait = self._wait(window, now)
        if wait == 0.0:
            window.in_flight += 1
        return wait

    @staticmethod
    def _wait(window: _Window, now: float) -> float:
        if now < window.blocked_until:
            return window.blocked_until - now
        if window.reset is None:
            return POLL_S if window.in_flight and not window.is_silent else 0.0
        turns_at = window.turns_at()
        if now >= turns_at:
            if window.asked_at is not None:
                return POLL_S
            window.asked_at = now
            return 0.0
        kept_back = 1 if window.is_late is None and window.limit >= FEWEST_TO_KEEP_BACK else 0
        if window.left > kept_back:
            window.left -= 1
            return 0.0
        return max(turns_at - now, POLL_S)

    async def answered(self, account: str, told: Told, *, sent_at: float, now: float) -> None:
        """Give back a reserved call that was answered, with what the answer tells."""
        window = self._windows[account]
        window.in_flight -= 1
        if told.vendor_now is not None:
            window.learn_skew(told.vendor_now, sent_at, now)
        was_asking = window.asked_at is not None and sent_at >= window.asked_at
        if was_asking:
            window.asked_at = None
        if told.limit is None or told.remaining is None or told.reset is None:
            window.is_silent = window.reset is None
        elif window.reset is None or told.reset > window.reset:
            if was_asking and window.is_late is None:
                window.is_late = False
            window.left = max(0, told.remaining - window.in_flight)
            window.limit, window.reset, window.asked_at = told.limit, told.reset, None
            window.told_at, window.longest_s = now, told.longest_s
        elif told.reset == window.reset:
            window.is_late = True if was_asking else window.is_late
            window.left = min(window.left, told.remaining)

    async def unanswered(self, account: str) -> None:
        """Give back a reserved call that got no answer; it counts as used."""
        window = self._windows[account]
        window.in_flight -= 1
        window.asked_at = None

    async def refused(self, account: str, until: float) -> None:
        """Let nobody call before *until*, epoch seconds."""
        window = self._windows.setdefault(account, _Window())
        window.blocked_until = max(window.blocked_until, until)


@dataclass(frozen=True, slots=True)
class Limiter:
    """Holds the calls of one vendor account within its window."""

    account: str
    store: WindowStore
    clock: Clock = field(default_factory=Clock)
    longest_wait_s: float = 35.0
    """A longer wait is the job's, not the call's: RateLimited is raised instead."""

    async def wait(self) -> None:
        """Return when one call may be sent. Raises RateLimited when that is too far away."""
        started_at = self.clock.now()
        while True:
            now = self.clock.now()
            delay = await self.store.reserve(self.account, now)
            if delay == 0.0:
                return
            if now + delay - started_at > self.longest_wait_s:
                raise RateLimited("the vendor's limit is used up", retry_at=self.clock.at(delay))
            await self.clock.sleep(delay)
