"""What follows when a job ends with an error: decided by kind, performed elsewhere."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from shared.errors import Conflict as Overtaken
from shared.errors import LeaseLost, LiaisonError, NeedsHuman, Permanent, RateLimited, Retryable

FIRST_WAIT_S = 60
"""Waits are 1, 2, 4, 8, 16 minutes: the first doubled with each attempt."""

OVERTAKEN_WAIT_S = 1


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again after *wait_s*; an attempt is spent."""

    wait_s: float
    code: str


@dataclass(frozen=True, slots=True)
class Defer:
    """The vendor asks to wait for *wait_s*; no attempt is spent, and the whole integration waits."""

    wait_s: float
    code: str


@dataclass(frozen=True, slots=True)
class Again:
    """Somebody was faster: read again at once. No attempt is spent."""

    wait_s: float
    code: str


@dataclass(frozen=True, slots=True)
class Pause:
    """People must act on the integration; its jobs wait."""

    code: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Trying again would fail the same, or has failed often enough."""

    code: str


@dataclass(frozen=True, slots=True)
class Abandon:
    """The job is another worker's by now: touch nothing."""

    code: str


NextStep = Retry | Defer | Again | Pause | DeadLetter | Abandon


def wait_after(attempt: int) -> float:
    """Return the seconds between failed attempt number *attempt* (from 1) and the next: 60, 120, 240, 480, 960."""
    return float(FIRST_WAIT_S * 2 ** (attempt - 1))


@dataclass(frozen=True, slots=True)
class Backoff:
    """How waits are spread, so that jobs which failed together do not come back together."""

    jitter: float = 0.0
    """Part of a wait that is added to it at the most; none is ever shorter than it is told."""
    chance: Callable[[], float] = random.random
    """Gives a number from 0 to 1."""

    def wait_s(self, attempt: int) -> float:
        """Return the seconds between failed attempt number *attempt* and the next."""
        return wait_after(attempt) * (1 + self.jitter * self.chance()) if self.jitter else wait_after(attempt)


EXACT = Backoff()


def next_step(error: LiaisonError, *, attempt: int, max_retries: int, backoff: Backoff = EXACT) -> NextStep:
    """Decide by kind. *attempt* counts from 1: the one that has just failed."""
    match error:
        case LeaseLost():
            return Abandon(error.code)
        case Overtaken():
            return Again(OVERTAKEN_WAIT_S, error.code)
        case RateLimited():
            return Defer(error.wait_s, error.code)
        case Retryable() if attempt <= max_retries:
            return Retry(backoff.wait_s(attempt), error.code)
        case NeedsHuman():
            return Pause(error.code)
        case Retryable() | Permanent() | LiaisonError():
            return DeadLetter(error.code)
