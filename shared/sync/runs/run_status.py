"""
Status of runs for live views, in a table that may be lost: a view that polls costs the database nothing.

One entity a run: partition = company, row = the run's id. What a run is and was stands in PostgreSQL (`runs`); this
copy is written every two seconds and lives 1 h while the run goes on, 24 h after its end (S-127).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from shared import telemetry
from shared.errors import Unavailable
from shared.model import RunStatus
from shared.store.database import Database
from shared.store.ledger import Job
from shared.store.runs import Run, Runs
from shared.sync.jobs.endings import Ending

TABLE = "syncstatus"
RUNNING_LASTS = timedelta(hours=1)
ENDED_LASTS = timedelta(hours=24)
EVERY_S = 2.0
"""Between two looks at a run that goes on."""

Handler = Callable[[Job], Awaitable[Ending]]

log = telemetry.get_logger(__name__)


class StatusTable(Protocol):
    """What of `shared.store.tables.Tables` this needs."""

    async def merge(self, table: str, partition: str, row: str, properties: Mapping[str, Any]) -> None:
        """Set properties of an entity, made if missing. Raises Unavailable."""
        ...

    async def find(self, table: str, partition: str, row: str) -> Mapping[str, Any] | None:
        """Return an entity, or None. Raises Unavailable."""
        ...

    def every(self, table: str) -> AsyncIterator[Mapping[str, Any]]:
        """Yield every entity. Raises Unavailable."""
        ...

    async def delete(self, table: str, partition: str, row: str) -> None:
        """Delete an entity if it is there. Raises Unavailable."""
        ...


@dataclass(frozen=True, slots=True)
class RunStatusBoard:
    """Shows how runs stand."""

    table: StatusTable

    async def show(self, company_id: UUID, run: Run) -> None:
        """Write how *run* stands. A table that can't be reached costs the view, never the run."""
        try:
            await self.table.merge(TABLE, str(company_id), str(run.id), entry_of(company_id, run, datetime.now(UTC)))
        except Unavailable as error:
            log.info("run_status_not_shown", code=error.code, run_id=str(run.id))

    async def find(self, company_id: UUID, run_id: UUID) -> Mapping[str, Any] | None:
        """Return the status of one run; None when nothing is known (any more). Raises Unavailable."""
        entity = await self.table.find(TABLE, str(company_id), str(run_id))
        if entity is None or datetime.fromisoformat(entity["expires_at"]) < datetime.now(UTC):
            return None
        return {name: value for name, value in entity.items() if name in _SHOWN}

    async def drop_old(self) -> int:
        """Delete what has outlived its time; return how much that was. Raises Unavailable."""
        now = datetime.now(UTC)
        old = [
            (entity["PartitionKey"], entity["RowKey"])
            async for entity in self.table.every(TABLE)
            if datetime.fromisoformat(entity["expires_at"]) < now
        ]
        for partition, row in old:
            await self.table.delete(TABLE, partition, row)
        return len(old)


class ShownLive:
    """A handler of pulls whose runs are shown while they go on, and once more when they end."""

    def __init__(self, handler: Handler, board: RunStatusBoard, database: Database, runs: Runs) -> None:
        self._handler = handler
        self._board = board
        self._database = database
        self._runs = runs

    async def __call__(self, job: Job) -> Ending:
        """Run the job. What can't be shown is not, and costs it nothing."""
        watching = asyncio.create_task(self._watch(job))
        try:
            return await self._handler(job)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await self._show(job)

    async def _watch(self, job: Job) -> None:
        while True:
            await self._show(job)
            await asyncio.sleep(EVERY_S)

    async def _show(self, job: Job) -> None:
        try:
            async with self._database.company(job.company_id) as tx:
                run = await self._runs.latest(tx, job.integration_id, job.entity)
        except Unavailable as error:
            log.info("run_status_not_shown", code=error.code)
            return
        if run is not None:
            await self._board.show(job.company_id, run)


_SHOWN = frozenset(
    {
        "sync_id",
        "company_id",
        "entity",
        "status",
        "started_at",
        "completed_at",
        "failed_at",
        "records_synced",
        "error",
    }
)


def entry_of(company_id: UUID, run: Run, now: datetime) -> dict[str, Any]:
    """Return what the table keeps of *run*; *now* starts its time to live."""
    is_running = run.status is RunStatus.RUNNING
    ended = run.ended_at or now
    status: dict[str, Any] = {
        "sync_id": str(run.id),
        "company_id": str(company_id),
        "entity": f"{run.entity.value}s" if run.entity is not None else "all",
        "status": run.status.value,
        "started_at": run.started_at.isoformat(),
        "records_synced": run.counts.read,
        "expires_at": (now + (RUNNING_LASTS if is_running else ENDED_LASTS)).isoformat(),
    }
    if run.status in (RunStatus.COMPLETE, RunStatus.PARTIAL):
        status["completed_at"] = ended.isoformat()
    elif not is_running:
        status["failed_at"] = ended.isoformat()
    if run.error is not None:
        status["error"] = run.error
    return status
