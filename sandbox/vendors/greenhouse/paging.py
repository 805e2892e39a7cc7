"""
Pages of v3: id-descending, an opaque cursor in `Link`, nothing else (section 3.2).

A cursor is the whole question plus the last id given, sealed, so that the simulator needs
no memory for it and a client can do nothing with it but send it back.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import orjson

from sandbox.vendors.greenhouse.errors import Refusal, invalid
from sandbox.vendors.greenhouse.filters import Selection
from sandbox.vendors.greenhouse.tables import Table

MOST_PER_PAGE = 500
DEFAULT_PER_PAGE = 100
SEAL_BYTES = 16


@dataclass(frozen=True)
class Position:
    """Where a list call starts: the first call's parameters, and the last id already given."""

    parameters: Mapping[str, str]
    per_page: int
    before: int | None = None


@dataclass(frozen=True)
class Page:
    """Rows as JSON, and where the next page starts, or None at the end."""

    rows: list[bytes]
    following: Position | None


class Cursors:
    """Makes and reads cursors that no one else can make."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def write(self, resource: str, position: Position, *, expires_at: float) -> str:
        """The cursor for *position* in the list *resource*."""
        content = orjson.dumps(
            {
                "r": resource,
                "q": dict(position.parameters),
                "n": position.per_page,
                "b": position.before,
                "e": expires_at,
            }
        )
        return base64.urlsafe_b64encode(self._seal(content) + content).decode().rstrip("=")

    def read(self, resource: str, cursor: str, *, now: float) -> Position:
        """The position that `write` was given. Raises Refusal (422) if expired or foreign."""
        try:
            sealed = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except ValueError as error:
            raise invalid("cursor", "is invalid") from error
        seal, content = sealed[:SEAL_BYTES], sealed[SEAL_BYTES:]
        if not hmac.compare_digest(seal, self._seal(content)):
            raise invalid("cursor", "is invalid")
        read = orjson.loads(content)
        if read["r"] != resource:
            raise invalid("cursor", "belongs to another endpoint")
        if read["e"] <= now:
            raise invalid("cursor", "has expired")
        return Position(read["q"], read["n"], read["b"])

    def _seal(self, content: bytes) -> bytes:
        return hmac.digest(self._key, content, hashlib.sha256)[:SEAL_BYTES]


def read_position(cursors: Cursors, resource: str, parameters: Mapping[str, str], *, now: float) -> Position:
    """Where this call starts. Raises Refusal (422): bad `per_page`, cursor not alone, expired."""
    cursor = parameters.get("cursor")
    if cursor is None:
        return Position(parameters, read_per_page(parameters))
    if len(parameters) > 1:
        raise Refusal(
            422,
            "Validation error",
            [("cursor", "must be the only query parameter")],
        )
    return cursors.read(resource, cursor, now=now)


def read_per_page(parameters: Mapping[str, str]) -> int:
    """`per_page`, 1 to 500, by default 100. Raises Refusal (422)."""
    text = parameters.get("per_page", str(DEFAULT_PER_PAGE))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_PER_PAGE:
        raise invalid("per_page", f"must be between 1 and {MOST_PER_PAGE}")
    return int(text)


def read_page(table: Table, selection: Selection, position: Position) -> Page:
    """The rows below `position.before` that *selection* wants, newest id first."""
    rows: list[bytes] = []
    last: int | None = None
    for row_id, raw in _descending(table, selection, position.before):
        if len(rows) == position.per_page:
            return Page(rows, Position(position.parameters, position.per_page, last))
        rows.append(raw)
        last = row_id
    return Page(rows, None)


def _descending(table: Table, selection: Selection, before: int | None) -> Iterator[tuple[int, bytes]]:
    ids = table.listed_ids() if selection.ids is None else selection.ids
    end = len(ids) if before is None else bisect_left(ids, before)
    by_time = bool(selection.updated) and not table.is_lagging()
    for position in range(end - 1, -1, -1):
        row_id = ids[position]
        raw = table.listed(row_id)
        if raw is None:
            continue
        if by_time:
            moment = table.updated(row_id)
            if not all(within(moment) for within in selection.updated):
                continue
        if _is_wanted(raw, selection, by_time=by_time):
            yield row_id, raw


def _is_wanted(raw: bytes, selection: Selection, *, by_time: bool) -> bool:
    untimed = by_time or not selection.updated
    if untimed and not selection.tests:
        return True
    row = orjson.loads(raw)
    return all(test(row) for test in selection.tests) and (untimed or selection.is_updated_within(row))
