"""
Play seeded worlds of the production engine: `python -m tests.simulation --seeds 1-300 [--jobs 2] [--keep FILE]`.

Odd seeds are small worlds, even ones full. A failing seed is told as a short story. With `--keep` what went well on
these very sources is remembered in a file, so that a run that was stopped goes on where it stood.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from scripts import sources
from scripts.progress import telling_how_far
from scripts.sources import fingerprint_of_sources
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
    parser.add_argument("--seeds", default="1-300", help="first-last, or one seed")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--keep", type=Path, help="remember in this file what went well")
    asked = parser.parse_args()
    first, _, last = asked.seeds.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    began = time.monotonic()
    kept = None if asked.keep is None else Kept(asked.keep, fingerprint_of_sources(sources.WORLDS))
    with telling_how_far(lambda: (0 if kept is None else kept.count_of(seeds), len(seeds)), "worlds held"):
        tally = _play_all(seeds, asked.jobs, kept)
    for seed in sorted(tally.failed)[:MOST_STORIES]:
        _say("\n" + told(shrink(play(plan_of(seed)))))
    minutes = (time.monotonic() - began) / 60
    _say("\n" + ", ".join(f"{count} x {what}" for what, count in sorted(tally.figures.items())))
    if tally.failed:
        _say(f"failed: {', '.join(map(str, sorted(tally.failed)))}")
    _say(
        f"{tally.worlds - len(tally.failed)} of {tally.worlds} worlds held, {tally.small} of them small; at rest within"
        f" {tally.rounds} rounds; {tally.worlds / max(minutes, 1e-9):.0f} worlds a minute,"
        f" {tally.cpu_s / max(tally.worlds, 1) * 1000:.0f} ms of processor each"
    )
    return 1 if tally.failed else 0


class Kept:
    """Seeds that went well, in a file that is forgotten when the sources change."""

    def __init__(self, file: Path, sources: str) -> None:
        self._file, self._sources = file, sources
        self.tally = Tally()
        self.seeds: set[int] = set()
        if file.exists():
            kept = json.loads(file.read_text(encoding="utf-8"))
            if kept["sources"] == sources:
                self.seeds = {seed for first, last in kept["seeds"] for seed in range(first, last + 1)}

    def count_of(self, seeds: Collection[int]) -> int:
        """Return how many of *seeds* went well."""
        return len(self.seeds.intersection(seeds))

    def add(self, seeds: Sequence[int], tally: Tally) -> None:
        """Remember those of *seeds* that did not fail."""
        self.seeds.update(seed for seed in seeds if seed not in tally.failed)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps({"sources": self._sources, "seeds": list(_spans(self.seeds))}), "utf-8")


def _play_all(seeds: range, jobs: int, kept: Kept | None) -> Tally:
    missing = [seed for seed in seeds if kept is None or seed not in kept.seeds]
    known = set(seeds).difference(missing)
    tally = Tally(worlds=len(known), small=sum(seed % 2 for seed in known))
    pieces = [missing[start : start + AT_ONCE] for start in range(0, len(missing), AT_ONCE)]
    with ProcessPoolExecutor(max_workers=jobs, initializer=_leave_interrupts_to_the_first) as pool:
        for piece, found in zip(pieces, pool.map(play_seeds, pieces), strict=True):
            tally.add(found)
            if kept is not None:
                kept.add(piece, found)
            for seed, failure in found.failed.items():
                _say(f"seed {seed}: {failure}")
    return tally


def _leave_interrupts_to_the_first() -> None:
    """A terminal, and `make verify`, interrupt every process; the first ends the others, and says how far it came."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _spans(seeds: set[int]) -> Iterator[tuple[int, int]]:
    """Yield first and last of each run of neighbours."""
    first = last = None
    for seed in sorted(seeds):
        if first is None or last is None or seed > last + 1:
            if first is not None and last is not None:
                yield first, last
            first = seed
        last = seed
    if first is not None and last is not None:
        yield first, last


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - what this is for


if __name__ == "__main__":
    sys.exit(main())
