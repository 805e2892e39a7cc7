"""Links, as the table holds them."""

from __future__ import annotations

from uuid import UUID

from shared.model import EntityType
from tests.integration.sync.world import World


async def linked(world: World, entity: EntityType) -> set[str]:
    """Return the vendor's ids of what is here."""
    rows = await world.rows(
        "SELECT external_id FROM external_entity_map WHERE entity_type = %(entity)s", entity=entity.value
    )
    return {row["external_id"] for row in rows}


async def links_of(world: World, record_id: UUID) -> dict[str, tuple[str, bool]]:
    """Return a record's links by the vendor's id: their state, and whether each is the primary one."""
    rows = await world.rows(
        "SELECT external_id, state, is_primary FROM external_entity_map WHERE internal_id = %(id)s", id=record_id
    )
    return {row["external_id"]: (row["state"], row["is_primary"]) for row in rows}
