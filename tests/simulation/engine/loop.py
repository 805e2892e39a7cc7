"""
An event loop without a world outside.

Its time is a counter; nothing sleeps, and there are no sockets, no threads and no signals: whoever asks for one gets
NotImplementedError or RuntimeError. When nothing is ready any more, the loop asks its driver, who lets a parked step go
on, performs the next step of the story, or moves the counter to the next timer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

TICK_S = 1e-6
"""Resolution of the clock: the database counts in microseconds."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs callbacks in the order in which they became ready, and asks *when_dry* whenever none is."""

    def __init__(self, when_dry: Callable[[], None]) -> None:
        super().__init__()
        self._now = 0.0
        self._clock_resolution = TICK_S
        self._selector = _Dry(when_dry)

    def time(self) -> float:
        """Return the seconds since the world began."""
        return self._now

    def advance(self, to: float) -> None:
        """Move the clock on to *to*; timers that are due by then run next."""
        self._now = max(self._now, to)

    def next_timer(self) -> float | None:
        """Return when the next timer is due; None if there is none."""
        timers: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        return min((each.when() for each in timers if not each.cancelled()), default=None)

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]  # noqa: ARG002
        """Refuse: a thread runs whenever it likes."""
        raise RuntimeError("no threads in a simulated world")

    def _process_events(self, event_list: object) -> None:
        """There are no events from outside."""

    def _write_to_self(self) -> None:
        """Nobody calls from another thread."""


class _Dry:
    """What the loop takes for its selector: it is asked exactly when nothing is ready."""

    def __init__(self, when_dry: Callable[[], None]) -> None:
        self._when_dry = when_dry

    def select(self, timeout: float | None) -> list[Any]:
        """Ask the driver, unless something is ready (*timeout* 0)."""
        if timeout is None or timeout > 0:
            self._when_dry()
        return []

    def close(self) -> None:
        """Nothing is open."""
