"""When a schedule comes due next: on its wall clock, once each time, whatever the clocks do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.model import EntityType
from shared.store.schedules import Schedule
from shared.sync.runs.cadence import following, next_due

DAY, HOUR = 86_400, 3600
LONDON = "Europe/London"


def local(text: str, zone: str = LONDON) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def times(anchor: datetime, every_s: int, zone: str, count: int) -> list[str]:
    """Return the wall-clock times of the next *count* runs, each computed when the one before was due."""
    found, at = [], anchor
    for _ in range(count):
        at = following(anchor, every_s=every_s, time_zone=zone, after=at)
        found.append(f"{at.astimezone(ZoneInfo(zone)):%d %H:%M}")
    return found


def test_a_daily_run_in_the_skipped_hour_is_moved_that_day_alone() -> None:
    """London skips 01:00 to 02:00 on 29 March 2026."""
    assert times(local("2026-03-27T01:00"), DAY, LONDON, 4) == ["28 01:00", "29 02:00", "30 01:00", "31 01:00"]


def test_a_daily_run_in_the_doubled_hour_runs_once() -> None:
    """London shows 01:00 to 02:00 twice on 25 October 2026."""
    assert times(local("2026-10-23T01:30"), DAY, LONDON, 4) == ["24 01:30", "25 01:30", "26 01:30", "27 01:30"]


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "UTC"])
def test_a_daily_run_keeps_its_time_for_a_year(zone: str) -> None:
    anchor = local("2025-06-01T09:17", zone)
    assert {each.split()[1] for each in times(anchor, DAY, zone, 370)} == {"09:17"}


def test_a_time_in_the_skipped_hour_is_still_to_come_once_the_clocks_have_skipped_it() -> None:
    """London's 01:30 of 29 March 2026 is served at 02:30, and at 02:10 it is not over."""
    due = following(local("2026-03-27T01:30"), every_s=DAY, time_zone=LONDON, after=local("2026-03-29T02:10"))
    assert due == local("2026-03-29T02:30").astimezone(UTC)


def test_nothing_is_due_before_the_time_that_all_are_counted_from() -> None:
    anchor = local("2026-03-27T01:00")
    assert following(anchor, every_s=DAY, time_zone=LONDON, after=anchor - timedelta(days=3)) == anchor


def test_where_this_machine_stands_means_nothing() -> None:
    anchor, zone = local("2026-06-01T09:00", "America/Los_Angeles"), "America/Los_Angeles"
    due = following(anchor, every_s=2 * HOUR, time_zone=zone, after=local("2026-06-01T11:30", zone))
    assert due == local("2026-06-01T13:00", zone)
    assert due.tzinfo is UTC


def test_six_hourly_runs_stay_on_their_hours() -> None:
    found = times(local("2026-03-28T00:00"), 6 * HOUR, LONDON, 8)
    assert [each.split()[1] for each in found] == ["06:00", "12:00", "18:00", "00:00"] * 2


def test_an_hourly_run_stays_on_the_minute_and_leaves_no_hour_out() -> None:
    for text in ("2026-03-28T20:05", "2026-10-24T20:05"):
        at, anchor = local(text).astimezone(UTC), local(text)
        for _ in range(12):
            due = following(anchor, every_s=HOUR, time_zone=LONDON, after=at)
            assert due - at == timedelta(hours=1)
            at = due


@pytest.mark.parametrize("every_s", [300, 1800, HOUR, 2 * HOUR, DAY])
def test_after_a_downtime_the_next_time_lies_ahead_and_in_step(every_s: int) -> None:
    anchor = datetime(2026, 1, 1, 0, 10, tzinfo=UTC)
    late = anchor + timedelta(days=9, minutes=3, seconds=7)
    due = following(anchor, every_s=every_s, time_zone="UTC", after=late)
    assert late < due <= late + timedelta(seconds=every_s)
    assert (due - anchor).total_seconds() % every_s == 0


@given(
    anchor=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - beside it
    hours=st.floats(0, 24 * 800),
    every_s=st.sampled_from([300, 900, HOUR, 2 * HOUR, 7 * HOUR, 12 * HOUR, DAY]),
    zone=st.sampled_from([LONDON, "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kolkata", "Africa/Casablanca"]),
)
def test_the_next_time_is_always_ahead_and_never_further_than_a_period_and_a_change(
    anchor: datetime, hours: float, every_s: int, zone: str
) -> None:
    after = anchor + timedelta(hours=hours)
    due = following(anchor, every_s=every_s, time_zone=zone, after=after)
    assert after < due <= after + timedelta(seconds=every_s, hours=2)
    # Asked again at any moment before it, the answer is the same.
    assert following(anchor, every_s=every_s, time_zone=zone, after=due - timedelta(microseconds=1)) == due


def test_a_zone_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(KeyError):
        following(datetime(2026, 1, 1, tzinfo=UTC), every_s=DAY, time_zone="Atlantis/Capital", after=datetime.now(UTC))


def test_a_schedule_comes_due_by_its_own_anchor_cadence_zone_and_clock() -> None:
    anchor, read_at = local("2026-03-27T01:00"), local("2026-03-28T17:00")
    schedule = Schedule(
        id=uuid4(),
        integration_id=uuid4(),
        entity=EntityType.CANDIDATE,
        mode="incremental",
        every_s=DAY,
        time_zone=LONDON,
        enabled=True,
        next_due_at=anchor,
        last_enqueued_at=None,
        anchor_at=anchor,
        read_at=read_at,
    )
    assert next_due(schedule) == local("2026-03-29T02:00")
