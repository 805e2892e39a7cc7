"""Cursors and page sizes."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.paging import MAX_LIMIT, Window, decode_cursor, encode_cursor, page_of, read_limit
from shared.errors import InvalidInput

ROWS: list[dict[str, Any]] = [
    {"at": datetime(2026, 11, 22, 9, minute, tzinfo=UTC), "id": UUID(int=minute)} for minute in range(5)
]


def position(row: dict[str, Any]) -> tuple[datetime, UUID]:
    return row["at"], row["id"]


@given(st.datetimes(timezones=st.just(UTC)), st.uuids())
def test_a_cursor_survives_its_journey(at: datetime, row_id: UUID) -> None:
    assert decode_cursor(encode_cursor((at, row_id))) == (at, row_id)


@given(st.text(max_size=60))
def test_no_made_up_cursor_does_more_than_be_refused(text: str) -> None:
    with suppress(InvalidInput):
        at, row_id = decode_cursor(text)
        assert at.tzinfo is not None
        assert isinstance(row_id, UUID)


@pytest.mark.parametrize("text", ["x", "e30", "W10", "WyIyMDI2LTExLTIyIiwgMV0"])
def test_a_cursor_of_somebody_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        decode_cursor(text)
    assert caught.value.field == "cursor"


@pytest.mark.parametrize("text", ["0", "-1", "501", "x", "1.5", "٣", "9" * 100, "0000011000", "²"])
def test_a_page_size_out_of_bounds_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_limit(text)
    assert caught.value.field == "limit"


def test_page_sizes_within_bounds_are_taken() -> None:
    assert [read_limit(text) for text in (None, "1", "100", str(MAX_LIMIT))] == [100, 1, 100, 500]


@pytest.mark.parametrize(("limit", "shown", "has_more"), [(4, 4, True), (5, 5, False), (6, 5, False)])
def test_a_cursor_is_given_only_when_more_follows(limit: int, shown: int, has_more: bool) -> None:
    page, following = page_of(ROWS[: limit + 1], Window(limit, None), position)
    assert len(page) == shown
    assert (following is not None) is has_more
    if following is not None:
        assert decode_cursor(following) == position(page[-1])
