"""Candidates that the vendor's own people merge."""

from __future__ import annotations

from typing import Any

from shared.adapters.protocol import Change, ChangeKind
from shared.model import Direction, EntityType
from shared.store.ledger import JobRequest
from shared.store.record_merges import merge_key
from shared.sync.jobs.priorities import RECONCILE, WEBHOOK_SIGNAL
from tests.integration.sync.vendor import vendor_person
from tests.integration.sync.world import World, fresh_token

CANDIDATE = EntityType.CANDIDATE


async def person(world: World, first_name: str, **fields: Any) -> int:
    emails = [{"value": f"{first_name.lower()}.{fresh_token()}@example.org", "type": "personal"}]
    return await vendor_person(
        world, first_name=first_name, last_name="Lovelace", **{"email_addresses": emails, **fields}
    )


async def merge_there(world: World, winner: int, loser: int) -> None:
    """Merge two of the vendor's people there, and do what the webhook worker does with its event."""
    await merge_silently(world, winner, loser)
    await tell(world, winner, loser)


async def merge_silently(world: World, winner: int, loser: int) -> None:
    """Merge two of the vendor's people there."""
    response = await world.control.post(
        f"/candidates/{winner}/merge?webhooks=false", json={"secondary_candidate_id": loser}
    )
    response.raise_for_status()


async def tell(world: World, winner: int, loser: int) -> None:
    """Do what the webhook worker does with the event of a merge."""
    await ask(world, winner, loser)
    await world.drain()


async def ask(world: World, winner: int, loser: int) -> None:
    """Enqueue what follows from the event of a merge."""
    change = Change(CANDIDATE, str(loser), ChangeKind.MERGED, merged_into=str(winner))
    services = world.services
    async with services.database.company(world.company_id) as tx:
        ids = [str(winner), change.external_id]
        keys = await services.store.links.record_keys(tx, world.integration_id, CANDIDATE, ids)
        merge: dict[str, Any] = {merge_key(change.external_id): change.merged_into}
        payloads = {str(winner): {}, change.external_id: merge}
        await services.store.ledger.enqueue(
            tx,
            [
                JobRequest(
                    world.integration_id,
                    RECONCILE,
                    CANDIDATE,
                    keys[each],
                    Direction.INBOUND,
                    WEBHOOK_SIGNAL,
                    payloads[each],
                )
                for each in ids
            ],
        )
