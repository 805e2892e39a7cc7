"""Standard output: one JSON object a line for machines, aligned columns for people."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

from shared.telemetry.events import NO_TRACE_ID, EventRecord

EVENT_WIDTH = 28


class JsonLines(logging.Formatter):
    """`{"time": …, "level": "info", "event": …, "logger": …, <fields>}`; a field can't take one of those four names."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one line."""
        head: dict[str, object] = {
            "time": _moment(record).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
        }
        if not isinstance(record, EventRecord):
            return json.dumps({**head, "event": "text_logged", "logger": record.name})
        head |= {"event": record.event, "logger": record.name}
        if record.traceId != NO_TRACE_ID:
            head |= {"trace_id": record.traceId, "span_id": record.spanId}
        if record.metric_value is not None:
            head["value"] = record.metric_value
        return json.dumps({**head, **record.fields, **head}, ensure_ascii=False)


class Columns(logging.Formatter):
    """`09:30:00.123 info    job_finished                 outcome=complete …`."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one line."""
        head = f"{_moment(record):%H:%M:%S}.{int(record.msecs):03d} {record.levelname.lower():<7}"
        if not isinstance(record, EventRecord):
            return f"{head} text_logged logger={record.name}"
        values = {} if record.metric_value is None else {"value": record.metric_value}
        pairs = " ".join(f"{key}={value}" for key, value in {**values, **record.fields}.items())
        return f"{head} {record.event:<{EVENT_WIDTH}} {pairs}".rstrip()


def _moment(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)
