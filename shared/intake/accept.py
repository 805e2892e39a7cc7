"""
Take a vendor's request: verify it as far as can be told here, store it, answer.

    too large ─► 413      wrong mac ─► 401, no look-up       storage in trouble ─► 503
    known secrets cover it ─────────────────────────────────► store, 200
    fresh Table row, then the database if it answers at once: covers it ─► store, 200;  does not ─► 401
    nobody can tell (row missing or behind, store out of reach) ─► store as unverified, 200; over its quota ─► 503
    an id nobody knows, without our mac ─► 200, counted, not kept

PostgreSQL is not needed. Only a definite forgery gets 401, because some vendors drop an event for good on any 4xx, and
nothing but 200 counts as delivered with them. The worker judges of paused, deleted and switched off.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from enum import Enum
from uuid import UUID, uuid4

from shared import adapters
from shared.errors import SignatureError, Unavailable
from shared.intake import events
from shared.intake.events import Event
from shared.intake.known import Directory, Known
from shared.intake.outbox import Outbox
from shared.intake.quota import UnverifiedQuota
from shared.security.aead import DataSealer
from shared.security.webhook_url import check_mac

MAX_BODY_BYTES = 1024 * 1024
"""No vendor's event comes near it: the largest candidate with all applications takes some hundred kilobytes."""
STORE_WITHIN_S = 8.0
"""Vendors wait 15 s and more; what storage has not taken by then is answered 503, and comes again."""
STRANGERS_AT_ONCE = 8
"""Look-ups under way for ids that carry no mac of ours and may be made up."""


class Verdict(Enum):
    """What became of a request: its HTTP status, and the word it is counted under."""

    ACCEPTED = (200, "accepted")
    UNVERIFIED = (200, "unverified")
    UNKNOWN = (200, "unknown")
    FORGED = (401, "forged")
    TOO_LARGE = (413, "too_large")
    OVER_QUOTA = (503, "over_quota")
    NO_STORAGE = (503, "no_storage")
    NO_BODY = (503, "no_body")

    def __init__(self, status: int, word: str) -> None:
        self.status = status
        self.word = word


Count = Callable[[Verdict, str], None]
"""Counts a verdict, with the platform where one is known, else an empty string."""


class Acceptor:
    """
    The accepting half of the intake.

    *mac_keys*: keys of `Purpose.WEBHOOK_MAC`, retired ones too. *sealer*: `Purpose.EVENTS`.
    """

    def __init__(
        self,
        directory: Directory,
        outbox: Outbox,
        sealer: DataSealer,
        mac_keys: Iterable[bytes],
        count: Count,
        *,
        quota: UnverifiedQuota | None = None,
    ) -> None:
        self._directory = directory
        self._outbox = outbox
        self._sealer = sealer
        self._mac_keys = tuple(mac_keys)
        self._count = count
        self._quota = quota or UnverifiedQuota()
        self._strangers = asyncio.Semaphore(STRANGERS_AT_ONCE)

    async def accept(
        self, integration: str, mac: str | None, headers: Mapping[str, str], body: bytes, traceparent: str | None = None
    ) -> Verdict:
        """Judge one request and keep what is to be kept. *integration* and *mac* are as the URL says."""
        verdict, platform = await self._judge(integration, mac, headers, body, traceparent)
        self._count(verdict, platform)
        return verdict

    async def _judge(
        self, integration: str, mac: str | None, headers: Mapping[str, str], body: bytes, traceparent: str | None
    ) -> tuple[Verdict, str]:
        if len(body) > MAX_BODY_BYTES:
            return Verdict.TOO_LARGE, ""
        integration_id = _parsed(integration)
        if mac is not None and (integration_id is None or not check_mac(integration_id, mac, self._mac_keys)):
            return Verdict.FORGED, ""
        if integration_id is None:
            return Verdict.UNKNOWN, ""
        if not body and "transfer-encoding" in headers:
            # The host hands a body without a length over as an empty one: our trouble, not a forgery.
            return Verdict.NO_BODY, ""
        event = Event(
            id=uuid4(),
            integration_id=integration_id,
            received_at=datetime.now(UTC),
            is_verified=True,
            headers=events.vendor_headers(headers),
            body=body,
            traceparent=traceparent,
        )
        return await self._verify(event, is_ours=mac is not None)

    async def _verify(self, event: Event, *, is_ours: bool) -> tuple[Verdict, str]:
        try:
            known = await self._look_up(event.integration_id, is_ours=is_ours)
        except Unavailable:
            return (await self._keep_unverified(event) if is_ours else Verdict.NO_STORAGE), ""
        if known is None:
            return (await self._keep_unverified(event) if is_ours else Verdict.UNKNOWN), ""
        if known.secrets is None:  # deleted, and its secrets destroyed: nothing can be verified any more
            return Verdict.UNKNOWN, known.platform
        if covers(known, event):
            return await self._keep(event), known.platform
        return await self._verify_again(event, known), known.platform

    async def _look_up(self, integration_id: UUID, *, is_ours: bool) -> Known | None:
        if is_ours:
            return await self._directory.recent(integration_id)
        async with self._strangers:
            return await self._directory.recent(integration_id)

    async def _verify_again(self, event: Event, known: Known) -> Verdict:
        """Judge an event that the copy in this process does not cover, by what Table and database say now."""
        try:
            fresh = await self._directory.fresh(event.integration_id)
        except Unavailable:
            return await self._keep_unverified(event)
        if fresh is not None and covers(fresh, event):
            return await self._keep(event)
        try:
            certain = await self._directory.certain(event.integration_id)
        except Unavailable:
            is_behind = fresh is None or fresh.is_behind or fresh.version < known.version
            return await self._keep_unverified(event) if is_behind else Verdict.FORGED
        if certain is not None and covers(certain, event):
            return await self._keep(event)
        return Verdict.FORGED

    async def _keep_unverified(self, event: Event) -> Verdict:
        if not self._quota.takes(event.integration_id, len(event.body), now=time.monotonic()):
            return Verdict.OVER_QUOTA
        kept = await self._keep(
            Event(
                id=event.id,
                integration_id=event.integration_id,
                received_at=event.received_at,
                is_verified=False,
                headers=event.headers,
                body=event.body,
                traceparent=event.traceparent,
            )
        )
        return Verdict.UNVERIFIED if kept is Verdict.ACCEPTED else kept

    async def _keep(self, event: Event) -> Verdict:
        try:
            async with asyncio.timeout(STORE_WITHIN_S):
                await self._outbox.put(events.pack(event, self._sealer))
        except (TimeoutError, Unavailable):
            return Verdict.NO_STORAGE
        return Verdict.ACCEPTED


def covers(known: Known, event: Event) -> bool:
    """Whether a secret that is in force by what is *known* signed *event*; no clock of ours has a say in it."""
    if known.secrets is None:
        return False
    try:
        adapters.get(known.platform).verify_webhook(event.headers, event.body, known.secrets.in_force)
    except SignatureError:
        return False
    return True


def _parsed(integration: str) -> UUID | None:
    try:
        return UUID(integration)
    except ValueError:
        return None
