"""
A circuit breaker: a vendor that failed often enough in a row is left alone for a while, then asked by one call.

    closed      calls go out; `MOST_FAILURES` in a row (no answer, 5xx) open it
    open        no call goes out until `open_until`
    half open   one call of all processes goes out; answered, the circuit closes; failed, it opens for longer

An answer of any other kind closes it, 4xx and 429 included: whoever refuses a record works. Pure; who shares the state
decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NoReturn, Protocol
from uuid import uuid4

from shared.errors import BreakerOpen

MOST_FAILURES = 5
OPEN_S = (15.0, 30.0, 60.0, 120.0, 300.0)
"""How long it stays open: the first time, after the first probe that failed, and so on; then always the last."""
PROBE_LASTS_S = 35.0
"""A probe that has not ended by then has died with its process; the next call takes its place."""
BESIDE_A_PROBE_S = 2.0
"""When those look again that came while the probe was out."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """Times are epoch seconds of our clock. The default is closed and without blame."""

    failures: int = 0
    """In a row."""
    opened: int = 0
    """How often in a row it was opened."""
    open_until: float = 0.0
    """0: closed."""
    probe: str = ""
    probe_until: float = 0.0

    @property
    def is_closed(self) -> bool:
        """Whether calls go out freely."""
        return self.open_until == 0

    @property
    def opened_for_s(self) -> float:
        """How long it was opened for; 0: closed."""
        return OPEN_S[min(self.opened, len(OPEN_S)) - 1] if self.opened else 0.0

    def refusal(self, now: float) -> float:
        """Return when a call may be tried, 0.0 for now. Clocks may differ: nothing lasts longer than it can."""
        if self.is_closed:
            return 0.0
        if now < self.open_until <= now + OPEN_S[-1]:
            return self.open_until
        if self.probe and now < self.probe_until <= now + PROBE_LASTS_S:
            return now + BESIDE_A_PROBE_S
        return 0.0

    def probing(self, probe: str, now: float) -> Circuit:
        """Return it with the one call *probe* on its way."""
        return replace(self, probe=probe, probe_until=now + PROBE_LASTS_S)

    def failed(self, now: float, probe: str = "") -> Circuit:
        """Return it after a call failed; one that was on its way when it opened changes nothing."""
        failures = self.failures + 1
        is_probe = probe != "" and probe == self.probe
        if not is_probe and (not self.is_closed or failures < MOST_FAILURES):
            return self if not self.is_closed else replace(self, failures=failures)
        span = OPEN_S[min(self.opened, len(OPEN_S) - 1)]
        return Circuit(failures=failures, opened=self.opened + 1, open_until=now + span)


class Breaker(Protocol):
    """Guards the calls of one integration."""

    async def enter(self) -> str:
        """Return when a call may go out: the name of the probe that it is, or nothing. Raises BreakerOpen."""
        ...

    async def failed(self, probe: str) -> None:
        """Note that the vendor did not answer, or answered with trouble of its own."""
        ...

    async def answered(self, probe: str) -> None:
        """Note that the vendor answered."""
        ...


class NoBreaker:
    """Lets everything through: trials and tests of a connection."""

    async def enter(self) -> str:
        """Let the call go out."""
        return ""

    async def failed(self, probe: str) -> None:
        """Forget it."""

    async def answered(self, probe: str) -> None:
        """Forget it."""


class OwnBreaker:
    """Guards what nobody shares and nobody is told of: each process counts for itself. *clock* gives epoch seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._circuit = Circuit()

    async def enter(self) -> str:
        """Return when a call may go out: the name of the probe that it is, or nothing. Raises BreakerOpen."""
        now = self._clock()
        until = self._circuit.refusal(now)
        if until:
            raise_open(until - now)
        if self._circuit.is_closed:
            return ""
        probe = uuid4().hex[:12]
        self._circuit = self._circuit.probing(probe, now)
        return probe

    async def failed(self, probe: str) -> None:
        """Note a failure."""
        self._circuit = self._circuit.failed(self._clock(), probe)

    async def answered(self, probe: str) -> None:  # noqa: ARG002 - any answer closes it
        """Note an answer."""
        self._circuit = Circuit()


async def note_failure(breaker: Breaker, probe: str, *, is_write: bool) -> None:
    """Note a failure. A probe that only read is no failure of its job: raises BreakerOpen for it."""
    await breaker.failed(probe)
    if probe and not is_write:
        await breaker.enter()


def raise_open(wait_s: float) -> NoReturn:
    """Raise BreakerOpen: a call may be tried after *wait_s*."""
    raise BreakerOpen("the vendor failed several times in a row and is left alone for now", wait_s=wait_s)
