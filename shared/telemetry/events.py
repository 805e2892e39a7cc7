"""Loggers whose entries are events: a constant name and fields, redacted before any handler sees them."""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Mapping
from pathlib import PurePath
from types import TracebackType

from shared.telemetry.context import bound_fields
from shared.telemetry.redaction import Redactor, Safe
from shared.telemetry.trace import Trace, current_trace

ROOT = "liaison"
INVALID_NAME = "event_name_invalid"
NO_TRACE_ID = "0" * 32
NO_SPAN_ID = "0" * 16
STACK_DEPTH = 12

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_PACKAGES = re.compile(r"^(?:shared|functions)\.")

_redactor = Redactor()


class EventRecord(logging.LogRecord):
    """
    A log record of ours: what handlers need, all of it fit to leave the process.

    `getMessage` gives the whole event as text, so that a handler that knows nothing of events (the Functions
    worker's, a test runner's) shows it complete.
    """

    def __init__(self, logger: str, level: int, event: str, fields: Mapping[str, Safe], trace: Trace | None) -> None:
        super().__init__(logger, level, logger, 0, event, None, None)
        self.event = event
        self.fields = fields
        self.metric_value: float | None = None
        self.stack: ExcInfo | None = None
        self.traceId = trace.trace_id if trace else NO_TRACE_ID  # the names that opencensus reads
        self.spanId = trace.span_id if trace else NO_SPAN_ID
        self.custom_dimensions: dict[str, str] = {}
        self.custom_measurements: dict[str, float] = {}

    def getMessage(self) -> str:  # noqa: N802  # the library's name
        """Give `event key=value …`."""
        return " ".join([self.event, *(f"{key}={value}" for key, value in self.fields.items())])


class EventLogger:
    """
    Writes events. A name is a constant like `job_finished`; whatever varies is a field.

    `debug` is for a developer, `info` once per unit of work, `warning` when somebody may need to look, `error`
    when somebody must.
    """

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(f"{ROOT}.{_PACKAGES.sub('', name)}")

    def debug(self, event: str, /, **fields: object) -> None:
        """Write *event* for a developer."""
        self._write(logging.DEBUG, event, fields)

    def info(self, event: str, /, **fields: object) -> None:
        """Write *event*: something was done."""
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, /, **fields: object) -> None:
        """Write *event*: somebody may need to look."""
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, /, **fields: object) -> None:
        """Write *event*: somebody must look."""
        self._write(logging.ERROR, event, fields)

    def exception(self, event: str, /, **fields: object) -> None:
        """
        Write *event* as an error with the class and places of the exception being handled.

        Its text is left out: an unforeseen error may quote what it was given.
        """
        kind, raised, trace = sys.exc_info()
        stack = None if kind is None or raised is None else (kind, raised, trace)
        self._write(logging.ERROR, event, fields, stack)

    def metric(self, name: str, value: float, fields: Mapping[str, object], *, level: int = logging.INFO) -> None:
        """Write the metric *name*; see shared/telemetry/metrics.py."""
        if self._logger.isEnabledFor(level):
            record = self._record(level, name, fields)
            record.metric_value = value
            self._logger.handle(record)

    def _write(self, level: int, event: str, fields: Mapping[str, object], stack: ExcInfo | None = None) -> None:
        if not self._logger.isEnabledFor(level):
            return
        if stack is not None:
            fields = {**fields, "error_class": stack[0].__name__, "stack": _places(stack[2])}
        record = self._record(level, event, {**bound_fields(), **fields})
        record.stack = stack
        self._logger.handle(record)

    def _record(self, level: int, event: str, fields: Mapping[str, object]) -> EventRecord:
        name = event if _NAME.fullmatch(event) else INVALID_NAME
        return EventRecord(self._logger.name, level, name, _redactor.fields(fields), current_trace())


def get_logger(name: str) -> EventLogger:
    """Give the logger of module *name* (`__name__`)."""
    return EventLogger(name)


def use_redactor(redactor: Redactor) -> None:
    """Let *redactor* stand before all further events."""
    global _redactor  # noqa: PLW0603  # one net for the process, set once at start
    _redactor = redactor


def _places(trace: TracebackType | None) -> list[str]:
    """Give the innermost frames as `module.py:12:function`, without their source lines and without folders."""
    frames = traceback.extract_tb(trace)[-STACK_DEPTH:]
    return [f"{PurePath(frame.filename).name}:{frame.lineno}:{frame.name}" for frame in frames]
