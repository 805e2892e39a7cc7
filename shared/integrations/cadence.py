"""How often a new integration is pulled, until somebody says otherwise (S-117)."""

from __future__ import annotations

from collections.abc import Sequence

from shared.adapters.protocol import Capabilities
from shared.store.schedules import Cadence

CHEAP_DELTA_S = 300
"""Where the vendor tells cheaply what has changed."""
OTHERWISE_S = 3600


def default_cadences(capabilities: Capabilities) -> Sequence[Cadence]:
    """Return an incremental pull for each entity of the vendor."""
    return [
        Cadence(entity, CHEAP_DELTA_S if offered.incremental else OTHERWISE_S)
        for entity, offered in capabilities.entities.items()
    ]
