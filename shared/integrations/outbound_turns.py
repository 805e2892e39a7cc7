"""What follows when an entity may travel from now on, or no longer: by its direction, or by its switch."""

from __future__ import annotations

from shared.integrations.parts import Parts
from shared.model import Direction, EntityType
from shared.store.connections import IntegrationRow
from shared.store.database import Transaction
from shared.store.ledger import JobRequest, Knock
from shared.sync.jobs.priorities import PARENT_FETCH, RECONCILE
from shared.sync.submissions.owed_submissions import tell


async def follow(tx: Transaction, parts: Parts, was: IntegrationRow) -> list[Knock]:
    """
    Send out what a direction that opened since *was* is owed; tell of submissions that one which closed holds up.

    An outbound run asks for what was submitted and for what moved here. A pull may have moved a link past an edit that
    could not go out: that is found by a look at both sides. Where nothing was pulled yet the first pull will look.
    """
    now = await parts.connections.get(tx, was.id)
    asked = await _look_for_lost_creates(tx, parts, was, now)
    before, after = ({each for each in EntityType if row.allows(each, Direction.OUTBOUND)} for row in (was, now))
    if before == after:
        return asked
    await tell(tx, parts.store, was.id)
    opened = sorted(after - before)
    # An application waits for its candidate, too.
    knocks = asked + await parts.syncs.push(tx, now, [*opened, EntityType.APPLICATION] if opened else [])
    for entity in opened:
        if (await parts.runs.lock_cursor(tx, was.id, entity)).watermark is not None:
            knocks += await parts.comparisons.schedule(tx, now, entity, trigger="opened")
    return knocks


async def _look_for_lost_creates(
    tx: Transaction, parts: Parts, was: IntegrationRow, now: IntegrationRow
) -> list[Knock]:
    """
    Ask what became of creates that lost their answer before the entity was off altogether.

    Their jobs ended with that, and whoever the vendor shows meanwhile waits for the end of the create.
    """
    requests = [
        JobRequest(was.id, RECONCILE, entity, str(record_id), Direction.OUTBOUND, PARENT_FETCH)
        for entity in EntityType
        if now.syncs(entity) and not was.syncs(entity)
        for record_id in await parts.store.create_intents.unsettled(tx, was.id, entity)
    ]
    return await parts.ledger.enqueue(tx, requests)
