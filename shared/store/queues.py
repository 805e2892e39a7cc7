"""Storage queues: knocks for workers, for due jobs and for stored batches of events. Base64, as host.json says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from shared.errors import Unavailable
from shared.store.ledger import Knock

if TYPE_CHECKING:
    from azure.storage.queue.aio import QueueClient, QueueServiceClient

QUEUE_BY_PRIORITY: Mapping[range, str] = {
    range(1, 4): "sync-urgent",
    range(4, 8): "sync-normal",
    range(8, 11): "sync-bulk",
}
"""Priority 1 (highest) to 10, as docs/ledger.md lists it."""

NEVER = -1
"""Time to live of every message of ours: the service's own default would lose it after seven days."""

KNOCK_PATIENCE_S = 3.0
"""How long somebody whose change is committed waits for its knock: a sweep's period would be longer than it saves."""

MOST_SEEN = 32
"""Messages that the service shows at a time."""


def queue_for(priority: int) -> str:
    """Return the queue that carries jobs of *priority*."""
    for span, queue in QUEUE_BY_PRIORITY.items():
        if priority in span:
            return queue
    raise ValueError(f"priority {priority} is not in 1..10")


class Queues:
    """
    Sends to the storage account's queues and creates those that are missing.

    It belongs to the event loop in which it is first used (`shared.composition` makes one for each).
    """

    def __init__(self, connection_string: str) -> None:
        self._connection_string = connection_string
        self._service: QueueServiceClient | None = None
        self._clients: dict[str, QueueClient] = {}

    def _client(self, queue: str) -> QueueClient:
        # By need: 27 MB that a pull from the command line never uses.
        from azure.storage.queue import TextBase64EncodePolicy
        from azure.storage.queue.aio import QueueServiceClient

        if self._service is None:
            self._service = QueueServiceClient.from_connection_string(
                self._connection_string,
                retry_total=2,
                retry_backoff_factor=0.2,
                initial_backoff=0.2,
                increment_base=2,
                connection_timeout=3,
                read_timeout=10,
                # Proxies and netrc are not ours; looking for them costs a thread's turn with every request.
                use_env_settings=False,
            )
        client = self._clients.get(queue)
        if client is None:
            client = self._service.get_queue_client(queue, message_encode_policy=TextBase64EncodePolicy())
            self._clients[queue] = client
        return client

    async def send(self, queue: str, body: bytes | str, *, delay_s: int = 0) -> None:
        """Put one message on *queue*, visible after *delay_s*. Raises Unavailable."""
        from azure.core.exceptions import AzureError, ResourceNotFoundError

        text = body if isinstance(body, str) else body.decode()
        client = self._client(queue)
        try:
            try:
                await client.send_message(text, visibility_timeout=delay_s, time_to_live=NEVER)
            except ResourceNotFoundError:
                await self.ensure(queue)
                await client.send_message(text, visibility_timeout=delay_s, time_to_live=NEVER)
        except AzureError as error:
            raise Unavailable(f"queue {queue} can't be reached") from error

    async def ensure(self, queue: str) -> None:
        """Create *queue* unless it exists."""
        from azure.core.exceptions import ResourceExistsError

        try:
            await self._client(queue).create_queue()
        except ResourceExistsError:
            return

    async def count(self, queue: str) -> int:
        """Return about how many messages *queue* holds, hidden ones included; 0 if there is no such queue."""
        from azure.core.exceptions import AzureError, ResourceNotFoundError

        try:
            properties = await self._client(queue).get_queue_properties()
        except ResourceNotFoundError:
            return 0
        except AzureError as error:
            raise Unavailable(f"queue {queue} can't be reached") from error
        return int(properties.approximate_message_count or 0)

    async def visible(self, queue: str) -> int:
        """
        Return how many messages of *queue* a listener would find now, `MOST_SEEN` at the most; 0 if there is none.

        Those that sleep with a host that died are not among them, as they are in `count`.
        """
        from azure.core.exceptions import AzureError, ResourceNotFoundError

        try:
            return len(await self._client(queue).peek_messages(MOST_SEEN))
        except ResourceNotFoundError:
            return 0
        except AzureError as error:
            raise Unavailable(f"queue {queue} can't be reached") from error

    async def aclose(self) -> None:
        """Close the connections."""
        if self._service is not None:
            for client in self._clients.values():
                await client.close()
            await self._service.close()
            self._service = None
            self._clients = {}


def knock_body(knock: Knock, traceparent: str | None) -> bytes:
    """Return the message of *knock*: `{"v": 1, "company_id", "job_id", "epoch", "traceparent"}`."""
    return orjson.dumps(
        {
            "v": 1,
            "company_id": knock.company_id,
            "job_id": knock.job_id,
            "epoch": knock.epoch,
            "traceparent": traceparent,
        }
    )


class Knocker:
    """Sends knocks after a commit. A knock that gets lost costs time only: the sweep knocks again."""

    def __init__(
        self,
        queues: Queues,
        log: Any,
        *,
        was_sent: Callable[[str], None] = lambda _: None,
        patience_s: float = KNOCK_PATIENCE_S,
    ) -> None:
        """*was_sent* hears the queue of each knock."""
        self._queues = queues
        self._log = log
        self._was_sent = was_sent
        self._patience_s = patience_s

    async def send(
        self, knocks: Sequence[Knock], *, traceparent: str | None = None, most: int = 16, delay_s: int = 0
    ) -> int:
        """
        Knock for *knocks* after *delay_s*, at most *most* a queue; return how many were sent.

        A worker that is knocked for takes the fairest due job, so one knock for each of ten thousand jobs would only
        stand in the way. Storage that can't be reached, or does not answer soon, is logged and left to the sweep.
        """
        sent: dict[str, int] = {}
        for knock in knocks:
            queue = queue_for(knock.priority)
            if sent.get(queue, 0) >= most:
                continue
            try:
                async with asyncio.timeout(self._patience_s):
                    await self._queues.send(queue, knock_body(knock, traceparent), delay_s=delay_s)
            except (Unavailable, TimeoutError) as error:
                self._log.warning("knock_not_sent", queue=queue, code=getattr(error, "code", "timeout"))
                break
            self._was_sent(queue)
            sent[queue] = sent.get(queue, 0) + 1
        return sum(sent.values())
