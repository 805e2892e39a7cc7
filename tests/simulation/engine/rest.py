"""
Coming to rest, and what must hold there.

The faults are over, permissions are back, and nobody edits any more. A round reads every vendor whole, works off what
is due and lets an hour pass. The world is at rest after a round in which nothing was written on any side.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from shared.composition import Services
from shared.errors import LiaisonError
from shared.model import Direction
from shared.store.dead_letters import DeadLetters
from shared.store.jobs import JobRequest
from shared.store.links import EXTERNAL_KEY
from shared.sync.jobs.priorities import RECONCILE, WEBHOOK_SIGNAL
from tests.simulation.engine.judging import judge
from tests.simulation.engine.oracle import Violation
from tests.simulation.engine.vendor import START
from tests.simulation.engine.world import APPLICATION, CANDIDATE, COMPANY, MATCHES, World

MOST_ROUNDS = 25
MOST_JOBS = 5_000
QUEUES = ((1, 3), (4, 7), (8, 10))
LEASES_END_S = 70.0
HOUR_S = 3600.0
LATEST_S = 400.0
"""A worker freezes for 130 s at the most, a timer that fails comes again after a minute."""


async def come_to_rest(world: World, services: Services) -> int:
    """Bring *world* to rest and judge it; return how many rounds that took. Raises Violation."""
    for vendor in world.vendors.values():
        vendor.hidden.clear()
        vendor.empty_lists, vendor.missing_until, vendor.expired_cursors, vendor.limited_until = 0, 0.0, 0, 0.0
    _require_on_time(world)
    await asyncio.sleep(LEASES_END_S)
    await _tell_of_deletes(world, services)
    await _redrive(world, services)
    rounds = await _rounds(world, services)
    judge(world)
    if world.plan.ends_decided:
        await _decide_all(world, services)
        rounds = max(rounds, await _rounds(world, services))
        judge(world)
    return rounds


def _require_on_time(world: World) -> None:
    """While the story lasted, no schedule was overdue by more than what a frozen or dying timer explains."""
    late = asyncio.get_running_loop().time() - LATEST_S
    for row in world.committed("schedules"):
        due = (row["next_due_at"] - START) / timedelta(seconds=1)
        if due < late:
            raise Violation(f"the schedule of {world.names[row['integration_id']]} is due since {due:.0f} s")


async def _rounds(world: World, services: Services) -> int:
    for number in range(1, MOST_ROUNDS + 1):
        before = (world.oracle.vendor_writes, world.oracle.changes)
        for integration_id in world.ids.values():
            await services.syncs.request(
                COMPANY, integration_id, direction=Direction.INBOUND, entity=world.pulled, mode="full"
            )
        await services.sweep.sweep()
        await _work_off(world, services)
        await asyncio.sleep(HOUR_S)
        if before == (world.oracle.vendor_writes, world.oracle.changes) and number > 1:
            return number
    raise Violation(f"no rest within {MOST_ROUNDS} rounds")


async def _work_off(world: World, services: Services) -> None:
    """Run jobs until none is due or will be."""
    for _ in range(MOST_JOBS):
        claim = None
        for low, high in QUEUES:
            async with services.database.dispatch() as tx:
                claim = await services.store.ledger.claim(tx, None, low=low, high=high, ttl_s=60, per_integration=5)
            if claim is not None:
                break
        if claim is not None:
            await services.runner.run(claim)
            continue
        wait_s = _until_next(world)
        if wait_s is None:
            return
        await asyncio.sleep(wait_s)
    raise Violation(f"jobs are still due after {MOST_JOBS}")


def _until_next(world: World) -> float | None:
    """Return the seconds until a job is due or its lease ends; None when none will be."""
    now = asyncio.get_running_loop().time()
    times = []
    for row in world.committed("sync_queue"):
        if row["status"] == "pending" and row["hold_reason"] is None:
            times.append((row["scheduled_at"] - START) / timedelta(seconds=1))
        elif row["status"] == "processing":
            times.append((row["lease_until"] - START) / timedelta(seconds=1))
    return max(1.0, min(times) - now + 0.001) if times else None


async def _tell_of_deletes(world: World, services: Services) -> None:
    """What was deleted without an event is told now: comparing key sets is not this simulation's subject."""
    for name, vendor in world.vendors.items():
        for entity in (CANDIDATE, APPLICATION):
            gone = [each.external_id for each in vendor.records.values() if each.entity is entity and each.now.is_gone]
            async with services.database.company(COMPANY) as tx:
                keys = await services.store.links.record_keys(tx, world.ids[name], entity, gone)
                await services.store.ledger.enqueue(
                    tx,
                    [
                        JobRequest(world.ids[name], RECONCILE, entity, key, Direction.INBOUND, WEBHOOK_SIGNAL)
                        for key in keys.values()
                        if not key.startswith(EXTERNAL_KEY)
                    ],
                )


async def _redrive(world: World, services: Services) -> None:
    """People redrive what was given up while calls failed."""
    for row in list(world.committed("dead_letters")):
        async with services.database.company(COMPANY) as tx:
            await DeadLetters().redrive(tx, letter_id=row["id"])


async def _decide_all(world: World, services: Services) -> None:
    for number, integration_id in enumerate(world.pulled_brakes()):
        decide = services.deletes.approve if (world.plan.seed + number) % 4 < 2 else services.deletes.reject
        await decide(COMPANY, integration_id, actor="e0")
    await _work_off(world, services)  # what a decision about a brake ends, nobody has to decide as well
    # A decision that makes two records one may close other items; they are gone then, and nobody has to decide them.
    # What the survivor has gained by it is compared before anybody can decide on it.
    while rows := world.open_items():
        row = next((each for each in rows if each["kind"] in MATCHES), rows[0])
        chosen: dict[str, Any] = {"choice": "portal"}
        if row["kind"] in MATCHES:
            active = {each["id"] for each in world.committed("records") if each["archived_at"] is None}
            named = [str(each) for each in row["matches"] if each in active]
            chosen = {"choice": "record", "value": named[0]} if named else {"choice": "new"}
        try:
            await services.resolutions.resolve(
                COMPANY, row["id"], **chosen, expected_version=row["version"], actor="e0"
            )
        except LiaisonError as error:
            raise Violation(f"nobody can decide {row['unit'] or row['kind']} at rest: {error}") from error
        if row["kind"] in MATCHES:
            await _work_off(world, services)
