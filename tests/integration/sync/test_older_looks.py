"""What a vendor tells of the age of its records, where it is no time of a change, or goes back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sandbox.vendors.greenhouse.server import GreenhouseSimulator
from sandbox.vendors.greenhouse.settings import Settings as SimulatorSettings
from shared.integrations.lifecycle import Integrations
from shared.integrations.requests import PatchIntegration
from shared.model import EntityType
from tests.fixtures.postgres import Database
from tests.fixtures.storage import StorageAccount
from tests.integration.sync.vendor import a_candidate, an_application, signal, stage_names
from tests.integration.sync.world import World, connect, settings_for

APPLICATION = EntityType.APPLICATION
CANDIDATE = EntityType.CANDIDATE
FUTURE = "2999-01-01T00:00:00.000000+00:00"


@asynccontextmanager
async def legacy_world(database: Database, storage: StorageAccount) -> AsyncIterator[World]:
    """A company connected to Harvest v1, which shows of applications their last activity alone."""
    async with GreenhouseSimulator(SimulatorSettings(people=40, seed=7, limiter=False)) as simulator:
        settings = settings_for(database.app_dsn, storage.connection_string)
        config = {"api_version": "v1", "api_key": simulator.addresses()["api_key"]}
        made = await connect(settings, simulator, database.admin_dsn, **config)
        try:
            yield made
        finally:
            await made.control.aclose()
            await made.services.aclose()


async def write_note(world: World, application: dict[str, Any]) -> None:
    """Let a recruiter write a note on *application*: its last activity moves, its time of change does not."""
    note = {"application_id": application["id"], "body": "Called back"}
    answer = await world.control.post(f"/candidates/{application['candidate_id']}/note", json=note)
    answer.raise_for_status()


async def other_stages(world: World, application: dict[str, Any]) -> list[str]:
    """The stages of its job that *application* is not in."""
    return [n for n in await stage_names(world, application["job_id"]) if n != application["stage_name"]]


async def held_there(world: World, application: dict[str, Any]) -> dict[str, Any]:
    rows: list[dict[str, Any]] = (await world.vendor_state())["applications"]
    return next(row for row in rows if row["id"] == application["id"])


async def pending(world: World) -> list[dict[str, Any]]:
    return await world.rows("SELECT action, payload FROM sync_queue WHERE status = 'pending'")


async def after_minutes(world: World, minutes: int) -> None:
    """Let the looks have begun *minutes* ago, and the next one be due."""
    await world.execute(
        "UPDATE sync_queue SET scheduled_at = now() - interval '1 s', payload = jsonb_set(payload,"
        " '{older_looks,since}', to_jsonb(now() - %(minutes)s * interval '1 minute')) WHERE status = 'pending'",
        minutes=minutes,
    )
    await world.drain()


async def test_after_the_change_from_v1_to_v3_edits_go_out(database: Database, storage: StorageAccount) -> None:
    """v1's last activity, moved by a note, was held against v3's time of the last change: refused for ever."""
    async with legacy_world(database, storage) as world:
        await world.pull()
        application = await an_application(world)
        record = await world.record_of(APPLICATION, application["id"])
        first, second = (await other_stages(world, application))[:2]
        await world.edit_here(APPLICATION, record["id"], stage=first)
        await world.drain()
        # A mail that the vendor sends on a move is a later activity than the change itself, in the answer already.
        await world.edit_at_vendor("applications", application["id"], {"updated_at": application["updated_at"]})
        request = PatchIntegration.model_validate({"config": {"api_version": "v3"}})
        await Integrations.of(world.services).change(
            world.company_id, world.integration_id, request, expected_version=None
        )
        await world.edit_here(APPLICATION, record["id"], stage=second)
        await world.drain()
        assert (await held_there(world, application))["stage_name"] == second
        assert await pending(world) == []


async def test_a_note_makes_no_old_stage_of_v1_the_later_one(database: Database, storage: StorageAccount) -> None:
    async with legacy_world(database, storage) as world:
        await world.pull()
        application = await an_application(world)
        record = await world.record_of(APPLICATION, application["id"])
        theirs, ours = (await other_stages(world, application))[:2]
        await world.control.patch(f"/applications/{application['id']}?webhooks=false", json={"stage_name": theirs})
        await world.edit_here(APPLICATION, record["id"], stage=ours)
        await write_note(world, application)
        await world.drain()
        after = await world.record_of(APPLICATION, application["id"])
        assert (after["data"]["stage"], (await held_there(world, application))["stage_name"]) == (ours, ours)


async def test_a_version_that_went_back_is_believed_after_five_minutes(world: World) -> None:
    """It was refused for ever: edits never went out, the vendor was called every 15 s, and nobody was told."""
    await world.pull()
    candidate = await a_candidate(world)
    record = await world.record_of(CANDIDATE, candidate["id"])
    await world.edit_here(CANDIDATE, record["id"], current_title="Ours")
    await world.drain()
    await world.execute(
        "UPDATE external_entity_map SET vendor_version = %(future)s WHERE id = %(id)s",
        future=FUTURE,
        id=record["link_id"],
    )
    await world.edit_at_vendor("candidates", candidate["id"], {"company": "Restored"})
    await signal(world, CANDIDATE, candidate["id"])
    (job,) = await pending(world)
    assert job["payload"]["older_looks"]["than"] == FUTURE

    await after_minutes(world, 4)
    assert len(await pending(world)) == 1
    assert (await world.record_of(CANDIDATE, candidate["id"]))["data"].get("current_company") != "Restored"

    await world.edit_here(CANDIDATE, record["id"], current_title="Ours again")
    await after_minutes(world, 5)
    assert await pending(world) == []
    after = await world.record_of(CANDIDATE, candidate["id"])
    assert (after["data"]["current_company"], after["data"]["current_title"]) == ("Restored", "Ours again")
    there = next(each for each in (await world.vendor_state())["candidates"] if each["id"] == candidate["id"])
    assert (there["company"], there["title"]) == ("Restored", "Ours again")
    told = await world.rows("SELECT entity_id, details FROM sync_logs WHERE details ->> 'rule' = 'older_version_stays'")
    assert [row["entity_id"] for row in told] == [record["id"]]


async def test_looks_count_from_the_first_that_was_older_than_this_answer(world: World) -> None:
    """An answer to a later write starts the wait anew: what it is measured by is younger than the first look."""
    await world.pull()
    candidate = await a_candidate(world)
    record = await world.record_of(CANDIDATE, candidate["id"])
    update = "UPDATE external_entity_map SET vendor_version = %(version)s WHERE id = %(id)s"
    await world.execute(update, version=FUTURE, id=record["link_id"])
    await signal(world, CANDIDATE, candidate["id"])
    later = FUTURE.replace("2999", "3000")
    await world.execute(update, version=later, id=record["link_id"])
    await after_minutes(world, 60)
    (job,) = await pending(world)
    assert job["payload"]["older_looks"]["than"] == later
