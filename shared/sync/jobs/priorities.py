"""Priorities of jobs, from 1 (most urgent) to 10 (docs/ledger.md), and the names of the job handlers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from shared.model import EntityType

RECONCILE = "reconcile"
PULL = "pull"
PUBLISH = "publish_webhook_state"
PUSH_MOVED = "push_moved"
RETEST = "retest"
REVERT = "revert"
COMPARE = "compare"

SECRETS = 1
"""Telling the webhook intake about secrets and states, testing a refused connection: run while it stands still."""
WEBHOOK_SIGNAL = 3
MANUAL_RECORD = 3
OTHER_EDIT = 5
INCREMENTAL_PULL = 6
OUTBOUND_SWEEP = 7
PARENT_FETCH = 6
FIRST_SYNC = 8
FULL_COMPARISON = 9

UNIT_PRIORITY: Mapping[EntityType, Mapping[str, int]] = {
    EntityType.APPLICATION: {"stage": 2, "status": 2, "rejection_reason": 3},
    EntityType.CANDIDATE: {"name": 3, "preferred_name": 3, "email": 3, "phone": 3},
    EntityType.JOB: {"status": 3},
}
"""Units whose change a person waits for; every other one is `OTHER_EDIT`."""


def priority_of(entity: EntityType, units: Iterable[str]) -> int:
    """Return the priority of a job that carries changes of *units*: the most urgent of them."""
    table = UNIT_PRIORITY[entity]
    return min((table.get(unit, OTHER_EDIT) for unit in units), default=OTHER_EDIT)
