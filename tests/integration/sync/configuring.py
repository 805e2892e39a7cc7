"""An integration's config, changed as a PATCH would."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.integrations.lifecycle import Integrations
from shared.integrations.requests import PatchIntegration
from tests.integration.sync.world import World


async def configure(world: World, key: str, value: str) -> None:
    """Set a key of the integration's config, as a PATCH would."""
    await world.rows(
        "UPDATE integrations SET config = config || jsonb_build_object(%(key)s::text, %(value)s::jsonb) RETURNING id",
        key=key,
        value=value,
    )


async def patch(world: World, **changes: object) -> None:
    """Change the integration's settings as an administrator does."""
    await Integrations.of(world.services).change(
        world.company_id, world.integration_id, PatchIntegration.model_validate(changes), expected_version=None
    )


async def directions(world: World, **each: str) -> None:
    """Set `config.directions`, entity by entity, as an administrator does."""
    await patch(world, config={"directions": each})


async def map_as(world: World, mapping: Mapping[str, Any] | None) -> None:
    """Save *mapping* as a person would."""
    await patch(world, config={"mapping": mapping})
