"""
Who takes our knocks: what went into a queue held against what workers of ours answered and what still lies there.

A forgotten second app on the same storage account takes messages and drops them. No job is lost by that, for the sweep
knocks again; but work goes at the sweep's pace, and nobody would know why. So a gap that lasts is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from shared import telemetry
from shared.errors import Unavailable
from shared.store.database import Database
from shared.store.knock_traffic import KnockTraffic, Look
from shared.store.queues import Queues
from shared.store.store import Store
from shared.sync.workers.traffic import Traffic

VANISHING = "knocks_vanish"
"""Kind of the issue that stands while knocks of a queue vanish; its subject is the queue."""

log = telemetry.get_logger(__name__)


class Watch:
    """Looks whether knocks vanish, and tells those whose jobs wait for them."""

    def __init__(self, database: Database, store: Store, queues: Queues, traffic: Traffic) -> None:
        self._database = database
        self._store = store
        self._queues = queues
        self._traffic = traffic

    async def look(self, due: Mapping[str, Sequence[tuple[UUID, UUID]]]) -> list[str]:
        """
        Look at each queue of *due*, which holds company and id of the jobs that are due in it; return those that leak.

        Raises Unavailable when the database is away.
        """
        await self._traffic.write()
        leaking = []
        for queue, jobs in due.items():
            try:
                waiting = await self._queues.count(queue)
            except Unavailable:
                continue
            async with self._database.dispatch() as tx:
                found = await KnockTraffic().look(tx, queue, waiting)
                told = await KnockTraffic().told(tx, queue)
            if found.is_vanishing:
                leaking.append(queue)
                await self._tell(queue, found, jobs)
            else:
                for row in told:
                    async with self._database.company(row["company"]) as tx:
                        await self._store.attention.settle_issue(tx, row["integration"], kind=VANISHING, subject=queue)
        return leaking

    async def _tell(self, queue: str, found: Look, jobs: Sequence[tuple[UUID, UUID]]) -> None:
        log.error("knocks_vanish", queue=queue, count=found.missing)
        detail = (
            f"somebody else takes messages off the queue {queue}; jobs run all the same, up to 20 seconds later. "
            "Operators: look for a second app on this storage account"
        )
        for company_id in sorted({company for company, _ in jobs}):
            async with self._database.company(company_id) as tx:
                ids = [job_id for company, job_id in jobs if company == company_id]
                for integration_id in await KnockTraffic().integrations(tx, ids):
                    await self._store.attention.raise_issue(
                        tx, integration_id, kind=VANISHING, subject=queue, detail=detail
                    )
