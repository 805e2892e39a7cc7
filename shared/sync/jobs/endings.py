"""How a job's handler ends. Errors are not endings: `next_step` decides about those."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pydantic import JsonValue

from shared.store.ledger import Knock


@dataclass(frozen=True, slots=True)
class Done:
    """The job is settled in the transaction that wrote its last row, or has nothing to settle."""

    outcome: str = "done"
    knocks: Sequence[Knock] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Hold:
    """The job waits for an event (see `shared.sync.jobs.waiting`)."""

    reason: str
    message: str
    knocks: Sequence[Knock] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Continue:
    """
    There is more to do than one run may take: run again at once, or after *wait_s*. No attempt is spent.

    What goes on at once has got on: it has all its attempts back.
    """

    wait_s: float = 0.0
    knocks: Sequence[Knock] = field(default_factory=tuple)
    payload: Mapping[str, JsonValue] = field(default_factory=dict)
    """Where to go on: added to the job's own."""


Ending = Done | Hold | Continue


def together(endings: Sequence[Ending]) -> Ending:
    """
    Return the one ending of a job that had several things to do, with the knocks of all.

    What is to go on goes on, the soonest of it; else the first that waits; else the first. A job that goes on comes
    upon its waits again.
    """
    going_on = sorted((each for each in endings if isinstance(each, Continue)), key=lambda each: each.wait_s)
    waiting = [each for each in endings if isinstance(each, Hold)]
    first: Ending = next(iter([*going_on, *waiting, *endings]))
    return replace(first, knocks=[knock for each in endings for knock in each.knocks])
