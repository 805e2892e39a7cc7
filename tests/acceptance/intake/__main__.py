"""`python -m tests.acceptance.intake`: the load of `make intake`."""

from __future__ import annotations

import sys

from scripts.intake_load import main

if __name__ == "__main__":
    sys.exit(main())
