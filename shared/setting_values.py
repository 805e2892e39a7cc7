"""How the text of a setting becomes its value. Each function refuses with what is wrong and what to do; none quotes."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from urllib.parse import urlsplit

SECRET_BYTES = 32
MAKE_A_SECRET = "make one with `openssl rand -base64 32`"  # noqa: S105  # a remedy, not a secret
TRUE_WORDS = frozenset({"true", "1", "yes", "on", "t", "y"})

_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")


def sealing_secret(text: object) -> bytes:
    """Decode a secret of at least 32 bytes from base64."""
    try:
        secret = base64.b64decode(str(text), validate=True)
    except binascii.Error:
        raise ValueError(f"is not base64; {MAKE_A_SECRET}") from None
    if len(secret) < SECRET_BYTES:
        raise ValueError(f"has {len(secret)} bytes and needs {SECRET_BYTES}; {MAKE_A_SECRET}")
    return secret


def sealing_secrets(text: object) -> tuple[bytes, ...]:
    """Decode a comma-separated list of such secrets."""
    return tuple(sealing_secret(part.strip()) for part in str(text).split(",") if part.strip())


def token_secret(text: object) -> str:
    """Accept a shared token secret that is long enough for HS256 (RFC 7518, 3.2: no shorter than the hash)."""
    if len(str(text).encode()) < SECRET_BYTES:
        raise ValueError(f"is shorter than {SECRET_BYTES} characters; {MAKE_A_SECRET}")
    return str(text)


def database_url(text: object) -> str:
    """Accept a PostgreSQL URL or a keyword string (`host=… dbname=…`)."""
    is_url = str(text).startswith(("postgresql://", "postgres://"))
    if not is_url and not re.search(r"\b(host|dbname|service)=", str(text)):
        raise ValueError("is no PostgreSQL address; give postgresql://role:password@host:5432/database")
    return str(text)


def storage_connection(text: object) -> str:
    """Accept a connection string of a storage account, or of the emulator."""
    keys = {part.partition("=")[0].strip().lower() for part in str(text).split(";")}
    if not keys & {"usedevelopmentstorage", "accountname", "queueendpoint"}:
        raise ValueError("is no storage connection string; copy it from the account's access keys")
    return str(text)


def insights_connection(text: object) -> str:
    """
    Accept a connection string of Application Insights, cleaned so that opencensus' parser reads it as meant.

    That parser refuses a final semicolon, loses a key after a blank (and then sends to a public default
    endpoint), wants the key in lower case and doubles the slash after an endpoint (opencensus-ext-azure 1.1.15).
    """
    pairs: dict[str, str] = {}
    for part in filter(None, (piece.strip() for piece in str(text).split(";"))):
        key, equals, value = part.partition("=")
        if not equals or "=" in value or not value.strip():
            raise ValueError("is malformed; copy it whole from the Application Insights resource")
        pairs[key.strip().lower()] = value.strip()
    key = pairs.get("instrumentationkey", "").lower()
    if not _UUID.fullmatch(key):
        raise ValueError("has no valid InstrumentationKey; copy it whole from the Application Insights resource")
    endpoint = pairs.get("ingestionendpoint", "").rstrip("/")
    if not endpoint:
        raise ValueError("has no IngestionEndpoint; copy it whole from the Application Insights resource")
    _refuse_plain_http(endpoint)
    return f"InstrumentationKey={key};IngestionEndpoint={endpoint}"


def address(text: object) -> str:
    """Accept an absolute http(s) URL and drop its trailing slash; http for this machine alone."""
    parts = urlsplit(str(text))
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("is no address; give https://host")
    if parts.username or parts.query or parts.fragment:
        raise ValueError("may hold neither a user, nor a query, nor a fragment")
    _refuse_plain_http(str(text))
    return str(text).rstrip("/")


def address_of_host(host: str) -> str:
    """Say how the platform's host name is reached: over https, but for this machine."""
    is_local = is_loopback(urlsplit(f"//{host}").hostname)
    return f"{'http' if is_local else 'https'}://{host}"


def is_loopback(host: str | None) -> bool:
    """Whether *host* is this machine by name or by literal address; nothing is resolved."""
    if host is None:
        return False
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refuse_plain_http(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
        raise ValueError("must begin with https:// (http:// is for this machine alone)")
