"""`python -m sandbox up` as a process, as its users start it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.services.folders import reachable_base
from sandbox.services.identity import ProcessIdentity
from sandbox.stack import DESCRIPTION

ROOT = Path(__file__).parents[3]
STOP_SECONDS = 120


@dataclass
class Up:
    """A running `up` and what it said."""

    process: subprocess.Popen[str]
    told: dict[str, Any]

    def folders(self) -> list[Path]:
        """Return the folders that its services have on disk."""
        return sorted(reachable_base().glob(f"*.{self.process.pid}-*"))

    def described(self) -> Path:
        """Return the file that describes it; written anew when the host is replaced."""
        (found,) = (each / DESCRIPTION for each in self.folders() if each.name.startswith("stack."))
        return found

    def processes(self) -> list[ProcessIdentity]:
        """Return every process that it wrote down as started: services and their guardians."""
        files = [each / "processes" for each in self.folders()]
        return [ProcessIdentity.parse(line) for file in files if file.exists() for line in file.read_text().split()]

    def stop(self) -> int:
        """Send SIGTERM; return the exit code."""
        self.process.terminate()
        return self.process.wait(STOP_SECONDS)


@contextmanager
def up(*options: str) -> Iterator[Up]:
    """Run `python -m sandbox up --json` for the block, which may end it itself."""
    command = [sys.executable, "-m", "sandbox", "up", "--json", *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            assert line, "it ended before it served"
            yield Up(process, json.loads(line))
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(STOP_SECONDS)


def sandbox(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run another command of `python -m sandbox` to its end."""
    return run("sandbox", *arguments)


def run(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a module of ours to its end."""
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=480, check=False)  # noqa: S603
