"""
Breakers of integrations, shared by all workers through the Azure Table `breakers`, and what people see of them.

What people are told stands in the database, and each job reads it with its integration (`is_told_unreachable`): where
it stands, the next answer takes it back. Where no answer comes, the sweep does, once the table says that the breaker is
closed: nothing hangs on the process that closed it.

A process looks at the table every two seconds while it calls; in between it goes by what it saw. While the table is
away each process counts for itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Protocol
from uuid import UUID, uuid4

import orjson

from shared import telemetry
from shared.adapters.breaker import BESIDE_A_PROBE_S, Circuit, raise_open
from shared.errors import Unavailable
from shared.store.attention import Told
from shared.store.database import Database
from shared.store.store import Store
from shared.sync.vendors.window_table import SharedTable

TABLE = "breakers"
ROW = "breaker"
FRESH_S = 2.0
AWAY_S = 5.0
TRIES = 4

UNREACHABLE = "vendor_unreachable"
"""Kind of the issue that stands while a breaker is open."""
CALLS = "calls"
"""Its subject."""
OPEN = "breaker_open"
"""`blocked_reason` of an integration whose breaker is open."""

_NAMES = frozenset(each.name for each in fields(Circuit))

log = telemetry.get_logger(__name__)


class Notices(Protocol):
    """Hears of breakers."""

    async def opened(self, company_id: UUID, integration_id: UUID, circuit: Circuit) -> None:
        """Hear that one opened, or stays open for longer. May raise Unavailable."""
        ...

    async def closed(self, company_id: UUID, integration_id: UUID) -> None:
        """Hear that one closed. May raise Unavailable; it is then told again with the next answer, in any process."""
        ...


@dataclass(frozen=True, slots=True)
class BreakerNotices:
    """Tells people, and holds the integration's jobs back, when a breaker opens; takes both back when it closes."""

    database: Database
    store: Store

    async def opened(self, company_id: UUID, integration_id: UUID, circuit: Circuit) -> None:
        """Block the integration and raise its issue. Raises Unavailable."""
        wait_s = circuit.opened_for_s
        detail = (
            f"the vendor failed {circuit.failures} times in a row; it is asked again {wait_s:.0f} s after the last "
            "failure, and nothing is lost meanwhile"
        )
        async with self.database.company(company_id) as tx:
            await self.store.connections.block(tx, integration_id, wait_s=wait_s, reason=OPEN)
            await self.store.attention.raise_issue(tx, integration_id, kind=UNREACHABLE, subject=CALLS, detail=detail)

    async def closed(self, company_id: UUID, integration_id: UUID) -> None:
        """Let the integration go on and close its issue. Raises Unavailable."""
        async with self.database.company(company_id) as tx:
            await self.store.connections.unblock(tx, integration_id, reason=OPEN)
            await self.store.attention.settle_issue(tx, integration_id, kind=UNREACHABLE, subject=CALLS)


@dataclass(frozen=True, slots=True)
class BreakerWatch:
    """Takes back what people are told of breakers that are closed, whoever was to say so."""

    database: Database
    store: Store
    table: SharedTable

    async def look(self) -> int:
        """
        Hold each issue against its breaker; return how many were taken back. Raises Unavailable without the database.

        An issue that is raised anew while we look stands: its breaker opened after we saw it closed.
        """
        async with self.database.dispatch() as tx:
            told = await self.store.attention.told_of_breakers(tx)
        taken_back = 0
        for each in told:
            try:
                entity = await self.table.find(TABLE, str(each.integration), ROW)
            except Unavailable as error:
                log.warning("breakers_not_watched", code=error.code)
                break
            if _circuit(entity).is_closed:
                taken_back += await self._take_back(each)
        return taken_back

    async def _take_back(self, told: Told) -> bool:
        async with self.database.company(told.company) as tx:
            attention = self.store.attention
            is_ours = await attention.settle_as_told(
                tx, told.integration, kind=UNREACHABLE, subject=CALLS, told_at=told.told_at
            )
            if is_ours:
                await self.store.connections.unblock(tx, told.integration, reason=OPEN)
        return is_ours


class SharedBreaker:
    """The breaker of one integration."""

    def __init__(
        self,
        company_id: UUID,
        integration_id: UUID,
        table: SharedTable | None,
        notices: Notices,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._company_id = company_id
        self._integration_id = integration_id
        self._table = table
        self._notices = notices
        self._clock = clock
        self._circuit = Circuit()
        self._seen_at = float("-inf")
        self._away_until = float("-inf")
        self._owes_closing = False

    def still_told(self) -> None:
        """Know that people are told of an open one: the next answer takes that back, whoever closed it."""
        self._owes_closing = True

    async def enter(self) -> str:
        """Return when a call may go out: the name of the probe that it is, or nothing. Raises BreakerOpen."""
        now = self._clock()
        if self._circuit.is_closed and now - self._seen_at < FRESH_S:
            return ""
        circuit, mark = await self._load(now)
        until = circuit.refusal(now)
        if until:
            raise_open(until - now)
        if circuit.is_closed:
            return ""
        probe = uuid4().hex[:12]
        if not await self._save(circuit.probing(probe, now), mark, now):
            raise_open(BESIDE_A_PROBE_S)
        return probe

    async def failed(self, probe: str) -> None:
        """Note that the vendor did not answer, or answered with trouble of its own."""
        now = self._clock()
        before, after = await self._change(lambda circuit: circuit.failed(now, probe))
        if after.open_until > before.open_until:
            log.warning(
                "breaker_opened",
                integration_id=str(self._integration_id),
                count=after.opened,
                duration_s=round(after.open_until - now),
            )
            try:
                await self._notices.opened(self._company_id, self._integration_id, after)
            except Unavailable as error:
                log.warning("breaker_not_told", code=error.code)

    async def answered(self, probe: str) -> None:  # noqa: ARG002 - any answer closes it
        """Note that the vendor answered."""
        if self._circuit == Circuit() and not self._owes_closing:
            return
        before, _ = await self._change(lambda _: Circuit())
        if not before.is_closed:
            log.info("breaker_closed", integration_id=str(self._integration_id))
            self._owes_closing = True
        if not self._owes_closing:
            return
        try:
            await self._notices.closed(self._company_id, self._integration_id)
        except Unavailable as error:
            log.warning("breaker_not_told", code=error.code)
        else:
            self._owes_closing = False

    async def _change(self, change: Callable[[Circuit], Circuit]) -> tuple[Circuit, Circuit]:
        """Apply *change* to the state as it is when it is written; return both states."""
        now = self._clock()
        circuit = after = self._circuit
        for _ in range(TRIES):
            circuit, mark = await self._load(now)
            after = change(circuit)
            if after == circuit or await self._save(after, mark, now):
                break
        return circuit, after

    async def _load(self, now: float) -> tuple[Circuit, Mapping[str, Any] | None]:
        if self._table is None or now < self._away_until:
            return self._circuit, None
        try:
            entity = await self._table.find(TABLE, str(self._integration_id), ROW)
        except Unavailable as error:
            self._go_alone(now, error)
            return self._circuit, None
        self._circuit, self._seen_at = _circuit(entity), now
        return self._circuit, entity

    async def _save(self, circuit: Circuit, mark: Mapping[str, Any] | None, now: float) -> bool:
        if self._table is not None and now >= self._away_until:
            properties = {"v": 1, "state": orjson.dumps(asdict(circuit)).decode()}
            try:
                if not await self._table.replace(TABLE, str(self._integration_id), ROW, properties, instead_of=mark):
                    return False
            except Unavailable as error:
                self._go_alone(now, error)
        self._circuit = circuit
        return True

    def _go_alone(self, now: float, error: Unavailable) -> None:
        log.warning("breaker_not_shared", code=error.code, integration_id=str(self._integration_id))
        self._away_until = now + AWAY_S


def _circuit(entity: Mapping[str, Any] | None) -> Circuit:
    """Read what another release may have written; what can't be read counts as closed."""
    try:
        state = orjson.loads(entity["state"]) if entity is not None else {}
        return Circuit(**{name: value for name, value in state.items() if name in _NAMES})
    except (KeyError, TypeError, ValueError):
        return Circuit()
