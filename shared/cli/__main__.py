"""`python -m shared.cli`: exit code 0 when it was done, 1 when not, 2 when it could not be read."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from importlib import import_module

from pydantic import ValidationError

from shared.cli.arguments import parse
from shared.cli.output import fault, faults_of
from shared.errors import LiaisonError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code. A foreseen error is one JSON line on standard error."""
    asked = parse(sys.argv[1:] if arguments is None else arguments)
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


if __name__ == "__main__":
    sys.exit(main())
