"""`python -m tests.acceptance.kills --kills 50`: a paragraph for each ten kills; exit 1 if anything was not right."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from sandbox.services.folders import CLONE
from scripts import sources
from scripts.resuming import KeptResults, be_interrupted_when_told_to_end, say, telling_how_far
from scripts.sources import fingerprint_of_sources
from tests.acceptance.kills import clock
from tests.acceptance.kills.chunk import run_chunk
from tests.acceptance.kills.faults import Spans
from tests.acceptance.kills.plan import Result, chunks, told


def main() -> int:
    """Run the chunks that have no good result on these sources yet; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.acceptance.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, default=CLONE / ".local" / "kills.json", help="results that were good")
    parser.add_argument("--short", action="store_true", help="outages of half a minute instead of five")
    parser.add_argument("--chunk", type=int, help="only these ten, counted from 1")
    parser.add_argument("--again", action="store_true", help="also what was good before")
    asked = parser.parse_args()
    be_interrupted_when_told_to_end()
    try:
        clock.library()
    except clock.NoFaketime as missing:
        say(str(missing))
        return 1
    spans = Spans.short() if asked.short else Spans()
    kept = KeptResults(asked.keep, fingerprint_of_sources(sources.KILLS), Result)
    results: list[Result] = []
    planned = chunks(asked.kills, asked.seed)
    with telling_how_far(lambda: (sum(each.kills for each in results), asked.kills), "kills tried"):
        for chunk in planned if asked.chunk is None else planned[asked.chunk - 1 : asked.chunk]:
            name = f"{asked.kills}:{asked.seed}:{chunk.number}{':short' if asked.short else ''}"
            found = None if asked.again else kept.find(name)
            if found is None:
                found = [run_chunk(chunk, spans)]
                kept.keep(name, found)
            for result in found:
                say(told(result))
            results += found
    say(_summed(results))
    return 1 if any(each.wrong for each in results) else 0


def _summed(results: Sequence[Result]) -> str:
    verdicts = sum((Counter(each.verdicts) for each in results), Counter[str]())
    edits = ", ".join(f"{count} {name}" for name, count in sorted(verdicts.items()))
    good = sum(each.kills for each in results if not each.wrong)
    kinds = {fault for each in results for fault in each.faults}
    slowest_s = max(each.converged_s for each in results)
    return (
        f"{good} of {sum(each.kills for each in results)} kills right, {len(kinds)} kinds of faults,"
        f" {sum(each.edits for each in results)} edits ({edits}), converged within {slowest_s:.0f} s,"
        f" {sum(each.throttled for each in results)} refusals"
    )


if __name__ == "__main__":
    sys.exit(main())
