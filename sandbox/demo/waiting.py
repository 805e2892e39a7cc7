"""Wait for what another system is about to do, with a deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

LOOK_EVERY_S = 0.1

Found = TypeVar("Found")


class NotInTime(Exception):
    """What a step promised did not come about; the text says what was waited for, and what was there instead."""


def until(look: Callable[[], Found | None], what: str, *, within: float, seen: Callable[[], object] = str) -> Found:
    """
    Return what *look* finds, as soon as that is anything at all: true, not None, not empty.

    Raises NotInTime after *within* seconds, with *what* was waited for and what *seen* shows then.
    """
    deadline = time.monotonic() + within
    pause = threading.Event()
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise NotInTime(f"not within {within:.0f} s: {what} {seen()}".rstrip())
        pause.wait(LOOK_EVERY_S)
