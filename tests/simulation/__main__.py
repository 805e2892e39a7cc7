"""
Play seeded worlds of the production engine: `python -m tests.simulation --seeds 1-300 [--jobs 2] [--keep FILE]`.

Odd seeds are small worlds, even ones full. A failing seed is told as a short story. With `--keep` what went well on
these very sources is remembered in a file, so that a run that was stopped goes on where it stood.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from scripts import sources
from scripts.resuming import KeptSeeds, add_seeds, kept_seeds, leave_interrupts_to_the_first, say, telling_how_far
from tests.simulation.engine.plan import plan_of
from tests.simulation.engine.play import play
from tests.simulation.engine.story import shrink, told

AT_ONCE = 2
"""Seeds that are handed to a process together: few, for what is begun is ended before an interrupted run goes."""
MOST_STORIES = 5


@dataclass
class Tally:
    """What a set of worlds came to."""

    worlds: int = 0
    small: int = 0
    rounds: int = 0
    """The most that any world took to come to rest."""
    cpu_s: float = 0.0
    failed: dict[int, str] = field(default_factory=dict)
    figures: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Count *other* in."""
        self.worlds += other.worlds
        self.small += other.small
        self.rounds = max(self.rounds, other.rounds)
        self.cpu_s += other.cpu_s
        self.failed |= other.failed
        self.figures += other.figures


def play_seeds(seeds: Sequence[int]) -> Tally:
    """Play the worlds of *seeds*."""
    tally, began = Tally(), time.process_time()
    for seed in seeds:
        verdict = play(plan_of(seed))
        tally.worlds += 1
        tally.small += verdict.plan.is_small
        tally.rounds = max(tally.rounds, verdict.rounds)
        tally.figures += verdict.figures
        if verdict.failure is not None:
            tally.failed[seed] = verdict.failure
    tally.cpu_s = time.process_time() - began
    return tally


def main() -> int:
    """Play what is asked for; return 0 if every invariant held in every world."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    add_seeds(parser, "1-300")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    asked = parser.parse_args()
    began = time.monotonic()
    kept = kept_seeds(asked, sources.WORLDS)
    with telling_how_far(kept.how_far, "worlds held"):
        tally = _play_all(kept, asked.jobs)
    for seed in sorted(tally.failed)[:MOST_STORIES]:
        say("\n" + told(shrink(play(plan_of(seed)))))
    minutes = (time.monotonic() - began) / 60
    say("\n" + ", ".join(f"{count} x {what}" for what, count in sorted(tally.figures.items())))
    if tally.failed:
        say(f"failed: {', '.join(map(str, sorted(tally.failed)))}")
    say(
        f"{tally.worlds - len(tally.failed)} of {tally.worlds} worlds held, {tally.small} of them small; at rest within"
        f" {tally.rounds} rounds; {tally.worlds / max(minutes, 1e-9):.0f} worlds a minute,"
        f" {tally.cpu_s / max(tally.worlds, 1) * 1000:.0f} ms of processor each"
    )
    return 1 if tally.failed else 0


def _play_all(kept: KeptSeeds, jobs: int) -> Tally:
    missing = kept.missing
    known = set(kept.asked).difference(missing)
    tally = Tally(worlds=len(known), small=sum(seed % 2 for seed in known))
    pieces = [missing[start : start + AT_ONCE] for start in range(0, len(missing), AT_ONCE)]
    with ProcessPoolExecutor(max_workers=jobs, initializer=leave_interrupts_to_the_first) as pool:
        for piece, found in zip(pieces, pool.map(play_seeds, pieces), strict=True):
            tally.add(found)
            kept.add(seed for seed in piece if seed not in found.failed)
            for seed, failure in found.failed.items():
                say(f"seed {seed}: {failure}")
    return tally


if __name__ == "__main__":
    sys.exit(main())
