"""An outbound run: each linked record that moved here since the base becomes a reconcile; so does what is queued."""

from __future__ import annotations

import asyncio
from uuid import UUID

from pydantic import JsonValue

from shared.model import Direction, EntityType, RunStatus
from shared.store.database import Database
from shared.store.ledger import Job, JobRequest, Knock
from shared.store.runs import Counts
from shared.store.store import Store
from shared.sync.jobs.endings import Continue, Done, Ending
from shared.sync.jobs.priorities import OUTBOUND_SWEEP, RECONCILE
from shared.sync.submissions.owed_submissions import ask

BATCH = 500
"""Records that are asked for in one transaction."""
AFTER, OF_RUN = "after", "of_run"
"""Where a run that was cut off goes on, and which run that was: in the job's payload."""


class OutboundSweep:
    """Handler of `push_moved` jobs."""

    def __init__(self, database: Database, store: Store, *, time_budget_s: float = 240.0, batch: int = BATCH) -> None:
        self._database = database
        self._store = store
        self._time_budget_s = time_budget_s
        self._batch = batch

    async def __call__(self, job: Job) -> Ending:
        """
        Ask for each record that moved, first of all for what was submitted; the run is complete when all are asked for.

        After the time budget the job goes on in another invocation, from the record that was last.
        """
        clock = asyncio.get_running_loop().time
        started = clock()
        knocks: list[Knock] = []
        after: UUID | None = None
        while True:
            async with self._database.company(job.company_id) as tx:
                await self._store.ledger.guard(tx, job)
                runs = await self._store.runs.running(tx, job.integration_id, job.entity, Direction.OUTBOUND)
                if not runs:
                    return Done("nothing_to_run", knocks)
                run = runs[0]
                await self._store.runs.lock(tx, [run])
                if after is None and job.payload.get(OF_RUN) == str(run.id):
                    after = UUID(str(job.payload[AFTER]))
                if after is None and job.entity is EntityType.APPLICATION:
                    knocks.extend(await ask(tx, self._store, job.integration_id, batch=self._batch))
                moved = await self._store.links.moved_records(tx, job.integration_id, job.entity, after, self._batch)
                requests = [_request(job, each, run.id) for each in moved]
                knocks.extend(await self._store.ledger.enqueue(tx, requests))
                is_cancelled = await self._store.runs.add(tx, run.id, Counts(pages=1, read=len(moved)), {})
                if is_cancelled or len(moved) < self._batch:
                    status = RunStatus.CANCELLED if is_cancelled else RunStatus.COMPLETE
                    evidence: dict[str, JsonValue] = {"records_asked_for": run.counts.read + len(moved)}
                    await self._store.runs.end(tx, run, status, evidence=evidence)
                    return Continue(knocks=knocks) if len(runs) > 1 else Done(status.value, knocks)
                after = moved[-1]
            if clock() - started >= self._time_budget_s:
                return Continue(knocks=knocks, payload={AFTER: str(after), OF_RUN: str(run.id)})


def _request(job: Job, record_id: UUID, run_id: UUID) -> JobRequest:
    """What the job writes is the run's doing: so it can be explained, and taken back."""
    return JobRequest(
        job.integration_id,
        RECONCILE,
        job.entity,
        str(record_id),
        Direction.OUTBOUND,
        OUTBOUND_SWEEP,
        run_id=run_id,
    )
