"""What the command line says: one JSON object a line, results on standard output, faults on standard error."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from pydantic import ValidationError

from shared.store.database import as_json


def result(content: Mapping[str, object]) -> None:
    """Print one result."""
    print(as_json(dict(content)), flush=True)


def fault(content: Mapping[str, object]) -> None:
    """Print one fault."""
    print(as_json({name: value for name, value in content.items() if value is not None}), file=sys.stderr, flush=True)


def faults_of(error: ValidationError) -> str:
    """Return the paths and rules of *error*, no value among them."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'.'.join(str(step) for step in each['loc'])}: {each['msg']}" for each in faults)
