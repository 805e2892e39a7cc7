"""
Status of runs for live views, in a table that may be lost: a view that polls costs the database nothing.

One entity a run: partition = company, row = the run's id. What a run is and was stands in PostgreSQL (`runs`); this
copy is written after each page's commit and lives 1 h while the run goes on, 24 h after its end (S-127).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from shared import telemetry
from shared.errors import Unavailable
from shared.model import RunStatus
from shared.store.runs import Run

TABLE = "syncstatus"
RUNNING_LASTS = timedelta(hours=1)
ENDED_LASTS = timedelta(hours=24)

log = telemetry.get_logger(__name__)


class StatusTable(Protocol):
    """What of `shared.store.tables.Tables` this needs."""

    async def merge(self, table: str, partition: str, row: str, properties: Mapping[str, Any]) -> None:
        """Set properties of an entity, made if missing. Raises Unavailable."""
        ...

    async def find(self, table: str, partition: str, row: str) -> Mapping[str, Any] | None:
        """Return an entity, or None. Raises Unavailable."""
        ...


@dataclass(frozen=True, slots=True)
class RunStatusBoard:
    """Shows how runs stand."""

    table: StatusTable

    async def show(self, company_id: UUID, run: Run) -> None:
        """Write how *run* stands. A table that can't be reached costs the view, never the run."""
        try:
            await self.table.merge(TABLE, str(company_id), str(run.id), status_of(company_id, run, datetime.now(UTC)))
        except Unavailable as error:
            log.info("run_status_not_shown", code=error.code, run_id=str(run.id))

    async def find(self, company_id: UUID, run_id: UUID) -> Mapping[str, Any] | None:
        """Return the status of one run; None when nothing is known (any more). Raises Unavailable."""
        entity = await self.table.find(TABLE, str(company_id), str(run_id))
        if entity is None or datetime.fromisoformat(entity["expires_at"]) < datetime.now(UTC):
            return None
        return {name: value for name, value in entity.items() if name in _SHOWN}


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


def status_of(company_id: UUID, run: Run, now: datetime) -> dict[str, Any]:
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
