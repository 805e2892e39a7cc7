"""
What production's statements looked like when their imitations were last held against them.

    python -m tests.simulation.store.fingerprints        # after bringing an imitation in step: writes fingerprints.json

The names of columns and parameters break loudly when they change; a condition that is added to a statement does not.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

import orjson

import tests.simulation.store.imitations  # noqa: F401 - registers every imitation
from tests.simulation.store.statements import statements

FILE = Path(__file__).with_suffix(".json")
MIGRATIONS = Path(__file__).parents[3] / "shared" / "store" / "migrations"

FUNCTIONS = (
    "all_integrations", "claim_job", "companies_to_remind", "company_of_integration", "due_jobs", "due_schedules",
    "integration_runs", "is_due_if_named", "is_quiet", "last_priority", "lease_job", "tend_queue", "told_of_breakers",
    "told_of_vanishing",
)  # fmt: skip
"""Functions of the database that statements call, and that are imitated with them."""


def current() -> Mapping[str, str]:
    """Return a fingerprint by the label of each statement, and by the name of each function."""
    found = {statement.label: _print(query) for query, statement in statements().items()}
    texts = [path.read_text() for path in sorted(MIGRATIONS.glob("*.sql"))]
    for name in FUNCTIONS:
        bodies = [body for text in texts for body in re.findall(rf"FUNCTION {name}\(.*?(?=\n\n|\Z)", text, re.DOTALL)]
        found[f"{name}()"] = _print("\n".join(body for body in bodies if "RETURN" in body))
    return dict(sorted(found.items()))


def recorded() -> Mapping[str, str]:
    """Return those that were written down."""
    known: Mapping[str, str] = orjson.loads(FILE.read_bytes())
    return known


def _print(text: str) -> str:
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()[:12]


if __name__ == "__main__":
    FILE.write_bytes(orjson.dumps(current(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
