"""Tables of ids on the command line."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from shared.cli.output import fault, result
from shared.cli.session import composed
from shared.sync.identity.id_map_rows import Verdict

GOOD = frozenset({Verdict.LINKED, Verdict.ALREADY_LINKED})


async def import_id_map(asked: argparse.Namespace) -> int:
    """Link the records that a CSV names; 1 if a row could not be."""
    text = _read(asked.file)
    async with composed() as services:
        results = await services.id_maps.run(asked.company, asked.integration, text, is_trial=asked.dry_run)
    faults = [each for each in results if each.verdict not in GOOD]
    for each in faults:
        fault({"line": each.line, "code": each.verdict.value, "detail": each.detail})
    result({"dry_run": asked.dry_run, "counts": dict(Counter(each.verdict.value for each in results))})
    return 1 if faults else 0


def _read(name: str) -> str:
    return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
