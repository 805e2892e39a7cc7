"""
AES-256-GCM for data: events in storage, personal history. Sealed bytes can be opened only in the place they name.

    version (1) | nonce (12) | ciphertext and tag (16)

The place is bound as associated data: its parts, each with its length before it, so that no two lists of parts
read alike. A key may seal some 2^32 values before a random nonce is likely to repeat (NIST SP 800-38D, 8.3).
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.errors import Permanent
from shared.security.keys import KEY_ID_LENGTH, Keys, Purpose

VERSION = b"\x01"
NONCE_BYTES = 12
OVERHEAD_BYTES = len(VERSION) + NONCE_BYTES + 16


class DataUnreadable(Permanent):
    """Sealed data can't be opened here."""

    # One error for a foreign key, a foreign place and a changed byte, as for credentials.
    code = "data_unreadable"


def seal(key: bytes, data: bytes, place: Sequence[str]) -> bytes:
    """Seal *data* under *key* (32 bytes) for *place*."""
    nonce = os.urandom(NONCE_BYTES)
    return VERSION + nonce + AESGCM(key).encrypt(nonce, data, _bound(place))


def unseal(key: bytes, sealed: bytes, place: Sequence[str]) -> bytes:
    """Open what was sealed under *key* for *place*. Raises DataUnreadable."""
    if len(sealed) < OVERHEAD_BYTES or not sealed.startswith(VERSION):
        raise DataUnreadable
    nonce, ciphertext = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, _bound(place))
    except InvalidTag:
        raise DataUnreadable from None


class DataSealer:
    """Seals bytes of any size for one purpose (events, say). The key's id goes before what `seal` makes."""

    def __init__(self, keys: Keys, purpose: Purpose) -> None:
        self._kid = keys.kid
        self._keys = dict(keys.every(purpose))

    def seal(self, data: bytes, place: Sequence[str]) -> bytes:
        """Seal *data* under the newest key for *place*, for instance `("webhook_events", integration_id)`."""
        return self._kid.encode() + seal(self._keys[self._kid], data, place)

    def unseal(self, sealed: bytes, place: Sequence[str]) -> bytes:
        """Open with whichever known key sealed it. Raises DataUnreadable."""
        kid = sealed[:KEY_ID_LENGTH].decode(errors="replace")
        key = self._keys.get(kid)
        if key is None:
            raise DataUnreadable
        return unseal(key, sealed[KEY_ID_LENGTH:], place)

    def reseal(self, sealed: bytes, place: Sequence[str]) -> bytes:
        """Give the same content under the newest key; what has that key comes back as it is. Raises DataUnreadable."""
        content = self.unseal(sealed, place)
        return sealed if sealed.startswith(self._kid.encode()) else self.seal(content, place)


def _bound(place: Sequence[str]) -> bytes:
    parts = [part.encode() for part in place]
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)
