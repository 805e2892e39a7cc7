"""Every way in which a call can go wrong becomes one of our errors, once."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from shared.adapters.errors_of_http import IMPOSSIBLE, SENT, UNSENT, Dialect, raise_for_transport
from shared.adapters.http import CallRecord, StaticAuth, VendorApi, VendorHttp, calling
from shared.adapters.limits import WindowHeaders
from shared.errors import (
    AuthFailed,
    InvalidPayload,
    LeaseLost,
    LiaisonError,
    NeedsHuman,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    Unavailable,
)

Handler = Callable[[httpx.Request], httpx.Response]
DIALECT = Dialect(
    "Vendor",
    words=lambda body: (body["w"], body.get("f")) if isinstance(body, dict) else ("", None),
    fields={"mail": "email"},
)


def api(handler: Handler, **options: Any) -> VendorApi:
    http = VendorHttp(integration_id="i", transport=httpx.MockTransport(handler), **options)
    auth = StaticAuth({"Authorization": "Basic secret"})
    return http.bind(
        base_url="https://vendor.example/v1", auth=auth, dialect=DIALECT, account="a", window=WindowHeaders()
    )


def raising(error: Exception) -> Handler:
    def handler(_: httpx.Request) -> httpx.Response:
        raise error

    return handler


# Raised for misuse of httpx by its caller, or by functions that we don't call.
NEVER_RAISED = {
    "CookieConflict", "HTTPError", "HTTPStatusError", "InvalidURL", "NetworkError", "ProtocolError", "RequestError",
    "RequestNotRead", "ResponseNotRead", "StreamClosed", "StreamConsumed", "StreamError", "TimeoutException",
    "TransportError",
}  # fmt: skip


def test_every_exception_of_httpx_is_mapped_or_known_to_be_none_of_ours() -> None:
    everything = {
        name for name in httpx.__all__ if isinstance(one := getattr(httpx, name), type) and issubclass(one, Exception)
    }
    mapped = {error.__name__ for error in (*UNSENT, *SENT, *IMPOSSIBLE)}
    assert mapped | NEVER_RAISED == everything
    assert not mapped & NEVER_RAISED


@pytest.mark.parametrize("error", UNSENT)
async def test_a_call_that_was_never_sent_can_be_tried_again(error: type[httpx.HTTPError]) -> None:
    with pytest.raises(Unavailable):
        await api(raising(error("no way"))).get("/x")
    with pytest.raises(Unavailable):
        await api(raising(error("no way"))).write("POST", "/x")


@pytest.mark.parametrize("error", SENT)
async def test_the_outcome_of_a_write_whose_answer_is_lost_is_unknown(error: type[httpx.HTTPError]) -> None:
    with pytest.raises(Unavailable):
        await api(raising(error("lost"))).get("/x")
    with pytest.raises(OutcomeUnknown) as raised:
        await api(raising(error("lost"))).write("POST", "/x")
    assert isinstance(raised.value.__cause__, error)
    assert "lost" in str(raised.value)


@pytest.mark.parametrize("error", IMPOSSIBLE)
def test_a_call_that_cant_be_made_needs_a_person(error: type[httpx.HTTPError]) -> None:
    with pytest.raises(NeedsHuman):
        raise_for_transport(error("?"), is_write=True)


@pytest.mark.parametrize(
    ("status", "read", "write"),
    [
        (301, NeedsHuman, NeedsHuman),
        (302, NeedsHuman, NeedsHuman),
        (400, Rejected, Rejected),
        (401, AuthFailed, AuthFailed),
        (403, AuthFailed, AuthFailed),
        (404, NotFound, NotFound),
        (405, Rejected, Rejected),
        (408, Unavailable, OutcomeUnknown),
        (409, Rejected, Rejected),
        (410, NotFound, NotFound),
        (418, Rejected, Rejected),
        (422, Rejected, Rejected),
        (429, RateLimited, RateLimited),
        (500, Unavailable, OutcomeUnknown),
        (503, Unavailable, OutcomeUnknown),
        (599, Unavailable, OutcomeUnknown),
    ],
)
async def test_a_status_becomes_what_happens_next(
    status: int, read: type[LiaisonError], write: type[LiaisonError]
) -> None:
    headers = {"X-Request-Id": "r-1", "Location": "https://evil.example/"}
    calls: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        calls.append(request.url.host)
        return httpx.Response(status, json={"w": "x" * 900, "f": "mail"}, headers=headers)

    for one, expected in ((api(handler).get("/x", needs="a:b"), read), (api(handler).write("PATCH", "/x"), write)):
        with pytest.raises(LiaisonError) as raised:
            await one
        assert type(raised.value) is expected
        assert raised.value.status == status
        assert raised.value.request_id == "r-1"
        assert len(str(raised.value)) < 560
        if isinstance(raised.value, Rejected):
            assert raised.value.field == "email"
    assert calls == ["vendor.example"] * 2


async def test_a_missing_permission_is_named() -> None:
    with pytest.raises(AuthFailed, match="vendor:things:list") as raised:
        await api(lambda _: httpx.Response(403)).get("/x", needs="vendor:things:list")
    assert raised.value.remedy == "grant vendor:things:list"


async def test_a_refusal_for_too_many_calls_tells_its_end() -> None:
    with pytest.raises(RateLimited) as raised:
        await api(lambda _: httpx.Response(429, headers={"Retry-After": "12"})).get("/x")
    assert raised.value.wait_s == 12.0


async def test_an_answer_holds_what_callers_need() -> None:
    seen: list[CallRecord] = []
    vendor = api(lambda _: httpx.Response(200, json=[1], headers={"x-request-id": "r"}), on_call=seen.append)
    answer = await vendor.get("/x", {"email": "somebody@example.org"})
    assert (answer.status, answer.body, answer.size_bytes, answer.request_id, answer.requests) == (200, [1], 3, "r", 1)
    assert (await api(lambda _: httpx.Response(204)).write("POST", "/x")).body is None
    assert [(one.method, one.path, one.status, one.size_bytes) for one in seen] == [("GET", "/v1/x", 200, 3)]
    assert "somebody" not in repr(seen)
    assert vendor.http.requests == 1


async def test_a_ready_query_is_sent_as_it_is() -> None:
    vendor = api(lambda request: httpx.Response(200, json=str(request.url)))
    assert (await vendor.get("/x", "cursor=a%2Bb%3D")).body == "https://vendor.example/v1/x?cursor=a%2Bb%3D"
    assert (await vendor.get("/x", {"t": "gte|1"})).body == "https://vendor.example/v1/x?t=gte%7C1"


@pytest.mark.parametrize("body", [b"<html>", b'{"a":', b"\xff"])
async def test_what_is_no_json_is_no_answer(body: bytes) -> None:
    with pytest.raises(Unavailable):
        await api(lambda _: httpx.Response(200, content=body)).get("/x")
    with pytest.raises(OutcomeUnknown):
        await api(lambda _: httpx.Response(200, content=body)).write("POST", "/x")


async def test_pain_27_a_body_beyond_its_bound_is_not_read_on() -> None:
    given = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal given
        while True:
            given += 1
            yield b"x" * 1024

    with pytest.raises(InvalidPayload, match="larger than 4096"):
        await api(lambda _: httpx.Response(200, content=endless())).get("/x", max_bytes=4096)
    assert given < 10


async def test_a_compressed_body_is_bounded_by_what_it_holds() -> None:
    packed = gzip.compress(b" " * 1_000_000)
    with pytest.raises(InvalidPayload):
        await api(lambda _: httpx.Response(200, content=packed, headers={"Content-Encoding": "gzip"})).get(
            "/x", max_bytes=50_000
        )


async def test_a_read_is_repeated_once_when_the_connection_was_closed() -> None:
    calls = 0

    def handler(_: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
        return httpx.Response(200, json=calls)

    assert (await api(handler).get("/x")).body == 2


async def test_the_jobs_hook_is_asked_before_each_call_and_may_stop_it() -> None:
    calls: list[str] = []
    asked = 0

    def handler(request: httpx.Request) -> httpx.Response:
        calls.append(request.url.path)
        return httpx.Response(200, json=[])

    async def hook() -> None:
        nonlocal asked
        asked += 1
        if asked == 2:
            raise LeaseLost

    vendor = api(handler)
    with calling(hook):
        await vendor.get("/x")
        with pytest.raises(LeaseLost):
            await vendor.write("POST", "/x")
    await vendor.get("/x")
    assert calls == ["/v1/x", "/v1/x"]
    assert asked == 2


async def test_a_hook_belongs_to_its_own_task() -> None:
    vendor = api(lambda _: httpx.Response(200, json=[]))

    async def lost() -> None:
        raise LeaseLost

    async def other() -> None:
        with calling(lost), pytest.raises(LeaseLost):
            await vendor.get("/x")

    await asyncio.gather(other(), vendor.get("/y"))


class Renewable:
    """Credentials that change once they were refused."""

    def __init__(self) -> None:
        self.key = 1

    async def headers(self) -> dict[str, str]:
        return {"Authorization": f"Key {self.key}"}

    async def was_refused(self, sent: Any) -> bool:
        assert sent == {"Authorization": f"Key {self.key}"}
        self.key += 1
        return True


@pytest.mark.parametrize(("good", "calls"), [("Key 2", 2), ("Key 3", 2)])
async def test_a_refused_credential_is_renewed_once_for_reads_and_writes(good: str, calls: int) -> None:
    sent: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers["Authorization"])
        return httpx.Response(200 if sent[-1] == good else 401, json=[])

    http = VendorHttp(integration_id="i", transport=httpx.MockTransport(handler))
    vendor = http.bind(base_url="https://vendor.example", auth=Renewable(), dialect=DIALECT, account="a")
    if good == "Key 2":
        assert (await vendor.write("POST", "/x")).requests == 2
    else:
        with pytest.raises(AuthFailed):
            await vendor.write("POST", "/x")
    assert len(sent) == calls


async def test_a_slow_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.adapters.http.WHOLE_CALL_S", 0.02)

    async def dripping() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.005)

    with pytest.raises(Unavailable, match="in time"):
        await api(lambda _: httpx.Response(200, content=dripping())).get("/x")
    with pytest.raises(OutcomeUnknown, match="in time"):
        await api(lambda _: httpx.Response(200, content=dripping())).write("POST", "/x")


async def test_limits_are_shared_by_the_calls_of_one_account() -> None:
    headers = {"X-RateLimit-Limit": "30", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "4102444800"}
    vendor = api(lambda _: httpx.Response(200, json=[], headers={**headers, "Date": "Thu, 31 Dec 2099 23:58:00 GMT"}))
    await vendor.get("/x")
    other = vendor.http.bind(
        base_url="https://vendor.example", auth=vendor.auth, dialect=DIALECT, account="a", window=WindowHeaders()
    )
    with pytest.raises(RateLimited):
        await other.get("/x")
    off = api(lambda _: httpx.Response(200, json=[], headers=headers), limiter_off=True)
    await off.get("/x")
    await off.get("/x")
