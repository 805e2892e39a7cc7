"""Knocks of this process, counted where they are sent and where they are answered (`shared.sync.workers.vanishing`)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from shared import telemetry
from shared.errors import Unavailable
from shared.store.database import Database
from shared.store.knock_traffic import KnockTraffic

EVERY_S = 5.0
"""How long counts stay in a process before they are written."""


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


class Traffic:
    """Counts of this process, until they are written."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = _loop_time) -> None:
        self._database = database
        self._clock = clock
        self._sent: Counter[str] = Counter()
        self._received: Counter[str] = Counter()
        self._written_at = float("-inf")

    def was_sent(self, queue: str) -> None:
        """Count a knock."""
        self._sent[queue] += 1
        telemetry.count("knocks_sent", queue=queue)

    async def was_answered(self, queue: str) -> None:
        """Count a message that was answered to its end, and will be deleted; now and then write the counts."""
        self._received[queue] += 1
        telemetry.count("knocks_answered", queue=queue)
        if self._clock() - self._written_at >= EVERY_S:
            await self.write()

    async def write(self) -> None:
        """Write what was counted. Counts that can't be written now are kept."""
        sent, self._sent = self._sent, Counter()
        received, self._received = self._received, Counter()
        self._written_at = self._clock()
        try:
            async with self._database.dispatch() as tx:
                await KnockTraffic().add(tx, sent, received)
        except Unavailable:
            self._sent += sent
            self._received += received
