"""
Where every key comes from: one root secret, and a key derived from it for each purpose (HKDF-SHA256, RFC 5869).

A key's id says which root it came from. It is derived from that root as well, so that nobody has to number keys,
and a rotation is: put a new secret first, keep the old one behind it.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.settings import Settings

KEY_ID_BYTES = 9
KEY_ID_LENGTH = 12  # the same in characters of base64url
MIN_SECRET_BYTES = 32


class Purpose(StrEnum):
    """What a key is for. A key of one purpose opens or forges nothing of another."""

    CREDENTIALS = "credentials"
    """Vendors' keys, tokens and webhook secrets in PostgreSQL."""
    WEBHOOK_SECRETS = "webhook-secrets"
    """The intake's copy of webhook secrets in Azure Tables."""
    EVENTS = "events"
    """Headers and bodies of webhook events, in blobs until they are processed, in PostgreSQL while they are kept."""
    WEBHOOK_MAC = "webhook-mac"
    """The mark in a webhook's URL."""
    FINGERPRINTS = "fingerprints"
    """Fingerprints of field values, keyed once more by link."""
    SUPPRESSION = "suppression"
    """Identifiers of erased people."""
    PERSONAL = "personal"
    """Master of the keys that each person has."""


class Keys:
    """The root secrets, newest first, and what is derived from them."""

    def __init__(self, secret: bytes, previous: Sequence[bytes] = ()) -> None:
        roots = (secret, *previous)
        if any(len(root) < MIN_SECRET_BYTES for root in roots):
            raise ValueError(f"a root secret needs {MIN_SECRET_BYTES} bytes")
        self._roots: Mapping[str, bytes] = MappingProxyType(_by_id(roots))
        self._derived = lru_cache(maxsize=256)(self._derive)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Take the roots from ENCRYPTION_SECRET and ENCRYPTION_SECRET_PREVIOUS."""
        previous = [secret.get_secret_value() for secret in settings.encryption_secret_previous]
        return cls(settings.encryption_secret.get_secret_value(), previous)

    @cached_property
    def kid(self) -> str:
        """Id of the newest root: twelve characters that tell nothing about it."""
        return next(iter(self._roots))

    def derive(self, purpose: Purpose, *, length: int = 32) -> bytes:
        """Give the newest key for *purpose*, *length* bytes of it."""
        return self._derived(self.kid, purpose, length)

    def every(self, purpose: Purpose, *, length: int = 32) -> Mapping[str, bytes]:
        """Give all keys for *purpose* by key id, the newest first."""
        return {kid: self._derived(kid, purpose, length) for kid in self._roots}

    def find(self, kid: str, purpose: Purpose, *, length: int = 32) -> bytes | None:
        """Give the key for *purpose* that came from root *kid*; None when that root is not known (any more)."""
        return self._derived(kid, purpose, length) if kid in self._roots else None

    def _derive(self, kid: str, purpose: Purpose, length: int) -> bytes:
        return _expand(self._roots[kid], f"liaison/v1/{purpose.value}", length)


def _by_id(roots: Sequence[bytes]) -> dict[str, bytes]:
    by_id: dict[str, bytes] = {}
    for root in roots:
        kid = base64.urlsafe_b64encode(_expand(root, "liaison/v1/key-id", KEY_ID_BYTES)).decode()
        by_id.setdefault(kid, root)
    return by_id


def _expand(root: bytes, info: str, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info.encode()).derive(root)
