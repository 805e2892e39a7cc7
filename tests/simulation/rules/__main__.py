"""`python -m tests.simulation.rules --worlds N --seed S`: plays worlds of the rules; tells how fast, and what broke."""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.rules.model import Broken, World, seeds_of

STEPS, PORTION = 220, 200


def play(first: int, count: int, steps: int) -> list[tuple[int, str]]:
    """Play worlds *first* … and return those that broke, with their stories."""
    broken = []
    for setting, seed in seeds_of(first, count):
        try:
            World(setting, seed, steps).run()
        except Broken as error:
            broken.append((seed, str(error)))
    return broken


def main(arguments: list[str] | None = None) -> int:
    """Play them all; 1 if any broke."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.rules", description=__doc__)
    parser.add_argument("--worlds", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0, help="the first one")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args(arguments)
    began = time.perf_counter()
    portions = [
        (first, min(PORTION, asked.seed + asked.worlds - first), asked.steps)
        for first in range(asked.seed, asked.seed + asked.worlds, PORTION)
    ]
    with ProcessPoolExecutor(asked.processes) as pool:
        broken = [each for found in pool.map(play, *zip(*portions, strict=True)) for each in found]
    took = time.perf_counter() - began
    for seed, story in broken[:3]:
        print(f"seed {seed}: {story}\n")  # noqa: T201
    print(f"{asked.worlds} worlds of {asked.steps} steps, {len(broken)} broke; {asked.worlds / took:.0f} a second")  # noqa: T201
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
