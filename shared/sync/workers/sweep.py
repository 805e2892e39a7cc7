"""
The sweep and the schedules: what makes the ledger independent of the queues.

A message may be lost, doubled or asleep for ten minutes. So every period the sweep knocks for what is due and not
knocked for: per queue at most what can run, less what lies there to be seen; never once per waiting job.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import LiteralString
from uuid import UUID

from shared import telemetry
from shared.errors import Conflict, Unavailable
from shared.store.connections import Connections
from shared.store.database import Database
from shared.store.heartbeats import SWEEP, Heartbeats
from shared.store.ledger import Knock
from shared.store.queues import MOST_SEEN, QUEUE_BY_PRIORITY, Knocker, Queues
from shared.store.schedules import Schedules
from shared.sync.comparing.parity import Comparisons
from shared.sync.jobs.priorities import COMPARE
from shared.sync.runs.cadence import next_due
from shared.sync.runs.requests import Syncs
from shared.sync.vendors.breakers import BreakerWatch
from shared.sync.workers.vanishing import Watch

CAPACITY = MOST_SEEN
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
        comparisons: Comparisons,
        *,
        per_integration: int,
        watch: Watch | None = None,
        breakers: BreakerWatch | None = None,
    ) -> None:
        self._database = database
        self._queues = queues
        self._knocker = knocker
        self._syncs = syncs
        self._comparisons = comparisons
        self._per_integration = per_integration
        self._watch = watch
        self._breakers = breakers
        self._schedules = Schedules()

    async def sweep(self) -> int:
        """Knock for what is due; return how often. Raises Unavailable when the database is away."""
        due = {queue: await self._due(span) for span, queue in QUEUE_BY_PRIORITY.items()}
        await self._look(due)  # before new knocks are sent: those of the last time had all the time to arrive
        sent = 0
        for queue, knocks in due.items():
            if knocks:
                room = CAPACITY - await self._waiting(queue)
                sent += await self._knocker.send(knocks[:room], most=CAPACITY)
        async with self._database.dispatch() as tx:
            tended = await tx.one(_TEND)
            await Heartbeats().beat(tx, SWEEP)
        if self._breakers is not None:
            await self._breakers.look()
        log.debug("swept", knocks=sent, woken=tended["woken"], purged=tended["purged"])
        return sent

    async def _look(self, due: Mapping[str, Sequence[Knock]]) -> None:
        """Look whether knocks vanish. Whatever fails there, knocks are sent: every lost message counts on them."""
        if self._watch is None:
            return
        try:
            await self._watch.look({queue: [(knock.company_id, knock.job_id) for knock in due[queue]] for queue in due})
        except Unavailable:
            raise
        except Exception:
            log.exception("knocks_not_watched")

    async def _due(self, span: range) -> list[Knock]:
        """Return a knock for each job with a priority in *span* that is due and can run."""
        low, high = span.start, span.stop - 1
        async with self._database.dispatch() as tx:
            rows = await tx.rows(_DUE_JOBS, low=low, high=high, per_integration=self._per_integration, limit=CAPACITY)
        return [Knock(row["company"], row["job_id"], row["job_epoch"], low) for row in rows]

    async def _waiting(self, queue: str) -> int:
        """Return how many knocks lie there for whoever looks. Those that died with their host help nobody."""
        try:
            return await self._queues.visible(queue)
        except Unavailable:
            return CAPACITY  # nothing can be sent there anyhow

    async def start_due(self) -> int:
        """
        Start the runs of due schedules; return how many. One that can't start stops no other: it is logged, and comes
        due again after its period; one that lost against another transaction stays due. Raises Unavailable when the
        database is away.
        """
        async with self._database.dispatch() as tx:
            due = await self._schedules.due(tx)
        started = 0
        for schedule_id, company_id in due:
            try:
                started += await self._start(schedule_id, company_id)
            except Unavailable:
                raise
            except Conflict as error:  # another transaction was faster: it stays due
                log.warning("schedule_waits", schedule_id=str(schedule_id), company_id=str(company_id), why=str(error))
            except Exception:
                log.exception("schedule_not_started", schedule_id=str(schedule_id), company_id=str(company_id))
                await self._pass_over(schedule_id, company_id)
        return started

    async def _start(self, schedule_id: UUID, company_id: UUID) -> int:
        async with self._database.company(company_id) as tx:
            schedule = await self._schedules.lock_due(tx, schedule_id)
            if schedule is None:
                return 0  # another tick was faster
            integration = await Connections().get(tx, schedule.integration_id)
            if schedule.mode == COMPARE:
                knocks = await self._comparisons.schedule(tx, integration, schedule.entity)
            else:
                knocks = await self._syncs.schedule(tx, integration, schedule.entity, schedule.mode)
            await self._schedules.advance(tx, schedule, next_due(schedule))
        await self._knocker.send(knocks)
        return 1 if knocks else 0

    async def _pass_over(self, schedule_id: UUID, company_id: UUID) -> None:
        """Let it come due after its period, so that schedules which always fail never crowd out the others."""
        async with self._database.company(company_id) as tx:
            await self._schedules.skip(tx, schedule_id)
