"""
Whether this process was asked to end, so that whoever works page by page hands its job back in time.

Functions' host tells a Python worker nothing about a stop (docs/operations.md, Stops and deployments). But some
platforms signal every process of a container, and there the worker would die at once, its jobs leased for a minute
more. So SIGTERM is heard: no further job is claimed, pulls end at their next page, and the process ends a little later
as it would have at once.
"""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType

GRACE_S = 20.0
"""From the signal to the end: a page takes seconds, and containers are given 30 s before they are killed."""

ENDED_BY_SIGTERM = 128 + signal.SIGTERM


class Draining:
    """The one of a process. Until `watch` was called it is never asked."""

    def __init__(self, *, grace_s: float = GRACE_S) -> None:
        self._grace_s = grace_s
        self._was_asked = False

    def is_asked(self) -> bool:
        """Tell whether the process was asked to end."""
        return self._was_asked

    def watch(self) -> None:
        """Hear SIGTERM, unless somebody does already or this is not the main thread, which alone may."""
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, self._hear)

    def _hear(self, _number: int, _frame: FrameType | None) -> None:
        if self._was_asked:
            return
        self._was_asked = True
        # A thread, because the loop may be busy with the very page that is waited for.
        timer = threading.Timer(self._grace_s, _end)
        timer.daemon = True
        timer.start()


def _end() -> None:
    """End with the code that the signal would have ended it with."""
    os._exit(ENDED_BY_SIGTERM)
