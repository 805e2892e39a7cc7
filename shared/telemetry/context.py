"""Fields that hold for all events of a request or a job, carried by the context and not by arguments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

_NONE: Mapping[str, object] = MappingProxyType({})
_bound: ContextVar[Mapping[str, object]] = ContextVar("liaison_fields", default=_NONE)


@contextmanager
def bound(**fields: object) -> Iterator[None]:
    """Add *fields* to every event until the block ends, in this task and in those that it starts."""
    token = _bound.set({**_bound.get(), **fields})
    try:
        yield
    finally:
        _bound.reset(token)


def bound_fields() -> Mapping[str, object]:
    """Give what is bound here."""
    return _bound.get()
