"""One look-up at a time for all who ask, and none older than the question."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

from shared.errors import Unavailable

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class _Turn(Generic[Value]):
    """Who looks up one key now, and what the last look-up found."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.began_at = float("-inf")
        self.found: Value | None = None
        self.failure: Unavailable | None = None


class LookUp(Generic[Key, Value]):
    """
    Look a key up so that a flood of questions costs one read at a time, not one each.

    Whoever asks gets what a read found that began after the question, or Unavailable where that read failed: an answer
    may be shared, but never be older than the change that somebody asks about.
    """

    def __init__(self, read: Callable[[Key], Awaitable[Value]]) -> None:
        self._read = read
        # A turn lives as long as somebody waits for it, so that made-up keys leave nothing behind.
        self._turns: WeakValueDictionary[Key, _Turn[Value]] = WeakValueDictionary()

    async def __call__(self, key: Key) -> Value:
        """Return what a read that begins from now on finds. Raises Unavailable."""
        asked_at = time.monotonic()
        turn = self._turns.get(key)
        if turn is None:
            turn = self._turns[key] = _Turn()
        async with turn.lock:
            if turn.began_at < asked_at:
                await self._take(turn, key)
            if turn.failure is not None:
                raise turn.failure
            return turn.found  # type: ignore[return-value]  # what the read returned, None included

    async def _take(self, turn: _Turn[Value], key: Key) -> None:
        began_at = time.monotonic()
        try:
            turn.found, turn.failure = await self._read(key), None
        except Unavailable as error:
            turn.found, turn.failure = None, error
        turn.began_at = began_at
