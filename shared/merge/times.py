"""
When a value came to be, and which of two is the later one.

Record-level times overstate: an unrelated edit makes an old value look new. That can choose the older of two
concurrent edits, but both sides still end alike.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from shared.merge.state import Stamp, Theirs, UnitBase

UNKNOWN_AT = datetime(1970, 1, 1, tzinfo=UTC)
"""The time of a value that the vendor does not date and that we never saw otherwise: earlier than any other."""

_PORTAL = Stamp(UNKNOWN_AT, 0, "portal")


def theirs_at(unit: str, theirs: Theirs, base: UnitBase | None) -> datetime:
    """
    Return when the vendor's value of *unit* came to be, as far as can be told.

    The field's own time, else the record's, else the earliest it can be (the last observation that still showed the
    agreed value), so that a vendor without times does not beat a portal edit. Never before that observation and never
    after this one, whatever the vendor's clock says.
    """
    told = theirs.field_times.get(unit) or theirs.updated_at
    earliest = UNKNOWN_AT if base is None else base.seen_at
    return earliest if told is None else min(max(told, earliest), theirs.observed_at)


def stamp_of(at: datetime, theirs: Theirs, rule: str, job_id: str | None = None) -> Stamp:
    """Return the stamp of a value that was taken from *theirs*: its origin's, wherever it travels."""
    return Stamp(at, theirs.rank, theirs.source, rule, job_id, theirs.resolution)


def ours_is_later(stamp: Stamp | None, at: datetime, theirs: Theirs, *, stood_before: bool = False) -> bool:
    """
    Tell whether ours beats the vendor's value of *at*.

    Both times are cut to the coarser of the two clocks; equal ones are decided by rank: the portal, then integrations
    by creation; unless ours *stood before* the vendor's value came: then that is the later one. A value without a
    stamp counts as the portal's, of unknown time.
    """
    ours = stamp or _PORTAL
    resolution = max(ours.resolution, theirs.resolution, timedelta.resolution)
    mine, other = _ticks(ours.at, resolution), _ticks(at, resolution)
    return mine > other if mine != other else not stood_before and ours.rank <= theirs.rank


def _ticks(at: datetime, resolution: timedelta) -> int:
    return (at - UNKNOWN_AT) // resolution
