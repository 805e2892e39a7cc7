"""How Greenhouse says no, and where it tells its limits. docs/vendors/greenhouse.md, sections 4 and 5."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.adapters.errors_of_http import Dialect, Words
from shared.adapters.limits import WindowHeaders

FIELDS: Mapping[str, str] = {
    "email_addresses": "email",
    "email_addresses.type": "further_emails",
    "phone_numbers": "phone",
    "phone_numbers.type": "further_phones",
    "addresses.type": "addresses",
    "website_addresses": "links",
    "website_addresses.type": "links",
    "social_media_addresses": "links",
    "company": "current_company",
    "title": "current_title",
    "is_private": "restricted",
    "private": "restricted",
    "from_stage_id": "stage",
    "to_stage_id": "stage",
    "initial_stage_id": "stage",
    "rejection_reason_id": "rejection_reason",
    "opening_id": "status",
    "source_id": "source",
}
"""Greenhouse's words for a field → ours."""

WHOLE = "base"
"""The vendor's word for a fault of no field in particular."""


def words(body: Any) -> Words:
    """
    Return message and first field of `{"message": …, "errors": [{"message": …, "field": …}]}`.

    v1 documents this body; v3's is assumed to be the same, so everything in it may be missing.
    """
    if not isinstance(body, Mapping):
        return "", None
    told = [body.get("message") or body.get("error")]
    field: str | None = None
    errors = body.get("errors")
    for error in errors if isinstance(errors, list) else ():
        if isinstance(error, Mapping):
            name = error.get("field")
            if isinstance(name, str) and name != WHOLE:
                field = field or name
                told.append(f"{name} {error.get('message')}")
            else:
                told.append(error.get("message"))
        else:
            told.append(error)
    return "; ".join(dict.fromkeys(text for text in told if isinstance(text, str) and text)), field


GREENHOUSE = Dialect("Greenhouse", words=words, fields=FIELDS, request_ids=("x-request-id", "x-greenhouse-request-id"))
WINDOW = WindowHeaders(longest_s=30.0)
"""`X-RateLimit-Limit`, `-Remaining` and `-Reset`: a fixed window, 30 s in v3 and 10 s in v1."""
