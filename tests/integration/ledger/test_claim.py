"""Who may claim what: due jobs of integrations that run, the fairest first, never more than the cap."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import psycopg
import pytest

from shared.store.database import Database
from tests.fixtures.waiting import GENEROUS_S
from tests.integration.ledger.ground import Ground, Place


async def test_the_named_job_is_claimed_before_more_urgent_ones(ground: Ground, place: Place) -> None:
    await place.ask("urgent", priority=1)
    named = await place.ask("named", priority=9)
    assert (await ground.claimed_job(named)).id == named


async def test_a_named_job_that_is_not_due_gives_way_to_the_fairest(ground: Ground, place: Place) -> None:
    named = await place.ask("named")
    await ground.postpone(await ground.claimed_job(named), wait_s=60, attempts=1)
    due = await place.ask("due", priority=7)
    assert (await ground.claimed_job(named)).id == due
    assert await ground.claim(named) is None


async def test_a_message_may_come_two_seconds_early(ground: Ground, place: Place) -> None:
    job_id = await place.ask("k")
    await ground.postpone(await ground.claimed_job(job_id), wait_s=1.5)
    assert await ground.claim() is None
    assert await ground.claim(job_id) is not None


async def test_nothing_is_claimed_for_a_job_that_does_not_exist(ground: Ground) -> None:
    assert await ground.claim(uuid4()) is None
    assert await ground.claim(None) is None


async def test_within_a_company_priority_counts_and_then_age(ground: Ground, place: Place) -> None:
    for key, priority, age in (("c", 6, 0), ("b", 5, 5), ("a", 5, 100)):
        job_id = await place.ask(key, priority=priority)
        await ground.rows(
            "UPDATE sync_queue SET scheduled_at = scheduled_at - %(age)s * interval '1 s' WHERE id = %(id)s",
            age=age,
            id=job_id,
        )
    assert [(await ground.claimed_job()).record_key for _ in range(3)] == ["a", "b", "c"]


async def test_ten_minutes_of_waiting_outweigh_a_step_of_priority(ground: Ground, place: Place) -> None:
    old = await place.ask("old", priority=7)
    await ground.pass_time(2000)
    for number in range(3):
        await place.ask(f"new{number}", priority=4)
    assert (await ground.claimed_job(low=4, high=7)).id == old


@pytest.mark.parametrize(("low", "high", "expected"), [(1, 3, {1, 3}), (4, 7, {4, 7}), (8, 10, {8, 10})])
async def test_a_queue_claims_its_own_priorities_alone(
    ground: Ground, place: Place, low: int, high: int, expected: set[int]
) -> None:
    for priority in (1, 3, 4, 7, 8, 10):
        await place.ask(f"k{priority}", priority=priority)
    claimed = [await ground.claim(low=low, high=high) for _ in range(3)]
    assert {claim.priority for claim in claimed if claim is not None} == expected
    assert claimed[2] is None


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("sync_enabled", False),
        ("attention", "auth_failed"),
        ("blocked_until", "2999-01-01"),
        ("deleted_at", "2020-01-01"),
    ],
)
async def test_an_integration_that_does_not_run_claims_nothing_but_what_tells_the_intake(
    ground: Ground, place: Place, column: str, value: object
) -> None:
    reconcile = await place.ask("k", priority=2)
    crashed = await place.ask("crashed", priority=2)
    await ground.claimed_job(crashed)
    await ground.expire(crashed)
    await ground.change_integration(place.integration_id, **{column: value})
    assert await ground.claim() is None
    assert await ground.claim(reconcile) is None
    assert await ground.claim(crashed) is None
    publish = await place.ask("publish", priority=1, action="publish_webhook_state")
    assert (await ground.claimed_job()).id == publish
    assert await ground.claim() is None


async def test_a_block_ends_by_itself(ground: Ground, place: Place) -> None:
    job_id = await place.ask("k")
    await ground.change_integration(place.integration_id, blocked_until="2999-01-01")
    assert await ground.claim(job_id) is None
    await ground.rows("UPDATE integrations SET blocked_until = clock_timestamp() - interval '1 s'")
    assert await ground.claim(job_id) is not None


async def test_twenty_that_claim_at_once_get_the_cap_and_no_job_twice(ground: Ground, place: Place) -> None:
    await place.backlog(100)
    others = [Database(ground.database._conninfo, pool_max=1) for _ in range(20)]
    try:
        # Everybody is connected before anybody claims.
        await asyncio.gather(*(_claim_with(each, cap=0) for each in others))
        won = [each for each in await asyncio.gather(*(_claim_with(each, cap=5) for each in others)) if each]
        assert len(won) == 5
        assert len(set(won)) == 5
        running = await ground.row("SELECT count(*) AS jobs FROM sync_queue WHERE status = 'processing'")
        assert running["jobs"] == 5
    finally:
        await asyncio.gather(*(each.aclose() for each in others))


async def _claim_with(database: Database, *, cap: int) -> object:
    async with database.dispatch() as tx:
        row = await tx.row("SELECT * FROM claim_job(NULL, 8, 10, interval '60 s', %(cap)s)", cap=cap)
        return row["job_id"] if row else None


async def test_claims_of_many_integrations_at_once_never_deadlock(ground: Ground) -> None:
    """Full ones are passed over while others wait for the same locks in another order."""
    places = [await ground.place() for _ in range(6)]
    for each in places:
        await each.backlog(30)
    named = [await each.ask("named", priority=9) for each in places]

    async def worker(number: int) -> int:
        done = 0
        for turn in range(12):
            claim = await ground.claim(named[(number * 5 + turn) % 6] if turn % 2 else None, low=8, high=10, cap=2)
            if claim is None:
                continue
            job = await ground.job(claim)
            running = await ground.row(
                "SELECT max(n) AS most FROM (SELECT count(*) AS n FROM sync_queue WHERE status = 'processing'"
                " GROUP BY integration_id) counts"
            )
            assert running["most"] <= 2
            await ground.finish(job)
            done += 1
        return done

    # Eight workers and twelve places to run: nobody goes without.
    assert await asyncio.gather(*(worker(number) for number in range(8))) == [12] * 8


async def test_the_cap_counts_over_all_queues_and_frees_what_died(ground: Ground, place: Place) -> None:
    await place.ask("a", priority=1)
    await place.ask("b", priority=5)
    await place.ask("c", priority=9)
    first = await ground.claimed_job(low=1, high=3, cap=2)
    assert await ground.claim(low=4, high=7, cap=2) is not None
    assert await ground.claim(low=8, high=10, cap=2) is None
    await ground.expire(first.id)
    assert await ground.claim(low=8, high=10, cap=2) is not None


async def test_a_row_that_somebody_holds_is_passed_over_and_waited_for_by_nobody(ground: Ground, place: Place) -> None:
    held = await place.ask("held", priority=4)
    free = await place.ask("free", priority=6)
    async with await psycopg.AsyncConnection.connect(ground.database._conninfo) as other, other.transaction():
        await other.execute("SELECT set_config('app.company', %s, true)", [str(place.company_id)])
        await other.execute("SELECT FROM sync_queue WHERE id = %s FOR UPDATE", [held])
        assert (await ground.claimed_job(held)).id == free
        assert await ground.claim(held) is None


async def test_a_worker_that_froze_before_its_commit_stops_no_other_integration(ground: Ground) -> None:
    frozen, other = await ground.place(), await ground.place()
    await frozen.ask("a")
    await frozen.ask("b")
    wanted = await other.ask("c")
    await ground.pass_time(0)
    async with ground.database.dispatch() as tx:  # begins to claim, and does not get to its end
        row = await tx.row("SELECT * FROM claim_job(NULL, 1, 10, interval '60 s', 5)")
        assert row is not None
        mine = row["job_id"]
        async with asyncio.timeout(GENEROUS_S):  # who waited for the frozen one would wait for ever
            rest = [await ground.claim(), await ground.claim()]
    found = {claim.job_id for claim in rest if claim is not None}
    assert mine not in found
    assert (wanted in found) is (mine != wanted)


async def test_lease_and_due_times_are_the_databases(ground: Ground, place: Place) -> None:
    """No statement takes a moment from the worker, whose clock may be wrong; they take durations."""
    await place.ask("k")
    job = await ground.claimed_job(ttl_s=45)
    assert 44 < job.lease_left_s <= 45
    row = await ground.row("SELECT extract(epoch FROM lease_until - clock_timestamp())::float AS s FROM sync_queue")
    assert 40 < row["s"] <= 45
    await ground.postpone(job, wait_s=120)
    assert 115 < await ground.wait_s(job.id) <= 120
