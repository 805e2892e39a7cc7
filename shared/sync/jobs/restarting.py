"""A list whose place the vendor forgot is begun again, a few times: one that always forgets would be read for ever."""

from __future__ import annotations

from shared.store.ledger import Job
from shared.sync.jobs.endings import Continue

RESTARTS = "restarts"
"""Key of a job's payload: how often its list was begun again."""
MOST_RESTARTS = 5


def begun_again(job: Job) -> Continue | None:
    """Return the ending of a job that begins its list again; None: it has done so often enough."""
    restarts = job.payload.get(RESTARTS, 0)
    if not isinstance(restarts, int) or restarts >= MOST_RESTARTS:
        return None
    return Continue(payload={RESTARTS: restarts + 1})
