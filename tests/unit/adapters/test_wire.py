"""Readers of vendors' JSON say where and why, and never what."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters import wire
from shared.errors import InvalidPayload


@pytest.mark.parametrize(
    ("value", "expected"),
    [(7, "7"), (2**40, str(2**40)), ("90011223", "90011223"), (" 007 ", "7"), (None, None)],
)
def test_identifiers_become_text(value: Any, expected: str | None) -> None:
    assert wire.identifier({"id": value}, "id") == expected


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "", "x", "1.0", "-3", [], {}, "0", 10**40])
def test_what_is_no_identifier_is_refused_without_its_value(value: Any) -> None:
    with pytest.raises(InvalidPayload) as raised:
        wire.required_id({"id": value}, path="payload.")
    assert str(raised.value).startswith("payload.id: ")


@pytest.mark.parametrize(("text", "is_one"), [("7", True), ("9" * 38, True), ("9" * 39, False)])
def test_plain_digits_are_an_identifier_up_to_a_length(text: str, is_one: bool) -> None:
    assert wire.is_identifier(text) is is_one


@pytest.mark.parametrize("text", ["", "²", "٣", "-1", "7\n", "7/jobs", "x"])
def test_what_only_looks_like_digits_is_no_identifier(text: str) -> None:
    assert not wire.is_identifier(text)


def test_a_missing_identifier_is_refused_by_path() -> None:
    with pytest.raises(InvalidPayload, match=r"^person\.id: is missing$"):
        wire.required_id({}, path="person.")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (" a\x00b ", "ab"),
        ("", None),
        ("   ", None),
        (None, None),
        (5, "5"),
        ("\u202bعلي", "\u202bعلي"),
        ("😀" * 300, "😀" * 300),
    ],
)
def test_text_is_trimmed_and_storable(value: Any, expected: str | None) -> None:
    assert wire.text({"a": value}, "a") == expected


@pytest.mark.parametrize("value", [True, 1.5, [], {}, "\ud800"])
def test_what_is_no_text_is_refused(value: Any) -> None:
    with pytest.raises(InvalidPayload, match=r"^a: "):
        wire.text({"a": value}, "a")


def test_names_are_composed_and_keep_their_spelling() -> None:
    assert wire.name({"a": "Zoe\u0308 McDONALD"}, "a") == "Zo\u00eb McDONALD"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-10-02T08:00:01.002Z", datetime(2026, 10, 2, 8, 0, 1, 2000, UTC)),
        ("2026-10-02T08:00:01Z", datetime(2026, 10, 2, 8, 0, 1, 0, UTC)),
        ("2026-10-02T10:00:01+02:00", datetime(2026, 10, 2, 8, 0, 1, 0, UTC)),
        ("2026-10-02T00:30:00-14:00", datetime(2026, 10, 2, 14, 30, 0, 0, UTC)),
        ("", None),
        (None, None),
    ],
)
def test_pain_05_moments_are_utc_at_any_precision(text: str | None, expected: datetime | None) -> None:
    assert wire.moment({"at": text}, "at") == expected


@pytest.mark.parametrize(
    "value", ["2026-10-02T08:00:01", "2026-10-02", "yesterday", 1696233600, True, "0001-01-01T00:00:00+14:00"]
)
def test_pain_05_naive_and_impossible_moments_are_refused(value: Any) -> None:
    with pytest.raises(InvalidPayload, match=r"^at: "):
        wire.moment({"at": value}, "at")


@pytest.mark.parametrize(
    ("value", "expected"),
    [("2026-10-02", date(2026, 10, 2)), ("2026-10-02T23:30:00-02:00", date(2026, 10, 3)), (None, None)],
)
def test_days_are_those_of_utc(value: str | None, expected: date | None) -> None:
    assert wire.day({"on": value}, "on") == expected


def test_an_impossible_day_is_refused() -> None:
    with pytest.raises(InvalidPayload, match=r"^on: "):
        wire.day({"on": "2026-02-30"}, "on")


@pytest.mark.parametrize(("value", "expected"), [(3, 3), ("-7", -7), (None, 0)])
def test_whole_numbers(value: Any, expected: int) -> None:
    assert wire.whole({"n": value}, "n", default=0) == expected


@pytest.mark.parametrize("value", [True, 1.0, "x", 2**40, []])
def test_what_is_no_whole_number_is_refused(value: Any) -> None:
    with pytest.raises(InvalidPayload, match=r"^n: "):
        wire.whole({"n": value}, "n", default=0)


def test_lists_forgive_null_and_tell_the_place_of_what_is_wrong() -> None:
    assert list(wire.objects({"a": None}, "a")) == []
    assert list(wire.objects({"a": [None, {"b": 1}]}, "a")) == [("a[1].", {"b": 1})]
    with pytest.raises(InvalidPayload, match=r"^p\.a\[1\]: is not an object$"):
        list(wire.objects({"a": [{}, 5]}, "a", path="p."))
    with pytest.raises(InvalidPayload, match=r"^a: is not a list$"):
        wire.items({"a": "x"}, "a")
    with pytest.raises(InvalidPayload, match=r"^a: is not an object$"):
        wire.optional({"a": 1}, "a")
    assert wire.optional({"a": None}, "a") is None


READERS: list[Callable[[dict[str, Any]], object]] = [
    lambda payload: wire.identifier(payload, "x"),
    lambda payload: wire.text(payload, "x"),
    lambda payload: wire.name(payload, "x"),
    lambda payload: wire.flag(payload, "x"),
    lambda payload: wire.whole(payload, "x", default=0),
    lambda payload: wire.moment(payload, "x"),
    lambda payload: wire.day(payload, "x"),
    lambda payload: wire.optional(payload, "x"),
    lambda payload: list(wire.objects(payload, "x")),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.datetimes().map(str),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, st.sampled_from(READERS))
def test_no_reader_raises_anything_else_or_shows_a_value(
    value: Any, reader: Callable[[dict[str, Any]], object]
) -> None:
    told = ""
    try:
        reader({"x": value})
    except InvalidPayload as error:
        told = str(error)
    assert told == "" or told.startswith("x")
    assert not isinstance(value, str) or len(value) <= 10 or value not in told
