"""How often a new integration is pulled, until somebody says otherwise (S-117)."""

from __future__ import annotations

from collections.abc import Sequence

from shared.adapters.protocol import Capabilities
from shared.store.schedules import Cadence

CHEAP_DELTA_S = 300
"""Where the vendor tells cheaply what has changed."""
OTHERWISE_S = 3600
COMPARISON_S = 86_400
"""What was deleted without a webhook is found this late at the most."""
COMPARE = "compare"


def default_cadences(capabilities: Capabilities) -> Sequence[Cadence]:
    """Return an incremental pull and a full comparison for each entity of the vendor."""
    pulls = [
        Cadence(entity, CHEAP_DELTA_S if offered.incremental else OTHERWISE_S)
        for entity, offered in capabilities.entities.items()
    ]
    return pulls + [Cadence(entity, COMPARISON_S, mode=COMPARE) for entity in capabilities.entities]
