"""Queues as a test sees them, beside the host."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Callable
from typing import Any

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import QueueMessage, QueueServiceClient


class TestQueues:
    """The queues of one account; bodies are base64 on the wire, as host.json says."""

    __test__ = False

    def __init__(self, connection_string: str) -> None:
        self._service = QueueServiceClient.from_connection_string(connection_string)
        self._taken: dict[str, list[dict[str, Any]]] = {}

    def send(self, queue: str, body: str, *, raw: bool = False) -> None:
        """Put *body* into *queue*, created if missing."""
        client = self._service.get_queue_client(queue)
        with contextlib.suppress(ResourceExistsError):
            client.create_queue()
        client.send_message(body if raw else base64.b64encode(body.encode()).decode())

    def receive(self, queue: str, **options: Any) -> list[QueueMessage]:
        """Take what is visible in *queue*; a missing queue is empty."""
        try:
            return list(self._service.get_queue_client(queue).receive_messages(**options))
        except ResourceNotFoundError:
            return []

    def count(self, queue: str) -> int:
        """Return how many messages *queue* holds, the hidden ones included."""
        try:
            properties = self._service.get_queue_client(queue).get_queue_properties()
        except ResourceNotFoundError:
            return 0
        return int(properties.approximate_message_count or 0)

    def bodies(self, queue: str) -> list[str]:
        """Return the bodies visible in *queue*, without taking them."""
        try:
            peeked = self._service.get_queue_client(queue).peek_messages(32)
        except ResourceNotFoundError:
            return []
        return [base64.b64decode(message.content).decode() for message in peeked]

    def reports(self, queue: str = "seen") -> list[dict[str, Any]]:
        """Return the reports that the sample app's functions left in *queue*."""
        return [json.loads(body) for body in self.bodies(queue)]

    def taken(self, queue: str) -> list[dict[str, Any]]:
        """Return every report that *queue* has had, taking those off that lie there: a look shows 32 at the most."""
        client, found = self._service.get_queue_client(queue), self._taken.setdefault(queue, [])
        for message in self.receive(queue, messages_per_page=32):
            found.append(json.loads(base64.b64decode(message.content)))
            client.delete_message(message)
        return found

    def holds(self, queue: str, count: int) -> Callable[[], bool]:
        """Return the condition that *queue* holds exactly *count* messages."""
        return lambda: self.count(queue) == count

    def close(self) -> None:
        self._service.close()
