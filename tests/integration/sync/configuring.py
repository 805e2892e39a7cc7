"""An integration's config, changed as a PATCH would."""

from __future__ import annotations

from tests.integration.sync.world import World


async def configure(world: World, key: str, value: str) -> None:
    """Set a key of the integration's config, as a PATCH would."""
    await world.rows(
        "UPDATE integrations SET config = config || jsonb_build_object(%(key)s::text, %(value)s::jsonb) RETURNING id",
        key=key,
        value=value,
    )
