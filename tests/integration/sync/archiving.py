"""Archiving and restoring as people do, and what is known of it here afterwards."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from shared.model import EntityType
from tests.integration.sync.comparing import ground_of
from tests.integration.sync.world import World
from tests.parity_proof.planting import Pair, in_step

CANDIDATE = EntityType.CANDIDATE


async def people(world: World, count: int = 1) -> list[Pair]:
    return (await in_step(ground_of(world)))[:count]


async def archive(world: World, record_id: UUID, entity: EntityType = CANDIDATE) -> None:
    await world.services.archives.archive(world.company_id, entity, record_id, actor="jo")


async def restore(world: World, record_id: UUID, entity: EntityType = CANDIDATE) -> None:
    await world.services.archives.restore(world.company_id, entity, record_id)


async def applications_of(world: World, candidate_id: UUID) -> list[dict[str, Any]]:
    return await world.rows(
        "SELECT r.id, r.archived_at, r.archived_by, l.state, l.external_id FROM records r"
        " JOIN external_entity_map l ON l.internal_id = r.id"
        " WHERE r.entity_type = 'application' AND r.data ->> 'candidate_id' = %(id)s",
        id=str(candidate_id),
    )


async def removal(world: World, link_id: UUID) -> dict[str, Any] | None:
    rows = await world.rows("SELECT * FROM removals WHERE link_id = %(id)s", id=link_id)
    return rows[0] if rows else None


async def deletes(world: World) -> list[tuple[str, str, str]]:
    """What the log says of deletes, in order: direction, status, rule."""
    rows = await world.rows("SELECT * FROM sync_logs WHERE action = 'deleted' ORDER BY synced_at")
    return [(row["direction"], row["status"], row["details"]["rule"]) for row in rows if row["entity_type"] != "job"]


async def record(world: World, pair: Pair) -> dict[str, Any]:
    return await world.record_of(CANDIDATE, pair.external_id)
