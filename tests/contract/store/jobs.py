"""Jobs of a place: put off, and when they are due."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from shared.store.jobs import Job
from tests.contract.store.ground import Ground, Place


async def postpone(ground: Ground, job: Job, **how: Any) -> None:
    async with ground.database.company(job.company_id) as tx:
        await ground.store.ledger.postpone(tx, job, **how)


async def wait_s(place: Place, job_id: UUID) -> float:
    """In how many seconds it is due."""
    due: timedelta = (await place.job(job_id))["scheduled_at"] - await place.ground.now()
    return due.total_seconds()
