"""The secrets that vendors sign with, of one integration: the current one, the one before it, and one to come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

import orjson


@dataclass(frozen=True, slots=True)
class WebhookSecrets:
    """
    What `integrations.webhook_secret_sealed` holds, sealed, as JSON.

        {"v": 1, "current": "…", "previous": "…" | null, "previous_until": "2026-11-23T10:00:00+00:00" | null,
         "next": "…" | null}
    """

    current: str
    previous: str | None = None
    previous_until: datetime | None = None
    """Until when *previous* verifies, by the database's clock; None: as long as it stands here."""
    next: str | None = None
    """Made, perhaps given to the vendor already, not in force yet: verifies as well."""

    @property
    def in_force(self) -> tuple[str, ...]:
        """The secrets that an event may be signed with: all that stand here."""
        return tuple(secret for secret in (self.current, self.next, self.previous) if secret)

    def as_of(self, moment: datetime) -> Self:
        """Return what is left of them at *moment*, which is the database's: *previous* goes at its end."""
        if self.previous_until is None or moment < self.previous_until:
            return self
        return replace(self, previous=None, previous_until=None)

    def to_json(self) -> str:
        """Return the JSON text that is sealed."""
        return orjson.dumps(
            {
                "v": 1,
                "current": self.current,
                "previous": self.previous,
                "previous_until": self.previous_until,
                "next": self.next,
            }
        ).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read what `to_json` wrote. Raises ValueError."""
        found: Mapping[str, Any] = orjson.loads(text)
        until = found.get("previous_until")
        return cls(
            current=str(found.get("current") or ""),
            previous=found.get("previous"),
            previous_until=None if until is None else datetime.fromisoformat(until),
            next=found.get("next"),
        )
