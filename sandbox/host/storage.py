"""The host's queues: one client per account, sending for output bindings, waking listeners (§4)."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import Mapping
from typing import Self

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.functions.meta import Datum
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from sandbox.host.indexing import Function
from sandbox.host.settings import HostSettings


class NotBase64(ValueError):
    """A message body that is not base64 while host.json says it must be."""


def decode_body(text: str, *, is_base64: bool) -> str:
    """
    Return the text of a received message body.

    Bytes that are no UTF-8 become replacement characters, as in the host's conversion to a
    string. Raises NotBase64.
    """
    if not is_base64:
        return text
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode("utf-8", "replace")
    except ValueError as exc:
        raise NotBase64(str(exc)) from exc


def encode_body(body: str | bytes, *, is_base64: bool) -> str:
    """Return *body* as it is stored in the queue."""
    if is_base64:
        raw = body.encode() if isinstance(body, str) else body
        return base64.b64encode(raw).decode("ascii")
    return body if isinstance(body, str) else body.decode("utf-8", "replace")


def bodies(datum: Datum) -> list[str | bytes]:
    """Return the message bodies that the value of a queue output binding stands for."""
    if datum.type != "json":
        return [datum.value]
    value = json.loads(datum.value)
    items = value if isinstance(value, list) else [value]
    return [_item_body(item) for item in items]


def _item_body(item: object) -> str:
    """One message of a list: a string, or a func.QueueMessage as the library writes it."""
    if isinstance(item, str):
        return item
    if isinstance(item, dict) and item.keys() == {"id", "body"}:
        return str(item["body"])
    return json.dumps(item)


class Queues:
    """The storage queues that an app's bindings name. Use as an async context manager."""

    def __init__(self, settings: HostSettings) -> None:
        self._settings = settings
        self._services: dict[str, QueueServiceClient] = {}
        self._listening: dict[tuple[str, str], list[asyncio.Event]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for service in self._services.values():
            await service.close()

    def client(self, connection: str, queue: str) -> QueueClient:
        """Return a client of *queue* that leaves message bodies as they are stored."""
        text = self._settings.connection_string(connection)
        if text not in self._services:
            self._services[text] = QueueServiceClient.from_connection_string(
                text, retry_total=2, initial_backoff=1, read_timeout=30
            )
        return self._services[text].get_queue_client(queue)

    def wake_event(self, connection: str, queue: str) -> asyncio.Event:
        """Return an event that is set when this host itself puts a message into *queue*."""
        event = asyncio.Event()
        self._listening.setdefault(self._key(connection, queue), []).append(event)
        return event

    async def send(self, connection: str, queue: str, stored_body: str) -> None:
        """Put *stored_body* into *queue*, created if missing, with the service's default life."""
        client = self.client(connection, queue)
        try:
            await client.send_message(stored_body)
        except ResourceNotFoundError:
            with contextlib.suppress(ResourceExistsError):  # somebody else made it meanwhile
                await client.create_queue()
            await client.send_message(stored_body)
        for event in self._listening.get(self._key(connection, queue), ()):
            event.set()

    async def write_outputs(self, function: Function, outputs: Mapping[str, Datum]) -> None:
        """Write every queue output binding of a successful invocation."""
        for name, datum in outputs.items():
            binding = function.bindings[name]
            if binding["type"] != "queue" or datum.value is None:
                continue
            queue = self._settings.resolve(binding["queueName"])
            for body in bodies(datum):
                stored = encode_body(body, is_base64=self._settings.queues.encodes_base64)
                await self.send(binding["connection"], queue, stored)

    def _key(self, connection: str, queue: str) -> tuple[str, str]:
        return self._settings.connection_string(connection), queue
