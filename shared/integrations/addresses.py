"""
Where credentials go: stored ones only to the addresses that they were given for.

Nobody is ever shown them again. Who may change an address could else have them sent to a host of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from shared.errors import InvalidInput
from shared.integrations.credentials import path_of
from shared.model import JsonValue

_PORTS = {"https": 443, "http": 80}

Origin = tuple[str, str, int | None]
"""Scheme, host and port."""


class CredentialsNeeded(InvalidInput):
    """Stored credentials are not sent to an address that they were not given for. *host* is where they would go."""

    def __init__(self, secret: str, address: str, host: str) -> None:
        field = path_of(secret)
        super().__init__(
            f"{field}: is missing, and {address} leads to another host than it was given for",
            field=field,
            remedy="send the credentials together with the new address",
        )
        self.host = host


def named_in(api_base_url: str | None, config: Mapping[str, JsonValue]) -> Iterator[tuple[str, str]]:
    """Yield every address that is called, with its path; the vendor's own ones stand nowhere."""
    if api_base_url:
        yield "api_base_url", api_base_url
    for name, value in config.items():
        if name.endswith("_url") and isinstance(value, str) and value.strip():
            yield f"config.{name}", value


def hosts_of(api_base_url: str | None, config: Mapping[str, JsonValue]) -> list[str]:
    """Return the hosts that are called besides the vendor's own."""
    return sorted({_origin(url)[1] for _, url in named_in(api_base_url, config)})


def require_secrets(
    before: tuple[str | None, Mapping[str, JsonValue]],
    after: tuple[str | None, Mapping[str, JsonValue]],
    *,
    stored: Mapping[str, Any],
    given: Mapping[str, Any],
) -> None:
    """
    Return if no stored secret would go to a new origin; *before* and *after* are `api_base_url` and `config`.

    A secret that is given anew, or taken away, may. Back to the vendor's own address is no new one. All addresses of
    *after* have been judged (`check_addresses`). Raises CredentialsNeeded that names the first secret that is missing.
    """
    known = {path: _origin(url) for path, url in named_in(*before)}
    for path, url in named_in(*after):
        origin = _origin(url)
        if known.get(path) == origin:
            continue
        for secret in sorted(stored):
            if secret not in given:
                raise CredentialsNeeded(secret, path, origin[1])


def _origin(url: str) -> Origin:
    parts = urlsplit(url.strip())
    return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme)
