"""The identity provider's keys: when they are fetched, and what becomes of a provider in trouble."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OctKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from shared.errors import Unavailable
from shared.security.jwks import FRESH_S, MAX_BYTES, MISS_PAUSE_S, STALE_S, JwksKeys, fetch_document, signing_keys

GOOD = ECKey.generate_key("P-256", {"kid": "good"})
DOCUMENT = json.dumps({"keys": [GOOD.as_dict(private=False)]}).encode()


class Provider:
    """Answers with *document* and counts; is down while *document* is None."""

    def __init__(self) -> None:
        self.document: bytes | None = DOCUMENT
        self.calls = 0
        self.now = 1000.0

    async def fetch(self, _: str) -> bytes:
        self.calls += 1
        if self.document is None:
            raise Unavailable("down")
        return self.document

    def keys(self) -> JwksKeys:
        return JwksKeys("https://login.example.com/keys", fetch=self.fetch, clock=lambda: self.now)


async def test_keys_are_kept_ten_minutes() -> None:
    provider = Provider()
    keys = provider.keys()
    for _ in range(5):
        assert await keys.find("good") is not None
    assert provider.calls == 1
    provider.now += FRESH_S
    assert await keys.find("good") is not None
    assert provider.calls == 2


async def test_callers_who_arrive_together_make_one_fetch() -> None:
    provider = Provider()
    keys = provider.keys()
    await asyncio.gather(*(keys.find("good") for _ in range(20)))
    assert provider.calls == 1


async def test_a_new_key_is_found_and_made_up_ids_make_no_flood() -> None:
    provider = Provider()
    keys = provider.keys()
    assert await keys.find("good") is not None
    provider.now += MISS_PAUSE_S
    new = ECKey.generate_key("P-256", {"kid": "new"})
    provider.document = json.dumps({"keys": [new.as_dict(private=False)]}).encode()
    assert await keys.find("new") is not None
    assert provider.calls == 2
    for number in range(100):
        assert await keys.find(f"made-up-{number}") is None
    assert provider.calls == 2
    assert await keys.find(None) is None


async def test_known_keys_outlive_a_provider_that_is_down_by_a_day() -> None:
    provider = Provider()
    keys = provider.keys()
    await keys.find("good")
    provider.document = None
    provider.now += STALE_S - 1
    assert await keys.find("good") is not None
    with pytest.raises(Unavailable):
        await keys.find("other")
    provider.now += MISS_PAUSE_S
    with pytest.raises(Unavailable):
        await keys.find("good")
    provider.document = DOCUMENT
    provider.now += MISS_PAUSE_S
    assert await keys.find("good") is not None


async def test_a_provider_that_never_answered_is_asked_again_after_a_pause() -> None:
    provider = Provider()
    provider.document = None
    keys = provider.keys()
    for _ in range(3):
        with pytest.raises(Unavailable):
            await keys.find("good")
    assert provider.calls == 1
    provider.document = DOCUMENT
    provider.now += MISS_PAUSE_S
    assert await keys.find("good") is not None


def test_only_strong_signing_keys_are_taken() -> None:
    with pytest.warns(SecurityWarning):
        weak = RSAKey.generate_key(1024, {"kid": "weak"})
    entries: list[Any] = [
        GOOD.as_dict(private=False) | {"x5t": 7, "issuer": "beside"},
        weak.as_dict(private=False),
        OctKey.import_key("a shared secret of thirty-two characters", {"kid": "oct"}).as_dict(),
        ECKey.generate_key("P-384", {"kid": "p384"}).as_dict(private=False),
        GOOD.as_dict(private=False) | {"kid": "enc", "use": "enc"},
        {"kty": "EC", "kid": "broken", "crv": "P-256"},
        {"kty": "RSA", "kid": "odd", "n": 7, "e": "AQAB"},
        {"kty": "RSA"},
        "no object",
    ]
    assert set(signing_keys(json.dumps({"keys": entries}).encode())) == {"good"}


@pytest.mark.parametrize("document", [b"<html>", b"[]", b"{}", b'{"keys": 7}', b"\xff"])
def test_what_is_no_key_set_removes_no_key(document: bytes) -> None:
    with pytest.raises(Unavailable):
        signing_keys(document)


@pytest.fixture
async def server() -> AsyncIterator[str]:
    async def keys(_: Request) -> Response:
        return Response(DOCUMENT, media_type="application/json")

    async def broken(_: Request) -> Response:
        return Response(status_code=503)

    async def moved(_: Request) -> Response:
        return RedirectResponse("/keys")

    async def large(_: Request) -> Response:
        return Response(b"x" * (MAX_BYTES + 1))

    routes = [Route(f"/{answer.__name__}", answer) for answer in (keys, broken, moved, large)]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(Starlette(routes=routes), log_level="error", lifespan="off", ws="none")
        uvicorn_server = uvicorn.Server(config)
        serving = asyncio.create_task(uvicorn_server.serve(sockets=[listener]))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        uvicorn_server.should_exit = True
        await serving


async def test_a_document_is_fetched_over_http(server: str) -> None:
    assert await JwksKeys(f"{server}/keys").find("good") is not None
    for path in ("broken", "moved", "large"):
        with pytest.raises(Unavailable):
            await fetch_document(f"{server}/{path}")


async def test_nobody_listening_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Unavailable):
        await fetch_document(f"http://127.0.0.1:{port}/keys")
