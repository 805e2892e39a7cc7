"""One pull by the command line, in a process of its own: its figures, its seconds from start to end, its memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

import psycopg

from tests.bench.stack import ROOT, Stack

WRITTEN = ("records", "external_entity_map")


@dataclass(frozen=True)
class Pulled:
    """What a pull came to."""

    figures: dict[str, Any]
    """The line that the command printed."""
    seconds: float
    """Of the whole process, imports included."""
    cpu_s: float

    @property
    def peak_rss_bytes(self) -> int:
        """By the process's own account: what `wait4` says includes the memory of who started it."""
        return int(self.figures["peak_rss_bytes"])


def pull(stack: Stack) -> Pulled:
    """Run a full pull of candidates. Raises RuntimeError with what it said if it fails."""
    options = ["--integration", str(stack.integration_id), "--entity", "candidate", "--mode", "full", "--no-limiter"]
    started = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "shared.cli", "pull", *options],
        cwd=ROOT,
        env=dict(stack.environment),
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    with process.stdout as output:
        said = output.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - started
    if process.returncode != 0:
        raise RuntimeError(f"the pull ended with {process.returncode}: {said.decode()}")
    figures: dict[str, Any] = json.loads(said.splitlines()[-1])
    return Pulled(figures, seconds, usage.ru_utime + usage.ru_stime)


def versions(stack: Stack) -> dict[str, dict[tuple[str, str], int]]:
    """Return where each row of the records and links lies and which transaction wrote it: a rewritten row moves."""
    with psycopg.connect(stack.admin_dsn) as connection:
        return {
            table: {
                (str(row[0]), str(row[1])): row[2]
                for row in connection.execute(f"SELECT id, ctid::text, xmin::text::bigint FROM {table}")  # noqa: S608
            }
            for table in WRITTEN
        }
