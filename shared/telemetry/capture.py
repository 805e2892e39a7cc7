"""Events as values, for tests and for the demo's table."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from shared.telemetry.events import ROOT, EventRecord
from shared.telemetry.metrics import write_counts
from shared.telemetry.redaction import Safe


@dataclass(frozen=True, slots=True)
class Captured:
    """One event as it would have left the process."""

    event: str
    level: str
    fields: Mapping[str, Safe]
    value: float | None
    """Of a metric; None for other events."""
    trace_id: str


class _Collector(logging.Handler):
    def __init__(self, events: list[Captured]) -> None:
        super().__init__()
        self._events = events

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record, EventRecord):
            level = record.levelname.lower()
            self._events.append(Captured(record.event, level, record.fields, record.metric_value, record.traceId))


@contextmanager
def captured(level: int = logging.DEBUG) -> Iterator[list[Captured]]:
    """Collect every event from *level* up until the block ends; counts are written at its end."""
    events: list[Captured] = []
    root, collector = logging.getLogger(ROOT), _Collector(events)
    write_counts()
    before = root.level
    root.addHandler(collector)
    root.setLevel(level)
    try:
        yield events
    finally:
        write_counts()
        root.setLevel(before)
        root.removeHandler(collector)
