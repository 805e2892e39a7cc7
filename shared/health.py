"""How the workers are doing, in the words of the health endpoint (S-105)."""

from __future__ import annotations

from typing import Any

from shared.store.listings import Health

PERIODS_MISSED = 3


def health_view(found: Health | None, sweep_s: int, *, has_tables: bool = True) -> dict[str, Any]:
    """
    Return what health says; *found* None: the database could not be asked. *sweep_s* is the sweep's period.

    Without tables (*has_tables* False) workers keep an eighth of each limit and go on: a problem, and no ill health.
    What can't be known now is null: a zero would be a claim.
    """
    if found is None:
        return {
            "healthy": False,
            "running": False,
            "processingCount": None,
            "queueDepth": None,
            "oldestJobAgeSeconds": None,
            "problems": ["database_unreachable", *_of_tables(has_tables=has_tables)],
        }
    is_running = found.sweep_age_s is not None and found.sweep_age_s <= PERIODS_MISSED * sweep_s
    vanishing = [f"knocks_vanish:{queue}" for queue in found.vanishing]
    late = [] if is_running else ["sweep_late"]
    return {
        "healthy": is_running and not vanishing,
        "running": is_running,
        "processingCount": found.processing,
        "queueDepth": found.due,
        "oldestJobAgeSeconds": round(found.oldest_due_age_s, 1),
        "problems": [*late, *vanishing, *_of_tables(has_tables=has_tables)],
    }


def _of_tables(*, has_tables: bool) -> list[str]:
    return [] if has_tables else ["tables_unreachable"]
