"""No call of ours goes into a private network."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidInput
from shared.security.outgoing import GuardedTransport, check_address, check_url


@pytest.mark.parametrize(
    "url",
    [
        "https://harvest.greenhouse.io",
        "https://harvest.greenhouse.io:8443/v3?x=1",
        "https://bücher.example",
        "https://xn--bcher-kva.example/",
        "https://93.184.216.34/",
        "https://[2606:2800:220:1:248:1893:25c8:1946]/",
        "https://example.org./v1",
    ],
)
@pytest.mark.parametrize("allow_loopback", [True, False])
def test_public_addresses_are_accepted(url: str, allow_loopback: bool) -> None:
    check_url(url, allow_loopback=allow_loopback)


@pytest.mark.parametrize(
    "url",
    [
        "", "x", "//example.org", "ftp://example.org", "file:///etc/passwd", "javascript:alert(1)", "https://",
        "http://example.org", "https://user@example.org", "https://user:secret@example.org", "https://@example.org",
        "https://example.org:0", "https://example.org:99999", "https://exa mple.org", "https://example.org\\@evil",
        "https://example.org\n", "https://intranet", "https://db.internal", "https://printer.local",
        "https://metadata.google.internal/x", "https://10.0.0.1", "https://172.16.0.1", "https://192.168.1.1",
        "https://169.254.169.254/metadata", "https://100.64.0.1", "https://100.100.100.200", "https://168.63.129.16",
        "https://0.0.0.0", "https://0", "https://2130706433", "https://0x7f.1", "https://127.1", "https://1.2.3",
        "https://0177.0.0.1", "https://224.0.0.1", "https://255.255.255.255", "https://[::]", "https://[fc00::1]",
        "https://[fd00:ec2::254]", "https://[fe80::1]", "https://[fe80::1%25eth0]", "https://[fec0::1]",
        "https://[ff02::1]", "https://[::ffff:10.0.0.1]", "https://[64:ff9b::a00:1]",
        "https://[2002:0a00:0001::1]", "https://[2001:0:1::1]", "https://[not-an-address]",
        "https://" + "a" * 300 + ".org",
        "https://ex\u2024ample..org", "https://example.org..", "https://example.org..../v1", "https://127.0.0.1..",
        "https://example.org/\x7f", "https://exa\u00admple.org", "https://example.org\u3002\u3002",
    ],
)  # fmt: skip
@pytest.mark.parametrize("allow_loopback", [True, False])
def test_all_others_are_refused_with_the_field_and_no_secret(url: str, allow_loopback: bool) -> None:
    with pytest.raises(InvalidInput) as raised:
        check_url(url, allow_loopback=allow_loopback, field="api_base_url")
    assert raised.value.field == "api_base_url"
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080", "https://127.0.0.9", "http://localhost:1", "http://x.localhost", "http://[::1]:5"]
)
def test_loopback_is_for_the_sandbox_alone(url: str) -> None:
    check_url(url, allow_loopback=True)
    with pytest.raises(InvalidInput):
        check_url(url, allow_loopback=False)


@pytest.mark.parametrize("text", ["::ffff:127.0.0.1", "127.0.0.1", "::1", "64:ff9b::7f00:1"])
def test_a_hidden_loopback_is_still_loopback(text: str) -> None:
    address = ipaddress.ip_address(text)
    check_address(address, allow_loopback=True)
    with pytest.raises(InvalidInput):
        check_address(address, allow_loopback=False)


class Names:
    """A name server that says what it is told to, and how often it was asked."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        self.asked.append(host)
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if not found:
            raise socket.gaierror("unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Any:
    def answering(*answers: list[str]) -> Names:
        server = Names(*answers)
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", server)
        return server

    return answering


async def served() -> tuple[asyncio.Server, int, list[bytes]]:
    """A server on 127.0.0.1 that notes what it is asked and answers 200."""
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1], seen


def client(*, allow_loopback: bool) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=GuardedTransport(allow_loopback=allow_loopback, limits=httpx.Limits()), trust_env=False
    )


async def test_the_checked_address_is_the_one_connected_to_under_the_hosts_name(names: Any) -> None:
    server, port, seen = await served()
    asked = names(["127.0.0.1"], ["10.0.0.1"])
    async with server, client(allow_loopback=True) as http:
        for _ in range(2):
            answer = await http.get(f"http://vendor.localhost:{port}/x")
            assert answer.text == "ok"
    assert f"Host: vendor.localhost:{port}".encode() in seen[0]
    assert asked.asked == ["vendor.localhost"]


@pytest.mark.parametrize("answer", [["10.0.0.1"], ["93.184.216.34", "169.254.169.254"], ["127.0.0.1"], ["::1"]])
async def test_a_name_that_leads_inside_is_refused_at_connect(names: Any, answer: list[str]) -> None:
    names(answer)
    async with client(allow_loopback=False) as http:
        with pytest.raises(InvalidInput) as raised:
            await http.get("https://rebinding.example/")
    assert raised.value.field == "api_base_url"


async def test_an_unknown_name_is_trouble_and_no_refusal(names: Any) -> None:
    names([])
    async with client(allow_loopback=False) as http:
        with pytest.raises(httpx.ConnectError):
            await http.get("https://nowhere.example/")


async def test_a_name_that_can_not_be_asked_for_is_trouble_too(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refusing(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        raise UnicodeError(f"label of {host} empty or too long")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", refusing)
    async with client(allow_loopback=False) as http:
        with pytest.raises(httpx.ConnectError):
            await http.get("https://nowhere.example/")


HOSTS = st.text("abü.-\u00ad\u3002\u2024\u0130\u200d1", min_size=1, max_size=6)


@given(HOSTS, st.text(max_size=3))
def test_what_is_accepted_can_be_called(host: str, path: str) -> None:
    """Whoever calls it finds an address, and whoever resolves its host a name."""
    url = f"https://{host}.example/{path}"
    try:
        check_url(url, allow_loopback=False)
    except InvalidInput:
        return
    called = httpx.URL(url)
    check_url(str(called), allow_loopback=False)
    assert called.raw_host.decode("ascii").encode("idna")


async def test_the_next_address_is_tried_when_the_first_does_not_answer(names: Any) -> None:
    server, port, _ = await served()
    names(["127.0.0.2", "127.0.0.1"])
    async with server, client(allow_loopback=True) as http:
        assert (await http.get(f"http://vendor.localhost:{port}/x")).text == "ok"


async def test_an_address_in_disguise_is_refused_before_it_is_resolved(names: Any) -> None:
    asked = names(["93.184.216.34"])
    async with client(allow_loopback=False) as http:
        with pytest.raises(InvalidInput):
            await http.get("https://2130706433/")
    assert asked.asked == []
