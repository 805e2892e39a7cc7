"""Recruiting webhooks out: signing, ping, the retry ladder, and deliveries gone wrong (section 9)."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import hashlib
import hmac
import itertools
import json
import random
import ssl
import time
import uuid
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

import httpx

from sandbox.vendors.greenhouse.errors import not_found
from sandbox.vendors.greenhouse.settings import Settings

RETRY_AFTER_MIN = (1, 15, 60, 120, 240, 480)  # seven attempts in all (section 9.3)
MINUTE_S = 60.0
MOST_AT_ONCE = 64
KEPT_DELIVERIES = 10_000
RESERVED_HEADERS = frozenset(
    {
        "content-type",
        "content-length",
        "greenhouse-event-id",
        "authorization",
        "user-agent",
        "signature",
    }
)


@dataclass
class Webhook:
    """One webhook as the customer sets it up in the UI."""

    id: int
    name: str
    url: str
    secret: str
    events: list[str] | None = None  # None: all
    headers: dict[str, str] = field(default_factory=dict)
    username: str | None = None
    password: str | None = None
    enabled: bool = True

    def wants(self, action: str) -> bool:
        """Whether this webhook is told *action*."""
        return self.enabled and (self.events is None or action in self.events)


@dataclass
class Delivery:
    """One event to one webhook, and what became of it."""

    webhook_id: int
    event_id: str
    action: str
    body: bytes
    made_at: float  # epoch seconds
    state: str = "pending"  # then delivered, failed or dropped
    attempts: list[dict[str, Any]] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """What the control plane shows."""
        return {
            "webhook_id": self.webhook_id,
            "event_id": self.event_id,
            "action": self.action,
            "state": self.state,
            "made_at": self.made_at,
            "attempts": self.attempts,
            "body": self.body.decode(),
        }


@functools.cache
def tls() -> ssl.SSLContext:
    """The context of all outgoing calls: made once, because loading the roots takes 30 ms."""
    return httpx.create_ssl_context(trust_env=False)


def encode(envelope: dict[str, Any]) -> bytes:
    r"""JSON in ASCII with `<`, `>` and `&` as `\u003c`, `\u003e`, `\u0026` (section 9.1)."""
    text = json.dumps(envelope, ensure_ascii=True, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode("ascii")


def signature(secret: str, body: bytes) -> str:
    """The `Signature` header: `sha256 <hex>` over the bytes as sent (section 9.1)."""
    return "sha256 " + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


class Webhooks:
    """The account's webhooks and their deliveries. Use it inside a running loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._random = random.Random(settings.seed)
        self._ids = itertools.count(5001)
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(MOST_AT_ONCE)
        self._client = httpx.AsyncClient(trust_env=False, verify=tls())
        self.webhooks: dict[int, Webhook] = {}
        self.deliveries: deque[Delivery] = deque(maxlen=KEPT_DELIVERIES)
        self.outcomes: Counter[str] = Counter()  # of all deliveries, by final state

    async def register(self, **columns: Any) -> Webhook:
        """Add a webhook and ping it; a failing ping leaves it disabled (section 9.6)."""
        webhook = Webhook(id=next(self._ids), **columns)
        self.webhooks[webhook.id] = webhook
        await self.ping(webhook.id)
        return webhook

    async def ping(self, webhook_id: int) -> bool:
        """Post the ping; the webhook is enabled exactly if it was answered 200."""
        webhook = self.fetch(webhook_id)
        configuration = {
            "web_hook_id": webhook.id,
            "name": webhook.name,
            "events": webhook.events,
        }
        delivery = self._delivery(webhook, "ping", configuration)
        webhook.enabled = await self._attempt(webhook, delivery)
        self._end(delivery, "delivered" if webhook.enabled else "failed")
        return webhook.enabled

    def fetch(self, webhook_id: int) -> Webhook:
        """Raises Refusal (404)."""
        if webhook_id not in self.webhooks:
            raise not_found("Webhook")
        return self.webhooks[webhook_id]

    def disable(self, webhook_id: int) -> None:
        """Tell the webhook nothing any more; deliveries under way go on. Raises Refusal (404)."""
        self.fetch(webhook_id).enabled = False

    def remove(self, webhook_id: int) -> None:
        """Delete the webhook; deliveries under way end with their present attempt."""
        del self.webhooks[self.fetch(webhook_id).id]

    def tell(self, action: str, payload: dict[str, Any]) -> None:
        """Start the deliveries of one event. Returns at once."""
        for webhook in self.webhooks.values():
            if not webhook.wants(action):
                continue
            delivery = self._delivery(webhook, action, payload)
            if self._random.random() < self._settings.webhook_drop:
                self._end(delivery, "dropped")
                continue
            self._start(delivery)
            if self._random.random() < self._settings.webhook_duplicate:
                self._start(delivery)

    def resend(self, event_id: str) -> None:
        """Send an event's body once more, as duplicates and replays do."""
        found = [delivery for delivery in self.deliveries if delivery.event_id == event_id]
        if not found:
            raise not_found("Delivery")
        self._start(found[0])

    def pending(self) -> int:
        """How many deliveries are still under way, waits between attempts included."""
        return len(self._tasks)

    async def close(self) -> None:
        """End all deliveries where they are."""
        for task in list(self._tasks):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()

    def _delivery(self, webhook: Webhook, action: str, payload: dict[str, Any]) -> Delivery:
        body = encode({"action": action, "payload": payload})
        event_id = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
        delivery = Delivery(webhook.id, event_id, action, body, time.time())
        self.deliveries.append(delivery)
        return delivery

    def _start(self, delivery: Delivery) -> None:
        wait_s = self._settings.webhook_delay_s
        wait_s += self._random.random() * self._settings.webhook_reorder_s
        task = asyncio.get_running_loop().create_task(self._deliver(delivery, wait_s))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, delivery: Delivery, wait_s: float) -> None:
        scale = self._settings.webhook_time_scale
        for wait in (wait_s, *(minutes * MINUTE_S * scale for minutes in RETRY_AFTER_MIN)):
            if wait > 0:
                await asyncio.sleep(wait)
            webhook = self.webhooks.get(delivery.webhook_id)
            if webhook is None:
                break
            async with self._slots:
                if await self._attempt(webhook, delivery):
                    self._end(delivery, "delivered")
                    return
        self._end(delivery, "failed")

    def _end(self, delivery: Delivery, state: str) -> None:
        delivery.state = state
        self.outcomes[state] += 1

    async def _attempt(self, webhook: Webhook, delivery: Delivery) -> bool:
        """Post once. True exactly when the answer is 200 (section 9.3)."""
        attempt: dict[str, Any] = {"at": time.time(), "status": None, "error": None}
        delivery.attempts.append(attempt)
        try:
            answer = await self._client.post(
                webhook.url,
                content=delivery.body,
                headers=self._headers(webhook, delivery),
                timeout=self._settings.webhook_timeout_s,
            )
        except httpx.HTTPError as error:
            attempt["error"] = type(error).__name__
            return False
        attempt["status"] = answer.status_code
        return answer.status_code == httpx.codes.OK

    def _headers(self, webhook: Webhook, delivery: Delivery) -> dict[str, str]:
        keeps = self._settings.webhook_keep_event_id or len(delivery.attempts) == 1
        headers = {k: v for k, v in webhook.headers.items() if k.lower() not in RESERVED_HEADERS}
        headers |= {
            "Content-Type": "application/json",
            "User-Agent": "Greenhouse Webhooks",
            "Greenhouse-Event-ID": delivery.event_id if keeps else str(uuid.uuid4()),
            "Signature": signature(webhook.secret, delivery.body),
        }
        if webhook.username is not None:
            credentials = f"{webhook.username}:{webhook.password or ''}".encode()
            headers["Authorization"] = "Basic " + base64.b64encode(credentials).decode()
        return headers
