"""Schedules, and the heartbeats of our own timers."""

from __future__ import annotations

from uuid import UUID

from shared.store.heartbeats import Heartbeats
from shared.store.schedules import Cadence, Schedule, Schedules
from tests.contract.store.ground import CANDIDATE, HOUR, JOB, Ground, Place


async def test_schedules(place: Place) -> None:
    ground, schedules = place.ground, Schedules()

    async def put(*cadences: Cadence) -> list[Schedule]:
        async with ground.database.company(place.company_id) as tx:
            await schedules.put(tx, place.integration_id, cadences)
            return await schedules.of(tx, place.integration_id)

    async def due(limit: int = 9) -> list[tuple[UUID, UUID]]:
        async with ground.database.dispatch() as tx:
            return await schedules.due(tx, limit=limit)

    made = await put(Cadence(JOB, 600), Cadence(CANDIDATE, 300), Cadence(CANDIDATE, 86_400, mode="full"))
    assert [(each.entity, each.mode, each.every_s) for each in made] == [
        (CANDIDATE, "full", 86_400),
        (CANDIDATE, "incremental", 300),
        (JOB, "incremental", 600),
    ]
    assert all(each.anchor_at == each.next_due_at and each.read_at < each.next_due_at for each in made)
    assert await due() == []
    changed = await put(Cadence(CANDIDATE, 900, time_zone="Europe/Berlin"))
    assert (changed[1].id, changed[1].every_s, changed[1].time_zone) == (made[1].id, 900, "Europe/Berlin")
    assert changed[1].next_due_at == made[1].next_due_at
    await ground.pass_time(700)
    assert await due() == [(made[1].id, place.company_id), (made[2].id, place.company_id)]
    assert await due(1) == [(made[1].id, place.company_id)]
    async with ground.database.company(place.company_id) as tx:
        assert await schedules.lock_due(tx, made[0].id) is None
        schedule = await schedules.lock_due(tx, made[1].id)
        assert schedule is not None
        await schedules.advance(tx, schedule, schedule.next_due_at + HOUR)
        await schedules.skip(tx, made[2].id)
        assert await schedules.lock_due(tx, made[1].id) is None
    assert await due() == []
    row = await ground.row("schedules", id=made[1].id)
    assert row["last_enqueued_at"] is not None
    assert (row["anchor_at"], row["next_due_at"]) == (schedule.anchor_at, schedule.next_due_at + HOUR)
    await put(Cadence(JOB, 300, enabled=False), Cadence(CANDIDATE, 300))
    assert (await ground.row("schedules", id=made[1].id))["anchor_at"] is None
    await ground.pass_time(400)
    await ground.change("integrations", {"id": place.integration_id}, sync_enabled=False)
    assert await due() == []
    await ground.change("integrations", {"id": place.integration_id}, sync_enabled=True)
    assert await due() == [(made[1].id, place.company_id)]
    async with ground.database.company(place.company_id) as tx:
        assert await schedules.remove(tx, place.integration_id) == 3


async def test_a_heartbeat(ground: Ground) -> None:
    for _ in range(2):
        before = await ground.now()
        async with ground.database.dispatch() as tx:
            await Heartbeats().beat(tx, "sweep")
        assert (await ground.row("heartbeats"))["at"] > before
