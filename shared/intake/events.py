"""
An event on its way from the vendor's request to our worker: sealed in a queue message, or in a blob that one names.

    message:  {"v": 1, "events": [entry, …]}
    entry:    {"id", "integration_id", "received_at", "verified", "traceparent", "sealed": base64 | null}
    sealed:   DataSealer over  length of headers (4) | headers as JSON | body,  deflated

Nothing of a person stands in the clear. What stands in the clear is bound into the seal, so that a message which claims
to be verified can't be made from one that is not.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from shared.errors import InvalidPayload
from shared.security.aead import DataSealer

QUEUE = "webhook-events"
POISON_QUEUE = f"{QUEUE}-poison"
CONTAINER = "webhook-events"

INLINE_BODY_BYTES = 45 * 1024
"""Larger bodies go to a blob before the message that names it."""
MESSAGE_BYTES = 48 * 1024
"""What fits a message: the service takes 64 KiB, and base64 grows ours by a third."""
ENTRY_BYTES = MESSAGE_BYTES - 64
"""What fits beside the message's own frame."""

_LENGTH_BYTES = 4
_FAST = 1
"""zlib's level: the vendors' JSON shrinks to a fifth at tens of microseconds."""

_NOISE = frozenset(
    {
        "accept",
        "accept-encoding",
        "accept-language",
        "cache-control",
        "client-ip",
        "connection",
        "content-length",
        "cookie",
        "disguised-host",
        "expect",
        "host",
        "max-forwards",
        "traceparent",
        "tracestate",
        "transfer-encoding",
        "user-agent",
        "via",
        "was-default-hostname",
    }
)
_NOISE_PREFIXES = ("x-appservice-", "x-arr-", "x-azure-", "x-forwarded-", "x-ms-", "x-site-", "x-waws-")


@dataclass(frozen=True, slots=True)
class Event:
    """A webhook as it was received."""

    id: UUID
    """Ours, of this delivery; not the vendor's event id."""
    integration_id: UUID
    received_at: datetime
    is_verified: bool
    """The signature was checked on receipt. If not, the worker checks it before anything else."""
    headers: Mapping[str, str]
    """Names in lower case; those of platform and transport are left out."""
    body: bytes
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Packed:
    """An event as it is stored: *blob*, where there is one, has to be stored under `Event.id` first."""

    entry: bytes
    blob: bytes | None


@dataclass(frozen=True, slots=True)
class Notice:
    """An entry of a queue message as read: all of an event but what is sealed."""

    id: UUID
    integration_id: UUID
    received_at: datetime
    is_verified: bool
    traceparent: str | None
    sealed: bytes | None
    """None: it lies in the blob named by `id`."""


def vendor_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that a vendor may have meant for us, names in lower case."""
    lowered = {name.lower(): value for name, value in headers.items()}
    return {n: v for n, v in lowered.items() if n not in _NOISE and not n.startswith(_NOISE_PREFIXES)}


def pack(event: Event, sealer: DataSealer) -> Packed:
    """Seal *event* (keys of `Purpose.EVENTS`) into an entry, or into a blob and the entry that stands for it."""
    sealed = sealer.seal(_framed(event.headers, event.body), _place(event))
    entry: dict[str, Any] = {
        "id": event.id,
        "integration_id": event.integration_id,
        "received_at": event.received_at.isoformat(),
        "verified": event.is_verified,
        "traceparent": event.traceparent,
        "sealed": None,
    }
    if len(event.body) <= INLINE_BODY_BYTES:
        whole = orjson.dumps({**entry, "sealed": base64.b64encode(sealed).decode()})
        if len(whole) <= ENTRY_BYTES:
            return Packed(whole, None)
    return Packed(orjson.dumps(entry), sealed)


def message_of(entries: Sequence[bytes]) -> bytes:
    """Return the queue message that carries *entries*."""
    return b'{"v": 1, "events": [' + b",".join(entries) + b"]}"


def read_message(message: bytes | str) -> list[Notice]:
    """Read a queue message. Raises InvalidPayload for what `message_of` did not make."""
    try:
        return [_notice(entry) for entry in orjson.loads(message)["events"]]
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidPayload("message: is not of our events") from error


def _notice(entry: Mapping[str, Any]) -> Notice:
    sealed = entry["sealed"]
    return Notice(
        id=UUID(entry["id"]),
        integration_id=UUID(entry["integration_id"]),
        received_at=datetime.fromisoformat(entry["received_at"]),
        is_verified=bool(entry["verified"]),
        traceparent=entry.get("traceparent"),
        sealed=None if sealed is None else base64.b64decode(sealed, validate=True),
    )


def unpack(notice: Notice, sealed: bytes, sealer: DataSealer) -> Event:
    """Open what `pack` sealed. Raises DataUnreadable when key, content or notice is another."""
    headers, body = _unframed(sealer.unseal(sealed, _place(notice)))
    return Event(
        id=notice.id,
        integration_id=notice.integration_id,
        received_at=notice.received_at,
        is_verified=notice.is_verified,
        headers=headers,
        body=body,
        traceparent=notice.traceparent,
    )


def seal_kept(event: Event, row_id: UUID, sealer: DataSealer) -> tuple[str, str]:
    """Return *event*'s headers and body as the row *row_id* of `webhook_events` keeps them."""
    headers = sealer.seal(orjson.dumps(dict(event.headers)), _row_place(event.integration_id, row_id, "headers"))
    body = sealer.seal(zlib.compress(event.body, _FAST), _row_place(event.integration_id, row_id, "body"))
    return base64.b64encode(headers).decode(), base64.b64encode(body).decode()


def open_kept(
    integration_id: UUID, row_id: UUID, received_at: datetime, sealed: tuple[str, str], sealer: DataSealer
) -> Event:
    """Return the verified event that `seal_kept` sealed. Raises DataUnreadable."""
    headers, body = (base64.b64decode(text) for text in sealed)
    return Event(
        id=row_id,
        integration_id=integration_id,
        received_at=received_at,
        is_verified=True,
        headers=orjson.loads(sealer.unseal(headers, _row_place(integration_id, row_id, "headers"))),
        body=zlib.decompress(sealer.unseal(body, _row_place(integration_id, row_id, "body"))),
    )


def _framed(headers: Mapping[str, str], body: bytes) -> bytes:
    head = orjson.dumps(dict(headers))
    return zlib.compress(len(head).to_bytes(_LENGTH_BYTES, "big") + head + body, _FAST)


def _unframed(framed: bytes) -> tuple[dict[str, str], bytes]:
    plain = zlib.decompress(framed)
    end = _LENGTH_BYTES + int.from_bytes(plain[:_LENGTH_BYTES], "big")
    return orjson.loads(plain[_LENGTH_BYTES:end]), plain[end:]


def _place(event: Event | Notice) -> tuple[str, ...]:
    state = "verified" if event.is_verified else "unverified"
    return ("webhook-event", str(event.integration_id), str(event.id), event.received_at.isoformat(), state)


def _row_place(integration_id: UUID, row_id: UUID, part: str) -> tuple[str, ...]:
    return ("webhook_events", str(integration_id), str(row_id), part)
