"""Look for the first world that notices each planted bug: `python -m tests.simulation.planted [--most 2000]`."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed

from tests.simulation.engine.plan import plan_of
from tests.simulation.engine.play import play
from tests.simulation.planted.mutants import MUTANTS


def look(index: int, most: int) -> tuple[int, int, str]:
    """Return the first seed that notices mutant *index*, small worlds first, and what it says; 0 if none does."""
    seeds = [*range(1, most + 1, 2), *range(2, most + 1, 2)]
    for seed in seeds:
        with MUTANTS[index].planted():
            failure = play(plan_of(seed)).failure
        if failure is not None and play(plan_of(seed)).failure is None:
            return index, seed, failure
    return index, 0, "nobody notices"


def main() -> int:
    """Print what was found; return 0 if each bug is noticed."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.planted", description=__doc__)
    parser.add_argument("--most", type=int, default=2000)
    parser.add_argument("--only", help="part of a mutant's name")
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args()
    wanted = [index for index, each in enumerate(MUTANTS) if (asked.only or "") in each.name]
    missed = 0
    with ProcessPoolExecutor(max_workers=asked.jobs) as pool:
        for done in as_completed([pool.submit(look, index, asked.most) for index in wanted]):
            index, seed, failure = done.result()
            missed += seed == 0
            print(f"{seed:5} {MUTANTS[index].name}: {failure}", flush=True)  # noqa: T201 - what this is for
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
