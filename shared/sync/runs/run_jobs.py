"""
Runs and their jobs: which job a run has, and what becomes of the one when the other ends.

A job that is given up (a dead letter is written) ends its run as failed, in the same transaction. A job that somebody
redrives has a run again. A run whose job is on the queue no more is over, whatever its row says.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from shared import telemetry
from shared.model import Direction, EntityType, RunStatus
from shared.store.database import Database, Transaction
from shared.store.ledger import Job, JobRequest, Knock
from shared.store.run_changes import RunChanges
from shared.store.runs import Run
from shared.store.store import Store
from shared.sync.jobs.endings import Ending
from shared.sync.jobs.priorities import INCREMENTAL_PULL, OUTBOUND_SWEEP, PULL, PUSH_MOVED, REVERT

DIRECTIONS = {PULL: Direction.INBOUND, PUSH_MOVED: Direction.OUTBOUND}
"""Which way the runs go that a job of this action works off, the oldest first."""
LEFT_OVER = "its job is on the queue no more: what it has read stays, and the next run goes on from there"
"""Why a run is ended that nobody works on."""

log = telemetry.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RunJob:
    """As much of a job as tells which run it works on."""

    integration_id: UUID
    action: str
    entity: EntityType
    record_key: str

    @classmethod
    def of(cls, job: Job) -> RunJob:
        """Return that part of *job*."""
        return cls(job.integration_id, job.action, job.entity, job.record_key)


def pull_request(integration_id: UUID, run: Run, *, priority: int = INCREMENTAL_PULL) -> JobRequest:
    """Return the job of *run*."""
    return JobRequest(integration_id, PULL, _entity(run), "all", Direction.INBOUND, priority, run_id=run.id)


def outbound_request(integration_id: UUID, run: Run) -> JobRequest:
    """Return the job of an outbound run."""
    return JobRequest(
        integration_id, PUSH_MOVED, _entity(run), "all", Direction.OUTBOUND, OUTBOUND_SWEEP, run_id=run.id
    )


def _entity(run: Run) -> EntityType:
    if run.entity is None:
        raise ValueError("a run over several entities has no job of its own")
    return run.entity


async def next_pulls(tx: Transaction, store: Store, run: Run) -> list[JobRequest]:
    """Return the job of the sibling whose turn it is after *run*: parents are pulled before children, one at a time."""
    if run.parent_id is None:
        return []
    waiting = [
        each
        for each in await store.runs.children(tx, run.parent_id)
        if each.status is RunStatus.RUNNING and each.direction is Direction.INBOUND and each.entity is not None
    ]
    order = list(EntityType)
    waiting.sort(key=lambda each: order.index(_entity(each)))
    return [pull_request(run.integration_id, each) for each in waiting[:1]]


async def end_cancelled_siblings(tx: Transaction, store: Store, run: Run) -> None:
    """End siblings of *run* that were cancelled: while they wait for their turn no job of theirs could notice it."""
    if run.parent_id is None:
        return
    for sibling in await store.runs.children(tx, run.parent_id):
        if sibling.status is RunStatus.RUNNING and sibling.is_cancel_requested:
            await store.runs.end(tx, sibling, RunStatus.CANCELLED)


async def end_run_of(tx: Transaction, store: Store, job: RunJob, *, error: str) -> list[Knock]:
    """
    End the run of *job*, which was given up in this transaction, as failed; return whom to knock for.

    What comes after it goes on as after any failed run: the next entity, and runs that were asked for meanwhile.
    """
    if job.action == REVERT:
        run = await store.runs.get(tx, UUID(job.record_key))
        if run is not None:
            await store.runs.end(tx, run, RunStatus.FAILED, error=error)
        return []
    direction = DIRECTIONS.get(job.action)
    if direction is None:
        return []
    runs = await store.runs.running(tx, job.integration_id, job.entity, direction)
    if not runs:
        return []
    await store.runs.end(tx, runs[0], RunStatus.FAILED, error=error)
    if direction is Direction.OUTBOUND:
        return await store.ledger.enqueue(tx, [outbound_request(job.integration_id, each) for each in runs[1:2]])
    await end_cancelled_siblings(tx, store, runs[0])
    later = await store.runs.running(tx, job.integration_id, job.entity, direction)
    requests = [pull_request(job.integration_id, each) for each in later[:1]]
    return await store.ledger.enqueue(tx, [*requests, *await next_pulls(tx, store, runs[0])])


async def end_left_over(tx: Transaction, store: Store, integration_id: UUID, entity: EntityType | None) -> set[UUID]:
    """
    End as failed the runs of an integration (and an entity) that nobody works on or ever would; return their ids.

    There should be none: whatever ends a job ends its run. One that is there all the same would keep others waiting.
    """
    runs = await RunChanges().left_over(tx, integration_id, entity)
    await store.runs.lock(tx, runs)
    for run in runs:
        await store.runs.end(tx, run, RunStatus.FAILED, error=LEFT_OVER)
        log.error("run_left_over", integration_id=str(integration_id), run_id=str(run.id))
    return {each for run in runs for each in (run.id, run.parent_id) if each is not None}


class Redrivable:
    """A handler whose jobs have runs: one that was given up, and is redriven, has a run again before it is run."""

    def __init__(self, handler: Callable[[Job], Awaitable[Ending]], database: Database, store: Store) -> None:
        self._handler = handler
        self._database = database
        self._store = store

    async def __call__(self, job: Job) -> Ending:
        """Run the job."""
        if job.epoch:  # rises with each redrive
            async with self._database.company(job.company_id) as tx:
                await self._store.ledger.guard(tx, job)
                await run_again(tx, self._store, RunJob.of(job))
        return await self._handler(job)


async def run_again(tx: Transaction, store: Store, job: RunJob) -> None:
    """
    Give *job* a run where its last one failed: one that takes a run back goes on, any other begins as a new one.

    A new one starts where the failed one did: what that one has brought in costs no write. Where a later run came
    through, or one is under way, none is made.
    """
    if job.action == REVERT:
        run = await store.runs.get(tx, UUID(job.record_key))
        if run is not None:
            await store.runs.lock(tx, [run])
            await RunChanges().reopen(tx, run)
        return
    direction = DIRECTIONS[job.action]
    last = await store.runs.latest(tx, job.integration_id, job.entity, direction)
    if last is not None and last.status is RunStatus.FAILED:
        await store.runs.create(
            tx, job.integration_id, entity=job.entity, direction=direction, mode=last.mode, trigger="redrive"
        )
