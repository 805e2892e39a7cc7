"""Which kills make a chunk, under which faults, and what is kept of those that were run."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.acceptance.kills.faults import FAULTS

AT_A_TIME = 10
PAUSES_S = (0.5, 9.0)
"""Of load before a kill."""


@dataclass(frozen=True)
class Kill:
    """One kill: after *pause_s* of load, under *fault* if there is one."""

    pause_s: float
    fault: str | None


@dataclass(frozen=True)
class Chunk:
    """Kills between two comparisons."""

    number: int
    seed: int
    kills: Sequence[Kill]


@dataclass(frozen=True)
class Result:
    """What a chunk came to. Times are in seconds."""

    number: int
    kills: int
    faults: Sequence[str]
    seen: Sequence[str]
    """Of the faults, in their order."""
    edits: int
    """Acknowledged."""
    unanswered: int
    """Edits whose author does not know whether they were made."""
    verdicts: dict[str, int]
    submissions: int
    newcomers: int
    pulls: int
    slowest_s: float
    """The longest that the portal waited for an answer."""
    converged_s: float
    """From the end of load and faults."""
    compared: int
    """Fields, by the independent comparison."""
    parity: str
    throttled: int
    wrong: Sequence[str] = field(default_factory=list)


def chunks(kills: int, seed: int) -> list[Chunk]:
    """Return the chunks of *kills* kills: every fault at least once, and two a chunk."""
    number = -(-kills // AT_A_TIME)
    chance = random.Random(seed)  # noqa: S311 - it secures nothing
    wanted = max(len(FAULTS), 2 * number)
    names = [name for _ in range(-(-wanted // len(FAULTS))) for name in FAULTS][:wanted]
    found = []
    for index in range(number):
        count = min(AT_A_TIME, kills - index * AT_A_TIME)
        faults = names[index::number]
        places = dict(zip(sorted(chance.sample(range(count), min(count, len(faults)))), faults, strict=False))
        planned = [Kill(chance.uniform(*PAUSES_S), places.get(place)) for place in range(count)]
        found.append(Chunk(index, seed * 1000 + index, planned))
    return found


def told(result: Result) -> str:
    """Return *result* as lines of text."""
    verdicts = ", ".join(f"{count} {name}" for name, count in sorted(result.verdicts.items()))
    first = result.number * AT_A_TIME + 1
    faults = ", ".join(result.faults) or "no fault"
    came = f"{result.submissions} submitted, {result.newcomers} came, {result.pulls} pulls"
    slowest = f"slowest answer of the portal {result.slowest_s:.1f} s, {result.unanswered} never came"
    equal = f"{result.compared} fields equal; parity {result.parity}; {result.throttled} refusals"
    lines = [
        f"{'FAIL' if result.wrong else 'ok':4} kills from {first}, {result.kills} of them: {faults}",
        f"     {result.edits} edits: {verdicts}; {came}; {slowest}",
        f"     converged after {result.converged_s:.0f} s; {equal}",
    ]
    lines += [f"     {line}" for line in result.seen]
    lines += [f"   ! {line}" for line in result.wrong[:30]]
    return "\n".join(lines)
