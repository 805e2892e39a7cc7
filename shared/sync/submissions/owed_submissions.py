"""
What was submitted in the portal goes out as soon as it may, and is told to people for as long as it may not.

A job that finds its direction off ends, and nothing would ask for it again: an application's state is no change of a
link. So what is queued is asked for by every outbound run, and one starts whenever a direction opens.
"""

from __future__ import annotations

from uuid import UUID

from shared.model import Direction, EntityType
from shared.store.connections import IntegrationRow
from shared.store.database import Transaction
from shared.store.ledger import Knock
from shared.store.store import Store
from shared.sync.editing.edits import submission_request
from shared.sync.jobs import waiting

ISSUE, SUBJECT = "submissions_wait", "applications"
NEEDED = (EntityType.APPLICATION, EntityType.CANDIDATE)
"""What has to be outbound for a submission; the candidate goes first where the vendor does not know them."""


def closed(integration: IntegrationRow) -> list[EntityType]:
    """Return which of those that a submission needs may not go out."""
    return [each for each in NEEDED if not integration.allows(each, Direction.OUTBOUND)]


async def tell(tx: Transaction, store: Store, integration_id: UUID) -> None:
    """Open the issue of applications that wait for a direction, or close it where none does."""
    integration = await store.connections.get(tx, integration_id)
    shut = closed(integration) if integration.deleted_at is None else []
    queued = await store.submissions.queued(tx, integration_id, limit=1) if shut else []
    if not queued:
        await store.attention.settle_issue(tx, integration_id, kind=ISSUE, subject=SUBJECT)
        return
    names = " and ".join(f"{each.value}s" for each in shut)
    settings = " and ".join(f"config.directions.{each.value}" for each in shut)
    detail = (
        f"{queued[0].waiting} applications that were submitted in the portal wait (application {queued[0].id} is one):"
        f" {names} do not go to the vendor. Set {settings} to both, with the entity's switch on, and they go out by"
        " themselves; or archive what is not wanted any more"
    )
    await store.attention.raise_issue(tx, integration_id, kind=ISSUE, subject=SUBJECT, detail=detail)


async def ask(tx: Transaction, store: Store, integration_id: UUID, *, batch: int) -> list[Knock]:
    """
    Ask for everything that is queued for the integration, *batch* by *batch*, and bring its issue up to date.

    One that waits for its candidate looks again, too: the job that was to make the candidate may have ended.
    """
    await tell(tx, store, integration_id)
    knocks: list[Knock] = []
    after: UUID | None = None
    while queued := await store.submissions.queued(tx, integration_id, after=after, limit=batch):
        knocks += await store.ledger.enqueue(tx, [submission_request(integration_id, each.id) for each in queued])
        reasons = {waiting.link(integration_id, EntityType.CANDIDATE, each.candidate_id) for each in queued}
        knocks += await store.ledger.release_held(tx, integration_id, sorted(reasons))
        if len(queued) < batch:
            break
        after = queued[-1].id
    return knocks
