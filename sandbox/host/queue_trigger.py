"""
Queue triggers: leases, concurrency, back-off and poison (§4).

One listener per function. What happens to a message is decided by its dequeue count and by how
the run ended; see `_Delivery.handle`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus

from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.functions.meta import Datum
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from sandbox.host.indexing import Function
from sandbox.host.invocation import Invoker
from sandbox.host.settings import HostSettings
from sandbox.host.storage import NotBase64, Queues, decode_body

log = logging.getLogger(__name__)

BINARY = 2  # data_type of a trigger whose parameter wants bytes
QUEUE_NAME_LENGTH = 63
POISON_SUFFIX = "-poison"
RENEWAL_RETRY_FLOOR = 0.1  # of the lease: how soon a failed renewal is tried again


def poison_queue_name(queue: str) -> str | None:
    """Return the poison queue of *queue*, or None where it has none (§4.6)."""
    if queue.endswith(POISON_SUFFIX) or len(queue) + len(POISON_SUFFIX) > QUEUE_NAME_LENGTH:
        return None
    return queue + POISON_SUFFIX


class Backoff:
    """
    The waits of a listener whose queue is empty, in seconds.

    The first wait after a message is *start*; each further one is
    `start + random(0.8 .. 1.2) * 2^(n-1) * start`, at most *maximum*.
    """

    def __init__(self, start: float, maximum: float, factor: Callable[[], float] | None = None) -> None:
        self._start = start
        self._maximum = maximum
        self._factor = factor or (lambda: random.uniform(0.8, 1.2))
        self._delay = 0.0
        self._exponent = 1

    def after(self, *, found: bool) -> float:
        """Return the next wait; *found* tells whether messages came since the last one."""
        if found:
            self._delay, self._exponent = self._start, 1
        elif self._delay < self._maximum:
            delay = self._start + self._factor() * 2 ** (self._exponent - 1) * self._start
            self._delay = min(delay, self._maximum)
            self._exponent += 1
        return min(self._delay, self._maximum)


class QueueListener:
    """Polls one queue for one function until told to stop."""

    def __init__(self, function: Function, settings: HostSettings, queues: Queues, invoker: Invoker) -> None:
        connection = str(function.trigger["connection"])
        self.queue = settings.resolve(str(function.trigger["queueName"]))
        self._function = function
        self._settings = settings
        self._queues = queues
        self._invoker = invoker
        self._connection = connection
        self._client = queues.client(connection, self.queue)
        self._wake = queues.wake_event(connection, self.queue)
        self._stopping = False
        self._progress = asyncio.Event()
        self._deliveries: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """Ask for no further message. A poll that is under way may still bring some."""
        self._stopping = True
        self._wake.set()
        self._progress.set()

    async def run(self) -> None:
        """
        Poll until stopped, then wait for every message that was taken.

        Raises what the storage service answers when it is neither passing nor about a missing
        queue (a wrong key, say): the host cannot go on then.
        """
        options = self._settings.queues
        backoff = Backoff(self._settings.timings.polling_start, options.max_polling_interval.total_seconds())
        found = False
        while not self._stopping:
            messages = await self._receive()
            if messages:
                found = True
                for message in messages:
                    self._start(message)
                await self._until_below(options.new_batch_threshold)
            else:
                delay = backoff.after(found=found)
                found = False
                await self._idle(delay)
        await self._until_below(0)

    async def deliver_by_hand(self, body: str) -> None:
        """Run the function on *body* without any message behind it."""
        await self._invoker.invoke(self._function, Datum(body, "string"), {})

    async def _receive(self) -> list[QueueMessage]:
        try:
            pages = self._client.receive_messages(
                messages_per_page=self._settings.queues.batch_size,
                max_messages=self._settings.queues.batch_size,
                visibility_timeout=max(1, round(self._settings.timings.lease)),
            )
            return [message async for message in pages]
        except HttpResponseError as exc:
            if not _is_passing(exc):
                raise
            if exc.status_code != HTTPStatus.NOT_FOUND:
                log.warning("queue %s cannot be read: %s", self.queue, exc.reason)
        except (ServiceRequestError, ServiceResponseError) as exc:
            log.warning("queue %s cannot be reached: %s", self.queue, exc.message)
        return []

    def _start(self, message: QueueMessage) -> None:
        delivery = Delivery(message, self._function, self._settings, self._queues, self._invoker, self._client)
        task = asyncio.create_task(delivery.handle(self.queue, self._connection))
        self._deliveries.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._deliveries.discard(task)
        self._progress.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("queue %s: a message could not be settled", self.queue, exc_info=error)

    async def _until_below(self, threshold: int) -> None:
        """Return once at most *threshold* messages are in flight."""
        while len(self._deliveries) > threshold:
            self._progress.clear()
            await self._progress.wait()

    async def _idle(self, delay: float) -> None:
        try:
            async with asyncio.timeout(delay):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()


class Delivery:
    """One message on its way through one function, with its lease."""

    def __init__(
        self,
        message: QueueMessage,
        function: Function,
        settings: HostSettings,
        queues: Queues,
        invoker: Invoker,
        client: QueueClient,
    ) -> None:
        self._message = message
        self._function = function
        self._settings = settings
        self._queues = queues
        self._invoker = invoker
        self._client = client
        self._receipt = str(message.pop_receipt)
        self._count = int(message.dequeue_count or 0)

    async def handle(self, queue: str, connection: str) -> None:
        """
        Run the function unless the message is spent or unreadable, then settle the message.

        Success deletes it; a failure makes it visible again after `visibilityTimeout`; the
        failure that reaches `maxDequeueCount` moves it to the poison queue. In a queue that has
        no poison queue it then stays hidden until its lease ends.
        """
        options = self._settings.queues
        poison = poison_queue_name(queue)
        if poison is not None and self._count > options.max_dequeue_count:
            await self._move(connection, poison)  # its last run died together with its host
            return
        try:
            body = decode_body(str(self._message.content), is_base64=options.encodes_base64)
        except NotBase64:
            if poison is not None:
                await self._move(connection, poison)
            return
        if await self._succeeds(body):
            await self._delete()
        elif self._count < options.max_dequeue_count:
            await self._update(options.visibility_timeout.total_seconds())
        elif poison is not None:
            await self._move(connection, poison)

    async def _succeeds(self, body: str) -> bool:
        renewal = asyncio.create_task(self._renew())
        try:
            await self._invoker.invoke(self._function, self._datum(body), self._metadata())
        except Exception:  # noqa: BLE001 - whatever a function raises; the invoker has logged it
            return False
        else:
            return True
        finally:
            renewal.cancel()
            await asyncio.gather(renewal, return_exceptions=True)

    def _datum(self, body: str) -> Datum:
        if self._function.trigger.get("dataType") == BINARY:
            return Datum(body.encode(), "bytes")
        return Datum(body, "string")

    def _metadata(self) -> dict[str, Datum]:
        message = self._message
        return {
            "Id": Datum(message.id, "string"),
            "PopReceipt": Datum(message.pop_receipt, "string"),
            "DequeueCount": Datum(str(self._count), "json"),
            "InsertionTime": _moment(message.inserted_on),
            "ExpirationTime": _moment(message.expires_on),
            "NextVisibleTime": _moment(message.next_visible_on),
        }

    async def _renew(self) -> None:
        """Renew the lease at half of its time, until cancelled or until the message is lost."""
        lease = self._settings.timings.lease
        wait = lease / 2
        ends = time.monotonic() + lease
        while True:
            await asyncio.sleep(wait)
            try:
                if not await self._update(lease):
                    return
            except AzureError:
                left = ends - time.monotonic()
                wait = max(left / 2, lease * RENEWAL_RETRY_FLOOR)
                log.warning("message %s: its lease could not be renewed", self._message.id)
            else:
                wait, ends = lease / 2, time.monotonic() + lease

    async def _update(self, hidden_seconds: float) -> bool:
        """Hide the message for *hidden_seconds* from now; False when it is no longer ours."""
        try:
            updated = await self._client.update_message(
                self._message.id,
                self._receipt,
                visibility_timeout=round(hidden_seconds),
            )
        except HttpResponseError as exc:
            if not _is_lost(exc):
                raise
            log.warning("message %s is in other hands by now", self._message.id)
            return False
        self._receipt = str(updated.pop_receipt)
        return True

    async def _delete(self) -> None:
        try:
            await self._client.delete_message(self._message.id, self._receipt)
        except HttpResponseError as exc:
            if not _is_lost(exc):
                raise
            log.warning("message %s was in other hands: its work was done twice", self._message.id)

    async def _move(self, connection: str, poison: str) -> None:
        """Copy to the poison queue, then delete; a crash in between leaves both."""
        log.error(
            "Message has reached MaxDequeueCount of %d. Moving message to queue '%s'.",
            self._settings.queues.max_dequeue_count,
            poison,
        )
        await self._queues.send(connection, poison, str(self._message.content))
        await self._delete()


def _moment(at: datetime | None) -> Datum:
    return Datum(json.dumps(at.isoformat() if at else None), "json")


def _is_passing(exc: HttpResponseError) -> bool:
    """Missing, being deleted, or the service in trouble: treated like an empty queue."""
    return (
        exc.status_code in {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}
        or (exc.status_code or 0) >= HTTPStatus.INTERNAL_SERVER_ERROR
    )


def _is_lost(exc: HttpResponseError) -> bool:
    """Deleted, or received by somebody else since (the receipt no longer fits)."""
    code = getattr(exc, "error_code", None)  # which the storage library adds
    return exc.status_code == HTTPStatus.NOT_FOUND or code == "PopReceiptMismatch"
