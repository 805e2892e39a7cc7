"""Errors as `application/problem+json` (RFC 9457): stable code, field, remedy; never a value, never a trace."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import ValidationError

from shared.errors import (
    AuthFailed,
    BreakerOpen,
    Conflict,
    CursorExpired,
    InvalidInput,
    InvalidPayload,
    LiaisonError,
    NeedsHuman,
    NotFound,
    OutcomeUnknown,
    Permanent,
    PreviewNeeded,
    RateLimited,
    Rejected,
    Retryable,
    SettingsError,
    SignatureError,
    Unavailable,
)
from shared.security.aead import DataUnreadable
from shared.security.identity import Forbidden, Unauthenticated
from shared.security.sealing import SealBroken

TYPE_PREFIX = "urn:liaison:problem:"
MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5
"""Where nobody knows how long it takes."""


class MalformedJson(LiaisonError):
    """The body is no JSON object."""

    code = "malformed_json"


class BodyTooLarge(LiaisonError):
    """The body is larger than we take."""

    code = "body_too_large"


class PreconditionFailed(LiaisonError):
    """The record has changed since the version that If-Match names."""

    code = "stale_version"


STATUS: Mapping[type[LiaisonError], int] = {
    MalformedJson: 400,
    Unauthenticated: 401,
    SignatureError: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    PreviewNeeded: 409,
    PreconditionFailed: 412,
    BodyTooLarge: 413,
    InvalidInput: 422,
    Rejected: 422,
    RateLimited: 503,
    BreakerOpen: 503,
    Unavailable: 503,
    CursorExpired: 503,  # asked again, the call reads from the vendor's beginning
    # What a vendor did wrong while somebody waited for it.
    NeedsHuman: 502,
    AuthFailed: 502,
    InvalidPayload: 502,
    OutcomeUnknown: 504,
}
"""HTTP status by error; a class that is missing takes its parent's, and nothing at all means 500."""

OURS: frozenset[type[LiaisonError]] = frozenset(
    {LiaisonError, Retryable, Permanent, SettingsError, SealBroken, DataUnreadable}
)
"""Errors that are 500 on purpose: nothing that a caller could mend. A test wants every other one in STATUS."""

_MESSAGES: Mapping[str, tuple[str, str]] = {
    "extra_forbidden": ("is not known here", "leave it out, or check its spelling"),
    "missing": ("is missing", "add it"),
}
"""Of pydantic's error types, where its own words would not help: what is wrong, and what to do."""


def status_of(error: LiaisonError) -> int:
    """Return the HTTP status of *error*."""
    for kind in type(error).__mro__:
        if issubclass(kind, LiaisonError) and kind in STATUS:
            return STATUS[kind]
    return 500


def problem(error: LiaisonError, request_id: str) -> tuple[int, dict[str, Any]]:
    """Return status and body of the answer to *error*."""
    status = status_of(error)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:  # what is our own trouble is told to operators alone
        return status, unexpected(request_id)
    body: dict[str, Any] = {
        "type": f"{TYPE_PREFIX}{error.code}",
        "title": (type(error).__doc__ or error.code).strip().splitlines()[0],
        "status": status,
        "code": error.code,
        "detail": str(error),
        "request_id": request_id,
    }
    if (field := getattr(error, "field", None)) is not None:
        body["field"] = field
    if error.remedy is not None:
        body["remedy"] = error.remedy
    return status, body


def headers(error: LiaisonError) -> dict[str, str]:
    """Return the headers of the answer to *error*: how to sign in, or when to try again where that may help."""
    if isinstance(error, Unauthenticated):
        return {"WWW-Authenticate": "Bearer"}
    if status_of(error) == HTTPStatus.SERVICE_UNAVAILABLE:
        wait_s = error.wait_s if isinstance(error, RateLimited) else RETRY_AFTER_S
        return {"Retry-After": str(max(1, math.ceil(wait_s)))}
    return {}


def invalid(error: ValidationError, request_id: str, *, within: Sequence[str] = ()) -> tuple[int, dict[str, Any]]:
    """Return the answer to input that has another shape; each fault by its path, the first one also on top."""
    faults = [
        _fault(fault, within) for fault in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    first = faults[0]
    return 422, {
        "type": f"{TYPE_PREFIX}invalid_input",
        "title": "A value that was given to us can't be used.",
        "status": 422,
        "code": "invalid_input",
        "detail": f"{first['field']}: {first['message']}",
        "field": first["field"],
        "remedy": first["remedy"],
        "errors": faults,
        "request_id": request_id,
    }


def unexpected(request_id: str) -> dict[str, Any]:
    """Return the answer to what nobody foresaw: it tells the request's id and nothing else."""
    return {
        "type": f"{TYPE_PREFIX}internal_error",
        "title": "Something went wrong on our side.",
        "status": 500,
        "code": "internal_error",
        "detail": "the request was not completed; tell the operators its id",
        "request_id": request_id,
    }


def _fault(fault: Mapping[str, Any], within: Sequence[str]) -> dict[str, str]:
    path = ".".join([*within, *(str(step) for step in fault["loc"] if step != "[key]")]) or "body"
    message, remedy = _MESSAGES.get(fault["type"], (str(fault["msg"]), "see docs/api.md for what it may be"))
    return {"field": path, "message": message, "remedy": remedy}
