"""
A queue message's way through `Processor`: an outage is waited for and, past patience, slept on in the queue.

"Database down" is foreseen. Were it raised, the host would redeliver each event five times within minutes and move all
of them to the poison queue, whose messages die after seven days.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

from shared.errors import Conflict, InvalidPayload, Unavailable
from shared.intake import events
from shared.intake.events import Notice
from shared.intake.process import Processor
from shared.store.queues import Queues
from shared.telemetry import EventLogger

PATIENCE_S = 60.0
"""How long one invocation waits for the database before the message goes back."""
PAUSE_S = 1.0
"""Between two tries of one invocation."""
BACK_AFTER_S = (20, 40)
"""How long a message stays hidden that was sent back: between these, so that they do not return as one."""


class Worker:
    """What the queue functions call. Nothing foreseen is raised."""

    def __init__(
        self, processor: Processor, queues: Queues, log: EventLogger, *, patience_s: float = PATIENCE_S
    ) -> None:
        self._processor = processor
        self._queues = queues
        self._log = log
        self._patience_s = patience_s

    async def work(self, message: bytes) -> None:
        """Process the events of *message*, or send it back to the queue if database or storage stay away."""
        notices = self._read(message)
        await self._patiently(lambda: self._processor.process(notices), events.QUEUE, message)

    async def bury(self, message: bytes) -> None:
        """Take in a message of the poison queue; an outage is treated as by `work`."""
        notices = self._read(message)
        await self._patiently(lambda: self._processor.bury(notices), events.POISON_QUEUE, message)

    def _read(self, message: bytes) -> list[Notice]:
        try:
            return events.read_message(message)
        except InvalidPayload as error:
            # Nobody but us writes to this queue. Redelivering it would not make it readable.
            self._log.error("webhook_message_unreadable", code=error.code, size_bytes=len(message))
            return []

    async def _patiently(self, settle: Callable[[], Awaitable[None]], queue: str, message: bytes) -> None:
        deadline = time.monotonic() + self._patience_s
        while True:
            try:
                return await settle()
            except (Unavailable, Conflict) as error:
                if time.monotonic() + PAUSE_S >= deadline:
                    await self._queues.send(queue, message, delay_s=random.randint(*BACK_AFTER_S))  # noqa: S311
                    self._log.warning("webhook_sent_back", code=error.code, queue=queue)
                    return None
            await asyncio.sleep(PAUSE_S)
