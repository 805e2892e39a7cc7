"""
What follows when records come out of the archive: by a restore, or as the other one of a merge that is taken back.

Nothing more is deleted at vendors on their behalf, a delete that was sent and may have happened is known for our own,
and every system is asked how they stand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from pydantic import JsonValue

from shared.model import Direction, EntityType
from shared.store.database import Transaction
from shared.store.ledger import JobRequest, Knock
from shared.store.links import Link
from shared.store.records import StoredRecord
from shared.store.removals import REVOKED
from shared.store.store import Store
from shared.sync.editing.edits import queued_for, submission_request
from shared.sync.jobs import waiting
from shared.sync.jobs.priorities import MANUAL_RECORD, RECONCILE
from shared.sync.submissions.owed_submissions import closed, tell


async def follow_restored(
    tx: Transaction, store: Store, back: Sequence[StoredRecord], links: Sequence[Link]
) -> list[Knock]:
    """
    Take back what vendors were asked for *links*, of the records that came *back*; bring them in step.

    What was submitted and had not come to its vendor is asked for anew. Return what to knock for.
    """
    payload: dict[str, JsonValue] = {REVOKED: True} if await _revoke(tx, store, links) else {}
    return await _look_again(tx, store, back, links, payload)


def reconcile_request(link: Link, direction: Direction) -> JobRequest:
    """Return the job by which a person's deed comes to the integration of *link*."""
    return JobRequest(link.integration_id, RECONCILE, link.entity, str(link.internal_id), direction, MANUAL_RECORD)


async def _revoke(tx: Transaction, store: Store, links: Sequence[Link]) -> bool:
    """
    Take back what was asked of vendors; return whether something was sent, and may have happened.

    A vendor lets a candidate's applications go with them: of those, too, a 404 is then our own doing.
    """
    if not await store.removals.revoke(tx, [link.id for link in links]):
        return False
    applications = [link.id for link in links if link.entity is EntityType.APPLICATION and link.state == "live"]
    known = await store.removals.lock(tx, applications)
    await store.removals.presume(tx, [each for each in applications if each not in known])
    return True


async def _look_again(
    tx: Transaction, store: Store, back: Sequence[StoredRecord], links: Sequence[Link], payload: Mapping[str, JsonValue]
) -> list[Knock]:
    """Bring the restored records in step, and let go of jobs that waited for a decision about their deletes."""
    requests: list[JobRequest] = []
    waits: dict[UUID, set[str]] = {}
    for link in links:
        integration = await store.connections.get(tx, link.integration_id)
        if integration.syncs(link.entity):
            requests.append(replace(reconcile_request(link, Direction.INBOUND), payload=payload))
            waits.setdefault(link.integration_id, set()).add(waiting.brake(link.integration_id))
    for record in back:
        owner_id = queued_for(record)
        if owner_id is None:
            continue
        owner = await store.connections.get(tx, owner_id)
        if owner.deleted_at is not None:
            continue
        # Its job has ended since, or waits for a candidate whose own job has.
        requests.append(submission_request(owner_id, record.id))
        if closed(owner):
            await tell(tx, store, owner_id)
        candidate_id = str(record.data["candidate_id"])
        waits.setdefault(owner_id, set()).add(waiting.link(owner_id, EntityType.CANDIDATE, candidate_id))
    knocks = await store.ledger.enqueue(tx, requests)
    for integration_id in sorted(waits):
        knocks += await store.ledger.release_held(tx, integration_id, sorted(waits[integration_id]))
    return knocks
