"""Cursors of our own, and the `Link` header. docs/vendors/greenhouse.md, 3.2 and 10.2."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import orjson

from shared.adapters.protocol import Cursor
from shared.errors import CursorExpired, InvalidPayload

_LINK = re.compile(r"<([^<>]*)>([^<]*)")
_NEXT = re.compile(r""";\s*rel\s*=\s*(?:"[^"]*\bnext\b[^"]*"|next\b)""", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Position:
    """
    Where a pull stands.

    *since*: ISO time of an incremental pull. *query*: the vendor's own query string of the next page. *after*: in
    the second part of an incremental pull of jobs, the last job that is done of those whose parts had changed.
    """

    since: str | None = None
    query: str | None = None
    after: int | None = None

    def cursor(self) -> Cursor:
        """Return the position as the opaque text that is stored."""
        parts = {"v": 1, "since": self.since, "next": self.query, "after": self.after}
        return Cursor(orjson.dumps({key: value for key, value in parts.items() if value is not None}).decode())

    def moved(self, query: str | None) -> Position:
        """Return the position at the page that *query* names."""
        return replace(self, query=query)


def read_cursor(cursor: Cursor | None) -> Position:
    """Return where *cursor* stands; None is the start of everything. Raises CursorExpired for what we never made."""
    if cursor is None:
        return Position()
    try:
        parts: Any = orjson.loads(cursor)
        if parts["v"] == 1:
            return Position(parts.get("since"), parts.get("next"), parts.get("after"))
    except (orjson.JSONDecodeError, TypeError, KeyError):
        pass
    raise CursorExpired("the stored cursor is of another kind")


def next_query(link: str | None, base_url: str) -> str | None:
    """
    Return the query of the `next` page that the `Link` header names, None on the last one.

    Only its query is used, and only when it points to our own vendor: a cursor must not lead our token elsewhere.
    Raises InvalidPayload.
    """
    for url, parameters in _LINK.findall(link or ""):
        if _NEXT.search(parameters):
            there, here = urlsplit(url), urlsplit(base_url)
            if there.netloc and (there.scheme, there.netloc.lower()) != (here.scheme, here.netloc.lower()):
                raise InvalidPayload("Link: the next page is at another origin")
            if not there.query:
                raise InvalidPayload("Link: the next page has no cursor")
            return str(there.query)
    return None
