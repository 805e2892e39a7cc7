"""How the workers are doing, in the words of the health endpoint (S-105)."""

from __future__ import annotations

from typing import Any

from shared.store.listings import Health

PERIODS_MISSED = 3


def health_view(found: Health | None, sweep_s: int) -> dict[str, Any]:
    """
    Return what health says; *found* None: the database could not be asked. *sweep_s* is the sweep's period.

    What can't be known now is null: a zero would be a claim.
    """
    if found is None:
        return {
            "healthy": False,
            "running": False,
            "processingCount": None,
            "queueDepth": None,
            "oldestJobAgeSeconds": None,
            "problems": ["database_unreachable"],
        }
    is_running = found.sweep_age_s is not None and found.sweep_age_s <= PERIODS_MISSED * sweep_s
    return {
        "healthy": is_running,
        "running": is_running,
        "processingCount": found.processing,
        "queueDepth": found.due,
        "oldestJobAgeSeconds": round(found.oldest_due_age_s, 1),
        "problems": [] if is_running else ["sweep_late"],
    }
