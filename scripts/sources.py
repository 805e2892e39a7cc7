"""
The files that each long check rests on, and a fingerprint of them.

A result holds as long as these files are what they were: the rows of docs/verification.md,
and whatever a check that was stopped remembers, are kept by this fingerprint. Paths are
git's pathspecs. That they hold everything of ours that a check imports is tested; this
file and scripts/resuming.py decide no result, and are among none.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

EVERYTHING = (".", ":!docs", ":!*.md")

NO_TESTS = ":(exclude,glob)tests/simulation/**/test_*.py"
"""Which seeds CI plays changes nothing of what a world is."""

RULES = ("requirements.txt", "shared/errors.py", "shared/merge", "shared/model", "tests/simulation/rules", NO_TESTS)
WORLDS = ("requirements.txt", "shared", "tests/simulation", NO_TESTS)

MUTATION = (
    "pyproject.toml",
    "requirements.txt",
    "requirements-dev.txt",
    "scripts/mutation.py",
    "scripts/survivors.py",
    "tests/fixtures",
)
MERGE_MUTANTS = (
    *MUTATION,
    "docs/merge.md",
    "shared/errors.py",
    "shared/merge",
    "shared/model",
    "tests/property/merge",
    "tests/unit/merge",
)
LEDGER_MUTANTS = (
    *MUTATION,
    "docs/parity.md",
    "shared",
    "tests/unit/documents/pages.py",
    "tests/unit/merge/lab.py",
    "tests/unit/sync",
)

SERVICES = ("requirements.txt", "requirements-sandbox.txt", "sandbox", "shared", "tests/fixtures")
"""Our code on PostgreSQL, Azurite and simulators, without a host."""
PARITY = (*SERVICES, "tests/bench", "tests/parity_proof")
PREVIEWS = (*SERVICES, *WORLDS, "tests/integration/sync/world.py", "tests/preview_proof", "tests/proving.py")

STACK = (*SERVICES, "function_app.py", "functions", "host.json")
"""Everything that runs when the whole stack does."""
PAST = (
    *STACK,
    *WORLDS,
    "tests/integration/api/calling.py",
    "tests/integration/sync/world.py",
    "tests/past_proof",
    "tests/proving.py",
)
KILL_POINTS = (*STACK, "scripts/compare_demo.py", "tests/acceptance/kill_points")
KILLS = (*KILL_POINTS, "tests/acceptance/kills")
INTAKE = (*STACK, "scripts/intake_load.py", "scripts/intake_sender.py", "tests/acceptance/intake")


def fingerprint_of_sources(paths: Sequence[str], root: Path = ROOT) -> str:
    """Return a fingerprint of those files below *paths* that git keeps, or would once they are added."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", *paths]
    names = subprocess.run(listing, cwd=root, check=True, capture_output=True, text=True).stdout  # noqa: S603
    digest = hashlib.sha256()
    for name in sorted(filter(None, names.split("\0"))):
        if (path := root / name).is_file():
            digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\0".encode())
    return digest.hexdigest()[:12]
