"""
Pace by the vendor's own window, as its headers tell it: limit, remaining, time of reset.

Calls of one vendor account share one window through a `WindowStore` (`shared.adapters.windows`), in which each
integration takes its share of the limit.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime

from shared.adapters.holding import Permit
from shared.adapters.window import Told
from shared.adapters.windows import WindowStore
from shared.errors import RateLimited

LONGEST_REFUSAL_S = 24 * 3600.0
LARGEST_NUMBER = 1e12
"""A header's number beyond this is neither a count nor a time."""
DEFAULT_REFUSAL_S = 30.0
"""Wait after a 429 that doesn't say how long."""


LONGEST_WAIT_S = 35.0
"""Longer than Greenhouse's window of 30 s. For a longer one the job waits instead of the call (RateLimited)."""
longest_wait_s: ContextVar[float] = ContextVar("longest_wait_s", default=LONGEST_WAIT_S)
"""How long calls of this task wait for their turn."""


@contextmanager
def waiting_at_most(seconds: float) -> Iterator[None]:
    """Let calls made inside wait so long for their turn, and raise RateLimited beyond it."""
    mark = longest_wait_s.set(seconds)
    try:
        yield
    finally:
        longest_wait_s.reset(mark)


@dataclass(frozen=True, slots=True)
class Clock:
    """Epoch seconds, and how to let time pass. An argument, so that tests need not wait."""

    now: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass(frozen=True, slots=True)
class WindowHeaders:
    """Names of the headers that tell the window. *reset* holds epoch seconds of the vendor's clock."""

    limit: str = "x-ratelimit-limit"
    remaining: str = "x-ratelimit-remaining"
    reset: str = "x-ratelimit-reset"
    longest_s: float = 60.0
    """No window of this vendor is longer; bounds the wait where its clock is off and its `Date` doesn't say so."""


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


@dataclass(frozen=True, slots=True)
class Limiter:
    """Holds the calls of one vendor account within a share of its window."""

    account: str
    store: WindowStore
    clock: Clock = field(default_factory=Clock)
    share: float = 1.0
    """Part of the vendor's limit that is ours; the rest is left to whatever else uses the account."""

    async def wait(self) -> Permit:
        """
        Return when one call may be sent; give the permit back.

        Raises RateLimited when that is farther away than `waiting_at_most` allows: the wait is then the job's.
        """
        longest_s = longest_wait_s.get()
        started_at = self.clock.now()
        while True:
            now = self.clock.now()
            found = await self.store.reserve(self.account, now, self.share)
            if isinstance(found, Permit):
                return found
            if now + found - started_at > longest_s:
                raise RateLimited("the vendor's limit is used up", wait_s=found)
            await self.clock.sleep(found)
