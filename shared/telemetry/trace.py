"""W3C trace context: the thread from a webhook through queue and job to the vendor's call."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

SAMPLED = "01"

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


@dataclass(frozen=True, slots=True)
class Trace:
    """One span of a trace. `str()` gives the `traceparent` that messages and outgoing calls carry."""

    trace_id: str
    span_id: str
    flags: str = SAMPLED

    def child(self) -> Trace:
        """Begin a span below this one."""
        return Trace(self.trace_id, os.urandom(8).hex(), self.flags)

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


_current: ContextVar[Trace | None] = ContextVar("liaison_trace", default=None)


def new_trace() -> Trace:
    """Begin a trace."""
    return Trace(os.urandom(16).hex(), os.urandom(8).hex())


def parse_trace(traceparent: str | None) -> Trace | None:
    """
    Read a `traceparent` header (W3C Trace Context, 3.2); None for a missing or malformed one.

    A version above 00 may carry more at the end; ff and ids of zeros alone are invalid.
    """
    match = _TRACEPARENT.fullmatch((traceparent or "").strip())
    if match is None:
        return None
    version, trace_id, span_id, flags, more = match.groups()
    if version == "ff" or (version == "00" and more) or not trace_id.strip("0") or not span_id.strip("0"):
        return None
    return Trace(trace_id, span_id, flags)


def current_trace() -> Trace | None:
    """Give the span that runs here."""
    return _current.get()


@contextmanager
def continued(traceparent: str | None) -> Iterator[Trace]:
    """Run the block in a new span: below *traceparent*, else below the current span, else of a new trace."""
    parent = parse_trace(traceparent) or _current.get() or new_trace()
    span = parent.child()
    token = _current.set(span)
    try:
        yield span
    finally:
        _current.reset(token)
