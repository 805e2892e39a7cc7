"""Schedules: due once after however long a downtime, on their wall clock, each on its own."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from shared import telemetry
from shared.errors import Unavailable
from shared.model import Direction
from tests.integration.ledger.ground import APPLICATION, CANDIDATE, JOB, Ground, Place, database_now
from tests.integration.ledger.workshop import Workshop


async def _runs(ground: Ground) -> list[str]:
    return [row["entity_type"] for row in await ground.rows("SELECT entity_type FROM runs ORDER BY started_at")]


async def _next(ground: Ground) -> datetime:
    found: datetime = (await ground.row("SELECT next_due_at FROM schedules"))["next_due_at"]
    return found


async def _end_runs(ground: Ground) -> None:
    await ground.rows("UPDATE runs SET status = 'failed', ended_at = clock_timestamp()")
    await ground.rows("DELETE FROM sync_queue")


async def test_a_due_schedule_starts_a_run_with_its_job_and_knock(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    await place.schedule(CANDIDATE)
    assert await workshop.sweep.start_due() == 1
    run = await ground.row("SELECT * FROM runs")
    assert (run["entity_type"], run["direction"], run["mode"], run["trigger"]) == (
        "candidate", "inbound", "incremental", "schedule",
    )  # fmt: skip
    job = await ground.row("SELECT action, run_id FROM sync_queue")
    assert (job["action"], job["run_id"]) == ("pull", run["id"])
    assert await workshop.count("sync-bulk") == 1  # nothing was pulled yet: a first sync
    assert await workshop.sweep.start_due() == 0


async def test_a_long_downtime_is_made_up_for_once_and_the_cadence_stays(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    await place.schedule(every_s=300)
    await ground.rows("UPDATE schedules SET next_due_at = next_due_at - interval '3 days 17 s'")
    planned = await _next(ground)
    assert await workshop.sweep.start_due() == 1
    following, now = await _next(ground), await database_now(ground)
    assert now < following <= now + timedelta(seconds=300)
    assert (following - planned).total_seconds() % 300 == 0
    await _end_runs(ground)
    assert await workshop.sweep.start_due() == 0
    assert await _runs(ground) == ["candidate"]


async def test_a_daily_pull_keeps_its_time_of_day_whatever_the_season(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    planned = datetime(2026, 1, 5, 1, 0, tzinfo=UTC)
    await place.schedule(every_s=86_400, time_zone="Europe/London", next_due_at=planned)
    for days in (0, 100, 200):
        # A time that a daylight-saving change moved: what counts is where it was counted from.
        await ground.rows(
            "UPDATE schedules SET next_due_at = clock_timestamp() - %(days)s * interval '25 hours' - interval '1 s'",
            days=days,
        )
        await ground.rows("UPDATE schedules SET anchor_at = %(planned)s", planned=planned)
        assert await workshop.sweep.start_due() == 1
        row = await ground.row(
            "SELECT to_char(next_due_at AT TIME ZONE 'Europe/London', 'HH24:MI:SS') AS time, anchor_at FROM schedules"
        )
        assert (row["time"], row["anchor_at"]) == ("01:00:00", planned)
        await _end_runs(ground)


async def test_a_changed_cadence_is_counted_from_its_change(workshop: Workshop, ground: Ground, place: Place) -> None:
    from shared.store.schedules import Cadence, Schedules

    await place.schedule(every_s=86_400)
    await workshop.sweep.start_due()
    async with ground.database.company(place.company_id) as tx:
        await Schedules().put(tx, place.integration_id, [Cadence(CANDIDATE, 600)])
        (changed,) = await Schedules().of(tx, place.integration_id)
    assert changed.anchor_at == changed.next_due_at
    assert changed.next_due_at <= changed.read_at + timedelta(seconds=600)


async def test_no_second_run_starts_while_one_is_under_way(workshop: Workshop, ground: Ground, place: Place) -> None:
    await place.schedule(CANDIDATE)
    await workshop.sweep.start_due()
    await ground.rows("UPDATE schedules SET next_due_at = clock_timestamp() - interval '1 s'")
    assert await workshop.sweep.start_due() == 0
    assert await _runs(ground) == ["candidate"]
    assert await _next(ground) > await database_now(ground)
    await _end_runs(ground)
    await ground.rows("UPDATE schedules SET next_due_at = clock_timestamp() - interval '1 s'")
    assert await workshop.sweep.start_due() == 1


async def test_two_ticks_at_once_serve_a_schedule_once(workshop: Workshop, ground: Ground, place: Place) -> None:
    for entity in (JOB, CANDIDATE, APPLICATION):
        await place.schedule(entity)
    before = {row["id"]: row["next_due_at"] for row in await ground.rows("SELECT id, next_due_at FROM schedules")}
    started = await asyncio.gather(*(workshop.sweep.start_due() for _ in range(4)))
    assert sum(started) == 3
    assert sorted(await _runs(ground)) == ["application", "candidate", "job"]
    for row in await ground.rows("SELECT id, next_due_at FROM schedules"):
        assert row["next_due_at"] == before[row["id"]] + timedelta(seconds=300)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("sync_enabled", False),
        ("attention", "auth_failed"),
        ("blocked_until", "2999-01-01"),
        ("deleted_at", "2020-01-01"),
    ],
)
async def test_an_integration_that_does_not_run_starts_nothing(
    workshop: Workshop, ground: Ground, place: Place, column: str, value: object
) -> None:
    await place.schedule()
    await ground.change_integration(place.integration_id, **{column: value})
    assert await workshop.sweep.start_due() == 0
    assert await _runs(ground) == []


async def test_an_entity_that_is_switched_off_starts_nothing_and_keeps_its_cadence(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    await place.schedule(CANDIDATE)
    await place.schedule(JOB, enabled=False)
    await ground.change_integration(place.integration_id, sync_candidates=False)
    assert await workshop.sweep.start_due() == 0
    assert await _runs(ground) == []


async def test_one_companys_broken_schedule_stops_nobody_and_is_told(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    broken = await place.schedule(CANDIDATE, time_zone="Atlantis/Capital", every_s=86_400)
    unknown = await place.schedule(JOB)
    await ground.rows(
        "UPDATE schedules SET entity_type = 'unicorn', next_due_at = next_due_at - interval '1 hour' WHERE id = %(id)s",
        id=unknown,
    )
    other = await ground.place()
    await other.schedule(CANDIDATE)
    await ground.rows("UPDATE schedules SET next_due_at = next_due_at - interval '1 hour' WHERE id = %(id)s", id=broken)
    with telemetry.captured() as events:
        assert await workshop.sweep.start_due() == 1
    run = await ground.row("SELECT company_id FROM runs")
    assert run["company_id"] == other.company_id
    told = {each.fields["schedule_id"] for each in events if each.event == "schedule_not_started"}
    assert told == {str(broken), str(unknown)}
    assert await workshop.sweep.start_due() == 0


async def test_a_schedule_that_lost_against_another_transaction_stays_due(
    workshop: Workshop, ground: Ground, place: Place
) -> None:
    """A deadlock says nothing of the schedule; it was passed over for a whole period, a day of comparisons say."""
    await place.schedule(every_s=86_400)
    await ground.rows(
        "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION 'lost' USING ERRCODE = 'deadlock_detected'; END $$"
    )
    await ground.rows("CREATE TRIGGER lose BEFORE INSERT ON runs FOR EACH ROW EXECUTE FUNCTION lose()")
    with telemetry.captured() as events:
        assert await workshop.sweep.start_due() == 0
    assert [each.event for each in events if each.event.startswith("schedule_")] == ["schedule_waits"]
    await ground.rows("DROP TRIGGER lose ON runs")
    assert await workshop.sweep.start_due() == 1


async def test_without_a_database_the_tick_says_so(workshop: Workshop) -> None:
    workshop.database.away = True
    with pytest.raises(Unavailable):
        await workshop.sweep.start_due()


async def test_a_schedule_pulls_and_never_pushes(workshop: Workshop, ground: Ground, place: Place) -> None:
    await place.schedule()
    await workshop.sweep.start_due()
    assert (await ground.row("SELECT direction FROM runs"))["direction"] == Direction.INBOUND.value
