"""How much may be kept of what nobody has verified yet, per integration and minute, in this process."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

EVENTS_A_MINUTE = 1_200
BYTES_A_MINUTE = 20_000_000
WINDOW_S = 60.0


@dataclass(slots=True)
class UnverifiedQuota:
    """Fixed windows of a minute. Only ids that are ours come here: there are as many counters as integrations."""

    events: int = EVENTS_A_MINUTE
    size_bytes: int = BYTES_A_MINUTE
    _spent: dict[UUID, tuple[float, int, int]] = field(default_factory=dict)

    def takes(self, integration_id: UUID, size_bytes: int, *, now: float) -> bool:
        """Spend one event of *size_bytes*; False when this minute's share (*now* in monotonic seconds) is used up."""
        began, events, size = self._spent.get(integration_id, (now, 0, 0))
        if now - began >= WINDOW_S:
            began, events, size = now, 0, 0
        if events + 1 > self.events or size + size_bytes > self.size_bytes:
            return False
        self._spent[integration_id] = (began, events + 1, size + size_bytes)
        return True
