"""Access tokens on a real database: one refresher at a time, committed before use, sealed."""

from __future__ import annotations

import asyncio

from shared.composition import Services
from shared.model import EntityType
from tests.integration.sync.world import World


async def test_pain_16_a_refresh_raced_by_eight_workers_happens_once(world: World) -> None:
    """Eight processes' worth of adapters need a token at the same moment; the vendor is asked for one."""
    await world.control.delete("/requests")
    workers = [Services(world.services.settings) for _ in range(8)]
    try:

        async def call(services: Services) -> None:
            async with services.database.company(world.company_id) as tx:
                integration = await services.store.connections.get(tx, world.integration_id)
            async with services.adapters.connected(integration) as adapter:
                async for _ in adapter.pages(EntityType.JOB, None):
                    break

        await asyncio.gather(*(call(each) for each in workers))
    finally:
        await asyncio.gather(*(each.aclose() for each in workers))
    asked = [each for each in await world.requests() if each["path"] == "/token"]
    assert len(asked) == 1
    row = await world.row("SELECT sealed, version FROM oauth_tokens")
    assert row["version"] == 1
    assert "access_token" not in row["sealed"]


async def test_a_revoked_token_is_renewed_once_and_the_call_goes_on(world: World) -> None:
    await world.pull(EntityType.JOB)
    (await world.control.post("/access/revoke_tokens")).raise_for_status()
    run = await world.run_of(await world.pull(EntityType.CANDIDATE))
    assert run["status"] == "complete"
    assert (await world.row("SELECT attention FROM integrations"))["attention"] is None
