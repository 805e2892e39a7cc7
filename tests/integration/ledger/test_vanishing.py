"""A second app on our queues: noticed by what it takes, and by nothing that our own workers do."""

from __future__ import annotations

import asyncio

import orjson

from shared import telemetry
from shared.health import health_view
from shared.store.heartbeats import SWEEP
from shared.store.knock_traffic import LASTS_S
from shared.store.ledger import Job
from shared.store.listings import Health, Listings
from shared.sync.jobs.endings import Done, Ending
from tests.fixtures.waiting import until
from tests.integration.ledger.ground import Ground, Place
from tests.integration.ledger.workshop import NORMAL, Workshop


async def eat(workshop: Workshop, queue: str = NORMAL) -> int:
    """Take every message off *queue* and drop it, as a forgotten app does."""
    async with workshop.client(queue) as client:
        eaten = [message async for message in client.receive_messages(messages_per_page=32)]
        for message in eaten:
            await client.delete_message(message)
    return len(eaten)


async def serve(workshop: Workshop, queue: str = NORMAL) -> None:
    """Answer every message of *queue*, as the host's queue function does."""
    async with workshop.client(queue) as client:
        async for message in client.receive_messages(messages_per_page=32):
            await workshop.runner().answer(orjson.dumps(orjson.loads(message.content)), queue)
            await client.delete_message(message)
            await workshop.traffic.was_answered(queue)


async def a_third_passes(ground: Ground) -> None:
    """Let the time between two sweeps pass, for what is remembered of vanishing knocks."""
    await ground.rows(
        "UPDATE knock_traffic SET vanishing_since = vanishing_since - %(s)s * interval '1 s'", s=LASTS_S / 2
    )


async def health(workshop: Workshop) -> Health:
    async with workshop.database.dispatch() as tx:
        return await Listings().health(tx, heartbeat=SWEEP)


async def issues(ground: Ground) -> list[tuple[str, str]]:
    rows = await ground.rows("SELECT kind, subject FROM issues WHERE ended_at IS NULL")
    return [(row["kind"], row["subject"]) for row in rows]


async def test_host_pain_1414_a_second_app_that_eats_our_knocks_is_noticed_and_the_jobs_run_all_the_same(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    job_id = await place.ask("k")
    with telemetry.captured() as events:
        for _ in range(5):
            await workshop.sweep.sweep()
            assert await eat(workshop) == 1
            await a_third_passes(ground)
    assert "knocks_vanish" in [each.event for each in events if each.level == "error"]
    assert await issues(ground) == [("knocks_vanish", NORMAL)]
    view = health_view(await health(workshop), 20)
    assert (view["healthy"], view["problems"]) == (False, [f"knocks_vanish:{NORMAL}"])

    await workshop.sweep.sweep()
    await serve(workshop)
    assert [job.id for job in workshop.ran] == [job_id], "the other app was too late once, and that is enough"
    await workshop.sweep.sweep()
    assert await issues(ground) == []
    assert health_view(await health(workshop), 20)["healthy"]


async def test_what_our_own_workers_take_does_not_vanish(workshop: Workshop, ground: Ground, place: Place) -> None:
    for number in range(5):
        for key in range(6):
            await place.ask(f"{number}-{key}")
        await workshop.sweep.sweep()
        await serve(workshop)
        await a_third_passes(ground)
    await workshop.sweep.sweep()
    assert len(workshop.ran) == 30
    assert await issues(ground) == []
    assert (await health(workshop)).vanishing == ()


async def test_messages_that_are_worked_on_for_long_do_not_vanish(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    """Taken and not yet deleted: in work, or asleep with a host that died."""
    is_over = asyncio.Event()

    async def work(job: Job) -> Ending:
        await is_over.wait()
        return await workshop.done(job)

    workshop.handle(work)
    await place.ask("long")
    await workshop.sweep.sweep()
    serving = asyncio.create_task(serve(workshop))

    async def runs() -> bool:
        return bool(await ground.rows("SELECT 1 FROM sync_queue WHERE status = 'processing'"))

    await until(runs, within=60)
    for number in range(4):
        await place.ask(f"more-{number}")
        await workshop.sweep.sweep()
        await workshop.take(NORMAL)
        await a_third_passes(ground)
    assert (await health(workshop)).vanishing == ()
    is_over.set()
    await serving
    assert await issues(ground) == []


async def test_an_app_that_takes_half_of_them_is_noticed(workshop: Workshop, ground: Ground, place: Place) -> None:
    async def nothing(job: Job) -> Ending:
        return Done()

    workshop.handle(nothing)
    for number in range(5):
        for key in range(4):
            await place.ask(f"{number}-{key}")
        await workshop.sweep.sweep()
        async with workshop.client(NORMAL) as client:
            async for theirs in client.receive_messages(messages_per_page=2, max_messages=2):
                await client.delete_message(theirs)
        await serve(workshop)
        await a_third_passes(ground)
    await workshop.sweep.sweep()
    assert (await health(workshop)).vanishing == (NORMAL,)


async def test_whoever_can_not_look_after_knocks_sends_them_all_the_same(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    await place.ask("k")
    await ground.rows("ALTER TABLE knock_traffic RENAME TO knock_traffic_away")
    with telemetry.captured() as events:
        assert await workshop.sweep.sweep() == 1
    assert await eat(workshop) == 1
    assert "knocks_not_watched" in [each.event for each in events if each.level == "error"]
