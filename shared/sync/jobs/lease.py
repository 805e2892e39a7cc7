"""
The lease of a running job: renewed while it works, and tested before every vendor call.

A worker that froze must not write at the vendor after its successor has. So a call is made only while the lease surely
outlasts it; what "surely" means is reckoned on the event loop's own clock, a monotonic one, from before the renewal was
sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared import telemetry
from shared.adapters.http import WHOLE_CALL_S, calling
from shared.errors import LeaseLost, LiaisonError
from shared.store.database import Database
from shared.store.ledger import Job, Ledger

MARGIN_S = 5.0
"""By this much the lease must outlast the longest vendor call."""

log = telemetry.get_logger(__name__)


class Lease:
    """
    One job's lease. *ttl_s* is what each renewal grants; *asked* is when the job was read, by the event loop's clock.

    A process that froze between claiming and reading has less left than *ttl_s*.
    """

    def __init__(self, database: Database, ledger: Ledger, job: Job, *, ttl_s: float, asked: float) -> None:
        self._database = database
        self._ledger = ledger
        self._job = job
        self._ttl_s = ttl_s
        self._clock = asyncio.get_running_loop().time
        self._until = asked + job.lease_left_s
        self._lost = False

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Renew after a third of its time while the block runs, and let vendor calls test it."""
        heartbeat = asyncio.create_task(self._beat())
        try:
            with calling(self.test):
                yield
        finally:
            heartbeat.cancel()
            await asyncio.gather(heartbeat, return_exceptions=True)

    async def test(self) -> None:
        """Raise LeaseLost unless the lease outlasts a vendor call by the margin; renew it if that is what it takes."""
        needed = min(WHOLE_CALL_S + MARGIN_S, self._ttl_s * 0.6)
        if not self._lost and self._until - self._clock() < needed:
            await self._renew()
        if self._lost or self._until - self._clock() < needed:
            raise LeaseLost

    async def _beat(self) -> None:
        while not self._lost:
            await asyncio.sleep(self._pause_s())
            try:
                await self._renew()
            except LiaisonError:
                continue  # tested again before the next call, which will not be made
            except Exception:  # a heartbeat that ends unseen would cost the job its lease, and nobody knew why
                log.exception("lease_not_renewed")

    def _pause_s(self) -> float:
        """Return a third of the lease's time; less where less is left, as after a renewal that failed."""
        left = self._until - self._clock()
        return max(self._ttl_s / 30, min(self._ttl_s / 3, left / 2))

    async def _renew(self) -> None:
        asked = self._clock()
        try:
            async with self._database.company(self._job.company_id) as tx:
                await self._ledger.extend(tx, self._job, self._ttl_s)
        except LeaseLost:
            self._lost = True
            return
        self._until = asked + self._ttl_s
