"""Which points die together, and what is kept of those that were tried."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

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

    @property
    def name(self) -> str:
        """What its results are kept by."""
        return f"{self.number}:{self.seed}:{','.join(self.points)}"


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
