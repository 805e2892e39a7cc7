"""Jobs of an account whose Job Board is connected: what the public reads, kept in step."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from sandbox.vendors.greenhouse.server import GreenhouseSimulator
from sandbox.vendors.greenhouse.settings import Settings as SimulatorSettings
from shared.model import EntityType
from tests.fixtures.postgres import Database
from tests.fixtures.storage import StorageAccount
from tests.integration.sync.world import World, connect, settings_for


@pytest.fixture
async def boarded(database: Database, storage: StorageAccount) -> AsyncIterator[World]:
    """A company with a Greenhouse and its board."""
    async with GreenhouseSimulator(SimulatorSettings(people=5, seed=7, limiter=False)) as simulator:
        settings = settings_for(database.app_dsn, storage.connection_string)
        board = {name: simulator.addresses()[name] for name in ("board_token", "job_board_url")}
        made = await connect(settings, simulator, database.admin_dsn, **board)
        try:
            yield made
        finally:
            await made.control.aclose()
            await made.services.aclose()


async def live_post(world: World) -> dict[str, Any]:
    """Return a live post."""
    return next(row for row in (await world.vendor_state())["job_posts"] if row["live"])


async def updates_of(world: World, run_id: object) -> list[tuple[str, list[str]]]:
    """Return which fields of which jobs a run changed here."""
    logs = await world.rows(
        "SELECT external_id, details FROM sync_logs WHERE run_id = %(run)s AND action = 'updated'", run=run_id
    )
    return [(row["external_id"], row["details"]["fields"]) for row in logs]


async def test_a_posts_words_come_in_and_its_changes_with_the_next_pull(boarded: World) -> None:
    await boarded.pull(EntityType.JOB)
    post = await live_post(boarded)
    job = await boarded.record_of(EntityType.JOB, post["job_id"])
    assert job["data"]["description"] == post["content"]
    jobs = {row["id"]: row for row in (await boarded.vendor_state())["jobs"]}
    assert job["data"]["description"] != jobs[post["job_id"]]["notes"]
    for change, name, value in (
        ({"content": "<p onclick='x()'>Other words</p>"}, "description", "<p>Other words</p>"),
        ({"location": "Oulu"}, "location", "Oulu"),
    ):
        await boarded.edit_at_vendor("job_posts", post["id"], change)
        run_id = await boarded.pull(EntityType.JOB)
        assert await updates_of(boarded, run_id) == [(str(post["job_id"]), [name])]
        assert (await boarded.record_of(EntityType.JOB, post["job_id"]))["data"][name] == value


async def test_a_board_that_is_down_ends_no_pull_and_takes_nothing_away(boarded: World) -> None:
    await boarded.pull(EntityType.JOB)
    post = await live_post(boarded)
    before = (await boarded.record_of(EntityType.JOB, post["job_id"]))["data"]
    await boarded.control.post("/faults", json={"kind": "error", "path": "/v1/boards/.*", "status": 503, "times": None})
    await boarded.edit_at_vendor("job_posts", post["id"], {"content": "Missed"})
    await boarded.edit_at_vendor("jobs", post["job_id"], {"name": "Renamed"})
    run_id = await boarded.pull(EntityType.JOB, mode="full")
    assert (await boarded.run_of(run_id))["status"] == "complete"
    assert await updates_of(boarded, run_id) == [(str(post["job_id"]), ["title"])]
    assert (await boarded.record_of(EntityType.JOB, post["job_id"]))["data"] == before | {"title": "Renamed"}
    await boarded.control.delete("/faults")
    await boarded.pull(EntityType.JOB)
    assert (await boarded.record_of(EntityType.JOB, post["job_id"]))["data"]["description"] == "Missed"
