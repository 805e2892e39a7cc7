"""The copy of a run's status that live views read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from shared.model import EntityType
from shared.sync.runs.run_status import TABLE
from tests.integration.sync.world import World


async def test_s_127_a_view_is_told_by_the_table_alone(world: World) -> None:
    run_id = await world.pull(EntityType.CANDIDATE)
    told = await world.services.run_status.find(world.company_id, run_id)
    run = await world.run_of(run_id)
    assert told is not None
    assert (told["sync_id"], told["entity"], told["status"]) == (str(run_id), "candidates", "complete")
    assert told["records_synced"] == run["records_read"]
    assert datetime.fromisoformat(told["completed_at"]) == run["ended_at"]
    assert await world.services.run_status.find(uuid4(), run_id) is None


async def test_a_status_past_its_time_is_not_told_and_is_dropped(world: World) -> None:
    run_id = await world.pull(EntityType.CANDIDATE)
    tables = world.services.intake.tables
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    await tables.merge(TABLE, str(world.company_id), str(run_id), {"expires_at": past})
    assert await world.services.run_status.find(world.company_id, run_id) is None
    assert await world.services.run_status.drop_old() == 1
    assert await tables.find(TABLE, str(world.company_id), str(run_id)) is None


async def test_a_failed_run_is_shown_as_failed_with_its_error(world: World) -> None:
    await world.control.patch("/access", json={"denied_scopes": ["harvest:candidates:list"]})
    run_id = await world.pull(EntityType.CANDIDATE)
    told = await world.services.run_status.find(world.company_id, run_id)
    assert told is not None
    assert told["status"] == "failed"
    assert "auth_failed" in told["error"]
