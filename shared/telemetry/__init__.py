"""
What Liaison tells about itself: events, counters, measurements, traces. The only configurer of logging.

    log = telemetry.get_logger(__name__)
    with telemetry.bound(company_id=..., integration_id=...), telemetry.continued(traceparent):
        log.info("job_finished", outcome="complete", duration_ms=12)
        telemetry.count("webhook_rejected", platform="greenhouse")

An event is a constant name in the past tense plus fields. Fields pass shared/telemetry/redaction.py, which knows no
exception: free text, objects and whatever looks like a person or a secret are masked there, once, before any output.
docs/security.md, "What is logged", tells the rules.
"""

from shared.telemetry.capture import Captured, captured
from shared.telemetry.context import bound, bound_fields
from shared.telemetry.events import EventLogger, get_logger
from shared.telemetry.metrics import count, measure, write_counts
from shared.telemetry.setup import configure, flush, shutdown
from shared.telemetry.trace import Trace, continued, current_trace, new_trace, parse_trace

__all__ = [
    "Captured",
    "EventLogger",
    "Trace",
    "bound",
    "bound_fields",
    "captured",
    "configure",
    "continued",
    "count",
    "current_trace",
    "flush",
    "get_logger",
    "measure",
    "new_trace",
    "parse_trace",
    "shutdown",
    "write_counts",
]
