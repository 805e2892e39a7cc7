"""
An event on its way from the vendor's request to our worker: sealed, in a blob with those that came beside it.

    blob:     {"v": 1, "events": [entry, …]}, a batch; its name begins with the moment, so that a listing is in order
    entry:    {"id", "integration_id", "received_at", "verified", "traceparent", "sealed": base64}
    sealed:   DataSealer over  length of headers (4) | headers as JSON | body,  deflated
    message:  {"v": 2, "batch": name, "tries": n}, a knock: it says that there is a batch, and carries nothing

Nothing of a person stands in the clear. What stands in the clear is bound into the seal, so that an entry which claims
to be verified can't be made from one that is not.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import orjson

from shared.errors import InvalidPayload
from shared.security.aead import DataSealer

QUEUE = "webhook-events"
POISON_QUEUE = f"{QUEUE}-poison"
CONTAINER = "webhook-events"
UNREAD_CONTAINER = f"{CONTAINER}-unread"
"""Batches that no worker could read, as they were. Nothing deletes them; back in `CONTAINER`, they are tried anew."""

BATCH_VERSION = 1
"""Rises when older releases can't read a batch any more: they leave it to the newer ones."""
BATCH_BYTES = 1024 * 1024
"""A batch that has reached this takes no more entries; one entry alone may be larger."""

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
class Notice:
    """An entry of a batch as read, not opened."""

    id: UUID
    integration_id: UUID
    received_at: datetime
    is_verified: bool
    traceparent: str | None
    sealed: bytes


@dataclass(frozen=True, slots=True)
class EventKnock:
    """A queue message: there is a batch. *tries*: how often the sweep has had to say so."""

    batch: str
    tries: int = 0

    def message(self) -> bytes:
        """Return it as it is sent."""
        return orjson.dumps({"v": 2, "batch": self.batch, "tries": self.tries})


def vendor_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that a vendor may have meant for us, names in lower case."""
    lowered = {name.lower(): value for name, value in headers.items()}
    return {n: v for n, v in lowered.items() if n not in _NOISE and not n.startswith(_NOISE_PREFIXES)}


def pack(event: Event, sealer: DataSealer) -> bytes:
    """Seal *event* (keys of `Purpose.EVENTS`) into an entry."""
    sealed = sealer.seal(_framed(event.headers, event.body), _place(event))
    return orjson.dumps(
        {
            "id": event.id,
            "integration_id": event.integration_id,
            "received_at": event.received_at.isoformat(),
            "verified": event.is_verified,
            "traceparent": event.traceparent,
            "sealed": base64.b64encode(sealed).decode(),
        }
    )


def batch_of(entries: Sequence[bytes]) -> bytes:
    """Return the batch of *entries*."""
    return b'{"v": %d, "events": [' % BATCH_VERSION + b",".join(entries) + b"]}"


def batch_name(now: datetime) -> str:
    """Return a name that nobody else takes. By name, batches stand in the order of their moments."""
    return f"{round(now.timestamp() * 1000):015d}-{uuid4().hex}"


def read_batch(content: bytes) -> list[Notice]:
    """Read a batch. Raises InvalidPayload for what `batch_of` did not make, also in another version."""
    try:
        batch = orjson.loads(content)
        version, entries = batch["v"], batch["events"]
        if version == BATCH_VERSION:
            return [_notice(entry) for entry in entries]
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidPayload("batch: is not of our events") from error
    raise InvalidPayload(f"batch: is of version {version!r}; this release reads {BATCH_VERSION}")


def read_knock(message: bytes | str) -> EventKnock:
    """Read a queue message. Raises InvalidPayload for what is no knock of ours."""
    try:
        content = orjson.loads(message)
        return EventKnock(str(content["batch"]), int(content["tries"]))
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidPayload("message: does not name a batch of events") from error


def _notice(entry: Mapping[str, Any]) -> Notice:
    return Notice(
        id=UUID(entry["id"]),
        integration_id=UUID(entry["integration_id"]),
        received_at=datetime.fromisoformat(entry["received_at"]),
        is_verified=bool(entry["verified"]),
        traceparent=entry.get("traceparent"),
        sealed=base64.b64decode(entry["sealed"], validate=True),
    )


def unpack(notice: Notice, sealer: DataSealer) -> Event:
    """Open what `pack` sealed. Raises DataUnreadable when key, content or notice is another."""
    headers, body = _unframed(sealer.unseal(notice.sealed, _place(notice)))
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


def reseal_kept(integration_id: UUID, row_id: UUID, sealed: tuple[str, str], sealer: DataSealer) -> tuple[str, str]:
    """Return what `seal_kept` sealed under the newest key. Raises DataUnreadable."""
    headers, body = (
        sealer.reseal(base64.b64decode(text), _row_place(integration_id, row_id, part))
        for text, part in zip(sealed, ("headers", "body"), strict=True)
    )
    return base64.b64encode(headers).decode(), base64.b64encode(body).decode()


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
