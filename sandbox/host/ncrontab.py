"""NCRONTAB schedules: six fields with seconds, in UTC (§5)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
SEARCHED_DAYS = 366 * 9  # a 29th of February can be eight years away

_ITEM = re.compile(r"(?P<low>\*|\w+)(?:-(?P<high>\w+))?(?:/(?P<step>\d+))?")


class BadSchedule(ValueError):
    """A schedule that cannot be read, or that never comes."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The allowed values of each field. Day of month and day of week must both fit."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]  # Sunday is 0

    def after(self, moment: datetime) -> datetime:
        """Return the first occurrence later than *moment* (aware). Raises BadSchedule if none."""
        start = moment.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
        for number in range(SEARCHED_DAYS):
            day = start.date() + timedelta(days=number)
            if not (day.month in self.months and day.day in self.days and day.isoweekday() % 7 in self.weekdays):
                continue
            earliest = (start.hour, start.minute, start.second) if number == 0 else (0, 0, 0)
            time = self._time_from(earliest)
            if time is not None:
                hour, minute, second = time
                return datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=UTC)
        raise BadSchedule("the schedule has no occurrence")

    def comes_within_a_minute(self) -> bool:
        """Tell whether two occurrences can be less than a minute apart."""
        return len(self.seconds) > 1

    def _time_from(self, earliest: tuple[int, int, int]) -> tuple[int, int, int] | None:
        """Return the first allowed time of a day at or after *earliest*."""
        for hour in self.hours:
            if hour < earliest[0]:
                continue
            for minute in self.minutes:
                if (hour, minute) < earliest[:2]:
                    continue
                for second in self.seconds:
                    if (hour, minute, second) >= earliest:
                        return hour, minute, second
        return None


def parse(text: str) -> Schedule:
    """
    Read `{second} {minute} {hour} {day} {month} {day-of-week}`; five fields mean second 0.

    Raises BadSchedule.
    """
    fields = text.split()
    if len(fields) == 5:  # noqa: PLR2004 - the classic form, without seconds
        fields.insert(0, "0")
    if len(fields) != 6:  # noqa: PLR2004
        raise BadSchedule(f"{text!r} has {len(fields)} fields instead of six")
    second, minute, hour, day, month, weekday = fields
    schedule = Schedule(
        seconds=_values(second, 0, 59),
        minutes=_values(minute, 0, 59),
        hours=_values(hour, 0, 23),
        days=frozenset(_values(day, 1, 31)),
        months=frozenset(_values(month, 1, 12, MONTHS, first=1)),
        weekdays=frozenset(_values(weekday, 0, 6, DAYS)),
    )
    schedule.after(datetime(2000, 1, 1, tzinfo=UTC))  # the 31st of February is refused here
    return schedule


def _values(field: str, low: int, high: int, names: Sequence[str] = (), *, first: int = 0) -> tuple[int, ...]:
    """Return the values that *field* allows, in order."""

    def number(text: str) -> int:
        name = text.lower()[:3]
        if names and not text.isdecimal() and name in names:
            return names.index(name) + first
        if not text.isdecimal() or not low <= int(text) <= high:
            raise BadSchedule(f"{text!r} does not lie between {low} and {high}")
        return int(text)

    allowed: set[int] = set()
    for item in field.split(","):
        match = _ITEM.fullmatch(item)
        if match is None:
            raise BadSchedule(f"cannot read {item!r}")
        step = int(match["step"] or 1)
        if match["low"] == "*":
            start, end = low, high
        else:
            start = number(match["low"])
            end = number(match["high"]) if match["high"] else high if match["step"] else start
        if step < 1 or end < start:
            raise BadSchedule(f"{item!r} is empty")
        allowed.update(range(start, end + 1, step))
    return tuple(sorted(allowed))
