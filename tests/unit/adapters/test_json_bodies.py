"""JSON of vendors: what is read a second time, and what is none."""

from __future__ import annotations

import pytest

from shared.adapters.json_bodies import encode, parse


def test_half_a_pair_is_read_and_its_neighbours_are_whole() -> None:
    body = rb'[{"id": 1, "a": "cut \ud83d"}, {"id": 2, "a": "\ud83d\udd25", "b": 1.5, "c": null}]'
    assert parse(body) == [{"id": 1, "a": "cut \ud83d"}, {"id": 2, "a": "🔥", "b": 1.5, "c": None}]
    assert parse(rb'["\uDE00"]') == ["\ude00"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        rb'["\ud83d", ',
        rb'["\ud83d"] and more',
        rb'["\ud83d", "\u12"]',
        rb'["\ud83d", NaN]',
        rb'["\ud83d", -Infinity]',
        rb'["\ud83d", 1e999]',
        b'["\\ud83d", "\xff"]',
        rb'["\ud83d", ' + b"9" * 5000 + b"]",
        b"[" * 5000 + b"]" * 5000,
        b"[" * 200_000 + rb'"\ud83d"' + b"]" * 200_000,
    ],
)
def test_what_is_no_json_stays_none(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whichever of the two parsers says it
        parse(body)


def test_half_a_pair_goes_back_as_it_came() -> None:
    assert encode({"a": "é"}) == '{"a":"é"}'.encode()
    assert parse(encode({"a": ["cut \ud83d", 1, None]})) == {"a": ["cut \ud83d", 1, None]}
