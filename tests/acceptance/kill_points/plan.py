"""Which points die together, and what is kept of those that were tried."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.kill_points.wave import RANDOM, Result

_ROUND: tuple[tuple[str, ...], ...] = (
    ("in a page's transaction", "candidate created, not linked", "submission committed, no knock"),
    (RANDOM,),
    ("between pages", "application created, not linked", "edit committed, no knock"),
    (RANDOM,),
    ("page fetched, not written", "candidate made, never answered", "sync committed, no knock"),
    (RANDOM,),
    ("page committed, not heard", "candidate created, not linked", "application created, not linked"),
    (RANDOM,),
    ("between pages", "webhook taken, not processed", "submission committed, no knock"),
    (RANDOM,),
)


@dataclass(frozen=True)
class Wave:
    """Points of one kill."""

    number: int
    points: tuple[str, ...]
    seed: int


def waves(points: int, seed: int) -> list[Wave]:
    """Return the waves with the first *points* points: three exact ones a kill, then a random one."""
    found: list[Wave] = []
    left, number = points, 0
    while left > 0:
        chosen = _ROUND[number % len(_ROUND)][:left]
        found.append(Wave(number, chosen, seed * 1000 + number))
        left -= len(chosen)
        number += 1
    return found


class Kept:
    """Results of waves, in a file, so that a run that was stopped goes on where it stood."""

    def __init__(self, file: Path, sources: str) -> None:
        """Read *file*; what was measured on other *sources* is forgotten."""
        self._file = file
        self._sources = sources
        self._results: dict[str, list[Result]] = {}
        if file.exists():
            kept = json.loads(file.read_text(encoding="utf-8"))
            if kept["sources"] == sources:
                self._results = {name: [Result(**each) for each in found] for name, found in kept["waves"].items()}

    def find(self, wave: Wave) -> list[Result] | None:
        """Return the results of *wave* if it was tried and went well."""
        found = self._results.get(_name(wave))
        return None if found is None or any(each.wrong for each in found) else found

    def keep(self, wave: Wave, results: Sequence[Result]) -> None:
        """Add the results of *wave*."""
        self._results[_name(wave)] = list(results)
        shown = {name: [dataclasses.asdict(each) for each in found] for name, found in self._results.items()}
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps({"sources": self._sources, "waves": shown}), encoding="utf-8")


def table(results: Iterable[Result]) -> str:
    """Return *results* as a table."""
    figures = f"{'down s':>7} {'sweep s':>8} {'right s':>8} {'repeated':>9} {'creates':>9}"
    lines = [f"{'':4} {'point':32} {'seed':>6} {figures}"]
    for each in results:
        creates = f"{each.creates}/{each.submissions}" if each.submissions else "-"
        lines.append(
            f"{'FAIL' if each.wrong else 'ok':4} {each.point:32} {each.seed:6} {each.down_s:7.1f} {each.sweep_s:8.1f}"
            f" {each.converged_s:8.1f} {each.repeated_pages:9} {creates:>9}"
        )
        lines += [f"       {line}" for line in each.wrong[:10]]
    return "\n".join(lines)


def _name(wave: Wave) -> str:
    return f"{wave.number}:{wave.seed}:{','.join(wave.points)}"
