"""
OAuth access tokens: got once, shared through a store, renewed by one at a time.

A refresh token may be good for a single use. So a token is renewed under a lease of the store, the new one is saved
before it is used, and a refused grant is believed only after another look at the store: somebody else may have spent
it a moment ago (docs/pains.md, 16).
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Protocol

from shared.adapters import wire
from shared.adapters.limits import Clock, read_date
from shared.errors import AuthFailed, InvalidPayload, LiaisonError, Unavailable

RENEW_BEFORE_S = 60.0
"""A token with less than this left is renewed before it is used."""
LEASE_S = 45.0
"""Longer than a token request may take."""
POLL_S = 0.25
ASSUMED_LIFETIME_S = 300.0
"""Of a token whose answer doesn't say how long it lives."""


@dataclass(frozen=True, slots=True, repr=False)
class Token:
    """An access token. *expires_at* is an aware moment of our clock; *version* rises with each renewal."""

    access_token: str
    expires_at: datetime
    refresh_token: str | None = None
    version: int = 0


class TokenStore(Protocol):
    """Where tokens are kept, sealed, for all workers."""

    async def load(self, key: str) -> Token | None:
        """Return the token last saved."""
        ...

    async def lease(self, key: str, *, seconds: float) -> int | None:
        """Return a fencing number if the caller alone may renew for so long; None if somebody else may."""
        ...

    async def save(self, key: str, token: Token, *, lease: int) -> bool:
        """Save *token* and end the lease. False: the lease was lost, and nothing was saved."""
        ...

    async def release(self, key: str, *, lease: int) -> None:
        """End the lease without a new token."""
        ...


@dataclass(slots=True)
class InMemoryTokens:
    """A TokenStore for one process."""

    clock: Clock = field(default_factory=Clock)
    _tokens: dict[str, Token] = field(default_factory=dict)
    _leases: dict[str, tuple[int, float]] = field(default_factory=dict)
    _number: int = 0

    async def load(self, key: str) -> Token | None:
        """Return the token last saved."""
        return self._tokens.get(key)

    async def lease(self, key: str, *, seconds: float) -> int | None:
        """Return a fencing number if the caller alone may renew for so long; None if somebody else may."""
        _, until = self._leases.get(key, (0, 0.0))
        if self.clock.now() < until:
            return None
        self._number += 1
        self._leases[key] = (self._number, self.clock.now() + seconds)
        return self._number

    async def save(self, key: str, token: Token, *, lease: int) -> bool:
        """Save *token* and end the lease. False: the lease was lost, and nothing was saved."""
        if self._leases.get(key, (0, 0.0))[0] != lease:
            return False
        self._tokens[key] = token
        del self._leases[key]
        return True

    async def release(self, key: str, *, lease: int) -> None:
        """End the lease without a new token."""
        if self._leases.get(key, (0, 0.0))[0] == lease:
            del self._leases[key]


class Grant(Protocol):
    """How a token is asked for."""

    @property
    def client(self) -> tuple[str, str]:
        """Client id and secret, for Basic authentication at the token service."""
        ...

    def form(self, current: Token | None) -> Mapping[str, str]:
        """Return the body of the request; *current* is the token that is to be replaced."""
        ...


@dataclass(frozen=True, slots=True, repr=False)
class ClientCredentials:
    """The client itself asks; *extra* form fields are the vendor's own."""

    client: tuple[str, str]
    extra: Mapping[str, str] = field(default_factory=dict)

    def form(self, current: Token | None) -> Mapping[str, str]:  # noqa: ARG002 - nothing of it is needed
        """Return the body of the request."""
        return {"grant_type": "client_credentials", **self.extra}


@dataclass(frozen=True, slots=True, repr=False)
class RefreshToken:
    """A customer has consented; each refresh token may be good for one use. *first* is the one of the consent."""

    client: tuple[str, str]
    first: str

    def form(self, current: Token | None) -> Mapping[str, str]:
        """Return the body of the request."""
        token = self.first if current is None or current.refresh_token is None else current.refresh_token
        return {"grant_type": "refresh_token", "refresh_token": token}


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """The token service's answer: status, JSON body (None if it is none), lower-case headers."""

    status: int
    body: Any
    headers: Mapping[str, str]


Post = Callable[[str, Mapping[str, str], Mapping[str, str]], Awaitable[TokenAnswer]]
"""(url, form, headers) → answer. Raises Unavailable when there is none."""


class TokenSource:
    """Gives the access token of one account, renewed when it is about to end."""

    def __init__(self, *, key: str, token_url: str, grant: Grant, store: TokenStore, post: Post, clock: Clock) -> None:
        self._key = key
        self._url = token_url
        self._grant = grant
        self._store = store
        self._post = post
        self._clock = clock
        self._current: Token | None = None
        self._lock = asyncio.Lock()

    async def token(self) -> str:
        """Return an access token that lives for a minute at least. Raises AuthFailed, Unavailable."""
        if self._is_good(self._current):
            return self._current.access_token  # type: ignore[union-attr]  # None is never good
        async with self._lock:
            self._current = await self._ensure()
            return self._current.access_token

    async def drop(self, access_token: str) -> None:
        """Forget *access_token*, which the vendor refused, unless it is replaced already."""
        async with self._lock:
            if self._current is not None and self._current.access_token == access_token:
                self._current = replace(self._current, expires_at=datetime.fromtimestamp(0, UTC))

    def _is_good(self, token: Token | None) -> bool:
        return token is not None and token.expires_at.timestamp() - self._clock.now() >= RENEW_BEFORE_S

    async def _ensure(self) -> Token:
        """Return a good token: mine, the store's, or a new one by whoever holds the lease."""
        dropped = self._current
        until = self._clock.now() + LEASE_S
        while self._clock.now() < until:
            stored = await self._store.load(self._key)
            is_new = stored is not None and (dropped is None or stored.access_token != dropped.access_token)
            if stored is not None and is_new and self._is_good(stored):
                return stored
            lease = await self._store.lease(self._key, seconds=LEASE_S)
            if lease is not None:
                # Another look under the lease: its last holder may have renewed since.
                current = await self._store.load(self._key)
                if current is not None and (stored is None or current.version != stored.version):
                    await self._store.release(self._key, lease=lease)
                    continue
                return await self._renew(current, lease)
            await self._clock.sleep(POLL_S)
        raise Unavailable("another worker renews the access token and doesn't end")

    async def _renew(self, current: Token | None, lease: int) -> Token:
        try:
            token = await self._ask(current)
        except LiaisonError:
            await self._store.release(self._key, lease=lease)
            raise
        if await self._store.save(self._key, token, lease=lease):
            return token
        raise Unavailable("the lease on the access token was lost while it was renewed")

    async def _ask(self, current: Token | None) -> Token:
        user, secret = self._grant.client
        basic = base64.b64encode(f"{user}:{secret}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}", "Accept": "application/json"}
        answer = await self._post(self._url, self._grant.form(current), headers)
        if answer.status == HTTPStatus.OK:
            return read_token(answer, current, self._clock.now())
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Unavailable("the token service is busy", status=answer.status)
        if _error(answer.body) == "invalid_grant":
            stored = await self._store.load(self._key)
            if stored is not None and (current is None or stored.version != current.version) and self._is_good(stored):
                return stored
        # Without the status: its 403 is about the client as a whole, not about one permission that it lacks.
        raise AuthFailed(
            f"the token service refuses: {_error(answer.body) or answer.status}",
            remedy="check client id, client secret and user, or connect the account again",
        )


def read_token(answer: TokenAnswer, current: Token | None, now: float) -> Token:
    """
    Return the token of *answer*; *now* is our clock, epoch seconds.

    Its end is told as `expires_at` (an ISO time of the vendor's clock, set right by the answer's `Date`) or as
    `expires_in` seconds. Raises Unavailable for an answer without a token.
    """
    try:
        body = wire.mapping(answer.body, "token")
        access_token = wire.text(body, "access_token")
        ends_at = wire.moment(body, "expires_at")
        lifetime_s = wire.whole(body, "expires_in", default=int(ASSUMED_LIFETIME_S))
        refresh_token = wire.text(body, "refresh_token")
    except InvalidPayload as exc:
        raise Unavailable(f"the token service's answer can't be read: {exc}") from exc
    if access_token is None:
        raise Unavailable("the token service's answer holds no access token")
    left_s = float(lifetime_s)
    if ends_at is not None:
        left_s = ends_at.timestamp() - (read_date(answer.headers.get("date")) or now)
    return Token(
        access_token=access_token,
        expires_at=datetime.fromtimestamp(now, UTC) + timedelta(seconds=min(max(left_s, 0.0), 365 * 86400.0)),
        refresh_token=refresh_token or (None if current is None else current.refresh_token),
        version=1 if current is None else current.version + 1,
    )


def _error(body: Any) -> str | None:
    """Return the OAuth error code of *body*, if it has the form of one."""
    code = body.get("error") if isinstance(body, Mapping) else None
    return code if isinstance(code, str) and code.isascii() and code.replace("_", "").isalnum() else None
