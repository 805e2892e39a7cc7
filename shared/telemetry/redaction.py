"""
The net under all output: fields in, fields out that may leave the process. It cannot raise.

Masked by construction: an object becomes its type's name, text with blanks in it (free text, a person's name) is
kept only under the few keys that tell causes, keys that name a secret or a person are masked whatever they hold.
Masked by pattern, everywhere: addresses, phone numbers, bearer and sealed tokens, credentials in URLs and queries,
and the literal secrets of the settings. The net is no licence: nothing of this may be logged in the first place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from enum import Enum
from functools import lru_cache
from uuid import UUID

from shared.errors import LiaisonError

Scalar = str | int | float | bool | None
Safe = Scalar | list[Scalar]

MASKED = "[masked]"
FREE_TEXT = "[free text]"
MAX_TEXT = 200
MAX_ITEMS = 20
MIN_LITERAL = 8

FREE_TEXT_KEYS = frozenset({"reason", "remedy", "cause"})
"""May hold a sentence of ours: path and rule, never a value."""

_MEASURED_KEY = re.compile(r"_(?:bytes|count|id|ids|ms|s|seconds|at|kind|class|version)$")
_SENSITIVE_KEY = re.compile(
    r"""(?:^|_)(?:
        secrets? | passwords? | passphrase | tokens? | authorization | bearer | cookies? | credentials? | api_?keys?
      | client_?secret | connection_string | dsn | signatures? | sig | mac | nonce | salt
      | e_?mails? | phones? | mobile | addresses | address | street | postal_code | zip | birth_?date | birthday
      | salary | ssn | payload | body | headers? | query | text | comment | notes? | message
      | (?:full|first|last|middle|given|family|preferred|candidate|person|employee|recruiter|user|display)_?names?
    )(?:_|$) | ^names?$""",
    re.VERBOSE | re.IGNORECASE,
)

_NAMED_SECRETS = (
    "sig|mac|token|password|pwd|secret|account_?key|api_?key|access_?token|refresh_?token|client_?secret|signature"
    "|shared_?access_?signature|instrumentation_?key"
)
# Ids and words, which make up most of what is written, skip the patterns. A run of digits is no id here.
_PLAIN = re.compile(
    r"[A-Za-z_.]{0,64}|[0-9a-f]{32}|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|(?=.*[a-z])[0-9a-z_]{1,40}"
)

# Each pattern runs only where one of its hints stands; no hint: where six digits stand close together.
# Quantifiers are bounded, so that no text makes a pattern run long.
_SIX_DIGITS = re.compile(r"\d(?:\D{0,3}\d){5}")
_PATTERNS = tuple(
    (hints, re.compile(pattern, re.IGNORECASE), replacement)
    for hints, pattern, replacement in (
        (("://",), r"(://)[^/\s:@]{0,128}:[^/\s@]{1,256}@", rf"\1{MASKED}@"),
        (("://",), r"(https?://[^\s?#]{1,512})[?#]\S{1,2048}", rf"\1?{MASKED}"),
        ((" ",), r"\b(bearer|basic)\s+[\w.~+/=-]{4,}", rf"\1 {MASKED}"),
        (("ey",), r"\bey[JI][\w-]{6,}(?:\.[\w-]{0,4096}){1,4}", MASKED),
        (("=", ":"), rf"\b({_NAMED_SECRETS})(\s{{0,3}}[=:]\s{{0,3}})[^\s&;,\"']{{1,512}}", rf"\1\2{MASKED}"),
        (("=",), r"([?&][\w.\[\]-]{1,64}=)[^\s&]{1,512}", rf"\1{MASKED}"),
        (("@", "%40"), r"[\w.%+'-]{1,64}(?:@|%40)[\w.-]{1,255}", MASKED),
        ((), r"(?<![\w+])(?:\+|%2B)\d(?:[\s().\-/]{0,2}\d){6,14}", MASKED),
        ((), r"(?<![\w.-])\(?\d{3}\)?[\s.-]\d{3}[\s.-]\d{4}(?![\w-])", MASKED),
        ((), r"(?<![\w.-])0\d{1,4}[\s/-]\d(?:[\s-]?\d){4,9}(?![\w-])", MASKED),
        ((), r"(?<![\w.-])00\d{9,13}(?![\w-])", MASKED),
    )
)


@lru_cache(maxsize=1024)
def _is_sensitive(key: str) -> bool:
    return _SENSITIVE_KEY.search(key) is not None and _MEASURED_KEY.search(key) is None


def _hinted(hints: Sequence[str], text: str) -> bool:
    return any(hint in text for hint in hints) if hints else _SIX_DIGITS.search(text) is not None


class Redactor:
    """Makes fields fit to leave. *literals* are secrets that are masked wherever they stand."""

    def __init__(self, literals: Iterable[str] = ()) -> None:
        self._literals = tuple(sorted({text for text in literals if len(text) >= MIN_LITERAL}, key=len, reverse=True))

    def fields(self, fields: Mapping[str, object]) -> dict[str, Safe]:
        """Give *fields* with whatever must not leave masked, and those that are None left out."""
        return {self.text(key): self.value(key, value) for key, value in fields.items() if value is not None}

    def value(self, key: str, value: object) -> Safe:
        """Give the value of field *key*, masked where need be."""
        try:
            return self._value(key, value)
        except Exception:  # noqa: BLE001  # a value whose own code fails must cost neither the event nor the caller
            return MASKED

    def text(self, text: str) -> str:
        """Give *text* with every known pattern and literal masked, and cut to 200 characters."""
        text = text[: 10 * MAX_TEXT]
        for literal in self._literals:
            text = text.replace(literal, MASKED)
        if _PLAIN.fullmatch(text):
            return text
        for hints, pattern, replacement in _PATTERNS:
            if _hinted(hints, text):
                text = pattern.sub(replacement, text)
        return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"

    def _value(self, key: str, value: object) -> Safe:
        if isinstance(value, bool) or value is None:
            return value
        if _is_sensitive(key):
            return MASKED
        if isinstance(value, list | tuple | set | frozenset):
            return self._items(key, list(value))
        return self._scalar(key, value)

    def _items(self, key: str, values: Sequence[object]) -> list[Scalar]:
        items = [self._scalar(key, value) for value in values[:MAX_ITEMS]]
        return [*items, f"… {len(values)} in all"] if len(values) > MAX_ITEMS else items

    def _scalar(self, key: str, value: object) -> Scalar:  # noqa: PLR0911  # a table of types
        match value:
            case Enum():
                return self._scalar(key, value.value)
            case bool() | int() | float() | None:
                return value
            case str():
                is_free = key not in FREE_TEXT_KEYS and len(value.split()) > 1
                return FREE_TEXT if is_free else self.text(value)
            case UUID():
                return str(value)
            case datetime() | date() | time():
                return value.isoformat()
            case timedelta():
                return value.total_seconds()
            case LiaisonError():
                return value.code
            case BaseException():
                return type(value).__name__
            case type():
                return value.__name__
            case _:
                return f"<{type(value).__name__}>"
