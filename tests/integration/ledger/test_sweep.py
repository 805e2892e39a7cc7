"""The sweep makes the ledger independent of messages, and sends few of them."""

from __future__ import annotations

from uuid import UUID

import pytest

from shared import telemetry
from shared.errors import Unavailable
from shared.store.ledger import Knock
from shared.sync.workers.sweep import CAPACITY
from tests.integration.ledger.ground import Ground, Place
from tests.integration.ledger.workshop import BULK, NORMAL, URGENT, Workshop, message_for


async def test_a_lost_message_is_made_up_for(workshop: Workshop, ground: Ground, place: Place) -> None:
    lost = await place.ask("lost", priority=2)
    assert await workshop.sweep.sweep() == 1
    (sent,) = await workshop.take(URGENT)
    assert (sent["job_id"], sent["company_id"], sent["epoch"]) == (str(lost), str(place.company_id), 0)
    assert await workshop.runner().answer(message_for(lost, place.company_id), URGENT) == 1
    assert await workshop.sweep.sweep() == 0


async def test_an_eaten_message_costs_a_sweep(workshop: Workshop, ground: Ground, place: Place) -> None:
    """A host took it and died: for ten minutes nobody sees it."""
    job_id = await place.ask("k")
    await workshop.knocker.send([Knock(place.company_id, job_id, 0, 5)])
    assert len(await workshop.take(NORMAL)) == 1
    assert await workshop.take(NORMAL) == []
    await workshop.sweep.sweep()
    assert [each["job_id"] for each in await workshop.take(NORMAL)] == [str(job_id)]


async def test_what_was_done_a_day_ago_leaves_some_at_a_time_and_is_found_by_its_end(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    """Every tick looked at each job that was completed within the day; a first sync of a large account leaves many."""
    await place.backlog(9000, status="completed")
    await ground.rows("UPDATE sync_queue SET completed_at = clock_timestamp() - interval '1 h'")
    await ground.rows(
        "UPDATE sync_queue SET completed_at = clock_timestamp() - interval '25 h' WHERE id IN"
        " (SELECT id FROM sync_queue LIMIT 5001)"
    )
    for left in (4000, 3999):
        await workshop.sweep.sweep()
        assert (await ground.row("SELECT count(*) AS jobs FROM sync_queue"))["jobs"] == left
    function = await ground.row("SELECT prosrc FROM pg_proc WHERE proname = 'tend_queue'")
    purge = function["prosrc"].split("DELETE FROM sync_queue WHERE id IN (")[1].split("FOR UPDATE")[0]
    await ground.rows("ANALYZE sync_queue")
    plan = " ".join(row["QUERY PLAN"] for row in await ground.rows(f"EXPLAIN {purge}"))
    assert "sync_queue_completed" in plan


async def test_no_number_of_eaten_messages_keeps_the_sweep_from_knocking(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    """The service counts messages that nobody can see as waiting; the sweep doesn't."""
    await place.backlog(100)
    job = Knock(place.company_id, await place.ask("k", priority=9), 0, 9)
    for _ in range(5):
        await workshop.knocker.send([job] * CAPACITY, most=CAPACITY)
        assert len(await workshop.take(BULK)) == CAPACITY
    assert await workshop.sweep.sweep() == 5  # SYNC_MAX_CONCURRENT of the one integration
    assert len(await workshop.take(BULK)) == 5


async def test_a_worker_that_died_is_noticed(workshop: Workshop, ground: Ground, place: Place) -> None:
    job_id = await place.ask("k")
    await ground.claimed_job(job_id)
    assert await workshop.sweep.sweep() == 0
    await ground.expire(job_id)
    assert await workshop.sweep.sweep() == 1


async def test_a_backlog_gets_as_many_knocks_as_may_run_and_no_more(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    await place.backlog(1000)
    assert await workshop.sweep.sweep() == 5  # SYNC_MAX_CONCURRENT of the one integration
    others = [await ground.place() for _ in range(20)]
    for each in others:
        await each.backlog(10)
    for _ in range(12):
        await workshop.sweep.sweep()
    assert await workshop.count(BULK) == CAPACITY
    assert await workshop.sweep.sweep() == 0


async def test_knocks_of_a_sweep_go_to_the_queue_of_the_jobs_priority(workshop: Workshop, place: Place) -> None:
    ids = {priority: await place.ask(f"k{priority}", priority=priority) for priority in (3, 4, 8)}
    assert await workshop.sweep.sweep() == 3
    for queue, priority in ((URGENT, 3), (NORMAL, 4), (BULK, 8)):
        assert [each["job_id"] for each in await workshop.take(queue)] == [str(ids[priority])]


async def test_an_integration_that_does_not_run_gets_no_knock(workshop: Workshop, ground: Ground, place: Place) -> None:
    await place.ask("k", priority=2)
    await ground.change_integration(place.integration_id, sync_enabled=False)
    assert await workshop.sweep.sweep() == 0
    publish = await place.ask("publish", priority=1)
    assert await workshop.sweep.sweep() == 1
    assert [each["job_id"] for each in await workshop.take(URGENT)] == [str(publish)]


async def test_each_sweep_says_that_it_lives(workshop: Workshop, ground: Ground) -> None:
    await workshop.sweep.sweep()
    first = (await ground.row("SELECT at FROM heartbeats WHERE name = 'sweep'"))["at"]
    await workshop.sweep.sweep()
    assert (await ground.row("SELECT at FROM heartbeats WHERE name = 'sweep'"))["at"] > first


async def test_held_jobs_look_again_each_hour(workshop: Workshop, ground: Ground, place: Place) -> None:
    """The event that ends the wait came between the look and the wait, and woke nobody."""
    held = await place.ask("held", hold_reason="parent:7")
    running = await place.ask("ran")
    await ground.postpone(await ground.claimed_job(running), hold_reason="parent:8")
    await ground.pass_time(3500)
    assert await workshop.sweep.sweep() == 0
    await ground.pass_time(200)
    await workshop.sweep.sweep()
    for job_id in (held, running):
        assert not (await ground.job_row(job_id))["is_held"]
    assert await workshop.sweep.sweep() == 2
    job = await ground.claimed_job(held)
    await ground.postpone(job, hold_reason="parent:7")
    await workshop.sweep.sweep()
    assert (await ground.job_row(held))["is_held"]


async def test_completed_jobs_leave_after_a_day_and_failed_ones_stay(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    done, failed = await place.ask("done"), await place.ask("failed")
    await ground.finish(await ground.claimed_job(done))
    await ground.fail(await ground.claimed_job(failed))
    await ground.pass_time(23.9 * 3600)
    await workshop.sweep.sweep()
    assert await _present(ground) == {done, failed}
    await ground.pass_time(0.2 * 3600)
    await workshop.sweep.sweep()
    assert await _present(ground) == {failed}


async def _present(ground: Ground) -> set[UUID]:
    return {row["id"] for row in await ground.rows("SELECT id FROM sync_queue")}


async def test_a_sweep_without_a_database_says_so(workshop: Workshop) -> None:
    workshop.database.away = True
    with pytest.raises(Unavailable):
        await workshop.sweep.sweep()


async def test_a_sweep_without_queues_still_tends_the_ledger(workshop: Workshop, ground: Ground, place: Place) -> None:
    await place.ask("k")
    await place.ask("held", hold_reason="parent:7")
    await ground.pass_time(3700)
    workshop.connection_string = workshop.connection_string.replace(
        "QueueEndpoint=http://127.0.0.1", "QueueEndpoint=http://127.0.0.2"
    )
    broken = Workshop.of(ground, workshop.connection_string)
    with telemetry.captured() as events:
        assert await broken.sweep.sweep() == 0
    await broken.aclose()
    assert [each.event for each in events if each.level in ("error", "warning")] == []
    assert await ground.rows("SELECT 1 FROM heartbeats WHERE name = 'sweep'")
    assert await ground.rows("SELECT 1 FROM sync_queue WHERE scheduled_at = 'infinity'") == []
