"""
Prevents lost wake-ups of jobs that wait.

A job looks for its parent, does not find it, and is put on hold. If the parent came in between these two steps, its
arrival woke nobody. So after the hold is committed, the job's reason is checked once more, under a lock that every
release of held jobs takes until its commit. Then either this check sees the parent, or the release sees the held job.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from shared.model import EntityType
from shared.store.database import Transaction
from shared.store.ledger import Knock
from shared.store.store import Store
from shared.sync.jobs import waiting


async def wake_what_is_over(tx: Transaction, store: Store, integration_id: UUID, reasons: Sequence[str]) -> list[Knock]:
    """Wake the jobs that wait for those of *reasons* that hold already."""
    if not reasons:
        return []
    await store.ledger.lock_waits(tx, integration_id)
    over = [reason for reason in reasons if await _is_over(tx, store, integration_id, reason)]
    return await store.ledger.release_held(tx, integration_id, over)


async def _is_over(tx: Transaction, store: Store, integration_id: UUID, reason: str) -> bool:
    kind, entity, key = waiting.parts(reason)
    match kind:
        case "parent":
            return bool(await store.links.internal_ids(tx, integration_id, EntityType(entity), [key]))
        case "link":
            return await _is_linked_or_archived(tx, store, integration_id, EntityType(entity), UUID(key))
        case "creation":
            return not await store.create_intents.any_open(tx, integration_id, EntityType(entity))
        case "people":
            return (await store.connections.get(tx, integration_id)).attention is None
        case "brake":
            return await store.delete_brakes.open_one(tx, integration_id) is None
        case _:
            return False  # a match's decision and a quarantined payload end by their own transactions, later


async def _is_linked_or_archived(
    tx: Transaction, store: Store, integration_id: UUID, entity: EntityType, record_id: UUID
) -> bool:
    """Whether the record exists at the vendor, or will not: who is archived is not sent there."""
    links = (await store.links.of_records(tx, [record_id])).get(record_id, [])
    if any(link.integration_id == integration_id and link.state == "live" for link in links):
        return True
    record = (await store.records.get(tx, entity, [record_id])).get(record_id)
    return record is not None and record.archived_at is not None
