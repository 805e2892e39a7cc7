"""
Seal credentials: JWE in compact form, `A256CBC-HS512` under a key used directly (`dir`, RFC 7516 and 7518).

The key's id and the integration stand in the protected header. Compact JWE has no associated data from outside,
so the integration is compared on opening: a sealed value copied to another integration's row does not open there.
63 µs to seal and 81 µs to open 600 bytes: right for secrets, too slow for records (see person_keys).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from uuid import UUID

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from shared.errors import Permanent
from shared.security.keys import Keys, Purpose

ALGORITHM = "dir"
ENCRYPTION = "A256CBC-HS512"
KEY_BYTES = 64  # two keys of 32: one for AES-256-CBC, one for HMAC-SHA-512

MAX_PLAINTEXT_BYTES = 45_000  # joserfc opens no ciphertext segment of more than 64 KiB

_REGISTRY = jwe.JWERegistry(algorithms=[ALGORITHM, ENCRYPTION], strict_check_header=False)


class SealBroken(Permanent):
    """A sealed value can't be opened here."""

    # One error for a foreign key, a foreign integration and a changed byte: the difference would help a forger.
    code = "seal_broken"


class Sealer:
    """Seals under the newest root secret and opens what any known one sealed."""

    def __init__(
        self, secret: Keys | bytes, previous: Sequence[bytes] = (), *, purpose: Purpose = Purpose.CREDENTIALS
    ) -> None:
        keys = secret if isinstance(secret, Keys) else Keys(secret, previous)
        self._kid = keys.kid
        by_id = keys.every(purpose, length=KEY_BYTES)
        self._keys = {kid: OctKey.import_key(key) for kid, key in by_id.items()}

    def seal(self, plaintext: str | bytes, *, integration_id: UUID | str) -> str:
        """
        Seal *plaintext* for *integration_id* under the newest key. The same text never seals alike twice.

        Raises ValueError beyond MAX_PLAINTEXT_BYTES: what is larger is no credential.
        """
        content = plaintext.encode() if isinstance(plaintext, str) else plaintext
        if len(content) > MAX_PLAINTEXT_BYTES:
            raise ValueError(f"more than {MAX_PLAINTEXT_BYTES} bytes are not sealed as a credential")
        header = {"alg": ALGORITHM, "enc": ENCRYPTION, "kid": self._kid, "integration": str(integration_id)}
        return jwe.encrypt_compact(header, content, self._keys[self._kid], registry=_REGISTRY)

    def open(self, sealed: str, *, integration_id: UUID | str) -> str:
        """Open a sealed text. Raises SealBroken, also for another integration's."""
        try:
            return self.open_bytes(sealed, integration_id=integration_id).decode()
        except UnicodeDecodeError:
            raise SealBroken from None

    def open_bytes(self, sealed: str, *, integration_id: UUID | str) -> bytes:
        """Open sealed bytes. Raises SealBroken, also for another integration's."""
        key = self._keys.get(_key_id(sealed) or "")
        if key is None:
            raise SealBroken
        try:
            opened = jwe.decrypt_compact(sealed, key, registry=_REGISTRY)
        except (JoseError, ValueError):
            raise SealBroken from None
        if opened.protected.get("integration") != str(integration_id) or opened.plaintext is None:
            raise SealBroken
        return opened.plaintext

    def is_current(self, sealed: str) -> bool:
        """Whether *sealed* names the newest key. Tells nothing of whether it opens."""
        return _key_id(sealed) == self._kid

    def reseal(self, sealed: str, *, integration_id: UUID | str) -> str:
        """Give the same content under the newest key; what has that key comes back as it is. Raises SealBroken."""
        plaintext = self.open_bytes(sealed, integration_id=integration_id)
        return sealed if self.is_current(sealed) else self.seal(plaintext, integration_id=integration_id)


def _key_id(sealed: str) -> str | None:
    """Read the key id from the header, which is not trusted before the key itself has opened it."""
    segment = sealed.partition(".")[0]
    try:
        header = json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    except ValueError:
        return None
    kid = header.get("kid") if isinstance(header, dict) else None
    return kid if isinstance(kid, str) else None
