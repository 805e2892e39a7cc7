"""
The mark in a webhook's URL: proof that we made this URL, checked with no look-up at all.

A wrong mark is a forgery for certain, so that a flood of made-up ids costs one HMAC each; a right one lets the event
of an integration be kept that the intake's cache does not know. It proves nothing about the body: the vendor's
signature does. Marks made under a retired key stay valid, because vendors keep the URL that they were given.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable
from uuid import UUID

MAC_BYTES = 16  # 128 bits: 22 characters


def mac_for(integration_id: UUID | str, key: bytes) -> str:
    """Give the mark of *integration_id* under *key* (`Purpose.WEBHOOK_MAC`)."""
    digest = hmac.digest(key, f"liaison-webhook:{integration_id}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest[:MAC_BYTES]).decode().rstrip("=")


def webhook_url(base_url: str, integration_id: UUID | str, key: bytes) -> str:
    """Give the URL that a vendor is told to call. *base_url* has no trailing slash."""
    return f"{base_url}/api/integrations/{integration_id}/webhook?mac={mac_for(integration_id, key)}"


def check_mac(integration_id: UUID | str, mac: str, keys: Iterable[bytes]) -> bool:
    """Whether *mac* marks *integration_id* under any of *keys*: the current one and the retired. In constant time."""
    given = mac.encode(errors="replace")
    matches = [hmac.compare_digest(given, mac_for(integration_id, key).encode()) for key in keys]
    return any(matches)
