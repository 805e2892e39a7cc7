"""Stamps as JSON and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import orjson
from hypothesis import given
from hypothesis import strategies as st

from shared.merge.state import Stamp
from shared.sync.merging.stamps import decode_stamps, encode_stamps

AT = datetime(2026, 1, 1, tzinfo=UTC)

stamps = st.builds(
    Stamp,
    at=st.datetimes(min_value=datetime(1900, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - the zone stands beside
    rank=st.integers(0, 99),
    source=st.sampled_from(["portal", "an integration"]),
    rule=st.sampled_from(["", "theirs", "first_meeting"]),
    job_id=st.sampled_from([None, "job"]),
    resolution=st.timedeltas(min_value=timedelta(microseconds=1), max_value=timedelta(days=1)),
)


@given(st.dictionaries(st.sampled_from(["name", "email", "phone", "tags", "stage"]), stamps))
def test_stamps_survive_the_round_trip_through_a_row(given_stamps: dict[str, Stamp]) -> None:
    assert decode_stamps(orjson.loads(orjson.dumps(encode_stamps(given_stamps)))) == given_stamps


def test_units_with_the_same_stamp_stand_together() -> None:
    stamp = Stamp(AT, 1, "i", "first_meeting", "j", timedelta(milliseconds=1))
    encoded = encode_stamps(dict.fromkeys(["name", "email"], stamp) | {"phone": Stamp(AT, 0, "portal")})
    assert encoded == {
        "v": 1,
        "s": [
            [1767225600000000, 1, "i", "first_meeting", "j", 1000, ["name", "email"]],
            [1767225600000000, 0, "portal", "", None, 1, ["phone"]],
        ],
    }


def test_a_time_of_another_zone_is_the_same_moment() -> None:
    elsewhere = Stamp(AT.astimezone(timezone(timedelta(hours=5, minutes=30))), 1, "i")
    (stamp,) = decode_stamps(encode_stamps({"name": elsewhere})).values()
    assert stamp.at == AT
    assert stamp.at.utcoffset() == timedelta(0)


def test_what_a_newer_release_appends_is_passed_over() -> None:
    row = [1767225600000000, 1, "i", "rule", "j", 1, ["name"], "newer"]
    assert decode_stamps({"v": 2, "s": [row], "more": 1}) == {
        "name": Stamp(AT, 1, "i", "rule", "j", timedelta(microseconds=1))
    }


def test_a_record_without_stamps_has_none() -> None:
    assert decode_stamps({}) == {}
    assert encode_stamps({}) == {"v": 1, "s": []}
