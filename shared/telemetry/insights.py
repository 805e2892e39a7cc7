"""
Application Insights through opencensus-ext-azure 1.1.15: the only module that imports an exporter.

Every event goes to `customEvents` (text fields as dimensions, numbers as measurements), warnings and errors to
`traces` as well, for their severity, and exceptions to `exceptions` with class and places, but without their text.
Upstream has ended this exporter; a successor is another module with `handlers` like this one.
"""

from __future__ import annotations

import logging
from pathlib import PurePath
from threading import Thread
from typing import Any

from opencensus.common.schedule import Queue, QueueEvent
from opencensus.ext.azure.log_exporter import AzureEventHandler, AzureLogHandler

from shared.telemetry.events import EventRecord
from shared.telemetry.redaction import MASKED, Redactor

EXPORT_INTERVAL_S = 5.0
GRACE_S = 5.0
TIMEOUT_S = 10.0


class _Mended:
    """Two faults of the library's handlers, mended."""

    _queue: Queue
    _worker: Thread

    def createLock(self) -> None:  # noqa: N802  # the library's name
        """Make a lock. Theirs have none, which `logging` of Python 3.13 uses unasked: each call would raise."""
        logging.Handler.createLock(self)  # type: ignore[arg-type]

    def flush(self, timeout: float | None = None) -> None:
        """
        Send what was given so far, and wait for it *timeout* seconds at most; without a timeout do nothing.

        Theirs looks at the queue alone and misses what the sending thread has taken from it and still collects.
        `logging.shutdown` comes without a timeout; the `close` that follows sends everything.
        """
        if timeout is None or not self._worker.is_alive():
            return
        until_here = QueueEvent("flush")
        self._queue.put(until_here, block=True, timeout=timeout)
        until_here.wait(timeout)


class _Events(_Mended, AzureEventHandler):  # type: ignore[misc]  # the library says no types
    """Every event of ours."""

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record, EventRecord):
            super().emit(_with_dimensions(record))


class _Traces(_Mended, AzureLogHandler):  # type: ignore[misc]  # likewise
    """Warnings, errors and exceptions."""

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record, EventRecord) and record.levelno >= logging.WARNING:
            super().emit(_with_exception(_with_dimensions(record)))


class _NameOnly(logging.Formatter):
    """The event's name alone: no argument, and above all no text of an exception."""

    def format(self, record: logging.LogRecord) -> str:
        return record.event if isinstance(record, EventRecord) else "text_logged"


def handlers(connection: str, *, role: str, redactor: Redactor, keep_on_disk: bool) -> list[logging.Handler]:
    """
    Make the handlers that send to *connection*.

    *keep_on_disk*: batches that the service could not take now wait in the temporary folder.
    """
    made: list[logging.Handler] = []
    for handler_type in (_Events, _Traces):
        handler = handler_type(
            connection_string=connection,
            export_interval=EXPORT_INTERVAL_S,
            grace_period=GRACE_S,
            timeout=TIMEOUT_S,
            enable_local_storage=keep_on_disk,
        )
        handler.setFormatter(_NameOnly())
        handler.add_telemetry_processor(_Outgoing(role, redactor))
        made.append(handler)
    return made


class _Outgoing:
    """Names the role and redacts once more. An exception here would send the item unmasked, so none leaves."""

    def __init__(self, role: str, redactor: Redactor) -> None:
        self._role = role
        self._redactor = redactor

    def __call__(self, envelope: Any) -> bool:
        try:
            envelope.tags["ai.cloud.role"] = self._role
            data = envelope.data.baseData
            self._mask(data)
            for exception in data.get("exceptions") or ():
                self._mask(exception)
        except Exception:  # noqa: BLE001  # what can't be examined is not sent
            return False
        return True

    def _mask(self, data: Any) -> None:
        for key in ("message", "name", "typeName"):
            if data.get(key):
                data[key] = self._redactor.text(str(data[key]))
        properties = data.get("properties")
        for key, value in list(properties.items()) if properties else ():
            properties[key] = self._redactor.text(value) if isinstance(value, str) else value
        for place in data.get("parsedStack") or ():
            place["fileName"] = PurePath(str(place.get("fileName") or MASKED)).name


def _with_dimensions(record: EventRecord) -> EventRecord:
    """Put the fields where opencensus looks for them. Lists become text: a dimension is one string."""
    record.custom_dimensions = {"level": record.levelname.lower(), "logger": record.name}
    record.custom_measurements = {}
    for key, value in record.fields.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            record.custom_measurements[key] = float(value)
        else:
            record.custom_dimensions[key] = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    if record.metric_value is not None:
        record.custom_measurements["value"] = float(record.metric_value)
    return record


def _with_exception(record: EventRecord) -> EventRecord:
    record.exc_info = record.stack
    return record
