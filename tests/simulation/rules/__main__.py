"""
`python -m tests.simulation.rules --seeds 1-100000`: plays worlds of the rules; tells how fast, and what broke.

With `--keep` what went well on these very sources is remembered in a file, so that a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from scripts import sources
from scripts.resuming import add_seeds, kept_seeds, leave_interrupts_to_the_first, say, telling_how_far
from tests.simulation.rules.model import Broken, World, setting_of

STEPS = 220
AT_ONCE = 100
"""Seeds that are handed to a process together, a second's work."""
MOST_STORIES = 3

Broke = dict[int, str]
"""Stories by their seeds."""


def play(seeds: list[int], steps: int) -> Broke:
    """Play the worlds of *seeds* and return those that broke."""
    broken: Broke = {}
    for seed in seeds:
        try:
            World(setting_of(seed), seed, steps).run()
        except Broken as error:
            broken[seed] = str(error)
    return broken


def main(arguments: list[str] | None = None) -> int:
    """Play them all; 1 if any broke."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.rules", description=__doc__)
    add_seeds(parser, "1-10000")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    asked = parser.parse_args(arguments)
    kept = kept_seeds(asked, sources.RULES)
    began, missing = time.perf_counter(), kept.missing
    pieces = [missing[start : start + AT_ONCE] for start in range(0, len(missing), AT_ONCE)]
    broken: Broke = {}
    with (
        telling_how_far(kept.how_far, "worlds held"),
        ProcessPoolExecutor(asked.jobs, initializer=leave_interrupts_to_the_first) as pool,
    ):
        for piece, found in zip(pieces, pool.map(partial(play, steps=asked.steps), pieces), strict=True):
            broken |= found
            kept.add(seed for seed in piece if seed not in found)
    took = time.perf_counter() - began
    for seed, story in list(broken.items())[:MOST_STORIES]:
        say(f"seed {seed}: {story}\n")
    good, known = kept.how_far()
    say(f"{good} of {known} worlds of {asked.steps} steps held; {len(missing) / took:.0f} a second now")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
