"""One command, from its words to its exit code."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from importlib import import_module

from pydantic import ValidationError

from shared.cli.arguments import parse
from shared.cli.output import fault, faults_of
from shared.errors import LiaisonError


def run(arguments: Sequence[str]) -> int:
    """Run the command that *arguments* say; return its exit code. Foreseen errors are told on standard error."""
    asked = parse(arguments)
    module, name = asked.run.split(":")
    command: Callable[..., Awaitable[int]] = getattr(import_module(module), name)
    try:
        return asyncio.run(_run(command, asked))
    except LiaisonError as error:
        fault({"code": error.code, "detail": str(error), "remedy": error.remedy})
        return 1
    except ValidationError as error:
        fault({"code": "invalid_input", "detail": faults_of(error)})
        return 1


async def _run(command: Callable[..., Awaitable[int]], asked: object) -> int:
    return await command(asked)
