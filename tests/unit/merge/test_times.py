"""Last write wins, by time and rank (S-191): the specification's own table, and how times are read."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shared.merge.fingerprints import print_of
from shared.merge.merge import merge
from shared.merge.state import NEVER, Fingerprint, Ours, Stamp, State, StoredBase, Theirs, UnitBase
from shared.merge.times import UNKNOWN_AT, ours_is_later, stamp_of, theirs_at
from shared.model import UNITS
from tests.unit.merge.lab import CANDIDATE, NOON, TITLE, agreed, at, ours, rows, rules, theirs

SECOND, MILLISECOND, MICROSECOND = timedelta(seconds=1), timedelta(milliseconds=1), timedelta(microseconds=1)


def seen(**changes: object) -> Theirs:
    return theirs({}, 60, **changes)


@pytest.mark.parametrize(
    ("ours_at", "theirs_at_", "resolution", "rank", "portal_wins"),
    [
        pytest.param(NOON, NOON - SECOND, MILLISECOND, 0, True, id="S-191 ours is newer"),
        pytest.param(NOON - SECOND, NOON, MILLISECOND, 0, False, id="S-191 theirs is newer"),
        pytest.param(NOON, NOON, MILLISECOND, 0, True, id="S-191 equal times: the portal"),
        pytest.param(NOON, NOON, MILLISECOND, 2, False, id="S-191 equal times: the older integration"),
        pytest.param(NOON, NOON, MILLISECOND, 1, True, id="S-191 equal times and rank: what stands"),
        pytest.param(NOON, NOON + 900 * MICROSECOND, MILLISECOND, 0, True, id="a tie at a millisecond"),
        pytest.param(NOON, NOON + 1000 * MICROSECOND, MILLISECOND, 0, False, id="no tie at a millisecond"),
        pytest.param(NOON + 700 * MILLISECOND, NOON, SECOND, 2, False, id="a tie at a second, decided by rank"),
        pytest.param(NOON, NOON, timedelta(0), 0, True, id="a clock without a resolution"),
    ],
)
def test_last_write_wins(
    ours_at: datetime, theirs_at_: datetime, resolution: timedelta, rank: int, *, portal_wins: bool
) -> None:
    stamp = Stamp(ours_at, rank, "someone", resolution=MICROSECOND)
    assert ours_is_later(stamp, theirs_at_, seen(resolution=resolution, rank=1)) is portal_wins


def test_two_clocks_without_a_resolution_are_compared_to_the_microsecond() -> None:
    stamp = Stamp(NOON + MICROSECOND, 2, "someone", resolution=timedelta(0))
    assert ours_is_later(stamp, NOON, seen(resolution=timedelta(0), rank=1))


def test_the_coarser_of_the_two_clocks_counts_on_either_side() -> None:
    stamp = Stamp(NOON + 100 * MILLISECOND, 2, "b", resolution=SECOND)
    assert not ours_is_later(stamp, NOON, seen(resolution=MILLISECOND, rank=1))


def test_s_191_no_time_on_either_side_goes_to_the_portal() -> None:
    assert ours_is_later(None, UNKNOWN_AT, seen())
    assert not ours_is_later(None, NOON, seen())
    outcome = merge({}, Ours({TITLE: "Baker"}, {}), theirs({TITLE: "Cook"}, updated_at=None), rules())
    assert (outcome.take, outcome.push) == ({}, {TITLE: "Baker"})


@pytest.mark.parametrize(
    ("field_at", "record_at", "expected"),
    [
        (at(20), at(40), at(20)),
        (None, at(40), at(40)),
        (None, None, at(10)),
        (at(5), None, at(10)),
        (at(65), None, at(60)),
        (None, at(5), at(10)),
        (None, at(65), at(60)),
    ],
)
def test_a_vendors_time_lies_between_its_last_two_observations(
    field_at: datetime | None, record_at: datetime | None, expected: datetime
) -> None:
    observed = seen(updated_at=record_at, field_times={} if field_at is None else {TITLE: field_at})
    base = UnitBase(Fingerprint("o"), Fingerprint("t"), at(10))
    assert theirs_at(TITLE, observed, base) == expected


def test_without_a_base_a_vendor_without_times_is_of_unknown_time() -> None:
    assert theirs_at(TITLE, seen(updated_at=None), None) == UNKNOWN_AT
    assert theirs_at(TITLE, seen(updated_at=at(-9000)), None) == at(-9000)
    assert theirs_at(TITLE, seen(updated_at=at(90)), None) == at(60)


def test_a_vendor_without_times_does_not_beat_a_portal_edit() -> None:
    base = agreed({TITLE: "Baker"})
    outcome = merge(base, ours({TITLE: "Chef"}, 5), theirs({TITLE: "Cook"}, updated_at=None), rules())
    assert outcome.push == {TITLE: "Chef"}


@pytest.mark.parametrize("rank", [0, 2])
def test_what_moved_after_ours_stood_there_is_the_later_one_within_one_tick(rank: int) -> None:
    """The two are known to differ, and ours has not moved since: a vendor without times can't say it better."""
    agreed_on = agreed({TITLE: "Baker"})[TITLE]
    chef, cook = ours({TITLE: "Chef"}, rank=rank), theirs({TITLE: "Cook"}, updated_at=None, resolution=SECOND, rank=1)
    known = replace(agreed_on, ours=print_of(rules(), UNITS[CANDIDATE][TITLE], chef.values, [TITLE]))
    apart = StoredBase({TITLE: replace(known, state=State.DIVERGED)})
    outcome = merge(apart, chef, cook, rules())
    assert (rows(outcome), outcome.take) == ({TITLE: "both_changed"}, {TITLE: "Cook"})
    later = merge(apart, ours({TITLE: "Chef"}, 1), cook, rules())
    assert later.push == {TITLE: "Chef"}, "whoever set it anew has the later time"
    moved = merge(StoredBase({TITLE: agreed_on}), ours({TITLE: "Chef"}), cook, rules())
    assert moved.push == {TITLE: "Chef"}, "of two that moved the rank decides"


@pytest.mark.parametrize(
    ("entered_s", "rank", "stays"), [(-0.3, 0, False), (0, 0, True), (0.2, 0, True), (-0.3, 1, True)]
)
def test_what_came_after_a_look_beats_what_was_entered_before_it_within_one_tick(
    entered_s: float, rank: int, stays: bool
) -> None:
    """What a create has sent, and the vendor has spelled otherwise, counts as a change of ours still (seed 2844)."""
    sent = replace(agreed({TITLE: "Baker"})[TITLE], ours=NEVER, seen_at=NOON + SECOND / 2)
    chef = ours({TITLE: "Chef"}, (0.5 + entered_s) / 60, rank=rank)
    cook = theirs({TITLE: "Cook"}, updated_at=NOON, resolution=SECOND, rank=1)
    outcome = merge(StoredBase({TITLE: sent}), chef, cook, rules())
    assert (outcome.push == {TITLE: "Chef"}) is stays
    assert (outcome.take == {TITLE: "Cook"}) is not stays


def test_a_stamp_carries_its_origin() -> None:
    origin = seen(rank=4, source="b", resolution=SECOND)
    assert stamp_of(NOON, origin, "their_change") == Stamp(NOON, 4, "b", "their_change", None, SECOND)
    assert stamp_of(NOON, origin, "their_change", "a job").job_id == "a job"


def test_pain_04_naive_and_aware_times_never_meet() -> None:
    with pytest.raises(TypeError, match="naive"):
        ours_is_later(Stamp(datetime(2026, 1, 1), 0, "portal"), NOON, seen())  # noqa: DTZ001 - the point
