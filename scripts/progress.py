"""What a check that goes on where it stopped says when it is stopped: its last line is how far it is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

INTERRUPTED = 130


@contextmanager
def telling_how_far(done_of_all: Callable[[], tuple[int, int]], things: str) -> Iterator[None]:
    """
    Where the block is interrupted, print how many *things* are done, and exit with `INTERRUPTED`.

    `make verify` interrupts what is out of time, and keeps the last line.
    """
    try:
        yield
    except KeyboardInterrupt:
        done, known = done_of_all()
        print(f"{done} of {known} {things} so far; the next call goes on", flush=True)
        sys.exit(INTERRUPTED)
