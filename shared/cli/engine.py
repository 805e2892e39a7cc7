"""The engine for one job in this process: the workers' own handlers, and nothing loaded that they do not need."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from shared.store.ledger import Knock
from shared.store.queues import Knocker
from shared.sync.runs.requests import Syncs
from shared.sync.workers.runner import Handler, Limits, Runner

if TYPE_CHECKING:
    from shared.composition import Services

NO_OTHER_JOB = 99
"""A priority that no job has: only the named job is claimed."""
POLL_S = 0.2


class NoKnocks(Knocker):
    """Sends nothing: what is asked for is done here, and what follows from it the sweep finds within its period."""

    def __init__(self) -> None:
        """Need no queues."""

    async def send(self, knocks: Sequence[Knock], **_: object) -> int:  # noqa: ARG002 - nothing is sent
        """Send nothing."""
        return 0


class Engine:
    """Runs named jobs."""

    def __init__(self, services: Services, handlers: Mapping[str, Handler]) -> None:
        settings = services.settings
        self._services = services
        self._limits = Limits(settings.sync_lease_seconds, settings.sync_batch_size, settings.sync_max_concurrent)
        self._runner = Runner(services.database, services.store, NoKnocks(), handlers, self._limits)
        self.syncs = Syncs(services.database, services.store, NoKnocks())

    async def run(self, job_id: UUID) -> None:
        """Run the job in this process if it can be had now; a worker that has it is given a moment."""
        async with self._services.database.dispatch() as tx:
            claim = await self._services.store.ledger.claim(
                tx,
                job_id,
                low=NO_OTHER_JOB,
                high=NO_OTHER_JOB,
                ttl_s=self._limits.lease_s,
                per_integration=self._limits.per_integration,
            )
        if claim is None:
            await asyncio.sleep(POLL_S)
            return
        await self._runner.run(claim)
