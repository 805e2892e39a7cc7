"""
A batch's way through `Processor`: an outage is waited for and, past patience, slept on in the queue.

"Database down" is foreseen. Were it raised, the host would redeliver each message five times within minutes and move
all of them to the poison queue. The batch itself lies in its blob until it is settled, whatever becomes of its message.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence

from shared.errors import Conflict, InvalidPayload, Unavailable
from shared.intake import events
from shared.intake.events import EventKnock, Notice
from shared.intake.process import Processor
from shared.intake.waking import MOST_TRIES
from shared.store.blobs import Blobs
from shared.store.queues import Queues
from shared.telemetry import EventLogger

Settle = Callable[[Sequence[Notice]], Awaitable[None]]

LAST_TRY = MOST_TRIES + 3
"""A batch that was taken for poisoned so often ended its worker each time: its events are recorded unopened.
One that nobody could read is set aside whole."""
PATIENCE_S = 60.0
"""How long one invocation waits for the database before the message goes back."""
PAUSE_S = 1.0
"""Between two tries of one invocation."""
BACK_AFTER_S = (20, 40)
"""How long a message stays hidden that was sent back: between these, so that they do not return as one."""


class Worker:
    """What the queue functions call. Nothing foreseen is raised."""

    def __init__(
        self, processor: Processor, blobs: Blobs, queues: Queues, log: EventLogger, *, patience_s: float = PATIENCE_S
    ) -> None:
        self._processor = processor
        self._blobs = blobs
        self._queues = queues
        self._log = log
        self._patience_s = patience_s

    async def work(self, message: bytes) -> None:
        """Process the batch that *message* names, or send it back to the queue if database or storage stay away."""
        if (knock := self._read(message)) is not None:
            await self._patiently(lambda: self._settle(knock, self._processor.process), events.QUEUE, message)

    async def bury(self, message: bytes) -> None:
        """Take in the batch that a message of the poison queue names; an outage is treated as by `work`."""
        if (knock := self._read(message)) is not None:
            gives_up = knock.tries > LAST_TRY
            settle = self._processor.give_up if gives_up else self._processor.bury
            await self._patiently(lambda: self._settle(knock, settle), events.POISON_QUEUE, message)

    def _read(self, message: bytes) -> EventKnock | None:
        try:
            return events.read_knock(message)
        except InvalidPayload as error:
            # Nobody but us writes to this queue. Redelivering it would not make it readable.
            self._log.error("webhook_message_unreadable", code=error.code, size_bytes=len(message))
            return None

    async def _settle(self, knock: EventKnock, settle: Settle) -> None:
        """
        Settle a batch, and let go of it. One that is gone was settled before, under another knock.

        What can't be read is kept: its events were answered 200, and another release may have written it.
        """
        content = await self._blobs.find(events.CONTAINER, knock.batch)
        if content is None:
            return
        try:
            notices = events.read_batch(content)
        except InvalidPayload as error:
            self._log.error(
                "webhook_batch_unreadable",
                code=error.code,
                reason=str(error),
                batch=knock.batch,
                size_bytes=len(content),
            )
            if knock.tries <= LAST_TRY:
                return  # the sweep knocks again, and a worker of the other release may answer
            await self._blobs.put(events.UNREAD_CONTAINER, knock.batch, content)
            self._log.error("webhook_batch_set_aside", batch=knock.batch, container=events.UNREAD_CONTAINER)
        else:
            await settle(notices)
        await self._blobs.delete(events.CONTAINER, knock.batch)

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
