"""
Events on their way to storage, several to a batch while many come.

A blob a request would cost each vendor's request a call to storage, and the worker a transaction. So whoever comes
within a moment of the last batch shares the next one: a lone event goes at once, and a flood of hundreds a second makes
a dozen batches of it. No request is answered before the batch with its event is stored.

Then the worker is knocked for, by a queue message with the batch's name. That may get lost, with the queue, with this
process, or with the host that took it: `waking` finds the batch all the same.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from shared import telemetry
from shared.errors import Unavailable
from shared.intake.events import BATCH_BYTES, CONTAINER, QUEUE, EventKnock, batch_name, batch_of
from shared.store.blobs import Blobs
from shared.store.queues import Queues

APART_S = 0.075
"""Between the starts of two batches, unless the first is full: what a vendor's request may wait for company."""

log = telemetry.get_logger(__name__)


@dataclass(slots=True)
class _Batch:
    stored: asyncio.Future[None]
    entries: list[bytes] = field(default_factory=list)
    size_bytes: int = 0
    due: asyncio.TimerHandle | None = None


class Outbox:
    """The open batch of one process. It belongs to the event loop that first used it."""

    def __init__(self, blobs: Blobs, queues: Queues, *, apart_s: float = APART_S) -> None:
        self._blobs = blobs
        self._queues = queues
        self._apart_s = apart_s
        self._open: _Batch | None = None
        self._last_at = float("-inf")
        self._sending: set[asyncio.Task[None]] = set()

    async def put(self, entry: bytes) -> None:
        """Return when *entry* is stored. Raises Unavailable; it may be stored all the same."""
        batch = self._open
        if batch is not None and batch.size_bytes + len(entry) > BATCH_BYTES:
            self._close(batch)
            batch = None
        if batch is None:
            batch = self._begin()
        batch.entries.append(entry)
        batch.size_bytes += len(entry)
        # Whoever gives up waiting must not take the others' batch along.
        await asyncio.shield(batch.stored)

    def _begin(self) -> _Batch:
        loop = asyncio.get_running_loop()
        batch = self._open = _Batch(loop.create_future())
        # A failure that nobody waits for any more is no news: their vendors were told 503.
        batch.stored.add_done_callback(lambda stored: stored.cancelled() or stored.exception())
        wait_s = max(0.0, self._last_at + self._apart_s - time.monotonic())
        batch.due = loop.call_later(wait_s, self._close, batch)
        return batch

    def _close(self, batch: _Batch) -> None:
        """Send *batch*; whoever comes next begins another."""
        if batch is not self._open:
            return
        self._open = None
        self._last_at = time.monotonic()
        if batch.due is not None:
            batch.due.cancel()
        task = asyncio.create_task(self._send(batch))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _send(self, batch: _Batch) -> None:
        name = batch_name(datetime.now(UTC))
        try:
            await self._blobs.put(CONTAINER, name, batch_of(batch.entries))
        except BaseException as error:
            batch.stored.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        batch.stored.set_result(None)
        try:
            await self._queues.send(QUEUE, EventKnock(name).message())
        except Unavailable as error:
            log.warning("webhook_knock_not_sent", code=error.code, reason="the sweep knocks")
