"""Lists by key, a page at a time: a cursor says after which row to go on, so that moving data is never skipped."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from shared.errors import InvalidInput

DEFAULT_LIMIT = 100
MAX_LIMIT = 500

_NUMBER = re.compile("[0-9]{1,9}")

Position = tuple[datetime, UUID]
"""Sort key of the last row that was shown: its time and its id."""


@dataclass(frozen=True, slots=True)
class Window:
    """Which page was asked for."""

    limit: int
    after: Position | None

    @property
    def asked(self) -> int:
        """How many rows to read: one more than are shown tells whether there is a next page."""
        return self.limit + 1


def read_limit(text: str | None) -> int:
    """Return the page size that *text* asks for. Raises InvalidInput."""
    if text is None:
        return DEFAULT_LIMIT
    limit = read_number(text)
    if limit is None or not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput(f"limit: must be 1 to {MAX_LIMIT}", field="limit", remedy=f"ask for at most {MAX_LIMIT}")
    return limit


def read_number(text: str) -> int | None:
    """Return the whole number that *text* is in nine digits at most; None if it is no such."""
    return int(text) if _NUMBER.fullmatch(text) else None


def encode_cursor(position: Position) -> str:
    """Return *position* as it travels."""
    at, row_id = position
    return base64.urlsafe_b64encode(orjson.dumps([at.isoformat(), str(row_id)])).decode().rstrip("=")


def decode_cursor(text: str) -> Position:
    """Return the position in a cursor of ours. Raises InvalidInput for any other text."""
    try:
        at, row_id = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return datetime.fromisoformat(at).astimezone(UTC), UUID(row_id)
    except (binascii.Error, ValueError, TypeError, AttributeError, OverflowError):
        raise InvalidInput(
            "cursor: is none of ours", field="cursor", remedy="use next_cursor of the page before, unchanged"
        ) from None


def page_of(
    rows: Sequence[dict[str, Any]], window: Window, position: Callable[[dict[str, Any]], Position]
) -> tuple[list[dict[str, Any]], str | None]:
    """Return the rows to show of those read, and the cursor of the next page (None: that was all)."""
    shown = list(rows[: window.limit])
    has_more = len(rows) > window.limit
    return shown, encode_cursor(position(shown[-1])) if has_more else None
