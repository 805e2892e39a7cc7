"""
What becomes of a failed call: transport errors and statuses as data, with a vendor's dialect on top.

    no answer      never sent → Unavailable          sent: a read → Unavailable, a write → OutcomeUnknown
    3xx            NeedsHuman: the address is wrong; redirects are never followed with credentials
    400, 405, 409, 413, 415, 422 and other 4xx       Rejected, with the vendor's words
    401, 403       AuthFailed, with the permission that the call needs
    404, 410       NotFound
    408, 425       Unavailable, or OutcomeUnknown for a write
    429            RateLimited (`shared.adapters.http`)
    5xx            Unavailable, or OutcomeUnknown for a write
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, NoReturn

import httpx

from shared.errors import (
    AuthFailed,
    LiaisonError,
    NeedsHuman,
    NotFound,
    OutcomeUnknown,
    Rejected,
    Unavailable,
)
from shared.telemetry.redaction import Redactor

MOST_WORDS = 500
"""Characters of the vendor's own words that are kept."""

_REDACTOR = Redactor()

UNSENT: tuple[type[httpx.HTTPError], ...] = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
)
"""The request has not left us: a write had no effect."""
IMPOSSIBLE: tuple[type[httpx.HTTPError], ...] = (
    httpx.LocalProtocolError,
    httpx.UnsupportedProtocol,
    httpx.TooManyRedirects,
)
"""The request can't be made as the integration is set up: an address, or a key with a line break in it."""
SENT: tuple[type[httpx.HTTPError], ...] = (
    httpx.ReadError,
    httpx.ReadTimeout,
    httpx.WriteError,
    httpx.WriteTimeout,
    httpx.CloseError,
    httpx.RemoteProtocolError,
    httpx.DecodingError,
)
"""The request may have arrived."""

Words = tuple[str, str | None]
"""(the vendor's words, the vendor's name of the field that is to blame)."""


def no_words(_body: Any) -> Words:
    """Return nothing: the vendor's error bodies are not known."""
    return "", None


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one vendor says no."""

    vendor: str
    words: Callable[[Any], Words] = no_words
    """Reads the error body, parsed JSON of any shape."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """The vendor's field names → ours."""
    statuses: Mapping[int, type[LiaisonError]] = field(default_factory=dict)
    """Where it departs from the table above."""
    request_ids: tuple[str, ...] = ("x-request-id",)


def raise_for_transport(error: httpx.HTTPError, *, is_write: bool) -> NoReturn:
    """Raise our error for httpx's; the cause is chained."""
    if isinstance(error, IMPOSSIBLE):
        raise NeedsHuman("the call can't be made", remedy="check the integration's address and keys") from error
    if isinstance(error, UNSENT):
        raise Unavailable("the vendor can't be reached") from error
    if is_write:
        raise OutcomeUnknown("the vendor's answer to a write was lost") from error
    raise Unavailable("the connection to the vendor broke") from error


_STATUSES: Mapping[int, type[LiaisonError]] = {
    401: AuthFailed,
    403: AuthFailed,
    404: NotFound,
    408: Unavailable,
    410: NotFound,
    425: Unavailable,
}


def raise_for_status(
    dialect: Dialect, status: int, body: Any, *, is_write: bool, needs: str, request_id: str | None
) -> NoReturn:
    """Raise our error for an answer of *status* 300 or above, with the vendor's words where it has some."""
    words, theirs = dialect.words(body)
    # A vendor may quote what was sent; these words are logged, stored and shown.
    words = _REDACTOR.text(_unicode(words[:MOST_WORDS]))
    kind = dialect.statuses.get(status) or _STATUSES.get(status) or _by_hundreds(status)
    if kind is Unavailable and is_write:
        kind = OutcomeUnknown
    details: dict[str, Any] = {"status": status, "request_id": request_id}
    if kind is Rejected:
        ours = None if theirs is None else dialect.fields.get(theirs, _unicode(theirs))
        raise Rejected(_told(dialect, status, words), field=ours, **details)
    if kind is AuthFailed:
        permission = f" ({needs})" if needs else ""
        remedy = f"grant {needs}" if status == HTTPStatus.FORBIDDEN and needs else "check the credentials"
        raise AuthFailed(_told(dialect, status, words) + permission, remedy=remedy, **details)
    if kind is NeedsHuman:
        raise NeedsHuman(_told(dialect, status, ""), remedy="check the integration's api_base_url", **details)
    raise kind(_told(dialect, status, words), **details)


def _by_hundreds(status: int) -> type[LiaisonError]:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Unavailable
    return Rejected if status >= HTTPStatus.BAD_REQUEST else NeedsHuman


def _unicode(text: str) -> str:
    """Return *text* with `?` for each half of a surrogate pair (`shared.adapters.json_bodies`)."""
    return text.encode(errors="replace").decode()


def _told(dialect: Dialect, status: int, words: str) -> str:
    return f"{dialect.vendor} answers {status}" + (f": {words}" if words else "")
