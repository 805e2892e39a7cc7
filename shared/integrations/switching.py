"""What follows from turning off: jobs leave the queue with a log row each, their runs end, nothing is deleted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from shared.model import Direction, EntityType, LogAction, LogStatus, RunStatus
from shared.store.database import Transaction
from shared.store.integrations import Integrations
from shared.store.ledger import Knock, Ledger
from shared.store.links import EXTERNAL_KEY
from shared.store.logs import LogRow, Logs
from shared.store.parity import Parity
from shared.store.runs import Run, Runs
from shared.sync.jobs.priorities import COMPARE, PULL, PUSH_MOVED, RECONCILE, REVERT

ACTIONS = (PULL, RECONCILE, PUSH_MOVED, COMPARE)
"""Jobs that move records; what the webhook intake is told is never cancelled."""

SWITCHES: Mapping[str, EntityType] = {
    "sync_roles": EntityType.JOB,
    "sync_candidates": EntityType.CANDIDATE,
    "sync_applications": EntityType.APPLICATION,
}
"""Columns that turn one entity off, both ways."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What was taken off the queue, and whom to knock for: runs over several entities go on with their next one."""

    jobs: int
    knocks: list[Knock]


class Canceller:
    """Takes jobs off the queue for a stated cause."""

    def __init__(self, integrations: Integrations, ledger: Ledger, logs: Logs, runs: Runs) -> None:
        self._integrations = integrations
        self._ledger = ledger
        self._logs = logs
        self._runs = runs
        self._parity = Parity()

    async def cancel(
        self, tx: Transaction, integration_id: UUID, entities: Sequence[EntityType], *, cause: str, words: str
    ) -> Cancelled:
        """
        Cancel the pending jobs of *entities*, end their runs and comparisons; what is at work ends at its next page.

        *cause* is stable and for programs, *words* are for people.
        """
        jobs = await self._ledger.cancel(tx, integration_id, ACTIONS, entities)
        await self._logs.write(tx, [_skipped(integration_id, job, cause, words) for job in jobs])
        await self._parity.cancel(tx, integration_id, entities, error=words)
        at_work = await self._integrations.at_work(tx, integration_id, (PULL, PUSH_MOVED))
        parents: set[UUID] = set()
        running = await self._running(tx, integration_id, entities)
        await self._runs.lock(tx, running)
        for run in running:
            if (run.entity, run.direction) in at_work:
                await self._runs.request_cancel(tx, run.id)
            else:
                await self._runs.end(tx, run, RunStatus.CANCELLED, error=words)
            if run.parent_id is not None:
                parents.add(run.parent_id)
        return Cancelled(len(jobs), await self._go_on(tx, integration_id, parents, entities))

    async def cancel_reverts(self, tx: Transaction, integration_id: UUID, *, cause: str, words: str) -> int:
        """Cancel the taking back of runs that waits for its turn, and end it; return how many jobs that was."""
        jobs = await self._ledger.cancel(tx, integration_id, (REVERT,))
        await self._logs.write(tx, [_skipped(integration_id, job, cause, words) for job in jobs])
        found = [await self._runs.get(tx, UUID(job["record_key"])) for job in jobs]
        runs = [run for run in found if run is not None]
        await self._runs.lock(tx, runs)
        for run in runs:
            await self._runs.end(tx, run, RunStatus.CANCELLED, error=words)
        return len(jobs)

    async def _running(self, tx: Transaction, integration_id: UUID, entities: Sequence[EntityType]) -> list[Run]:
        found: list[Run] = []
        for entity in entities:
            for direction in Direction:
                found += await self._runs.running(tx, integration_id, entity, direction)
        return found

    async def _go_on(
        self, tx: Transaction, integration_id: UUID, parents: Iterable[UUID], without: Sequence[EntityType]
    ) -> list[Knock]:
        """Start what came next in runs over several entities: a cancelled run passes the turn to nobody."""
        from shared.sync.runs.run_jobs import pull_request  # the engine, which only a worker should have to load

        requests = []
        for parent_id in parents:
            waiting = [
                run
                for run in await self._runs.children(tx, parent_id)
                if run.status is RunStatus.RUNNING
                and run.direction is Direction.INBOUND
                and run.entity is not None
                and run.entity not in without
            ]
            order = list(EntityType)
            waiting.sort(key=lambda run: order.index(run.entity or EntityType.JOB))
            requests += [pull_request(integration_id, run) for run in waiting[:1]]
        return await self._ledger.enqueue(tx, requests)


def _skipped(integration_id: UUID, job: Mapping[str, Any], cause: str, words: str) -> LogRow:
    key: str = job["record_key"]
    return LogRow(
        integration_id=integration_id,
        entity=EntityType(job["entity_type"]),
        action=LogAction.SKIPPED,
        direction=Direction(job["direction"]),
        status=LogStatus.SUCCESS,
        entity_id=_record_id(key) if job["action"] == RECONCILE else None,
        external_id=key.removeprefix(EXTERNAL_KEY) if key.startswith(EXTERNAL_KEY) else None,
        error_message=words,
        run_id=job["run_id"],
        job_id=job["id"],
        details={"cause": cause, "job": job["action"]},
    )


def _record_id(key: str) -> UUID | None:
    try:
        return UUID(key)
    except ValueError:
        return None
