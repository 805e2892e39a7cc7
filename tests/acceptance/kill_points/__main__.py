"""`python -m tests.acceptance.kill_points --points 20`: print a table; exit 1 if anything was not as promised."""

from __future__ import annotations

import argparse
import sys

from sandbox.services.folders import CLONE
from sandbox.stack import running_stack
from scripts import sources
from scripts.resuming import KeptResults, be_interrupted_when_told_to_end, say, telling_how_far
from scripts.sources import fingerprint_of_sources
from tests.acceptance.kill_points.drain import run_drain
from tests.acceptance.kill_points.plan import table, waves
from tests.acceptance.kill_points.wave import PROMISED_S, Result, run_wave


def main() -> int:
    """Try the points that have no good result on these sources yet; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.acceptance.kill_points", description=__doc__)
    parser.add_argument("--points", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--drain", action="store_true", help="only this: SIGTERM in a first sync")
    parser.add_argument("--again", action="store_true", help="also what was good before")
    asked = parser.parse_args()
    be_interrupted_when_told_to_end()
    if asked.drain:
        with running_stack() as stack:
            drained = run_drain(stack, asked.seed)
        say(table([drained]))
        return 1 if drained.wrong else 0
    kept = KeptResults(CLONE / ".local" / "kill_points.json", fingerprint_of_sources(sources.KILL_POINTS), Result)
    planned = waves(asked.points, asked.seed)
    missing = [wave for wave in planned if asked.again or kept.find(wave.name) is None]
    results: list[Result] = [each for wave in planned if wave not in missing for each in kept.find(wave.name) or ()]
    if missing:
        with telling_how_far(lambda: (len(results), asked.points), "points tried"), running_stack() as stack:
            for wave in missing:
                found = run_wave(stack, wave.points, wave.seed)
                kept.keep(wave.name, found)
                results += found
                say(table(found))
    bad = sum(bool(each.wrong) for each in results)
    say(f"\n{table(results)}\n")
    slowest = max(each.converged_s for each in results)
    say(
        f"{len(results) - bad} of {len(results)} points right within {PROMISED_S:.0f} s, slowest {slowest:.0f} s,"
        f" first sweep after {max(each.sweep_s for each in results):.0f} s at most,"
        f" at most {max(each.repeated_pages for each in results)} pages repeated"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
