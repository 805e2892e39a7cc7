"""
Public keys of the identity provider, by its JWKS address (RFC 7517).

Fetched when first needed and kept ten minutes. A token that names an unknown key makes one more fetch, at most each
half minute, so that made-up key ids can't be turned into a flood of calls. While the provider is down the keys that
are known stay good for a day.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from shared.errors import Unavailable

FRESH_S = 600.0
MISS_PAUSE_S = 30.0
STALE_S = 86_400.0
TIMEOUT_S = 5.0
MAX_BYTES = 256 * 1024
MIN_RSA_BITS = 2048

Fetch = Callable[[str], Awaitable[bytes]]


class JwksKeys:
    """The provider's signing keys by their id: RSA from 2048 bits and P-256; all else in the document is ignored."""

    algorithms: tuple[str, ...] = ("RS256", "ES256")

    def __init__(self, url: str, *, fetch: Fetch | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._fetch = fetch or fetch_document
        self._clock = clock
        self._keys: Mapping[str, RSAKey | ECKey] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._failure: Unavailable | None = None
        self._lock = asyncio.Lock()

    async def find(self, kid: str | None) -> RSAKey | ECKey | None:
        """Give the key *kid*, or None when the provider has none such. Raises Unavailable when it can't be told."""
        if kid is None:
            return None
        if self._wants_fetch(kid):
            async with self._lock:
                if self._wants_fetch(kid):
                    await self._refresh()
        key = self._keys.get(kid)
        if key is None and self._failure is not None:
            raise Unavailable("the identity provider's keys can't be read") from self._failure
        return key

    def _wants_fetch(self, kid: str) -> bool:
        """Whether a fetch may bring news: none yet, an old one, or an unknown key; never twice in half a minute."""
        now = self._clock()
        if self._tried_at is not None and now - self._tried_at < MISS_PAUSE_S:
            return False
        return self._fetched_at is None or now - self._fetched_at >= FRESH_S or kid not in self._keys

    async def _refresh(self) -> None:
        """Fetch the keys. A failure is kept for whoever finds no key; the known keys serve on, up to a day."""
        self._tried_at = self._clock()
        try:
            self._keys = signing_keys(await self._fetch(self._url))
        except Unavailable as failure:
            self._failure = failure
            if self._fetched_at is not None and self._tried_at - self._fetched_at >= STALE_S:
                self._keys = {}
        else:
            self._failure, self._fetched_at = None, self._tried_at


def signing_keys(document: bytes) -> dict[str, RSAKey | ECKey]:
    """Read a JWKS document. Raises Unavailable when it is none: a proxy's error page must not remove keys."""
    try:
        entries = json.loads(document)["keys"]
        by_id = {entry["kid"]: _signing_key(entry) for entry in entries if _may_sign(entry)}
    except (ValueError, KeyError, TypeError) as error:
        raise Unavailable("the identity provider's answer is no key set") from error
    return {kid: key for kid, key in by_id.items() if key is not None}


async def fetch_document(url: str) -> bytes:
    """Fetch *url*: 5 s, 256 KiB, no redirect. Raises Unavailable."""
    import httpx  # by need: 150 ms, and local settings never come here

    try:
        async with (
            httpx.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False) as client,
            client.stream("GET", url, headers={"accept": "application/json"}) as response,
        ):
            response.raise_for_status()
            if response.is_redirect:
                raise Unavailable("the identity provider's keys can't be read", status=response.status_code)
            document = b""
            async for chunk in response.aiter_bytes():
                document += chunk
                if len(document) > MAX_BYTES:
                    raise Unavailable("the identity provider's key set is too large")
            return document
    except httpx.HTTPError as error:
        raise Unavailable("the identity provider's keys can't be read") from error


def _may_sign(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("kid"), str)
        and entry.get("use", "sig") == "sig"
        and entry.get("kty") in {"RSA", "EC"}
    )


def _signing_key(entry: Mapping[str, Any]) -> RSAKey | ECKey | None:
    """Import one key; None when it is too weak or not readable, which costs the others nothing."""
    try:
        if entry["kty"] == "EC":
            return ECKey.import_key(_public(entry)) if entry["crv"] == "P-256" else None
        # Before the import, which would only warn of a weak key.
        return RSAKey.import_key(_public(entry)) if _bits(entry["n"]) >= MIN_RSA_BITS else None
    except (JoseError, ValueError, KeyError, TypeError):
        return None


def _bits(modulus: str) -> int:
    padded = modulus + "=" * (-len(modulus) % 4)
    return int.from_bytes(base64.urlsafe_b64decode(padded), "big").bit_length()


def _public(entry: Mapping[str, Any]) -> dict[str, str | list[str]]:
    """Keep what verification needs; vendors put certificates and names of their own beside it."""
    return {name: entry[name] for name in ("kty", "n", "e", "crv", "x", "y") if name in entry}
