"""What follows from turning off: jobs leave the queue with a log row each, their runs end, nothing is deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from shared.model import Direction, EntityType, LogAction, LogStatus, RunStatus
from shared.store.database import Transaction
from shared.store.ledger import Ledger
from shared.store.links import EXTERNAL_KEY
from shared.store.logs import LogRow, Logs
from shared.store.runs import Runs
from shared.sync.priorities import PULL, RECONCILE

SWITCHES: Mapping[str, EntityType] = {
    "sync_roles": EntityType.JOB,
    "sync_candidates": EntityType.CANDIDATE,
    "sync_applications": EntityType.APPLICATION,
}
"""Columns that turn one entity off, both ways."""


class Canceller:
    """Takes jobs off the queue for a stated cause."""

    def __init__(self, ledger: Ledger, logs: Logs, runs: Runs) -> None:
        self._ledger = ledger
        self._logs = logs
        self._runs = runs

    async def cancel(
        self, tx: Transaction, integration_id: UUID, entities: Sequence[EntityType] | None, *, cause: str, words: str
    ) -> int:
        """
        Cancel the pending jobs of *entities* (None: of all); return how many.

        *cause* is stable and for programs, *words* are for people. A job at work finds the switch off by itself.
        """
        jobs = await self._ledger.cancel(tx, integration_id, (PULL, RECONCILE), entities)
        await self._logs.write(tx, [_skipped(integration_id, job, cause, words) for job in jobs])
        for run_id in {job["run_id"] for job in jobs if job["run_id"] is not None}:
            run = await self._runs.get(tx, run_id)
            if run is not None:
                await self._runs.end(tx, run, RunStatus.CANCELLED, error=words)
        return len(jobs)


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
