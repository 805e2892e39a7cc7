"""
Counters and measurements, named like events, with few labels (platform, entity, outcome).

Counts are added up in the process and written as one event each ten seconds, so that a flood of forged webhooks
costs an addition each and a line now and then. They leave with the next count that finds them due, with
`write_counts` (the sweep calls it), with `flush`, or at exit.
Measurements are written one by one, because percentiles can't be had from sums.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from threading import Lock

from shared.telemetry.events import EventLogger

PERIOD_S = 10.0
MAX_SERIES = 500

Label = str | int | bool
Series = tuple[str, tuple[tuple[str, Label], ...]]

_log = EventLogger("metrics")


class Counts:
    """Counts by name and labels, until they are written."""

    def __init__(self, write: Callable[[str, float, dict[str, object]], None], clock: Callable[[], float]) -> None:
        self._write = write
        self._clock = clock
        self._lock = Lock()
        self._open: Counter[Series] = Counter()
        self._since = clock()

    def add(self, name: str, value: int, labels: dict[str, Label]) -> None:
        """Count, and write everything if the oldest count is a period old or there are too many series."""
        series = (name, tuple(sorted(labels.items())))
        with self._lock:
            if not self._open:
                self._since = self._clock()
            self._open[series] += value
            is_due = self._clock() - self._since >= PERIOD_S or len(self._open) >= MAX_SERIES
        if is_due:
            self.write()

    def write(self) -> None:
        """Write what was counted since the last time."""
        with self._lock:
            counted, self._open = self._open, Counter()
        for (name, labels), value in counted.items():
            self._write(name, value, dict(labels))


def _write(name: str, value: float, labels: dict[str, object]) -> None:
    _log.metric(name, value, labels)


_counts = Counts(_write, time.monotonic)


def count(name: str, value: int = 1, /, **labels: Label) -> None:
    """Add *value* to the counter *name*. Labels are few and of few values: never an id of a record."""
    _counts.add(name, value, labels)


def measure(name: str, value: float, /, **fields: object) -> None:
    """Write the measurement *name*, its unit in the name (`_ms`, `_bytes`). Its fields may be ids."""
    _log.metric(name, value, fields)


def write_counts() -> None:
    """Write the counts now. Called by what runs regularly, so that a lone count is not held back for long."""
    _counts.write()
