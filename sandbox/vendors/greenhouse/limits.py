"""Fixed windows, told by headers (section 4)."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Any

from sandbox.vendors.greenhouse.errors import Refusal

KEPT_WINDOWS = 2000


@dataclass
class Window:
    """What one credential did in one window."""

    credential: str
    starts_at: float
    length_s: float
    limit: int
    used: int = 0
    refused: int = 0


class WindowLimiter:
    """Counts calls per credential in windows aligned to the epoch."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.closed: deque[Window] = deque(maxlen=KEPT_WINDOWS)
        self._open: dict[str, Window] = {}

    def admit(self, credential: str, *, now: float, length_s: float, limit: int, enforced: bool) -> dict[str, str]:
        """
        Count one call and return the headers of its answer; none where no limit is *enforced*.

        Raises: Refusal (429) with `Retry-After` in whole seconds when the window is used up.
        """
        window = self._window(credential, now, length_s, limit)
        resets_at = window.starts_at + length_s
        if enforced and window.used >= limit:
            window.refused += 1
            headers = self._headers(window, resets_at)
            headers["Retry-After"] = str(max(1, math.ceil(resets_at - now)))
            raise Refusal(429, "Rate limit exceeded", headers=headers)
        window.used += 1
        return self._headers(window, resets_at) if enforced else {}

    def windows(self) -> list[dict[str, Any]]:
        """Every window in which a call was made, oldest first."""
        return [vars(window) | {"limiter": self.name} for window in self._all()]

    def refusals(self) -> int:
        """How many 429s were given."""
        return sum(window.refused for window in self._all())

    def reset(self) -> None:
        """Forget all windows, the open one too."""
        self.closed.clear()
        self._open.clear()

    def _all(self) -> list[Window]:
        return [*self.closed, *self._open.values()]

    def _window(self, credential: str, now: float, length_s: float, limit: int) -> Window:
        starts_at = math.floor(now / length_s) * length_s
        window = self._open.get(credential)
        if window is None or window.starts_at != starts_at or window.length_s != length_s:
            if window is not None:
                self.closed.append(window)
            window = self._open[credential] = Window(credential, starts_at, length_s, limit)
        window.limit = limit
        return window

    @staticmethod
    def _headers(window: Window, resets_at: float) -> dict[str, str]:
        return {
            "X-RateLimit-Limit": str(window.limit),
            "X-RateLimit-Remaining": str(max(0, window.limit - window.used)),
            "X-RateLimit-Reset": str(math.ceil(resets_at)),
        }
