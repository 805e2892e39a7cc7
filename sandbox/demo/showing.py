"""What the audience sees: lines as they happen, a progress bar, the table at the end."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

BAR_WIDTH = 30
PLAIN_EVERY = 10
"""Where no terminal draws the bar anew, it is printed at each tenth of the way."""


class Progress:
    """A bar that counts up to *total*."""

    def __init__(self, total: int, unit: str) -> None:
        self._total = max(total, 1)
        self._unit = unit
        self._shown = -1

    def show(self, count: int) -> None:
        """Draw the bar at *count*."""
        filled = min(count, self._total) * BAR_WIDTH // self._total
        tenth = min(count, self._total) * PLAIN_EVERY // self._total
        line = f"  [{'#' * filled}{'.' * (BAR_WIDTH - filled)}] {count}/{self._total} {self._unit}"
        if sys.stdout.isatty():
            print(f"\r{line}", end="\n" if count >= self._total and self._shown != PLAIN_EVERY else "", flush=True)
        elif tenth != self._shown:
            print(line, flush=True)
        self._shown = tenth


@dataclass(frozen=True)
class Told:
    """How one step went."""

    title: str
    seconds: float
    outcome: str
    is_good: bool


def table(steps: Sequence[Told]) -> str:
    """Return the steps as a table."""
    width = max(len(step.title) for step in steps)
    lines = [f"{'':4} {'step':{width}} {'seconds':>8}  what happened"]
    lines += [
        f"{'ok' if step.is_good else 'FAIL':4} {step.title:{width}} {step.seconds:8.1f}  {step.outcome}"
        for step in steps
    ]
    return "\n".join(lines)
