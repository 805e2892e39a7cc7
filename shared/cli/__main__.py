"""`python -m shared.cli`: exit code 0 when it was done, 1 when not, 2 when it could not be read."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence

LOADED_OBJECTS = 100_000
"""Made between two looks of the garbage collector. What a command loads stays; at the default of 700 the collector
walks it again and again while it grows, a twentieth of the time until a command begins."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code. A foreseen error is one JSON line on standard error."""
    gc.set_threshold(LOADED_OBJECTS)
    from shared.cli.running import run

    return run(sys.argv[1:] if arguments is None else arguments)


if __name__ == "__main__":
    sys.exit(main())
