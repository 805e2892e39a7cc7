"""What a pull that saw the vendor's last page may call itself, and what it can show for it."""

from __future__ import annotations

from pydantic import JsonValue

from shared.model import RunStatus
from shared.store.connections import IntegrationRow
from shared.store.database import Transaction
from shared.store.runs import Run
from shared.store.store import Store
from shared.sync.removing.brake import Threshold

LIST_SHRUNK = "list_shrunk"


def evidence_of(run: Run) -> dict[str, JsonValue]:
    """Return what shows that *run* read everything, and what became of it."""
    counts = run.counts
    parts = (counts.created, counts.updated, counts.unchanged, counts.skipped, counts.quarantined, counts.suppressed)
    return {
        "last_page_seen": True,
        "pages": counts.pages,
        "records_read": counts.read,
        "records_accounted_for": sum(parts) - _done_before(run),
        "records_suppressed": counts.suppressed,
        "records_linked_before": run.expected if run.mode == "full" else None,
        "mode": run.mode,
    }


def _done_before(run: Run) -> int:
    """Return how many records *run* had created or updated when its list began again."""
    found = (run.evidence or {}).get("records_done_before", 0)
    return found if isinstance(found, int) else 0


def missing_records(run: Run, integration: IntegrationRow) -> int:
    """
    Return how many records a full list lacks, where that is more than may disappear within a day; else 0.

    Such a list is not whole, or people have to look at it: nothing is complete with it.
    """
    if run.mode != "full" or run.expected is None:
        return 0
    lacking = run.expected - run.counts.read
    return lacking if lacking > Threshold.of(integration.config).allowed(run.expected) else 0


def status_of(run: Run, missing: int) -> RunStatus:
    """Return how a run that saw its last page ended: complete only if every record came in, and none is missed."""
    is_whole = run.counts.quarantined == 0 and run.counts.skipped == 0 and missing == 0
    return RunStatus.COMPLETE if is_whole else RunStatus.PARTIAL


async def tell_of_missing(tx: Transaction, store: Store, run: Run, missing: int) -> None:
    """Open the issue of a list that has shrunk; a full list that has not closes it."""
    if run.entity is None or run.mode != "full":
        return
    if not missing:
        await store.attention.settle_issue(tx, run.integration_id, kind=LIST_SHRUNK, subject=run.entity.value)
        return
    detail = (
        f"the vendor's list has {missing} records of {run.entity.value} less than are linked; nothing was taken for"
        " deleted: check the key's permissions, then compare both sides"
    )
    await store.attention.raise_issue(tx, run.integration_id, kind=LIST_SHRUNK, subject=run.entity.value, detail=detail)
