"""One job at a time: claimed, or run."""

from __future__ import annotations

from uuid import UUID

from shared.store.ledger import Claim
from tests.integration.sync.world import World


async def run_job_of(world: World, record_id: UUID) -> None:
    """Run the job of one record, and no other."""
    job = await world.row(
        "SELECT id FROM sync_queue WHERE record_key = %(key)s AND status = 'pending'", key=str(record_id)
    )
    await world.services.runner.run(await _claim(world, job["id"]))


async def claimed(world: World, action: str) -> Claim:
    """Claim the one job of *action* that is due."""
    (job,) = await world.rows(
        "SELECT id FROM sync_queue WHERE status = 'pending' AND action = %(action)s", action=action
    )
    return await _claim(world, job["id"])


async def _claim(world: World, job_id: UUID) -> Claim:
    async with world.services.database.dispatch() as tx:
        claim = await world.services.store.ledger.claim(tx, job_id, low=1, high=10, ttl_s=60, per_integration=5)
    assert claim is not None
    return claim
