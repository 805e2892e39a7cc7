"""
Every error of Liaison, cut by what happens next.

    LiaisonError
    ├── Retryable             try again by itself
    │   ├── RateLimited       wait until the vendor says; no attempt is spent
    │   │   └── BreakerOpen   it failed too often in a row: left alone until a moment of our choice
    │   ├── Unavailable       1, 2, 4, 8, 16 minutes, then a dead letter
    │   └── OutcomeUnknown    a write was sent and no answer came: search or fetch before repeating
    ├── Permanent             a dead letter at once, with the vendor's words
    │   ├── Rejected          the vendor refuses this input
    │   ├── NotFound          the vendor does not know this id (or no longer does)
    │   ├── InvalidPayload    what came can't be a record; names the path, never the value
    │   ├── SignatureError    a webhook that its signature does not cover
    │   ├── CursorExpired     start this pull again from its own start
    │   └── InvalidInput      a person's or a client's input; names the field and the remedy
    │       └── PreviewNeeded good input, before anybody looked at what it would do
    ├── NeedsHuman            the integration pauses and people are told
    │   └── AuthFailed        credentials, scope or permission
    ├── Conflict              somebody else was faster; read again
    │   ├── StaleVersion      the version that it was based on is not the newest one
    │   └── LeaseLost         another worker owns this job now: roll back and stop
    └── SettingsError         the start is refused, with every fault named

An error's text is made for the person who can act on it and holds neither personal data nor secrets.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Self, TypedDict, Unpack


class _Details(TypedDict, total=False):
    remedy: str | None
    request_id: str | None
    status: int | None


class LiaisonError(Exception):
    """Something that was foreseen. `code` is stable: stored, shown, alerted on."""

    code: str = "error"

    def __init__(
        self,
        message: str = "",
        *,
        remedy: str | None = None,
        request_id: str | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message or (self.__doc__ or "").strip().splitlines()[0])
        self.remedy = remedy
        self.request_id = request_id
        """The vendor's id of the request that failed, where it gives one."""
        self.status = status
        """The vendor's HTTP status, where there was an answer."""


class Retryable(LiaisonError):
    """Worth another try without anybody's help."""

    code = "retryable"


class RateLimited(Retryable):
    """The vendor asks to wait for *wait_s*: a span, since the clocks of those who read a moment may differ."""

    code = "rate_limited"

    def __init__(self, message: str = "", *, wait_s: float, **details: Unpack[_Details]) -> None:
        super().__init__(message, **details)
        self.wait_s = wait_s


class BreakerOpen(RateLimited):
    """The vendor failed too often in a row and is left alone for a while."""

    code = "breaker_open"


class Unavailable(Retryable):
    """The other side can't be reached, or is in trouble of its own."""

    code = "unavailable"


class OutcomeUnknown(Retryable):
    """A write was sent and no answer came; it may have taken effect."""

    code = "outcome_unknown"


class Permanent(LiaisonError):
    """Trying the same again would fail the same."""

    code = "permanent"


class Rejected(Permanent):
    """The vendor refuses what was sent. *field* names ours that is to blame, where known."""

    code = "rejected"

    def __init__(self, message: str = "", *, field: str | None = None, **details: Unpack[_Details]) -> None:
        super().__init__(message, **details)
        self.field = field


class NotFound(Permanent):
    """There is no such record, or it is no longer there."""

    code = "not_found"


class InvalidPayload(Permanent):
    """What came can't be a record. The message names the path and the rule, never the value."""

    code = "invalid_payload"


class SignatureError(Permanent):
    """The signature does not cover the body with any known secret."""

    code = "signature_invalid"


class CursorExpired(Permanent):
    """The vendor no longer knows this cursor."""

    code = "cursor_expired"


class InvalidInput(Permanent):
    """A value that was given to us can't be used. *field* is its path."""

    code = "invalid_input"

    def __init__(self, message: str = "", *, field: str | None = None, **details: Unpack[_Details]) -> None:
        super().__init__(message, **details)
        self.field = field

    @classmethod
    def none_of(cls, path: str, fault: str, choices: Iterable[str]) -> Self:
        """Return the refusal of what stands at *path* and is none of *choices*, which the remedy names."""
        return cls(f"{path}: {fault}", field=path, remedy="choose one of: " + ", ".join(sorted(choices)))


class PreviewNeeded(InvalidInput):
    """Nothing is written at a vendor before a preview of it was seen."""

    code = "preview_needed"


class NeedsHuman(LiaisonError):
    """Only a person can mend this; the integration waits meanwhile."""

    code = "needs_human"


class AuthFailed(NeedsHuman):
    """The vendor refuses our credentials, or they lack a permission."""

    code = "auth_failed"

    @property
    def lacks_permission(self) -> bool:
        """Whether the credentials are good and only this was refused to them."""
        return self.status == HTTPStatus.FORBIDDEN


class Conflict(LiaisonError):
    """What this was based on has changed meanwhile. *field* names what is in the way, where one does."""

    code = "conflict"

    def __init__(self, message: str = "", *, field: str | None = None, **details: Unpack[_Details]) -> None:
        super().__init__(message, **details)
        self.field = field


class StaleVersion(Conflict):
    """It is no longer at the version that this was based on."""

    # Coded as any conflict: to whom names no version there is no difference.


class LeaseLost(Conflict):
    """Another worker owns this job now."""

    code = "lease_lost"


class SettingsError(LiaisonError):
    """The settings can't be used; the message names each fault and its remedy."""

    code = "settings_invalid"
