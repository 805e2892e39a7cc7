"""
Events on their way to the queue, several to a message while many come.

A message a request would cost each vendor's request a call to storage, and the worker a transaction. So whoever comes
within a moment of the last message shares the next one: a lone event goes at once, and a flood of hundreds a second
makes a dozen messages of it. Nobody is answered before the message with his event is stored.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from shared.intake.events import MESSAGE_BYTES, QUEUE, message_of
from shared.store.queues import Queues

APART_S = 0.075
"""Between the starts of two messages, unless the first is full: what a vendor's request may wait for company."""
FRAME_BYTES = 32


@dataclass(slots=True)
class _Batch:
    sent: asyncio.Future[None]
    entries: list[bytes] = field(default_factory=list)
    size_bytes: int = FRAME_BYTES
    due: asyncio.TimerHandle | None = None


class Outbox:
    """The open message of one process. It belongs to the event loop that first used it."""

    def __init__(self, queues: Queues, *, apart_s: float = APART_S) -> None:
        self._queues = queues
        self._apart_s = apart_s
        self._open: _Batch | None = None
        self._last_at = float("-inf")
        self._sending: set[asyncio.Task[None]] = set()

    async def put(self, entry: bytes) -> None:
        """Return when *entry* is stored in the queue. Raises Unavailable; it may be stored all the same."""
        batch = self._open
        if batch is not None and batch.size_bytes + len(entry) + 1 > MESSAGE_BYTES:
            self._close(batch)
            batch = None
        if batch is None:
            batch = self._begin()
        batch.entries.append(entry)
        batch.size_bytes += len(entry) + 1
        # Whoever gives up waiting must not take the others' message along.
        await asyncio.shield(batch.sent)

    def _begin(self) -> _Batch:
        loop = asyncio.get_running_loop()
        batch = self._open = _Batch(loop.create_future())
        # A failure that nobody waits for any more is no news: their vendors were told 503.
        batch.sent.add_done_callback(lambda sent: sent.cancelled() or sent.exception())
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
        try:
            await self._queues.send(QUEUE, message_of(batch.entries))
        except BaseException as error:
            batch.sent.set_exception(error)
            if not isinstance(error, Exception):
                raise
        else:
            batch.sent.set_result(None)
