"""
Calls to a vendor: paced, bounded in time and size, and turned into our errors in one place.

`VendorHttp` belongs to one integration in one process and keeps its connections. An adapter binds it to a vendor's
address, credentials and dialect and gets a `VendorApi`, through which it calls.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, Protocol

import httpx
import orjson

from shared import telemetry
from shared.adapters import json_bodies
from shared.adapters.breaker import Breaker, NoBreaker, note_failure
from shared.adapters.errors_of_http import Dialect, raise_for_status, raise_for_transport
from shared.adapters.limits import Clock, Limiter, WindowHeaders, read_headers, refusal_s
from shared.adapters.oauth import Grant, InMemoryTokens, TokenAnswer, TokenSource, TokenStore
from shared.adapters.windows import Windows, WindowStore
from shared.errors import InvalidPayload, OutcomeUnknown, RateLimited, Unavailable
from shared.security.outgoing import GuardedTransport

CONNECT_S, READ_S = 5.0, 25.0
WHOLE_CALL_S = 30.0
"""A call that isn't over by then is given up: a lease must outlast it (docs/architecture.md, leases)."""
MAX_BODY_BYTES = 64 * 1024 * 1024
MAX_TOKEN_BYTES = 64 * 1024
_LIMITS = httpx.Limits(max_connections=10, max_keepalive_connections=5, keepalive_expiry=30.0)
_TROUBLES = frozenset({408, 425})
"""Statuses below 500 that tell of the vendor's own trouble (`shared.adapters.errors_of_http`)."""

BeforeCall = Callable[[], Awaitable[None]]
before_call: ContextVar[BeforeCall | None] = ContextVar("before_call", default=None)
"""What must hold before each call of this task: the job's lease test. It raises to stop the call."""


@contextmanager
def calling(hook: BeforeCall) -> Iterator[None]:
    """Run *hook* before each call made inside; adapters may be shared, jobs are not."""
    mark = before_call.set(hook)
    try:
        yield
    finally:
        before_call.reset(mark)


@dataclass(frozen=True, slots=True)
class Answer:
    """A vendor's answer. *headers* is case-insensitive; *body* is parsed JSON, None where there is none."""

    status: int
    headers: Mapping[str, str]
    body: Any
    size_bytes: int
    request_id: str | None
    requests: int
    """Calls that it took, refused and repeated ones among them."""


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One request for figures and logs. *path* has no query: that may hold an e-mail address."""

    method: str
    path: str
    status: int | None
    """None: there was no answer."""
    duration_s: float
    size_bytes: int = 0
    request_id: str | None = None


class Auth(Protocol):
    """Credentials of one account."""

    async def headers(self) -> Mapping[str, str]:
        """Return the headers that prove who calls."""
        ...

    async def was_refused(self, sent: Mapping[str, str]) -> bool:
        """Drop what was *sent* and refused with 401. True: another try with new headers makes sense."""
        ...


@dataclass(frozen=True, slots=True, repr=False)
class StaticAuth:
    """Headers that never change: a key."""

    sent: Mapping[str, str]

    async def headers(self) -> Mapping[str, str]:
        """Return the headers that prove who calls."""
        return self.sent

    async def was_refused(self, sent: Mapping[str, str]) -> bool:  # noqa: ARG002 - the key is what it is
        """Return False: the same key would be refused again."""
        return False


@dataclass(frozen=True, slots=True, repr=False)
class BearerAuth:
    """An access token of *source*."""

    source: TokenSource

    async def headers(self) -> Mapping[str, str]:
        """Return the headers that prove who calls."""
        return {"Authorization": f"Bearer {await self.source.token()}"}

    async def was_refused(self, sent: Mapping[str, str]) -> bool:
        """Drop the token; a new one may do, for 401 proves that nothing was executed."""
        await self.source.drop(sent["Authorization"].removeprefix("Bearer "))
        return True


class VendorHttp:
    """
    One integration's way out. Bound to the event loop in which it is first used; close it there.

    *transport* replaces the network (tests); by default addresses are guarded, loopback only with *allow_loopback*.
    *windows* and *tokens* are shared by all integrations of the process. *rate_share* is the part of the vendor's
    limit that this integration may use, *breaker* what guards its calls. *limiter_off* is for benchmarks.
    """

    def __init__(
        self,
        *,
        integration_id: str,
        allow_loopback: bool = False,
        windows: WindowStore | None = None,
        rate_share: float = 1.0,
        breaker: Breaker | None = None,
        tokens: TokenStore | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        on_call: Callable[[CallRecord], None] | None = None,
        clock: Clock | None = None,
        limiter_off: bool = False,
    ) -> None:
        self.integration_id = integration_id
        self.clock = clock or Clock()
        self.requests = 0
        """Requests sent since the start, token requests among them."""
        self._windows = windows or Windows()
        self._rate_share = rate_share
        self._breaker = breaker or NoBreaker()
        self._tokens = tokens or InMemoryTokens(self.clock)
        self._on_call = on_call
        self._limiter_off = limiter_off
        self._client = httpx.AsyncClient(
            transport=transport or GuardedTransport(allow_loopback=allow_loopback, limits=_LIMITS),
            timeout=httpx.Timeout(READ_S, connect=CONNECT_S),
            follow_redirects=False,
            trust_env=False,
            headers={"User-Agent": "Liaison/1 (+integration)", "Accept": "application/json"},
        )

    def bind(
        self,
        *,
        base_url: str,
        auth: Auth,
        dialect: Dialect,
        account: str,
        window: WindowHeaders | None = None,
        breaker: Breaker | None = None,
    ) -> VendorApi:
        """
        Return a way to call *base_url* (no slash at its end).

        Calls with the same *account* share the vendor's window; without *window* the vendor tells none. *breaker*
        guards them in place of the integration's: what else the vendor runs may be down by itself.
        """
        limiter = (
            Limiter(account, self._windows, self.clock, self._rate_share) if window and not self._limiter_off else None
        )
        return VendorApi(self, base_url, auth, dialect, limiter, window or WindowHeaders(), breaker)

    def token_source(self, *, key: str, token_url: str, grant: Grant) -> TokenSource:
        """Return the tokens of the account *key* at *token_url*."""
        return TokenSource(
            key=key, token_url=token_url, grant=grant, store=self._tokens, post=self._post_form, clock=self.clock
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def send(
        self, request: httpx.Request, *, is_write: bool, max_bytes: int, breaker: Breaker | None = None
    ) -> tuple[httpx.Response, bytes, float]:
        """
        Send *request* and read the whole answer, redirects as they are. Return it, its bytes and when it was sent.

        Raises Unavailable, OutcomeUnknown (a write may have been executed), InvalidPayload (too large), BreakerOpen,
        and what the job's hook raises.
        """
        hook = before_call.get()
        if hook is not None:
            await hook()
        breaker = breaker or self._breaker
        probe = await breaker.enter()
        try:
            response, body, sent_at = await self._exchange(request, is_write=is_write, max_bytes=max_bytes)
        except (Unavailable, OutcomeUnknown):
            await note_failure(breaker, probe, is_write=is_write)
            raise
        if response.status_code in _TROUBLES or response.is_server_error:
            await note_failure(breaker, probe, is_write=is_write)
        else:
            await breaker.answered(probe)
        return response, body, sent_at

    async def _exchange(
        self, request: httpx.Request, *, is_write: bool, max_bytes: int
    ) -> tuple[httpx.Response, bytes, float]:
        sent_at, started = self.clock.now(), time.perf_counter()
        self.requests += 1
        response: httpx.Response | None = None
        body = b""
        try:
            async with asyncio.timeout(WHOLE_CALL_S):
                response = await self._client.send(request, stream=True)
                try:
                    body = await _read(response, max_bytes)
                finally:
                    await response.aclose()
        except TimeoutError as exc:
            if is_write:
                raise OutcomeUnknown("the vendor didn't answer in time") from exc
            raise Unavailable("the vendor didn't answer in time") from exc
        except httpx.HTTPError as exc:
            raise_for_transport(exc, is_write=is_write)
        finally:
            self._record(request, response, time.perf_counter() - started, len(body))
        return response, body, sent_at

    def request(self, method: str, url: str, **parts: Any) -> httpx.Request:
        """Build a request with this client's defaults."""
        return self._client.build_request(method, url, **parts)

    def _record(self, request: httpx.Request, response: httpx.Response | None, duration_s: float, size: int) -> None:
        if self._on_call is not None:
            status = None if response is None else response.status_code
            request_id = None if response is None else response.headers.get("x-request-id")
            self._on_call(CallRecord(request.method, request.url.path, status, duration_s, size, request_id))

    async def _post_form(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> TokenAnswer:
        """Ask a token service. Raises Unavailable when there is no answer."""
        request = self.request("POST", url, data=dict(form), headers=dict(headers))
        response, body, _ = await self.send(request, is_write=False, max_bytes=MAX_TOKEN_BYTES)
        try:
            parsed = orjson.loads(body) if body else None
        except orjson.JSONDecodeError:
            parsed = None
        return TokenAnswer(response.status_code, parsed, response.headers)


@dataclass(frozen=True, slots=True, repr=False)
class VendorApi:
    """A vendor's API as one account sees it."""

    http: VendorHttp
    base_url: str
    auth: Auth
    dialect: Dialect
    limiter: Limiter | None
    window: WindowHeaders = field(default_factory=WindowHeaders)
    breaker: Breaker | None = None
    """What guards its calls in place of the integration's."""

    async def get(
        self, path: str, params: Mapping[str, str] | str | None = None, *, needs: str = "", max_bytes: int | None = None
    ) -> Answer:
        """
        Return the parsed answer to a GET of *path*; *params* may be a ready query string.

        *needs* names the permission for the message of a refusal. An answer that breaks off is asked for once more.
        Raises the errors of `Dialect`, RateLimited, Unavailable, InvalidPayload.
        """
        url = f"{self.base_url}{path}" + (f"?{params}" if isinstance(params, str) and params else "")
        query = params if isinstance(params, Mapping) else None
        limit = MAX_BODY_BYTES if max_bytes is None else max_bytes

        async def attempt() -> Answer:
            return await self._call("GET", url, needs=needs, max_bytes=limit, params=query)

        try:
            return await attempt()
        except Unavailable as exc:
            # A connection kept alive may have been closed by the other side just then.
            if not isinstance(exc.__cause__, (httpx.RemoteProtocolError, httpx.ReadError)):
                raise
        return await attempt()

    async def write(
        self, method: str, path: str, body: Any = None, *, needs: str = "", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Return the answer to a write, sent once. Raises as `get` does, and OutcomeUnknown."""
        return await self._call(
            method,
            f"{self.base_url}{path}",
            needs=needs,
            max_bytes=MAX_BODY_BYTES,
            content=json_bodies.encode({} if body is None else body),
            headers={"Content-Type": "application/json", **(headers or {})},
        )

    async def _call(self, method: str, url: str, *, needs: str, max_bytes: int, **parts: Any) -> Answer:
        is_write = method != "GET"
        extra = parts.pop("headers", {})
        requests = 0
        while True:
            headers = await self.auth.headers()
            request = self.http.request(method, url, headers={**extra, **headers}, **parts)
            response, body = await self._paced(request, is_write=is_write, max_bytes=max_bytes)
            requests += 1
            if (
                response.status_code != HTTPStatus.UNAUTHORIZED
                or requests > 1
                or not await self.auth.was_refused(headers)
            ):
                return self._answer(response, body, is_write=is_write, needs=needs, requests=requests)

    async def _paced(self, request: httpx.Request, *, is_write: bool, max_bytes: int) -> tuple[httpx.Response, bytes]:
        limiter = self.limiter
        send = partial(self.http.send, is_write=is_write, max_bytes=max_bytes, breaker=self.breaker)
        if limiter is None:
            response, body, _ = await send(request)
            return response, body
        permit = await limiter.wait()
        answered = False
        try:
            response, body, sent_at = await send(request)
            answered = True
        finally:
            if not answered:
                await limiter.store.unanswered(limiter.account, permit, limiter.clock.now())
        told = read_headers(response.headers, self.window)
        now = limiter.clock.now()
        await limiter.store.answered(limiter.account, permit, told, sent_at=sent_at, now=now)
        if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            telemetry.count("rate_limited", vendor=self.dialect.vendor)
            until = now + refusal_s(response.headers, self.window, now)
            await limiter.store.refused(limiter.account, until, now)
        return response, body

    def _answer(self, response: httpx.Response, body: bytes, *, is_write: bool, needs: str, requests: int) -> Answer:
        status = response.status_code
        request_id = next((response.headers[n] for n in self.dialect.request_ids if n in response.headers), None)
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            wait_s = refusal_s(response.headers, self.window, self.http.clock.now())
            raise RateLimited("the vendor asks to wait", wait_s=wait_s, status=status, request_id=request_id)
        try:
            parsed, is_json = json_bodies.parse(body) if body.strip() else None, True
        except ValueError:
            parsed, is_json = None, False
        if status >= HTTPStatus.MULTIPLE_CHOICES:  # what is not a success
            raise_for_status(self.dialect, status, parsed, is_write=is_write, needs=needs, request_id=request_id)
        if not is_json:
            if is_write:
                raise OutcomeUnknown("the vendor's answer is not JSON", status=status, request_id=request_id)
            raise Unavailable("the vendor's answer is not JSON", status=status, request_id=request_id)
        return Answer(status, response.headers, parsed, len(body), request_id, requests)


async def _read(response: httpx.Response, max_bytes: int) -> bytes:
    """Return the body, decompressed. Raises InvalidPayload beyond *max_bytes* without reading on."""
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > max_bytes:
            raise InvalidPayload(f"body: is larger than {max_bytes} bytes", status=response.status_code)
        parts.append(part)
    return b"".join(parts)


__all__ = [
    "Answer",
    "Auth",
    "BearerAuth",
    "CallRecord",
    "Dialect",
    "StaticAuth",
    "VendorApi",
    "VendorHttp",
    "before_call",
    "calling",
]
