"""Nightly upkeep: partitions ahead, old logs away, kept events and tombstones past their time dropped."""

from __future__ import annotations

from typing import LiteralString

from shared import telemetry
from shared.intake.keeping import Keeping, drop_old
from shared.integrations.leaving import Leaving
from shared.store.database import Database
from shared.store.expiry import Expiry
from shared.store.webhook_events import WebhookEvents
from shared.sync.runs.run_status import RunStatusBoard

LOG_DAYS = 90
"""Days that `sync_logs` are kept, in whole months."""

_PARTITIONS: LiteralString = "SELECT maintain_partitions(%(days)s) AS made"

log = telemetry.get_logger(__name__)


class Maintenance:
    """What has to happen once a day, and may happen more often."""

    def __init__(self, database: Database, keeping: Keeping, run_status: RunStatusBoard, leaving: Leaving) -> None:
        self._database = database
        self._keeping = keeping
        self._run_status = run_status
        self._leaving = leaving

    async def run(self) -> None:
        """Do all of it. Raises Unavailable."""
        async with self._database.dispatch() as tx:
            made = (await tx.one(_PARTITIONS, days=LOG_DAYS))["made"]
        late = await self._end_what_came_late()
        forgotten = await self._forget_connections()
        dropped = await drop_old(self._keeping)
        shown = await self._run_status.drop_old()
        log.info("maintained", partitions=made, connections=forgotten, late=late, events=dropped, run_status=shown)

    async def _end_what_came_late(self) -> int:
        """End jobs that were at work when their connection was deleted, and could not be done any more."""
        async with self._database.dispatch() as tx:
            companies = await WebhookEvents().all_integrations(tx)
        jobs = 0
        for company_id in sorted(companies):
            async with self._database.company(company_id) as tx:
                jobs += await self._leaving.end_what_came_late(tx)
        return jobs

    async def _forget_connections(self) -> int:
        """End the tombstones of connections that were deleted 30 days ago."""
        expiry = Expiry()
        async with self._database.dispatch() as tx:
            due = await expiry.forgotten(tx)
        for integration_id, company_id in due:
            async with self._database.company(company_id) as tx:
                await expiry.forget(tx, integration_id)
        return len(due)
