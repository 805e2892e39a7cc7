"""
Places for jobs in one worker process, so that what somebody waits for never sits behind what can wait.

Bulk takes half of the places at the most, and the last fifth is urgent work's alone: jobs that wait for their vendor's
window hold their place meanwhile, up to half a minute.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

URGENT_PART = 5
"""One in so many places is kept for urgent work."""


class Slots:
    """The places of one process and event loop."""

    def __init__(self, at_once: int, urgent: range, bulk: range) -> None:
        self._urgent, self._bulk = urgent, bulk
        every = asyncio.Semaphore(at_once)
        unhurried = asyncio.Semaphore(max(1, at_once - max(1, at_once // URGENT_PART)))
        half = asyncio.Semaphore(max(1, at_once // 2))
        # The narrower one first: who waits there takes no place from anybody.
        self._of_urgent = (every,)
        self._of_normal = (unhurried, every)
        self._of_bulk = (half, unhurried, every)

    @asynccontextmanager
    async def place(self, span: range) -> AsyncIterator[None]:
        """Wait for a place for jobs with a priority in *span*, and hold it."""
        async with AsyncExitStack() as held:
            for semaphore in self._needed(span):
                await held.enter_async_context(semaphore)
            yield

    def _needed(self, span: range) -> tuple[asyncio.Semaphore, ...]:
        if span == self._urgent:
            return self._of_urgent
        return self._of_bulk if span == self._bulk else self._of_normal
