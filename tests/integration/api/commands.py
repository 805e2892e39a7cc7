"""The command line, run on a test's own parts."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from shared.cli.__main__ import main

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    lines: list[dict[str, Any]]
    faults: str


@dataclass(frozen=True)
class Cli:
    """The command line on this test's parts, run in a thread: it has an event loop of its own."""

    environment: Mapping[str, str]
    patch: pytest.MonkeyPatch

    async def __call__(self, *arguments: object, text: str = "") -> Ended:
        out, err = io.StringIO(), io.StringIO()
        with self.patch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            for name, value in self.environment.items():
                patch.setenv(name, value)
            patch.setattr(sys, "stdin", io.StringIO(text))
            code = await asyncio.to_thread(_main, [str(argument) for argument in arguments])
        return Ended(code, [json.loads(line) for line in out.getvalue().splitlines()], err.getvalue())

    async def alone(self, *arguments: object) -> Ended:
        """Run it as a process of its own."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "shared.cli", *map(str, arguments),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            cwd=ROOT, env={"PATH": "", **self.environment},
        )  # fmt: skip
        answered, failed = await asyncio.wait_for(process.communicate(), 60)
        return Ended(process.returncode or 0, [json.loads(line) for line in answered.splitlines()], failed.decode())


def _main(arguments: list[str]) -> int:
    try:
        return main(arguments)
    except SystemExit as ended:
        return int(ended.code or 0)
