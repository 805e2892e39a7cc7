"""Adapters ready to call: one per integration and version of its settings, with connections that are used again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from shared import adapters as platforms
from shared.adapters.breaker import Breaker
from shared.adapters.http import VendorHttp
from shared.adapters.mapped import mapped
from shared.adapters.oauth import InMemoryTokens, Token, TokenStore
from shared.adapters.protocol import Adapter, Connection
from shared.adapters.windows import Windows, WindowStore
from shared.errors import AuthFailed
from shared.mapping.reading import mappings_of
from shared.security.sealing import Sealer
from shared.store.connections import IntegrationRow
from shared.store.database import Database
from shared.store.oauth_tokens import OAuthTokens, SealedToken
from shared.store.store import Store
from shared.sync.vendors.breakers import BreakerNotices, SharedBreaker
from shared.sync.vendors.window_table import SharedTable


@dataclass(frozen=True, slots=True)
class StoredTokens:
    """`OAuthTokens` as the adapters' token store."""

    tokens: OAuthTokens

    async def load(self, key: str) -> Token | None:
        """Return the token kept for *key*, or None."""
        found = await self.tokens.load(key)
        if found is None:
            return None
        return Token(
            access_token=found.access_token,
            expires_at=found.expires_at,
            refresh_token=found.refresh_token,
            version=found.version,
        )

    async def lease(self, key: str, *, seconds: float) -> int | None:  # noqa: ARG002 - one token an integration
        """Become the one refresher for *seconds*; None while somebody else is."""
        return await self.tokens.lease(seconds=seconds)

    async def save(self, key: str, token: Token, *, lease: int) -> bool:
        """Save *token* and end the lease. False: the lease was lost, and nothing was saved."""
        kept = SealedToken(key, token.access_token, token.expires_at, token.refresh_token, token.version)
        return await self.tokens.save(kept, lease=lease)

    async def release(self, key: str, *, lease: int) -> None:  # noqa: ARG002 - one token an integration
        """End the lease without a new token."""
        await self.tokens.release(lease=lease)


@dataclass(slots=True)
class _Open:
    """An adapter in use."""

    version: int
    adapter: Adapter
    http: VendorHttp
    users: int = 0
    is_retired: bool = False


class Adapters:
    """
    Opens adapters and keeps them while their integration's settings stay as they are.

    *windows* are shared by all workers where they stand in a table; *rate_share* is the part of a vendor's limit that
    an integration takes unless its `config.rate_share` says otherwise. *breaker_table* is where breakers are shared.
    *allow_loopback* is for the sandbox, *limiter_off* for benchmarks.
    """

    def __init__(
        self,
        database: Database,
        sealer: Sealer,
        *,
        windows: WindowStore | None = None,
        rate_share: float = 1.0,
        breaker_table: SharedTable | None = None,
        allow_loopback: bool = False,
        limiter_off: bool = False,
    ) -> None:
        self._database = database
        self._sealer = sealer
        self._allow_loopback = allow_loopback
        self._limiter_off = limiter_off
        self._rate_share = rate_share
        self._windows = windows or Windows()
        self._breaker_table = breaker_table
        self._breaker_notices = BreakerNotices(database, Store())
        self._breakers: dict[UUID, SharedBreaker] = {}
        self._open: dict[UUID, _Open] = {}

    @asynccontextmanager
    async def connected(self, integration: IntegrationRow) -> AsyncIterator[Adapter]:
        """Lend the integration's adapter. Raises AuthFailed without credentials, InvalidInput on bad config."""
        entry = self._open.get(integration.id)
        if entry is None or entry.version != integration.version:
            if entry is not None:
                await self._retire(entry)
            entry = self._make(integration)
            self._open[integration.id] = entry
        if integration.is_told_unreachable:
            self._breaker(integration).still_told()
        entry.users += 1
        try:
            yield entry.adapter
        finally:
            entry.users -= 1
            if entry.is_retired and entry.users == 0:
                await _close(entry)

    @asynccontextmanager
    async def proposed(self, integration: IntegrationRow) -> AsyncIterator[Adapter]:
        """Lend an adapter of settings that are not saved. Raises AuthFailed, InvalidInput."""
        entry = self._make(integration)
        try:
            yield entry.adapter
        finally:
            await _close(entry)

    @asynccontextmanager
    async def trial(self, connection: Connection, platform: str) -> AsyncIterator[Adapter]:
        """Lend an adapter for credentials that are not saved yet; its tokens stay in memory."""
        http = self._http(connection.integration_id, connection.config, InMemoryTokens())
        adapter = platforms.get(platform).open(connection, http)
        try:
            yield adapter
        finally:
            await adapter.aclose()
            await http.aclose()

    async def aclose(self) -> None:
        """Close every adapter that nobody uses; the others close when they are given back."""
        for entry in self._open.values():
            await self._retire(entry)
        self._open.clear()

    def credentials(self, integration: IntegrationRow) -> Mapping[str, str]:
        """Open the integration's secrets, by name. Raises AuthFailed when it has none."""
        if integration.credentials_sealed is None:
            raise AuthFailed("the integration has no credentials", remedy="give it new ones")
        opened: Any = orjson.loads(self._sealer.open(integration.credentials_sealed, integration_id=integration.id))
        return dict(opened)

    def _make(self, integration: IntegrationRow) -> _Open:
        connection = Connection(
            integration_id=str(integration.id),
            api_base_url=integration.api_base_url,
            config=integration.config,
            secrets=self.credentials(integration),
        )
        tokens = OAuthTokens(
            self._database,
            integration.company_id,
            integration.id,
            seal=lambda text: self._sealer.seal(text, integration_id=integration.id),
            open_=lambda text: self._sealer.open(text, integration_id=integration.id),
        )
        http = self._http(str(integration.id), integration.config, StoredTokens(tokens), self._breaker(integration))
        adapter = mapped(platforms.get(integration.platform), mappings_of(integration.config))
        return _Open(integration.version, adapter.open(connection, http), http)

    def _breaker(self, integration: IntegrationRow) -> SharedBreaker:
        """Return the integration's breaker; it outlives changes of settings."""
        found = self._breakers.get(integration.id)
        if found is None:
            found = SharedBreaker(integration.company_id, integration.id, self._breaker_table, self._breaker_notices)
            self._breakers[integration.id] = found
        return found

    def _http(
        self, integration_id: str, config: Mapping[str, Any], tokens: TokenStore, breaker: Breaker | None = None
    ) -> VendorHttp:
        return VendorHttp(
            integration_id=integration_id,
            allow_loopback=self._allow_loopback,
            windows=self._windows,
            rate_share=rate_share(config, self._rate_share),
            breaker=breaker,
            tokens=tokens,
            limiter_off=self._limiter_off,
        )

    async def _retire(self, entry: _Open) -> None:
        entry.is_retired = True
        if entry.users == 0:
            await _close(entry)


async def _close(entry: _Open) -> None:
    await entry.adapter.aclose()
    await entry.http.aclose()


def rate_share(config: Mapping[str, Any], otherwise: float) -> float:
    """Return the part of the vendor's limit that an integration of *config* may use."""
    share = config.get("rate_share")
    return float(share) if isinstance(share, (int, float)) and not isinstance(share, bool) else otherwise
