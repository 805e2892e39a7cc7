"""
When a schedule comes due next: on the wall clock of its zone, counted from a time that never moves.

A daily pull at 01:00 stays at 01:00 when summer time comes and goes. A time that the clocks skip is served once, right
after the gap; one that they show twice is served the first time. Periods of an hour or less know no wall clock: each
is served.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from shared.store.schedules import Schedule

HOUR_S = 3600


def next_due(schedule: Schedule) -> datetime:
    """
    Return the first planned time after `read_at`: a late tick shifts nothing, and what was missed is made up once.

    Raises KeyError (ZoneInfoNotFoundError) for a zone that nobody knows.
    """
    return following(schedule.anchor_at, every_s=schedule.every_s, time_zone=schedule.time_zone, after=schedule.read_at)


def following(anchor: datetime, *, every_s: int, time_zone: str, after: datetime) -> datetime:
    """Return the first time later than *after* that is a whole number of periods from *anchor*."""
    zone = UTC if every_s <= HOUR_S else ZoneInfo(time_zone)
    start = anchor.astimezone(zone).replace(tzinfo=None)
    period = timedelta(seconds=every_s)
    # One period early: a wall clock that was set back lies behind.
    number = max(0, (after.astimezone(zone).replace(tzinfo=None) - start) // period - 1)
    while True:
        planned = (start + number * period).replace(tzinfo=zone).astimezone(UTC)
        if planned > after:
            return planned
        number += 1
