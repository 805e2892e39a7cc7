"""
The sweep and the schedules: what makes the ledger independent of the queues.

A message may be lost, doubled or asleep for ten minutes. So every period the sweep knocks for what is due and not
knocked for: per queue at most what can run, less what the queue holds already; never once per waiting job.
"""

from __future__ import annotations

from typing import LiteralString
from uuid import UUID

from shared import telemetry
from shared.errors import Unavailable
from shared.store.connections import Connections
from shared.store.database import Database
from shared.store.heartbeats import SWEEP, Heartbeats
from shared.store.ledger import Knock
from shared.store.queues import QUEUE_BY_PRIORITY, Knocker, Queues
from shared.store.schedules import Schedules
from shared.sync.runs import Syncs

CAPACITY = 32
"""Knocks that wait in a queue at the most: more could not be answered before the next sweep."""

_DUE_JOBS: LiteralString = "SELECT * FROM due_jobs(%(low)s, %(high)s, %(per_integration)s, %(limit)s)"
_TEND: LiteralString = "SELECT * FROM tend_queue()"

log = telemetry.get_logger(__name__)


class Sweep:
    """Knocks for due jobs, starts due schedules, wakes what waits too long."""

    def __init__(
        self,
        database: Database,
        queues: Queues,
        knocker: Knocker,
        syncs: Syncs,
        *,
        per_integration: int,
    ) -> None:
        self._database = database
        self._queues = queues
        self._knocker = knocker
        self._syncs = syncs
        self._per_integration = per_integration

    async def sweep(self) -> int:
        """Knock for what is due; return how often. Raises Unavailable when the database is away."""
        sent = 0
        for span, queue in QUEUE_BY_PRIORITY.items():
            async with self._database.dispatch() as tx:
                rows = await tx.rows(
                    _DUE_JOBS,
                    low=span.start,
                    high=span.stop - 1,
                    per_integration=self._per_integration,
                    limit=CAPACITY,
                )
            if rows:
                room = CAPACITY - await self._waiting(queue)
                knocks = [Knock(row["company"], row["job_id"], row["job_epoch"], span.start) for row in rows]
                sent += await self._knocker.send(knocks[: max(room, 0)], most=CAPACITY)
        async with self._database.dispatch() as tx:
            tended = await tx.one(_TEND)
            await Heartbeats().beat(tx, SWEEP)
        log.debug("swept", knocks=sent, woken=tended["woken"], purged=tended["purged"])
        return sent

    async def _waiting(self, queue: str) -> int:
        try:
            return await self._queues.count(queue)
        except Unavailable:
            return CAPACITY  # nothing can be sent there anyhow

    async def start_due(self) -> int:
        """Start the runs of due schedules; return how many. One that can't start stops no other."""
        schedules = Schedules()
        async with self._database.dispatch() as tx:
            due = await schedules.due(tx)
        started = 0
        for schedule_id, company_id in due:
            started += await self._start(schedules, schedule_id, company_id)
        return started

    async def _start(self, schedules: Schedules, schedule_id: UUID, company_id: UUID) -> int:
        async with self._database.company(company_id) as tx:
            schedule = await schedules.lock(tx, schedule_id)
            if schedule is None:
                return 0
            integration = await Connections().get(tx, schedule.integration_id)
            knocks = await self._syncs.schedule(tx, integration, schedule.entity, schedule.mode)
            await schedules.advance(tx, schedule_id)
        await self._knocker.send(knocks)
        return 1
