"""The ASGI application: routes, errors, faults and the request log, in that order outwards."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sandbox.vendors.greenhouse import organisation, people
from sandbox.vendors.greenhouse.account import Account
from sandbox.vendors.greenhouse.auth import Authority
from sandbox.vendors.greenhouse.calls import answer
from sandbox.vendors.greenhouse.control import Control
from sandbox.vendors.greenhouse.errors import Refusal
from sandbox.vendors.greenhouse.faults import Fault, Faults, Journal
from sandbox.vendors.greenhouse.files import Files
from sandbox.vendors.greenhouse.harvest_v1 import HarvestV1, removed
from sandbox.vendors.greenhouse.harvest_v1_write import HarvestV1Write
from sandbox.vendors.greenhouse.harvest_v3 import HarvestV3
from sandbox.vendors.greenhouse.harvest_v3_write import HarvestV3Write
from sandbox.vendors.greenhouse.job_board import JobBoard
from sandbox.vendors.greenhouse.limits import WindowLimiter
from sandbox.vendors.greenhouse.presenting import Presenter
from sandbox.vendors.greenhouse.settings import Settings
from sandbox.vendors.greenhouse.tokens import TokenService
from sandbox.vendors.greenhouse.webhooks import Webhooks

LOST = Response(b"?", HTTPStatus.OK)  # one byte promised, none given


@dataclass
class Answered:
    """A whole answer, before it is sent or spoiled."""

    status: int = 500
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""


class Simulator:
    """One account behind one ASGI callable. Make it inside the loop that will serve it."""

    def __init__(self, settings: Settings) -> None:
        self.account = account = Account(settings)
        organisation.build(account, jobs=settings.jobs)
        people.fill(account, settings.people)
        self.authority = Authority(account)
        self.webhooks = Webhooks(settings)
        account.tell = self.webhooks.tell
        self.faults = Faults()
        self.journal = Journal()
        self._chance = random.Random(settings.seed)
        files = Files(account)
        self._v3 = HarvestV3(account, self.authority, Presenter(account, files))
        self._v3_write = HarvestV3Write(self._v3)
        self._v1 = HarvestV1(account, self.authority, files)
        self._tokens = TokenService(self.authority)
        self._app = Starlette(
            routes=[
                *self._tokens.routes(),
                *self._v3.routes(),
                *self._v3_write.routes(),
                *self._v1.routes(),
                *HarvestV1Write(self._v1).routes(),
                *JobBoard(account, self.authority).routes(),
                *files.routes(),
                *Control(self).routes(),
            ],
            exception_handlers={Refusal: self._refuse, HTTPException: self._unknown},
        )
        self._app.router.redirect_slashes = False

    def limiters(self) -> list[WindowLimiter]:
        """The three windows of section 4."""
        return [self._v3.limiter, self._v1.limiter, self._tokens.limiter]

    async def close(self) -> None:
        """End what is under way."""
        self._v3_write.close()
        await self.webhooks.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as the fault rules will have it, and note it."""
        if scope["type"] != "http":
            raise RuntimeError(f"only http is served, not {scope['type']}")
        body, send = await _read(receive), self._dated(send)
        if scope["path"].startswith("/_control"):
            await _send(await self._answer(scope, body), send)
            return
        started = time.time()
        fault = self.faults.claim(scope["method"], scope["path"])
        answered = await self._faulty(scope, body, fault, receive, send)
        self.journal.write(
            {
                "at": started,
                "seconds": time.time() - started,
                "method": scope["method"],
                "path": scope["path"],
                "query": scope["query_string"].decode("latin-1"),
                "status": answered.status,
                "fault": fault and fault.kind,
                "body": body.decode("utf-8", "replace") if scope["method"] != "GET" else None,
            }
        )

    def _dated(self, send: Send) -> Send:
        """*send* with a `Date` by the account's own clock, which may run off."""

        async def dated(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                date = formatdate(self.account.clock.seconds(), usegmt=True).encode()
                message = {**message, "headers": [*message["headers"], (b"date", date)]}
            await send(message)

        return dated

    async def _faulty(self, scope: Scope, body: bytes, fault: Fault | None, receive: Receive, send: Send) -> Answered:
        """Answer and send, with what *fault* does to it. Returns the honest answer."""
        if fault is None:
            answered = await self._answer(scope, body)
            await _send(answered, send)
            return answered
        if fault.kind == "latency":
            await fault.wait(self._chance)
        if fault.kind == "overtaken":
            await self._overtake(fault)
        if fault.kind in {"error", "throttle", "ignore"}:
            answered = _answered(_instead(fault))
            await _send(answered, send)
            return answered
        answered = await self._answer(scope, body)
        match fault.kind:
            case "lost_answer":
                await _wait_for_leaving(receive, fault.seconds or 0.0)
                await send(_start(_answered(LOST)))
            case "cut":
                await send(_start(answered if answered.body else _answered(LOST)))
                half = answered.body[: len(answered.body) // 2]
                await send({"type": "http.response.body", "body": half, "more_body": True})
            case _:
                await _send(_spoilt(answered, fault, scope), send)
        return answered

    async def _overtake(self, fault: Fault) -> None:
        """Do what somebody does in the vendor's own pages just before the request that *fault* is about."""
        path = f"/_control{fault.meanwhile['path']}"
        token = f"Bearer {self.account.settings.admin_token}".encode()
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": fault.meanwhile["method"],
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"authorization", token), (b"content-type", b"application/json")],
        }
        done = await self._answer(scope, orjson.dumps(fault.meanwhile.get("body", {})))
        if done.status >= HTTPStatus.BAD_REQUEST:
            raise RuntimeError(f"what was to happen meanwhile was refused: {done.body.decode()}")

    async def _answer(self, scope: Scope, body: bytes) -> Answered:
        answered = Answered()
        given = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive() -> MutableMapping[str, Any]:
            return next(given, {"type": "http.disconnect"})

        async def send(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                answered.status = message["status"]
                answered.headers = list(message["headers"])
            else:
                answered.body += message.get("body", b"")

        await self._app(scope, receive, send)
        return answered

    async def _refuse(self, _: Request, error: Exception) -> Response:
        if not isinstance(error, Refusal):
            raise error
        response = answer(error.body(), error.status)
        response.headers.update(error.headers)
        return response

    async def _unknown(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        path = request.url.path
        if self.account.settings.legacy == "removed" and path.startswith(("/v1/", "/v2/")):
            return await self._refuse(request, removed(self.account))
        return answer(Refusal(status, HTTPStatus(status).phrase).body(), status)


def _instead(fault: Fault) -> Response:
    if fault.kind == "error":
        return answer(Refusal(fault.status, HTTPStatus(fault.status).phrase).body(), fault.status)
    if fault.kind == "ignore":
        return answer({}, 200)
    response = answer(Refusal(429, "Rate limit exceeded").body(), 429)
    if fault.seconds is not None:
        response.headers["Retry-After"] = str(int(fault.seconds))
    return response


def _spoilt(answered: Answered, fault: Fault, scope: Scope) -> Answered:
    headers, body = answered.headers, answered.body
    match fault.kind:
        case "truncate":
            body = body[: len(body) // 2]
        case "empty":
            body = b"[]"
            headers = [pair for pair in headers if pair[0] != b"link"]
        case "garble":
            body = body.replace(fault.old.encode(), fault.new.encode())
        case "not_json":
            return _answered(Response("<html><body>Please wait</body></html>"))
        case "stuck_cursor":
            host = dict(scope["headers"])[b"host"].decode()
            query = scope["query_string"].decode()
            link = f'<http://{host}{scope["path"]}?{query}>; rel="next"'
            headers = [*(p for p in headers if p[0] != b"link"), (b"link", link.encode())]
        case _:
            pass
    length = (b"content-length", str(len(body)).encode())
    kept = [pair for pair in headers if pair[0] != b"content-length"]
    return Answered(answered.status, [*kept, length], body)


def _answered(response: Response) -> Answered:
    return Answered(response.status_code, list(response.raw_headers), bytes(response.body))


def _start(answered: Answered) -> dict[str, Any]:
    return {
        "type": "http.response.start",
        "status": answered.status,
        "headers": answered.headers,
    }


async def _send(answered: Answered, send: Send) -> None:
    await send(_start(answered))
    await send({"type": "http.response.body", "body": answered.body, "more_body": False})


async def _read(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _wait_for_leaving(receive: Receive, at_most_s: float) -> None:
    """Return when the caller has closed the connection, or after *at_most_s*."""

    async def leaving() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    try:
        async with asyncio.timeout(at_most_s):
            await leaving()
    except TimeoutError:
        return
