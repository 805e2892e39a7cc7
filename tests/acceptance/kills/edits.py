"""What people did on both sides while the host died, written down as they saw it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Side = Literal["here", "there"]
Outcome = Literal["acknowledged", "unknown", "refused"]
Key = tuple[str, int, str]
"""Entity, the vendor's id, field."""


@dataclass(frozen=True)
class Edit:
    """One change of one field. Times are epoch seconds of this machine's right clock."""

    side: Side
    key: Key
    value: str
    began: float
    ended: float
    outcome: Outcome
    """unknown: its answer never came, so that it may have been made."""
    seen: str | None = None
    """What the portal showed in the field when it was edited there; None where nobody looked."""


@dataclass
class Journal:
    """All edits of one account, from several threads."""

    edits: list[Edit] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def write(self, edit: Edit) -> None:
        """Add an edit."""
        with self._lock:
            self.edits.append(edit)

    def by_key(self) -> dict[Key, list[Edit]]:
        """Return what was or may have been done, by field, in the order of its beginning."""
        found: dict[Key, list[Edit]] = {}
        for edit in sorted(self.edits, key=lambda each: each.began):
            if edit.outcome != "refused":
                found.setdefault(edit.key, []).append(edit)
        return found

    def count(self, outcome: Outcome) -> int:
        """Return how many edits ended so."""
        return sum(edit.outcome == outcome for edit in self.edits)


def last(edits: Sequence[Edit], side: Side) -> Edit | None:
    """Return the last edit of *side* that was acknowledged."""
    return next((each for each in reversed(edits) if each.side == side and each.outcome == "acknowledged"), None)
