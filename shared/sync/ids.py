"""Ids of new rows: random ones, as `uuid.uuid4` makes them, with the randomness for many fetched at once."""

from __future__ import annotations

import os
from uuid import UUID

AT_ONCE = 256
"""Each call of the operating system lets another thread have the interpreter: by itself it costs as much as merging
three fields, and a page makes a thousand ids."""

_ready: list[UUID] = []
# A forked process would hand out the ids of its parent.
os.register_at_fork(after_in_child=_ready.clear)


def new_id() -> UUID:
    """Return an id that nothing else has."""
    while True:
        try:
            return _ready.pop()
        except IndexError:
            random = os.urandom(16 * AT_ONCE)
            _ready.extend(UUID(bytes=random[at : at + 16], version=4) for at in range(0, len(random), 16))
