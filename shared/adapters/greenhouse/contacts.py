"""
Which of a candidate's contact entries is what: primary e-mail and phone, LinkedIn, the rest.

Greenhouse marks none of them as primary, so the type decides, then the vendor's order (docs/vendors/greenhouse.md,
section 8.1). Reading and writing share these rules: what is written is what is read back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from shared.adapters import wire
from shared.errors import InvalidPayload
from shared.model.records import Contact

EMAIL_TYPES = ("personal", "work", "other")
PHONE_TYPES = ("mobile", "home", "work", "other")
ADDRESS_TYPES = ("home", "work", "other")
WEBSITE_TYPES = ("personal", "company", "portfolio", "blog", "other")
"""In the order in which the first entry is chosen; words that are not listed rank last."""

NOT_A_PHONE = "skype"
"""An entry of this type is a handle of a messenger; it is left alone."""

EMAILS, PHONES, ADDRESSES = "email_addresses", "phone_numbers", "addresses"
WEBSITES, SOCIAL, TAGS = "website_addresses", "social_media_addresses", "tags"

_HOST = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?(?://)?(?:[^/@?#]*@)?([^/:?#\s]+)", re.IGNORECASE)
_LINKEDIN = re.compile(r"(?:^|\.)linkedin\.[a-z]{2,}(?:\.[a-z]{2,})?\.?$", re.IGNORECASE)


def entries(payload: Mapping[str, Any], key: str) -> list[Contact]:
    """Return the entries of the list at *key* that hold a value, in the vendor's order and words."""
    found: list[Contact] = []
    for index, entry in enumerate(wire.items(payload, key)):
        if entry is None:
            continue
        if type(entry) is not dict and not isinstance(entry, Mapping):
            raise InvalidPayload(f"{key}[{index}]: is not an object")
        try:
            value = wire.text(entry, "value")
            if value is not None:
                found.append({"value": value, "type": wire.text(entry, "type")})
        except InvalidPayload as exc:
            raise InvalidPayload(f"{key}[{index}].{exc}") from None
    return found


def primary(found: Iterable[Contact], order: tuple[str, ...]) -> Contact | None:
    """Return the first entry of the type that comes first in *order*."""
    best: Contact | None = None
    lowest = len(order)
    for entry in found:
        place = rank(entry.get("type"), order)
        if place < lowest:
            best, lowest = entry, place
    return best


def rank(kind: str | None, order: tuple[str, ...]) -> int:
    """Return the place of *kind* in *order*; unknown words and None count as `other`."""
    if kind in order:
        return order.index(kind)
    word = (kind or "").casefold()
    return order.index(word) if word in order else len(order) - 1


def without(found: Sequence[Contact], first: Contact | None) -> list[Contact]:
    """Return *found* without *first* and without entries that repeat an earlier value."""
    if not found or (len(found) == 1 and found[0] is first):
        return []  # most lists of a page
    seen = set() if first is None else {same(first["value"])}
    rest: list[Contact] = []
    for entry in found:
        key = same(entry["value"])
        if key not in seen:
            seen.add(key)
            rest.append(entry)
    return rest


def same(value: str) -> str:
    """Return the form in which two values of one list are the same entry."""
    return value.strip().casefold()


def is_phone(entry: Contact) -> bool:
    """Whether *entry* of a phone list is a phone number."""
    return (entry.get("type") or "").casefold() != NOT_A_PHONE


def is_linkedin(url: str) -> bool:
    """Whether *url*, with or without a scheme, stands on a host of LinkedIn."""
    match = _HOST.match(url.strip())
    return match is not None and _LINKEDIN.search(match[1]) is not None
