"""Which job is leased, and which is not: `claim_job`, and what the sweep asks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from shared.sync.workers import sweep
from tests.contract.store.ground import HOUR, Ground, Place


async def keys(ground: Ground, count: int, **how: Any) -> list[str]:
    """Claim *count* jobs and return their keys."""
    return [(await ground.claimed(**how)).record_key for _ in range(count)]


async def age(place: Place, job_id: UUID, minutes: float) -> None:
    """Let a job be due for so long."""
    since = await place.ground.now() - timedelta(minutes=minutes)
    await place.ground.change("sync_queue", {"id": job_id}, scheduled_at=since)


async def test_a_claim_leases(place: Place) -> None:
    job_id = await place.ask()
    await place.ask()
    claim = await place.ground.claim(job_id, ttl_s=90)
    assert claim is not None
    assert (claim.job_id, claim.company_id, claim.priority) == (job_id, place.company_id, 5)
    row = await place.job(job_id)
    assert (row["status"], row["lease_token"], row["claimed_seq"], row["crashes"]) == ("processing", claim.token, 2, 0)
    assert timedelta(seconds=30) < row["lease_until"] - await place.ground.now() <= timedelta(seconds=90)
    assert row["started_at"] <= await place.ground.now()
    assert await place.ground.claim(job_id) is None


async def test_tokens_rise(place: Place) -> None:
    await place.ask("a")
    await place.ask("b")
    first, second = await place.ground.claimed(), await place.ground.claimed()
    assert first.token < second.token


async def test_nothing_is_due(place: Place) -> None:
    await place.ask("held", hold_reason="event")
    job_id = await place.ask("later", due_at=await place.ground.now() + HOUR)
    assert await place.ground.claim() is None
    assert await place.ground.claim(job_id) is None


async def test_a_named_job_may_come_two_seconds_early(place: Place) -> None:
    job_id = await place.ask(due_at=await place.ground.now() + timedelta(seconds=1.9))
    assert await place.ground.claim() is None
    assert await place.ground.claim(job_id) is not None


@pytest.mark.parametrize(("code", "may"), [("unforeseen", True), ("unavailable", False)])
async def test_its_own_message_may_claim_what_nobody_foresaw(place: Place, code: str, may: bool) -> None:
    job_id = await place.ask()
    await place.ground.change(
        "sync_queue", {"id": job_id}, scheduled_at=await place.ground.now() + HOUR, error_code=code
    )
    assert await place.ground.claim() is None
    assert (await place.ground.claim(job_id) is not None) is may


async def test_a_job_that_waits_for_an_event_is_not_claimed_by_name_either(place: Place) -> None:
    job_id = await place.ask(hold_reason="event")
    await place.ground.change("sync_queue", {"id": job_id}, error_code="unforeseen")
    assert await place.ground.claim(job_id) is None


async def test_a_named_job_that_may_not_run_gives_way(place: Place) -> None:
    held = await place.ask("held", hold_reason="event")
    await place.ask("due")
    assert (await place.ground.claimed(held)).record_key == "due"


async def test_a_worker_that_is_gone_is_succeeded(place: Place) -> None:
    job_id = await place.ask()
    await place.ground.claimed(job_id)
    assert await place.ground.claim() is None
    await place.ground.expire(job_id)
    successor = await place.ground.claimed()
    assert (successor.id, successor.crashes) == (job_id, 1)


async def test_time_ends_leases(place: Place) -> None:
    await place.ask()
    await place.ground.claimed(ttl_s=60)
    await place.ground.pass_time(59)
    assert await place.ground.claim() is None
    await place.ground.pass_time(2)
    assert await place.ground.claim() is not None


async def test_only_the_priorities_of_the_queue(place: Place) -> None:
    for priority in (1, 5, 9):
        await place.ask(str(priority), priority=priority)
    assert await keys(place.ground, 1, low=4, high=7) == ["5"]
    assert await place.ground.claim(low=4, high=7) is None
    assert await keys(place.ground, 2, low=1, high=10) == ["1", "9"]


async def test_a_named_job_of_another_queue_is_claimed_all_the_same(place: Place) -> None:
    job_id = await place.ask(priority=9)
    assert await place.ground.claim(job_id, low=1, high=3) is not None


async def test_priority_first_then_time(place: Place) -> None:
    for key, priority in (("b", 6), ("a", 6), ("c", 4), ("d", 7)):
        await place.ask(key, priority=priority)
    assert await keys(place.ground, 4) == ["c", "b", "a", "d"]


async def test_ten_minutes_outweigh_one_step_of_priority(place: Place) -> None:
    await place.ask("urgent", priority=4)
    await age(place, await place.ask("old", priority=6), 21)
    await age(place, await place.ask("less old", priority=5), 9)
    assert await keys(place.ground, 3) == ["old", "urgent", "less old"]


async def test_an_expired_lease_comes_before_what_waits(place: Place) -> None:
    job_id = await place.ask("gone")
    await place.ground.claimed(job_id)
    await place.ask("waits")
    await place.ground.expire(job_id)
    assert await keys(place.ground, 2) == ["gone", "waits"]


@pytest.mark.parametrize(
    "columns",
    [
        {"sync_enabled": False},
        {"attention": "auth_failed"},
        {"deleted_at": "past"},
        {"blocked_until": "future"},
    ],
    ids=["paused", "needs people", "deleted", "blocked"],
)
async def test_an_integration_that_stands_still_runs_priority_1_alone(ground: Ground, columns: dict[str, Any]) -> None:
    place = await ground.place()
    ids = [await place.ask(str(priority), priority=priority) for priority in (1, 2)]
    moments = {"past": await ground.now() - HOUR, "future": await ground.now() + HOUR}
    await ground.change(
        "integrations", {"id": place.integration_id}, **{n: moments.get(v, v) for n, v in columns.items()}
    )
    assert await keys(ground, 1) == ["1"]
    assert await ground.claim() is None
    assert await ground.claim(ids[1]) is None


async def test_a_block_ends_with_its_time(ground: Ground) -> None:
    place = await ground.place(blocked_until=await ground.now() + HOUR)
    await place.ask()
    assert await ground.claim() is None
    await ground.pass_time(3601)
    assert await ground.claim() is not None


async def test_no_more_than_the_cap_of_one_integration(ground: Ground, place: Place) -> None:
    another = Place(ground, place.company_id, await ground.integration(place.company_id))
    for key in "abc":
        await place.ask(key)
    await another.ask("other")
    first = await ground.claimed(cap=2)
    assert await keys(ground, 2, cap=2) == ["b", "other"]
    assert await ground.claim(cap=2) is None
    await ground.expire(first.id)
    assert (await ground.claimed(cap=2)).record_key == "a"
    assert await ground.claim(cap=2) is None


async def test_companies_take_turns(ground: Ground) -> None:
    places = sorted([await ground.place() for _ in range(3)], key=lambda place: place.company_id)
    for number, place in enumerate(places):
        for key in "abc":
            await place.ask(f"{number}{key}")
    claimed = await keys(ground, 9)
    for start in (0, 3, 6):
        assert sorted(key[0] for key in claimed[start : start + 3]) == ["0", "1", "2"]
    assert [key for key in claimed if key[0] == "1"] == ["1a", "1b", "1c"]


async def test_the_turn_goes_on_from_company_to_company(ground: Ground) -> None:
    """The same on both: the sequence of the queue says where it stands."""
    places = sorted([await ground.place() for _ in range(3)], key=lambda place: place.company_id)
    claimed = []
    for _ in range(4):
        for number, place in enumerate(places):
            await place.ask(str(number))
        job = await ground.claimed()
        claimed.append(job.record_key)
        for row in await ground.rows("sync_queue"):
            if row["status"] == "pending":
                await ground.finish(await ground.claimed(row["id"]))
        await ground.finish(job)
    assert claimed == ["1", "0", "2", "1"]


async def test_who_runs_least_of_this_queue_comes_first(ground: Ground) -> None:
    busy, idle = await ground.place(), await ground.place()
    for key in "abcd":
        await busy.ask(key)
    for _ in range(2):
        await ground.claimed()
    await busy.ask("bulk", priority=9)
    await idle.ask("x")
    await idle.ask("y")
    assert sorted(await keys(ground, 2, low=4, high=7)) == ["x", "y"]
    assert await keys(ground, 1, low=8, high=10) == ["bulk"]


async def test_a_job_that_is_locked_is_passed_over(place: Place) -> None:
    ground = place.ground
    for key in "ab":
        await place.ask(key)
    async with ground.database.company(place.company_id) as tx:
        await ground.store.ledger.enqueue(tx, [place.request("a")])
        assert await keys(ground, 1) == ["b"]
        assert await ground.claim() is None
    assert await keys(ground, 1) == ["a"]


async def test_a_claim_that_is_rolled_back_is_none(place: Place) -> None:
    ground, job_id = place.ground, await place.ask()

    async def fail() -> None:
        async with ground.database.dispatch() as tx:
            claim = await ground.store.ledger.claim(tx, None, low=1, high=10, ttl_s=60, per_integration=5)
            assert claim is not None
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await fail()
    assert (await place.job(job_id))["status"] == "pending"
    assert await ground.claim() is not None


async def test_a_claim_under_way_keeps_others_from_the_integration_and_not_for_long(ground: Ground) -> None:
    """They would count wrongly; after a second they go on to the next one, without a lock."""
    place, another = await ground.place(), await ground.place()
    await place.ask("a")
    await place.ask("b")
    await another.ask("x", priority=9)
    async with ground.database.dispatch() as tx:
        assert await ground.store.ledger.claim(tx, None, low=1, high=7, ttl_s=60, per_integration=5) is not None
        claim = await ground.claim()
        assert claim is not None
        assert claim.company_id == another.company_id
    assert (await ground.claimed()).record_key == "b"


# -- the sweep --------------------------------------------------------------------------------------------------------


async def due(ground: Ground, *, low: int = 1, high: int = 10, per_integration: int = 5, limit: int = 32) -> list[str]:
    async with ground.database.dispatch() as tx:
        found = await tx.rows(sweep._DUE_JOBS, low=low, high=high, per_integration=per_integration, limit=limit)
    known = {row["id"]: row for row in await ground.rows("sync_queue")}
    for row in found:
        job = known[row["job_id"]]
        assert (row["company"], row["job_epoch"]) == (job["company_id"], job["epoch"])
    return [known[row["job_id"]]["record_key"] for row in found]


async def test_the_sweep_sees_what_is_due_or_left(place: Place) -> None:
    ground = place.ground
    await place.ask("later", due_at=await ground.now() + HOUR)
    await place.ask("held", hold_reason="event")
    running, gone = await place.ask("running", priority=4), await place.ask("gone", priority=6)
    await ground.claimed(running)
    await ground.claimed(gone)
    await ground.expire(gone)
    await place.ask("due", priority=5)
    assert await due(ground) == ["due", "gone"]
    assert await due(ground, low=6, high=10) == ["gone"]
    assert await due(ground, per_integration=2) == ["due"]
    assert await due(ground, limit=1) == ["due"]


async def test_every_companys_first_comes_before_anybodys_second(ground: Ground) -> None:
    first, second = await ground.place(), await ground.place()
    for key in "ab":
        await first.ask(f"1{key}", priority=4)
        await second.ask(f"2{key}", priority=6)
    assert await due(ground) == ["1a", "2a", "1b", "2b"]


async def test_the_sweep_leaves_out_who_stands_still(ground: Ground) -> None:
    place = await ground.place(sync_enabled=False)
    for priority in (1, 5):
        await place.ask(str(priority), priority=priority)
    assert await due(ground) == ["1"]


async def tend(ground: Ground) -> tuple[int, int]:
    async with ground.database.dispatch() as tx:
        row = await tx.one(sweep._TEND)
    return row["woken"], row["purged"]


async def test_tending_wakes_what_waits_an_hour_and_removes_what_was_done_a_day_ago(place: Place) -> None:
    ground = place.ground
    await place.ask("held", hold_reason="event")
    await ground.finish(await ground.claimed(await place.ask("done")))
    await ground.pass_time(3590)
    assert await tend(ground) == (0, 0)
    await ground.pass_time(20)
    assert await tend(ground) == (1, 0)
    assert await tend(ground) == (0, 0)
    held = await ground.claimed()
    assert held.record_key == "held"
    await ground.pass_time(86_400)
    assert await tend(ground) == (0, 1)
    assert [row["record_key"] for row in await ground.rows("sync_queue")] == ["held"]


# -- standing still ---------------------------------------------------------------------------------------------------


async def capped(ground: Ground, company_cap: int, *, low: int = 4, high: int = 10) -> str | None:
    async with ground.database.dispatch() as tx:
        claim = await ground.store.ledger.claim(
            tx, None, low=low, high=high, ttl_s=60, per_integration=5, per_company=company_cap
        )
    return None if claim is None else (await ground.row("sync_queue", id=claim.job_id))["record_key"]


async def test_no_more_than_the_cap_of_one_company_but_for_urgent_jobs(ground: Ground, place: Place) -> None:
    another = Place(ground, place.company_id, await ground.integration(place.company_id))
    elsewhere = await ground.place()
    for key in "ab":
        await place.ask(key)
        await another.ask(f"other {key}")
    await place.ask("urgent", priority=2)
    assert [await capped(ground, 2), await capped(ground, 2), await capped(ground, 2)] == ["a", "other a", None]
    await elsewhere.ask("elsewhere")
    assert await capped(ground, 2) == "elsewhere"
    assert await capped(ground, 2, low=1, high=3) == "urgent"
    assert await capped(ground, 4) in ("b", "other b")


@pytest.mark.parametrize(
    ("spans", "zone", "bulk_runs"),
    [
        (["00:00-12:00", "12:00-00:00"], "UTC", False),
        ([], "UTC", True),
        (["00:00-12:00", "12:00-00:00"], "Nowhere/None", True),
    ],
    ids=["always", "never", "unknown zone"],
)
async def test_quiet_hours_hold_bulk_back(ground: Ground, spans: list[str], zone: str, bulk_runs: bool) -> None:
    place = await ground.place(config={"quiet_hours": {"time_zone": zone, "spans": spans}})
    bulk = await place.ask("bulk", priority=8)
    assert await due(ground) == (["bulk"] if bulk_runs else [])
    assert (await ground.claim(bulk) is not None) is bulk_runs
    await place.ask("normal", priority=7)
    assert await ground.claim() is not None


async def test_quiet_hours_by_the_wall_clock_of_their_zone(ground: Ground) -> None:
    """A span of an hour around now, in a zone that is hours away; and the hour after it."""
    zone = ZoneInfo("Asia/Tokyo")
    now = (await ground.now()).astimezone(zone)
    quiet = f"{now - HOUR / 2:%H:%M}-{now + HOUR / 2:%H:%M}"
    later = f"{now + HOUR / 2:%H:%M}-{now + 3 * HOUR / 2:%H:%M}"
    place = await ground.place()
    await place.ask("bulk", priority=8)
    for span, expected in ((quiet, []), (later, ["bulk"])):
        config = {"quiet_hours": {"time_zone": "Asia/Tokyo", "spans": [span]}}
        await ground.change("integrations", {"id": place.integration_id}, config=config)
        assert await due(ground) == expected
