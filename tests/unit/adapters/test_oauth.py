"""Tokens: one renewal at a time, saved before use, and no grant believed dead too early."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from shared.adapters.limits import Clock
from shared.adapters.oauth import (
    ClientCredentials,
    Grant,
    InMemoryTokens,
    RefreshToken,
    Token,
    TokenAnswer,
    TokenSource,
)
from shared.errors import AuthFailed, Unavailable

NOW = 1_800_000_000.0
CLIENT = ("id", "secret")


class Service:
    """A token service whose refresh tokens are good for one use."""

    def __init__(self) -> None:
        self.now = NOW
        self.asked: list[Mapping[str, str]] = []
        self.headers: list[Mapping[str, str]] = []
        self.good_refresh = "first"
        self.answers: list[TokenAnswer] = []
        self.lifetime_s = 3600.0
        self.skew_s = 0.0
        self.gate: asyncio.Event | None = None

    async def post(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> TokenAnswer:
        assert url == "https://auth.example/token"
        self.asked.append(dict(form))
        self.headers.append(headers)
        if self.gate is not None:
            await self.gate.wait()
        if self.answers:
            return self.answers.pop(0)
        if form["grant_type"] == "refresh_token":
            if form["refresh_token"] != self.good_refresh:
                return TokenAnswer(400, {"error": "invalid_grant"}, {})
            self.good_refresh = f"refresh-{len(self.asked)}"
        vendor_now = datetime.fromtimestamp(self.now + self.skew_s, UTC)
        body: dict[str, Any] = {
            "access_token": f"access-{len(self.asked)}",
            "expires_at": (vendor_now + timedelta(seconds=self.lifetime_s)).isoformat(),
        }
        if form["grant_type"] == "refresh_token":
            body["refresh_token"] = self.good_refresh
        return TokenAnswer(200, body, {"date": format_datetime(vendor_now, usegmt=True)})

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.now, self.sleep)


def source(service: Service, store: InMemoryTokens | None = None, grant: Grant | None = None) -> TokenSource:
    return TokenSource(
        key="k",
        token_url="https://auth.example/token",
        grant=grant or ClientCredentials(CLIENT, {"sub": "12"}),
        store=store or InMemoryTokens(service.clock),
        post=service.post,
        clock=service.clock,
    )


async def test_a_client_asks_with_basic_and_its_extra_fields() -> None:
    service = Service()
    assert await source(service).token() == "access-1"
    assert service.asked == [{"grant_type": "client_credentials", "sub": "12"}]
    assert service.headers[0]["Authorization"] == "Basic " + base64.b64encode(b"id:secret").decode()


@pytest.mark.parametrize("skew_s", [0.0, 300.0, -300.0])
async def test_a_token_is_used_until_a_minute_before_its_end_by_our_clock(skew_s: float) -> None:
    service = Service()
    service.skew_s = skew_s
    tokens = source(service)
    await tokens.token()
    service.now = NOW + 3600 - 61
    assert await tokens.token() == "access-1"
    service.now = NOW + 3600 - 59
    assert await tokens.token() == "access-2"


async def test_many_callers_cause_one_request() -> None:
    service = Service()
    tokens = source(service)
    assert set(await asyncio.gather(*(tokens.token() for _ in range(20)))) == {"access-1"}
    assert len(service.asked) == 1


async def test_a_refused_token_is_replaced_once_for_all_who_had_it() -> None:
    service = Service()
    tokens = source(service)
    old = await tokens.token()
    await asyncio.gather(*(tokens.drop(old) for _ in range(5)))
    assert set(await asyncio.gather(*(tokens.token() for _ in range(5)))) == {"access-2"}
    await tokens.drop(old)
    assert await tokens.token() == "access-2"


async def test_pain_16_two_workers_spend_a_single_use_token_once() -> None:
    service = Service()
    service.gate = asyncio.Event()
    store = InMemoryTokens(service.clock)
    workers = [source(service, store, RefreshToken(CLIENT, "first")) for _ in range(3)]
    asking = [asyncio.ensure_future(worker.token()) for worker in workers]
    for _ in range(30):
        await asyncio.sleep(0)
    service.gate.set()
    assert set(await asyncio.gather(*asking)) == {"access-1"}
    assert [form["refresh_token"] for form in service.asked] == ["first"]


async def test_each_renewal_uses_the_refresh_token_that_came_with_the_last() -> None:
    service = Service()
    store = InMemoryTokens(service.clock)
    for renewals in range(1, 4):
        assert await source(service, store, RefreshToken(CLIENT, "first")).token() == f"access-{renewals}"
        service.now += 3600
    assert [form["refresh_token"] for form in service.asked] == ["first", "refresh-1", "refresh-2"]


class Overtaken(InMemoryTokens):
    """A store in which somebody else saves a token while ours is asked for."""

    async def lease(self, key: str, *, seconds: float) -> int | None:
        number = await super().lease(key, seconds=seconds)
        if number is not None and not self._tokens:
            self._tokens[key] = Token("theirs", datetime.fromtimestamp(NOW + 3600, UTC), "theirs", version=1)
        return number


async def test_pain_16_a_token_that_appears_meanwhile_is_taken() -> None:
    service = Service()
    tokens = source(service, Overtaken(service.clock), RefreshToken(CLIENT, "spent"))
    assert await tokens.token() == "theirs"
    assert service.asked == []


async def test_pain_16_a_refused_grant_is_checked_against_the_store_before_it_is_believed() -> None:
    service = Service()
    store = InMemoryTokens(service.clock)

    async def post(url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> TokenAnswer:
        store._tokens["k"] = Token("theirs", datetime.fromtimestamp(NOW + 3600, UTC), "theirs", version=7)
        return await service.post(url, form, headers)

    tokens = TokenSource(
        key="k",
        token_url="https://auth.example/token",
        grant=RefreshToken(CLIENT, "spent"),
        store=store,
        post=post,
        clock=service.clock,
    )
    assert await tokens.token() == "theirs"
    stored = await store.load("k")
    assert stored is not None
    assert stored.version == 7


@pytest.mark.parametrize("error", ["invalid_grant", "invalid_client", "unauthorized_client"])
async def test_a_refused_grant_needs_a_person_and_leaves_no_lease(error: str) -> None:
    service = Service()
    store = InMemoryTokens(service.clock)
    service.answers = [TokenAnswer(400, {"error": error}, {})]
    with pytest.raises(AuthFailed, match=error):
        await source(service, store).token()
    assert await source(service, store).token() == "access-2"


@pytest.mark.parametrize(
    "answer",
    [
        TokenAnswer(500, None, {}),
        TokenAnswer(429, None, {}),
        TokenAnswer(200, None, {}),
        TokenAnswer(200, [], {}),
        TokenAnswer(200, {}, {}),
        TokenAnswer(200, {"access_token": ["x"]}, {}),
        TokenAnswer(200, {"access_token": "x", "expires_at": "soon"}, {}),
    ],
)
async def test_trouble_at_the_token_service_is_worth_another_try(answer: TokenAnswer) -> None:
    service = Service()
    store = InMemoryTokens(service.clock)
    service.answers = [answer]
    with pytest.raises(Unavailable):
        await source(service, store).token()
    assert await source(service, store).token() == "access-2"


async def test_a_403_of_the_token_service_is_no_missing_permission() -> None:
    service = Service()
    service.answers = [TokenAnswer(403, None, {})]
    with pytest.raises(AuthFailed, match="the token service refuses: 403") as raised:
        await source(service).token()
    assert not raised.value.lacks_permission


async def test_an_odd_error_is_not_repeated_to_people() -> None:
    service = Service()
    service.answers = [TokenAnswer(401, {"error": "<script>secret"}, {})]
    with pytest.raises(AuthFailed) as raised:
        await source(service).token()
    assert "secret" not in str(raised.value)


async def test_a_token_that_lives_by_seconds_or_says_nothing() -> None:
    service = Service()
    service.answers = [
        TokenAnswer(200, {"access_token": "a", "expires_in": 100}, {}),
        TokenAnswer(200, {"access_token": "b"}, {}),
    ]
    tokens = source(service)
    assert await tokens.token() == "a"
    service.now += 41
    assert await tokens.token() == "b"
    service.now += 239
    assert await tokens.token() == "b"


async def test_a_lease_that_is_never_ended_is_waited_for_and_then_taken() -> None:
    service = Service()
    store = InMemoryTokens(service.clock)
    assert await store.lease("k", seconds=30) == 1
    assert await store.lease("k", seconds=30) is None
    assert await source(service, store).token() == "access-1"
    assert not await store.save("k", Token("late", datetime.now(UTC)), lease=1)
    assert await store.lease("k", seconds=1e9) is not None
    service.now += 3600
    with pytest.raises(Unavailable):
        await source(service, store).token()


def test_secrets_do_not_show_in_representations() -> None:
    shown = repr(
        (ClientCredentials(CLIENT), RefreshToken(CLIENT, "first"), Token("access", datetime.now(UTC), "refresh"))
    )
    assert not any(word in shown for word in ("secret", "first", "access", "refresh"))
