"""How an integration is shown: its columns less the sealed ones, a mask for each credential, its schedules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.store.integrations import Integration
from shared.store.schedules import Schedule

SEALED = frozenset({"api_key_encrypted", "webhook_secret_sealed"})
_SHOWN = tuple(name for name in Integration.__dataclass_fields__ if name not in SEALED)


def integration_view(
    integration: Integration, hints: Mapping[str, str], schedules: Sequence[Schedule], *, open_issues: int
) -> dict[str, Any]:
    """Return *integration* for the API. *hints*: masked credentials by name."""
    return {
        **{name: getattr(integration, name) for name in _SHOWN},
        "credentials": dict(hints),
        "open_issues": open_issues,
        "schedules": [
            {
                "entity": schedule.entity.value,
                "mode": schedule.mode,
                "every_s": schedule.every_s,
                "time_zone": schedule.time_zone,
                "enabled": schedule.enabled,
                "next_due_at": schedule.next_due_at,
                "last_enqueued_at": schedule.last_enqueued_at,
            }
            for schedule in schedules
        ],
    }
