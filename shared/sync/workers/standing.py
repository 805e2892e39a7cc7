"""
An integration that stands still because its vendor refuses it: stopped once, told once, and going on by itself.

Stopping sets `attention`, raises an issue and asks for a test of the connection in an hour. Jobs wait: the one that was
refused is held by name, all others because nothing is claimed of an integration that needs people. It goes on when new
settings were saved (they are tested first), when somebody tests the connection, or when the hourly test finds it well.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

from shared import telemetry
from shared.adapters.protocol import ConnectionReport
from shared.errors import LiaisonError
from shared.model import Direction, EntityType
from shared.store.connections import IntegrationRow
from shared.store.database import Database, Transaction
from shared.store.ledger import Job, JobRequest, Knock
from shared.store.store import Store
from shared.sync.jobs import waiting
from shared.sync.jobs.endings import Continue, Done, Ending
from shared.sync.jobs.priorities import PUBLISH, RETEST, SECRETS
from shared.sync.vendors.adapters import Adapters

STOPPED = "integration_stopped"
"""Kind of the issue that stands as long as the integration does."""
SUBJECT = "connection"
EVERY_S = 3600.0
"""Between two tests of the connection."""
WAITED = "waited"

log = telemetry.get_logger(__name__)


async def stop(tx: Transaction, store: Store, job: Job, error: LiaisonError) -> tuple[bool, list[Knock]]:
    """
    Stop the integration of *job*, and hold the job; return whether it ran until now, and whom to knock for.

    Settings that changed since the job was claimed are not the ones that were refused: then the job is tried with them.
    """
    told = str(error) if error.remedy is None else f"{error}; {error.remedy}"
    was_running = await store.connections.needs_people(
        tx, job.integration_id, job_id=job.id, code=error.code, detail=str(error)
    )
    stands = (await store.connections.get(tx, job.integration_id)).attention is not None
    held_for = waiting.people(job.integration_id) if stands else None
    await store.ledger.postpone(tx, job, code=error.code, message=str(error), hold_reason=held_for)
    if not was_running:
        return False, []
    await store.attention.raise_issue(tx, job.integration_id, kind=STOPPED, subject=SUBJECT, detail=told)
    return True, await store.ledger.enqueue(tx, [_request(job.integration_id, RETEST, {WAITED: False})])


async def go_on(tx: Transaction, store: Store, integration_id: UUID) -> list[Knock]:
    """Release what waits for people, in the transaction that ends the integration's need of them."""
    await store.attention.settle_issue(tx, integration_id, kind=STOPPED, subject=SUBJECT)
    return await store.ledger.release_held(tx, integration_id, [waiting.people(integration_id)])


async def lift(tx: Transaction, store: Store, integration: IntegrationRow) -> list[Knock] | None:
    """
    Let *integration* go on after its connection was found well; return whom to knock for.

    None: it did not stand, or was changed since it was read.
    """
    if not await store.connections.lift_attention(tx, integration.id, version=integration.version):
        return None
    log.info("integration_went_on", integration_id=str(integration.id), cause=integration.attention)
    told = await store.ledger.enqueue(tx, [_request(integration.id, PUBLISH, {})])
    return [*await go_on(tx, store, integration.id), *told]


class Retest:
    """Handler of `retest` jobs, which run while the integration stands: tests the connection once an hour."""

    def __init__(
        self,
        database: Database,
        store: Store,
        adapters: Adapters,
        resume: Callable[[UUID, UUID], Awaitable[object]],
    ) -> None:
        self._database = database
        self._store = store
        self._adapters = adapters
        self._resume = resume

    async def __call__(self, job: Job) -> Ending:
        """Test the connection unless it was refused just now; let the integration go on if it is well."""
        async with self._database.company(job.company_id) as tx:
            integration = await self._store.connections.get(tx, job.integration_id)
        if integration.attention is None or integration.deleted_at is not None:
            return Done("not_needed")
        if not job.payload.get(WAITED) or not integration.sync_enabled:
            return Continue(EVERY_S, payload={WAITED: True})
        report = await self._test(integration)
        if report is None or not report.ok:
            return Continue(EVERY_S)
        async with self._database.company(job.company_id) as tx:
            await self._store.ledger.guard(tx, job)
            knocks = await lift(tx, self._store, integration)
        if knocks is None:
            return Continue()
        await self._resume(job.company_id, job.integration_id)
        return Done("went_on", knocks)

    async def _test(self, integration: IntegrationRow) -> ConnectionReport | None:
        try:
            async with self._adapters.connected(integration) as adapter:
                return await adapter.check()
        except LiaisonError as error:
            log.info("retest_refused", code=error.code)
            return None


def _request(integration_id: UUID, action: str, payload: dict[str, bool]) -> JobRequest:
    # A job belongs to an entity; these concern none of them, so they name the first.
    return JobRequest(
        integration_id, action, EntityType.JOB, str(integration_id), Direction.INBOUND, SECRETS, payload=dict(payload)
    )
