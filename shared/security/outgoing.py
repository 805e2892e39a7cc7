"""
Where our calls may go: never into a private network, whatever a user types or a name server answers.

`check_url` judges an address when it is saved. `GuardedTransport` judges it again at each connection: it resolves the
name itself, checks every address that came, and connects to the one that it checked, so that a second answer of the
name server can't lead elsewhere (DNS rebinding). Redirects are never followed below this point.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

import httpx
import idna

from shared.errors import InvalidInput

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

RESOLVED_FOR_S = 30.0
"""How long a checked answer of the name server is used again."""
_ADDRESSES_TRIED = 2

_REFUSED_NETWORKS = (
    ipaddress.ip_network("168.63.129.16/32"),  # Azure's own agent, on a public address
    ipaddress.ip_network("2001::/32"),  # Teredo: carries any IPv4 address
    ipaddress.ip_network("fec0::/10"),  # site-local, deprecated
)
_CARRIES_IPV4 = ((ipaddress.ip_network("64:ff9b::/96"), 0), (ipaddress.ip_network("2002::/16"), 80))
"""Networks whose addresses hold an IPv4 address, and how many bits stand right of it: NAT64 and 6to4."""
_LOCAL_SUFFIXES = (".local", ".localdomain", ".internal", ".intranet", ".lan", ".home.arpa", ".corp", ".home")
_NEVER = frozenset("\\\x7f")
_NUMERIC_LABEL = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)", re.IGNORECASE)


def check_url(url: str, *, allow_loopback: bool, field: str = "url") -> None:
    """
    Accept an address that we may call: https, a public host, no user name in it.

    With *allow_loopback* (the sandbox) also http and https on loopback. Names are judged by their form here and by
    their addresses at connect. Raises InvalidInput that names *field*, the fault and the remedy.
    """
    parts = _split(url, field)
    host = _host(parts, field)
    if _is_loopback_name(host) and allow_loopback:
        return
    if parts.scheme != "https":
        raise InvalidInput(f"{field}: must start with https://", field=field, remedy="use the vendor's https address")
    address = _literal(host)
    if address is not None:
        check_address(address, allow_loopback=allow_loopback, field=field)
    elif "." not in host or host.endswith(_LOCAL_SUFFIXES) or _is_loopback_name(host):
        raise _refused(field)


def check_address(address: Address, *, allow_loopback: bool, field: str = "url") -> None:
    """Accept *address* if it is reachable for everybody. Raises InvalidInput."""
    embedded = _embedded(address)
    if embedded is not None:
        check_address(embedded, allow_loopback=allow_loopback, field=field)
        return
    if address.is_loopback and allow_loopback:
        return
    is_refused = any(address in network for network in _REFUSED_NETWORKS if network.version == address.version)
    if is_refused or not address.is_global or address.is_multicast or address.is_reserved:
        raise _refused(field)


def _embedded(address: Address) -> ipaddress.IPv4Address | None:
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    for network, shift in _CARRIES_IPV4:
        if address in network:
            return ipaddress.IPv4Address(int(address) >> shift & 0xFFFFFFFF)
    return None


def _refused(field: str) -> InvalidInput:
    return InvalidInput(
        f"{field}: leads to an address that is not public", field=field, remedy="use the vendor's public address"
    )


def _split(url: str, field: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InvalidInput(f"{field}: is not an address", field=field) from None
    if parts.scheme not in {"https", "http"} or not parts.hostname or port == 0:
        raise InvalidInput(f"{field}: is not an http(s) address", field=field)
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise InvalidInput(f"{field}: must not hold a user name or password", field=field)
    if any(ord(character) <= ord(" ") or character in _NEVER for character in url):
        raise InvalidInput(f"{field}: holds a character that no address has", field=field)
    try:
        httpx.URL(url)
    except httpx.InvalidURL:
        raise InvalidInput(f"{field}: is not an address", field=field, remedy="write the host in ASCII") from None
    return parts


def _host(parts: SplitResult, field: str) -> str:
    """Return the host in lower case and ASCII, without a dot at its end. Raises InvalidInput."""
    host = (parts.hostname or "").removesuffix(".")
    if _literal(host) is not None:
        return host
    try:
        host = idna.encode(host, uts46=True).decode()
    except idna.IDNAError:
        raise InvalidInput(f"{field}: has a host name that can't exist", field=field) from None
    if host.endswith(".") or _NUMERIC_LABEL.fullmatch(host.rpartition(".")[2]):
        # 0x7f.1 and 2130706433 are addresses to some resolvers and names to none.
        raise InvalidInput(f"{field}: has a host name that can't exist", field=field)
    return host


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _is_loopback_name(host: str) -> bool:
    address = _literal(host)
    return address.is_loopback if address is not None else host == "localhost" or host.endswith(".localhost")


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """Return the process's TLS settings; building them reads the whole certificate store."""
    return httpx.create_ssl_context(trust_env=False)


class GuardedTransport(httpx.AsyncBaseTransport):
    """
    An httpx transport that connects to checked addresses only.

    Each host name has a pool of its own: two names on one address must not share a TLS connection.
    """

    def __init__(self, *, allow_loopback: bool, limits: httpx.Limits) -> None:
        self._allow_loopback = allow_loopback
        self._limits = limits
        self._pools: dict[str, httpx.AsyncHTTPTransport] = {}
        self._resolved: dict[tuple[str, int], tuple[float, Sequence[Address]]] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send *request*. Raises InvalidInput for a refused address, else httpx's errors."""
        check_url(str(request.url), allow_loopback=self._allow_loopback, field="api_base_url")
        host = request.url.raw_host.decode("ascii")
        addresses = await self._resolve(host, request)
        pool = self._pools.setdefault(host, self._new_pool())
        for address in addresses[:-1]:
            try:
                return await pool.handle_async_request(_to(request, address))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue  # nothing was sent: the next address may do
        return await pool.handle_async_request(_to(request, addresses[-1]))

    async def aclose(self) -> None:
        """Close every connection."""
        for pool in self._pools.values():
            await pool.aclose()
        self._pools.clear()

    def _new_pool(self) -> httpx.AsyncHTTPTransport:
        return httpx.AsyncHTTPTransport(verify=_tls(), trust_env=False, limits=self._limits)

    async def _resolve(self, host: str, request: httpx.Request) -> Sequence[Address]:
        """Return the addresses of *host*, all of them checked, at most two."""
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        at, known = self._resolved.get((host, port), (float("-inf"), ()))
        if time.monotonic() - at < RESOLVED_FOR_S:
            return known
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as exc:
            raise httpx.ConnectError("the host name can't be resolved", request=request) from exc
        addresses = list(dict.fromkeys(ipaddress.ip_address(str(info[4][0]).partition("%")[0]) for info in found))
        for address in addresses:
            check_address(address, allow_loopback=self._allow_loopback, field="api_base_url")
        self._resolved[host, port] = (time.monotonic(), addresses[:_ADDRESSES_TRIED])
        return addresses[:_ADDRESSES_TRIED]


def _to(request: httpx.Request, address: Address) -> httpx.Request:
    """Return *request* bound for *address*; its Host header and the name that TLS verifies stay those of the host."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=str(address)),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": request.url.raw_host.decode("ascii")},
    )
