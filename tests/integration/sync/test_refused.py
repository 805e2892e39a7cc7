"""A vendor that refuses our credentials: stopped once, told once, and going on when somebody or something mends it."""

from __future__ import annotations

from typing import Any

import pytest

from shared.errors import InvalidInput
from shared.integrations.lifecycle import Integrations
from shared.integrations.requests import PatchIntegration
from shared.model import EntityType
from tests.integration.sync.world import World

NEW_SECRET = "a secret that Greenhouse made anew"


async def standing(world: World) -> dict[str, Any]:
    return await world.row("SELECT attention, attention_detail FROM integrations")


async def issues(world: World) -> list[str]:
    return [row["kind"] for row in await world.rows("SELECT kind FROM issues WHERE ended_at IS NULL")]


async def stopped(world: World) -> str:
    """Let Greenhouse take our secret back and refuse a job; return the secret that we hold."""
    await world.pull()
    old_secret = world.simulator.settings.client_secret
    world.simulator.settings.client_secret = NEW_SECRET
    await world.control.post("/faults", json={"kind": "error", "status": 401, "path": "/v3/.*", "times": None})
    await world.pull(EntityType.CANDIDATE)
    await world.control.delete("/faults")
    return old_secret


async def test_people_are_told_and_the_refused_job_is_held_by_name(world: World) -> None:
    await stopped(world)
    assert (await standing(world))["attention"] == "auth_failed"
    assert await issues(world) == ["integration_stopped"]
    (held,) = await world.rows("SELECT retry_count, error_code FROM sync_queue WHERE hold_reason LIKE 'people:%%'")
    assert held == {"retry_count": 0, "error_code": "auth_failed"}
    await world.control.delete("/requests")
    await world.drain()
    assert await world.requests() == [], "something was called though people are needed"


async def test_new_credentials_release_what_waited_and_end_the_issue(world: World) -> None:
    await stopped(world)
    with pytest.raises(InvalidInput, match="refuses"):
        await patch(world, config={"client_secret": "still not it"})
    assert await issues(world) == ["integration_stopped"]
    await patch(world, config={"client_secret": NEW_SECRET})
    await world.drain()
    await went_on(world)


async def test_the_connection_is_tested_every_hour_and_goes_on_when_it_is_well(world: World) -> None:
    """The vendor's fault, or a permission granted again there: nobody has to come back here."""
    held = await stopped(world)
    await an_hour_passes(world)
    await world.drain()
    assert (await standing(world))["attention"] == "auth_failed", "the secret is still wrong"
    world.simulator.settings.client_secret = held
    await an_hour_passes(world)
    await world.drain()
    await went_on(world)


async def test_a_person_who_tests_a_well_connection_lets_it_go_on(world: World) -> None:
    held = await stopped(world)
    told = await Integrations.of(world.services).test(world.company_id, world.integration_id)
    assert not told["ok"]
    assert (await standing(world))["attention"] == "auth_failed"
    world.simulator.settings.client_secret = held
    told = await Integrations.of(world.services).test(world.company_id, world.integration_id)
    assert told["ok"]
    await world.drain()
    await went_on(world)


async def went_on(world: World) -> None:
    assert await standing(world) == {"attention": None, "attention_detail": None}
    assert await issues(world) == []
    assert await world.rows("SELECT 1 FROM sync_queue WHERE status <> 'completed' AND action <> 'retest'") == []
    assert await world.rows("SELECT 1 FROM dead_letters") == []


async def patch(world: World, **changes: object) -> None:
    await Integrations.of(world.services).change(
        world.company_id, world.integration_id, PatchIntegration.model_validate(changes), expected_version=None
    )


async def an_hour_passes(world: World) -> None:
    await world.rows(
        "UPDATE sync_queue SET scheduled_at = now() WHERE action = 'retest' AND status = 'pending' RETURNING 1"
    )
