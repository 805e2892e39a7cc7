"""A full comparison of a world, and the ground on which corruptions are planted in it."""

from __future__ import annotations

from typing import Any

from shared.model import EntityType
from tests.integration.sync.world import World
from tests.parity_proof.planting import Ground


def ground_of(world: World) -> Ground:
    """Return *world* as corruptions are planted in it."""
    return Ground(world.services, world.company_id, world.integration_id, world.admin_dsn, world.control)


async def compare(world: World, entity: EntityType = EntityType.CANDIDATE, *, repairs: bool = True) -> dict[str, Any]:
    """Compare to the end, without the repairs' jobs; return the row of `parity_runs` with its differences."""
    services = world.services
    (parity_id,) = await services.comparisons.request(
        world.company_id, world.integration_id, entity=entity, repairs=repairs
    )
    await world.drain()
    run = await world.row("SELECT * FROM parity_runs WHERE id = %(id)s", id=parity_id)
    rows = await world.rows("SELECT * FROM parity_differences WHERE parity_id = %(id)s", id=parity_id)
    return {**run, "differences": {row["external_id"]: row for row in rows}}
