"""Deciding many conflicts alike: each is judged by itself, and one that can't be decided stops no other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from shared import telemetry
from shared.errors import Conflict, LiaisonError
from shared.sync.deciding.resolutions import Resolutions

MOST_AT_ONCE = 200
"""Conflicts of one request: each costs a fetch at every vendor that is a side of it."""

AT_A_TIME = 4
BUDGET_S = 60.0
"""Answers must be out well before the 230 s after which a load balancer gives up."""

log = telemetry.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class BulkResult:
    """What became of one conflict. *detail* names the cause, never a value."""

    id: UUID
    status: Literal["resolved", "moved", "failed", "not_tried"]
    detail: str | None = None


async def resolve_many(
    resolutions: Resolutions,
    company_id: UUID,
    conflict_ids: Sequence[UUID],
    *,
    choice: str,
    integration_id: UUID | None,
    actor: str,
) -> list[BulkResult]:
    """
    Decide each of the conflicts by *choice* (`portal` or `integration`); return the results in their order.

    `moved`: a side changed since, or it is decided already; `not_tried`: the time was over.
    """
    until = time.monotonic() + BUDGET_S
    turns = asyncio.Semaphore(AT_A_TIME)

    async def one(conflict_id: UUID) -> BulkResult:
        async with turns:
            if time.monotonic() > until:
                return BulkResult(conflict_id, "not_tried", "ask again")
            try:
                await resolutions.resolve(
                    company_id, conflict_id, choice=choice, integration_id=integration_id, actor=actor
                )
            except Conflict as error:
                return BulkResult(conflict_id, "moved", str(error))
            except LiaisonError as error:
                log.warning("conflict_not_resolved", conflict_id=str(conflict_id), code=error.code)
                return BulkResult(conflict_id, "failed", str(error))
            return BulkResult(conflict_id, "resolved")

    unique = dict.fromkeys(conflict_ids)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(each)) for each in unique]
    return [task.result() for task in tasks]
