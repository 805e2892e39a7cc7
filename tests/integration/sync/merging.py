"""Merging candidates and parting them as people do, and all that either may touch."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from shared.merge.joining import Keep
from shared.model import EntityType
from tests.integration.sync.vendor import vendor_person
from tests.integration.sync.world import World, fresh_token

CANDIDATE = EntityType.CANDIDATE


async def merge(world: World, survivor: UUID, other: UUID, **keep: Keep) -> Any:
    return await world.services.merges.merge(world.company_id, survivor, other, keep, actor="jo")


async def part(world: World, candidate_id: UUID) -> Any:
    return await world.services.partings.part(world.company_id, candidate_id, actor="jo")


async def rows_of(world: World, *ids: UUID) -> list[Any]:
    """Everything of the records that a merge may touch, as text, but versions and the time of the last change."""
    return [
        await world.rows(
            "SELECT id, data::text, stamps::text, archived_at IS NULL AS lives FROM records"
            " WHERE id = ANY(%(ids)s) OR candidate_id = ANY(%(ids)s) ORDER BY id",
            ids=list(ids),
        ),
        await world.rows(
            "SELECT id, internal_id, external_id, is_primary, state, base::text, digest, fence, vendor_version,"
            " last_synced_at FROM external_entity_map WHERE internal_id = ANY(%(ids)s) ORDER BY id",
            ids=list(ids),
        ),
    ]


async def two_people(world: World, **fields: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two candidates of the vendor's account, with an e-mail address each."""
    ids = []
    for name, title in (("Ada", "Analyst"), ("Augusta", "Countess")):
        emails = [{"value": f"{name.lower()}.{fresh_token()}@example.org", "type": "personal"}]
        ids.append(
            await vendor_person(
                world, first_name=name, last_name="Lovelace", title=title, email_addresses=emails, **fields
            )
        )
    await world.pull()
    return await world.record_of(CANDIDATE, ids[0]), await world.record_of(CANDIDATE, ids[1])
