"""Time as Greenhouse writes it: ISO-8601, UTC, milliseconds and `Z` (section 3.1)."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from sandbox.vendors.greenhouse.settings import Settings


class Clock:
    """The account's own clock, which may run off by `clock_offset_s`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def seconds(self) -> float:
        """Epoch seconds by this clock."""
        return time.time() + self._settings.clock_offset_s

    def text(self) -> str:
        """Now, as a v3 timestamp."""
        return moment_text(self.seconds())


def moment_text(seconds: float) -> str:
    """`2026-03-04T09:15:22.431Z` of epoch *seconds*."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def second_text(moment: str | None) -> str | None:
    """*moment* at second precision, as webhooks write it (section 9.5)."""
    if moment is None:
        return None
    return datetime.fromtimestamp(seconds_of(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_of(text: str) -> float:
    """Epoch seconds of an ISO timestamp. Raises ValueError; naive times are taken as UTC."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
