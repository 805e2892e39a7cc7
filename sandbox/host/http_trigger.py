"""HTTP triggers: an ASGI application over the app's routes (§2, §3)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qsl

from azure.functions.meta import Datum
from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, HTTPScope, Scope

from sandbox.host.admin import Admin
from sandbox.host.indexing import Function, IndexingError
from sandbox.host.invocation import Invoker, TraceContext
from sandbox.host.keys import Keys
from sandbox.host.routes import (
    RESERVED_PREFIXES,
    BadTemplate,
    Route,
    Router,
    compile_template,
    decoded_path,
)
from sandbox.host.settings import HostSettings

log = logging.getLogger(__name__)

HOMEPAGE = b"<!doctype html><title>Functions</title><p>Your Functions host is up and running."
RawHeaders = Iterable[tuple[bytes, bytes]]


class TooLarge(Exception):
    """The body is over the host's limit."""


class HttpHost:
    """Answers every request of the host's port."""

    def __init__(
        self,
        functions: Iterable[Function],
        settings: HostSettings,
        keys: Keys,
        invoker: Invoker,
        admin: Admin,
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._invoker = invoker
        self._admin = admin
        self._router = Router(_route(function, settings) for function in functions)
        self._outstanding = 0

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Serve one request."""
        assert scope["type"] == "http"  # noqa: S101 - the server is told to speak nothing else
        status, headers, body = await self._answer(scope, receive)
        headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers, "trailers": False})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    def by_hand(self, function: Function) -> Callable[[str], Awaitable[None]]:
        """Return what runs *function* once, with its input as the body of a POST."""

        async def run(given: str) -> None:
            request = request_datum(
                method="POST",
                url=f"http://localhost/admin/functions/{function.name}",
                headers={},
                query={},
                parameters={},
                body=given.encode(),
            )
            await self._invoker.invoke(function, request, {})

        return run

    async def _answer(  # noqa: PLR0911 - each refusal of the host, in its order
        self, scope: HTTPScope, receive: ASGIReceiveCallable
    ) -> Answer:
        headers = joined_headers(scope["headers"])
        try:
            body = await self._body(headers, receive)
        except TooLarge:
            return 413, [(b"connection", b"close")], b""
        path = decoded_path(scope["raw_path"])
        query = query_values(scope["query_string"])
        key = headers.get("x-functions-key") or query.get("code")
        if path.strip("/").partition("/")[0].lower() in RESERVED_PREFIXES:
            return await self._admin.answer(scope["method"], path, key, body)
        if path == "/" and self._settings.has_homepage:
            return 200, [(b"content-type", b"text/html; charset=utf-8")], HOMEPAGE
        found = self._router.find(scope["method"], path)
        if found is None:
            return _empty(404)
        function, parameters = found
        if self._settings.is_disabled(function.name) and key != self._keys.master:
            return _empty(404)
        level = str(function.trigger.get("authLevel") or "function").lower()
        if not self._keys.opens(level, function.name, key):
            return _empty(401)
        request = _request_datum(scope, headers, query, parameters, body)
        return await self._invoke(function, request, headers)

    async def _invoke(self, function: Function, request: Datum, headers: Mapping[str, str]) -> Answer:
        limit = self._settings.max_outstanding_requests
        if 0 <= limit <= self._outstanding:
            return _empty(429)
        trace = TraceContext.following(headers.get("traceparent"), headers.get("tracestate"))
        self._outstanding += 1
        try:
            result = await self._invoker.invoke(function, request, {}, trace=trace)
            return answer_of(result)
        except Exception:  # noqa: BLE001 - whatever a function raises; the invoker has logged it
            return _empty(500)
        finally:
            self._outstanding -= 1

    async def _body(self, headers: Mapping[str, str], receive: ASGIReceiveCallable) -> bytes:
        """
        Read the body, at most the limit. Raises TooLarge, before reading if the length says so.

        A body without a length is read and thrown away, as the host does (§2.9), unless the
        settings stand for a front end that buffers it.
        """
        limit = self._settings.body_limit_bytes
        length = int(headers.get("content-length") or 0)
        if length > limit:
            raise TooLarge
        keeps = length > 0 or self._settings.buffers_chunked_bodies
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                break
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > limit:
                raise TooLarge
            chunks.append(chunk)
            if not message.get("more_body", False):
                break
        return b"".join(chunks) if keeps else b""


Answer = tuple[int, list[tuple[bytes, bytes]], bytes]


def _empty(status: int) -> Answer:
    return status, [], b""


def _route(function: Function, settings: HostSettings) -> Route[Function]:
    """Return the route of an HTTP function. Raises IndexingError for one the host refuses."""
    trigger = function.trigger
    own = settings.resolve(str(trigger.get("route") or "")).strip("/")
    path = "/".join(part for part in (settings.route_prefix, own) if part)
    if path.partition("/")[0].lower() in RESERVED_PREFIXES:
        raise IndexingError(f"function {function.name!r}: the route {path!r} belongs to the host")
    methods = trigger.get("methods")
    try:
        template = compile_template(path)
    except BadTemplate as exc:
        raise IndexingError(f"function {function.name!r}: {exc}") from exc
    names = None if not methods else frozenset(str(method).upper() for method in methods)
    return Route(template, names, function)


def joined_headers(raw: RawHeaders) -> dict[str, str]:
    """Return headers by lower-case name, repeated ones joined with a comma."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in raw:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


def query_values(query: bytes) -> dict[str, str]:
    """Return query items by name: repeated ones joined with a comma, empty ones left out."""
    values: dict[str, str] = {}
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        values[name] = f"{values[name]},{value}" if name in values else value
    return {name: value for name, value in values.items() if value}


def _request_datum(
    scope: HTTPScope,
    headers: Mapping[str, str],
    query: Mapping[str, str],
    parameters: Mapping[str, str],
    body: bytes,
) -> Datum:
    """Return the request as the host hands it to the worker."""
    url = f"{scope['scheme']}://{headers.get('host', '')}{scope['raw_path'].decode('latin-1')}"
    if scope["query_string"]:
        url += "?" + scope["query_string"].decode("latin-1")
    return request_datum(
        method=scope["method"],
        url=url,
        headers=headers,
        query=query,
        parameters=parameters,
        body=body,
    )


def request_datum(
    *,
    method: str,
    url: str,
    headers: Mapping[str, str],
    query: Mapping[str, str],
    parameters: Mapping[str, str],
    body: bytes,
) -> Datum:
    """Wrap the parts of a request for the library's converter."""
    return Datum(
        {
            "method": Datum(method, "string"),
            "url": Datum(url, "string"),
            "headers": {name: Datum(value, "string") for name, value in headers.items()},
            "query": {name: Datum(value, "string") for name, value in query.items()},
            "params": {name: Datum(value, "string") for name, value in parameters.items()},
            "body": Datum(body, "bytes"),
        },
        "http",
    )


def answer_of(result: Datum | None) -> Answer:
    """Return status, headers and body of what an HTTP function returned, as the host sends it."""
    if result is None:
        return _empty(204)
    if result.type != "http":
        return 200, [(b"content-type", b"text/plain; charset=utf-8")], result.value.encode()
    value: dict[str, Any] = result.value
    headers = [
        (name.lower().encode("latin-1"), datum.value.encode("latin-1"))
        for name, datum in value["headers"].items()
        if name.lower() != "content-length"
    ]
    for cookies in value["cookies"] or ():
        headers += _cookie_headers(cookies)
    status = int(value["status_code"].value)
    return status, headers, value["body"].value


def _cookie_headers(cookies: SimpleCookie) -> RawHeaders:
    """Return a Set-Cookie header per cookie; one without a path gets the host's default `/`."""
    for morsel in cookies.values():
        morsel["path"] = morsel["path"] or "/"
        yield b"set-cookie", morsel.OutputString().encode("latin-1")
