"""Lets a long check resume: keeps what has passed in a file, and prints the progress when it is interrupted."""

from __future__ import annotations

import dataclasses
import json
import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Generic, Protocol, TypeVar

from scripts.sources import fingerprint_of_sources

INTERRUPTED = 130
"""The exit code of what Ctrl-C has ended."""


class KeptSeeds:
    """Seeds that went well. Without a file nothing is remembered."""

    def __init__(self, seeds: range, file: Path | None, sources: str) -> None:
        self.asked = seeds
        self._file, self._sources = file, sources
        self._good: set[int] = set()
        if file is not None:
            spans = _read(file, sources) or ()
            self._good = {seed for first, last in spans for seed in range(first, last + 1)}

    @property
    def missing(self) -> list[int]:
        """Those that were asked for and did not go well yet."""
        return [seed for seed in self.asked if seed not in self._good]

    def how_far(self) -> tuple[int, int]:
        """Return how many went well, and how many were asked for."""
        return len(self.asked) - len(self.missing), len(self.asked)

    def add(self, seeds: Iterable[int]) -> None:
        """Remember *seeds*."""
        self._good.update(seeds)
        if self._file is not None:
            _write(self._file, self._sources, list(_spans(self._good)))


def add_seeds(parser: ArgumentParser, default: str, *, option: str = "--seeds") -> None:
    """Let *parser* take what `kept_seeds` needs."""
    parser.add_argument(option, dest="seeds", default=default, help="first-last, or one")
    parser.add_argument("--keep", type=Path, help="remember in this file what went well, and go on there")


def kept_seeds(asked: Namespace, sources: Sequence[str]) -> KeptSeeds:
    """Return the seeds that were *asked* for, with what is remembered of them on these very *sources*."""
    first, _, last = asked.seeds.partition("-")
    return KeptSeeds(range(int(first), int(last or first) + 1), asked.keep, fingerprint_of_sources(sources))


class Judged(Protocol):
    """A result that says what was wrong."""

    @property
    def wrong(self) -> Collection[str]:
        """Nothing, if all was well."""
        ...


R = TypeVar("R", bound=Judged)


class KeptResults(Generic[R]):
    """Results by the name of what they are of; each name has one or several. They are dataclasses of JSON's types."""

    def __init__(self, file: Path, sources: str, make: Callable[..., R]) -> None:
        self._file, self._sources = file, sources
        kept: Mapping[str, Sequence[Mapping[str, Any]]] = _read(file, sources) or {}
        self._results = {name: [make(**each) for each in found] for name, found in kept.items()}

    def find(self, name: str) -> list[R] | None:
        """Return the results of *name* if it was tried and nothing was wrong."""
        found = self._results.get(name)
        return None if found is None or any(each.wrong for each in found) else found

    def keep(self, name: str, results: Sequence[R]) -> None:
        """Add the results of *name*."""
        self._results[name] = list(results)
        shown = {name: [_plain(each) for each in found] for name, found in self._results.items()}
        _write(self._file, self._sources, shown)


@contextmanager
def telling_how_far(done_of_all: Callable[[], tuple[int, int]], things: str) -> Iterator[None]:
    """
    Where the block is interrupted, print how many *things* are done, and exit with `INTERRUPTED`.

    `make verify` interrupts what is out of time, and keeps the last line.
    """
    # Whoever is started in the background of a shell without job control ignores it, by inheritance.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        done, known = done_of_all()
        say(f"{done} of {known} {things} so far; the next call goes on")
        sys.exit(INTERRUPTED)
    finally:
        signal.signal(signal.SIGINT, before)


def leave_interrupts_to_the_first() -> None:
    """A terminal, and `make verify`, interrupt every process; the first ends the others, and says how far it came."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def say(text: str) -> None:
    """Print *text* at once."""
    print(text, flush=True)


def be_interrupted_when_told_to_end() -> None:
    """Let SIGTERM do what Ctrl-C does, so that what was started is stopped in order."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _plain(result: Any) -> dict[str, Any]:
    return dataclasses.asdict(result)


def _read(file: Path, sources: str) -> Any:
    """Return what is kept; None if that is nothing, or of other sources."""
    if not file.exists():
        return None
    found = json.loads(file.read_text(encoding="utf-8"))
    return found.get("kept") if found["sources"] == sources else None


def _write(file: Path, sources: str, kept: object) -> None:
    """Replace the file as a whole: whoever is stopped meanwhile leaves the one before."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".draft")
    draft.write_text(json.dumps({"sources": sources, "kept": kept}, indent=1), encoding="utf-8")
    draft.replace(file)


def _spans(seeds: Collection[int]) -> Iterator[tuple[int, int]]:
    """Yield first and last of each run of neighbours."""
    ordered = sorted(seeds)
    first = 0
    for place, seed in enumerate(ordered, 1):
        if place == len(ordered) or ordered[place] != seed + 1:
            yield ordered[first], seed
            first = place
