"""NCRONTAB schedules (docs/local-host.md, section 5)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.host.ncrontab import BadSchedule, parse


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "moment", "following"),
    [
        ("0 */5 * * * *", "2026-11-22T10:04:59", "2026-11-22T10:05:00"),
        ("0 */5 * * * *", "2026-11-22T10:05:00", "2026-11-22T10:10:00"),
        ("*/5 * * * *", "2026-11-22T10:05:00", "2026-11-22T10:10:00"),  # five fields
        ("30 0 9 * * mon-fri", "2026-11-20T09:00:30", "2026-11-23T09:00:30"),
        ("0 0 0 29 2 *", "2026-01-01T00:00:00", "2028-02-29T00:00:00"),
        ("0 0 0 13 * Fri", "2026-11-22T00:00:00", "2027-08-13T00:00:00"),  # both must fit
        ("0 0 12 * Jan,jun 0", "2026-11-22T00:00:00", "2027-01-03T12:00:00"),
        ("10-20/5 59 23 31 12 *", "2026-12-31T23:59:15", "2026-12-31T23:59:20"),
        ("0 30/10 8 * * *", "2026-11-22T08:45:00", "2026-11-22T08:50:00"),
    ],
)
def test_the_next_occurrence(schedule: str, moment: str, following: str) -> None:
    assert parse(schedule).after(at(moment)) == at(following)


def test_moments_are_utc_whatever_zone_they_come_in() -> None:
    tokyo = datetime(2026, 11, 23, 8, 30, tzinfo=timezone(timedelta(hours=9)))
    assert parse("0 0 0 * * *").after(tokyo) == at("2026-11-23T00:00:00")


@pytest.mark.parametrize(
    "text",
    [
        "* * *",
        "61 * * * * *",
        "* * * 0 * *",
        "* * * * 13 *",
        "* * * * * 7",
        "*/0 * * * * *",
        "5-1 * * * * *",
        "a * * * * *",
        "0 0 0 31 2 *",
        "00:05:00",
    ],
)
def test_a_schedule_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadSchedule):
        parse(text)


def test_only_schedules_with_seconds_come_within_a_minute() -> None:
    assert parse("0,30 * * * * *").comes_within_a_minute()
    assert not parse("5 * * * * *").comes_within_a_minute()


@given(
    seconds=st.sets(st.integers(0, 59), min_size=1, max_size=4),
    minutes=st.sets(st.integers(0, 59), min_size=1, max_size=3),
    moment=st.datetimes(
        min_value=datetime(2020, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
        max_value=datetime(2040, 1, 1),  # noqa: DTZ001
        timezones=st.just(UTC),
    ),
)
def test_nothing_lies_between_a_moment_and_its_next_occurrence(
    seconds: set[int], minutes: set[int], moment: datetime
) -> None:
    def listed(values: set[int]) -> str:
        return ",".join(map(str, values))

    following = parse(f"{listed(seconds)} {listed(minutes)} * * * *").after(moment)
    step = moment.replace(microsecond=0) + timedelta(seconds=1)
    while not (step.second in seconds and step.minute in minutes):
        step += timedelta(seconds=1)
    assert following == step
