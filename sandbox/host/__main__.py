"""`python -m sandbox.host`: serve a project folder as the Functions host would."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandbox.host.settings import environment_with_local
from sandbox.host.supervisor import Supervisor


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal comes; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.host", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path(), help="folder of function_app.py")
    parser.add_argument("--port", type=int, default=7071, help="0 takes a free one")
    parser.add_argument("--json", action="store_true", help="announce as one JSON line")
    options = parser.parse_args(arguments)
    root = options.root.resolve()

    def announce(host: Mapping[str, Any]) -> None:
        text = json.dumps(host) if options.json else f"serving {root} at {host['url']}"
        print(text, flush=True)

    # The stand-in takes the place of the platform, which makes the environment of an app.
    environment = environment_with_local(root, os.environ)  # noqa: TID251
    return Supervisor(root, options.port, environment, announce).run()


if __name__ == "__main__":
    sys.exit(main())
