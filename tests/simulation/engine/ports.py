"""Stand-ins for what lies around the engine: queues, adapters, the vault of personal data, the table of live views."""

from __future__ import annotations

import logging
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from random import Random
from uuid import UUID

from shared.adapters.protocol import Adapter
from shared.security.keys import Keys
from shared.security.person_keys import PersonalData, Place
from shared.store.connections import IntegrationRow
from shared.store.queues import MOST_SEEN, Queues
from shared.sync.vendors.adapters import Adapters

Gate = Callable[[str], Awaitable[None]]


class OpenVault(PersonalData):
    """Keeps personal data as it is: sealing is tested elsewhere, and costs more than a merge."""

    def __init__(self, keys: Keys) -> None:
        super().__init__(keys)

    def seal_personal(self, data: bytes, person_salt: bytes, kid: str, place: Place) -> bytes:  # noqa: ARG002
        """Return *data*."""
        return data

    def open_personal(self, sealed: bytes, person_salt: bytes, kid: str, place: Place) -> bytes:  # noqa: ARG002
        """Return *sealed*."""
        return sealed


@dataclass(frozen=True, slots=True)
class Message:
    """What lies in a queue."""

    queue: str
    body: bytes
    tries: int = 0


class MemoryQueues(Queues):
    """Queues whose messages are handed to the host of the world as soon as they may be seen."""

    def __init__(self, gate: Gate, waiting: Callable[[str], int], put: Callable[[Message, float], None]) -> None:
        super().__init__("")
        self._gate = gate
        self._waiting = waiting
        self._put = put

    async def send(self, queue: str, body: bytes | str, *, delay_s: int = 0) -> None:
        """Put one message on *queue*."""
        await self._gate("queue send:begin")
        self._put(Message(queue, body if isinstance(body, bytes) else body.encode()), delay_s)
        await self._gate("queue send:end")

    async def count(self, queue: str) -> int:
        """Return how many messages *queue* holds."""
        await self._gate("queue count")
        return self._waiting(queue)

    async def visible(self, queue: str) -> int:
        """Return how many messages of *queue* may be seen."""
        await self._gate("queue peek")
        return min(MOST_SEEN, self._waiting(queue))


class MemoryAdapters(Adapters):
    """Lends the adapters of the world's vendors. One process's own, and gone with it."""

    def __init__(self, adapters: Mapping[UUID, Adapter]) -> None:
        self._adapters = adapters

    @asynccontextmanager
    async def connected(self, integration: IntegrationRow) -> AsyncIterator[Adapter]:
        """Lend the adapter of *integration*."""
        yield self._adapters[integration.id]

    async def aclose(self) -> None:
        """Nothing is open."""


@contextmanager
def chance(seed: int) -> Iterator[None]:
    """Let everything that asks for chance be answered by *seed*: random bytes, `uuid4` among them, and `random`."""
    real, drawn = os.urandom, random.getstate()
    random.seed(f"drawn {seed}")
    os.urandom = Random(f"chance {seed}").randbytes  # noqa: S311 - a seed
    try:
        yield
    finally:
        os.urandom = real
        random.setstate(drawn)


@contextmanager
def quiet() -> Iterator[None]:
    """Write no events: formatting them would take longer than the work they tell of."""
    logger = logging.getLogger("liaison")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)
