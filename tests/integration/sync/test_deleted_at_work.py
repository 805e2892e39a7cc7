"""An integration that is deleted while somebody works for it: what is being written comes in, and nothing later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

from shared.integrations.lifecycle import Integrations
from shared.merge.state import Base
from shared.model import Direction, EntityType
from shared.sync.keeping.chronicle import Chronicle
from shared.sync.keeping.conflict_items import ConflictItems
from shared.sync.reconciling.pushing import Pusher
from tests.fixtures.waiting import until
from tests.integration.sync.leaving import nothing_waits
from tests.integration.sync.locks import waiting
from tests.integration.sync.working import claimed
from tests.integration.sync.world import World

CANDIDATE = EntityType.CANDIDATE
LIVE = "SELECT 1 FROM external_entity_map WHERE integration_id = %(id)s AND state = 'live'"
IN_USE = "SELECT 1 FROM records WHERE entity_type = 'candidate' AND archived_at IS NULL"


class Paused(Pusher):
    """Waits between a vendor's answer and the transaction that settles it."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.answered, self.may_go_on = asyncio.Event(), asyncio.Event()

    async def _settle(self, *what: Any, **how: Any) -> Base:
        self.answered.set()
        await self.may_go_on.wait()
        return await super()._settle(*what, **how)


@asynccontextmanager
async def nobody_logs(world: World) -> AsyncIterator[None]:
    """Keep everybody waiting who writes the log: a page does last of all."""
    async with await psycopg.AsyncConnection.connect(world.admin_dsn) as connection:
        await connection.execute("LOCK TABLE sync_logs IN SHARE MODE")
        yield


async def delete(world: World, *, archive: bool) -> dict[str, Any]:
    return await Integrations.of(world.services).delete(world.company_id, world.integration_id, archive_records=archive)


@pytest.mark.parametrize("archive", [True, False])
async def test_the_page_that_is_being_written_is_the_last_that_comes_in(world: World, archive: bool) -> None:
    """The deletion did not see its rows, and the next page came in as new: live links, records that nobody archived."""
    await world.control.post("/fill", json={"people": 1100})
    run_id = await world.services.syncs.request(
        world.company_id, world.integration_id, direction=Direction.INBOUND, entity=CANDIDATE
    )
    claim = await claimed(world, "pull")
    async with nobody_logs(world):
        pulling = asyncio.create_task(world.services.runner.run(claim))
        await until(lambda: waiting(world, 1))
        deleting = asyncio.create_task(delete(world, archive=archive))

        async def waits_or_is_done() -> bool:
            return deleting.done() or await waiting(world, 2)

        await until(waits_or_is_done)
    farewell, _ = await asyncio.gather(deleting, pulling)
    links = await world.rows(
        "SELECT state FROM external_entity_map WHERE integration_id = %(id)s", id=world.integration_id
    )
    assert {row["state"] for row in links} == {"tombstone"}
    assert len(links) == 500, "the page that was being written, and no other"
    assert (await world.rows(IN_USE) == []) is archive
    assert (farewell["records_archived"] > 0, farewell["jobs_cancelled"]) == (archive, 1)
    assert (await world.run_of(run_id))["status"] == "cancelled"
    assert await world.rows("SELECT 1 FROM sync_queue WHERE id = %(id)s", id=claim.job_id) == []
    assert await nothing_waits(world)


async def test_an_answer_that_comes_after_the_deletion_revives_no_link(world: World) -> None:
    """Its transaction wrote the link as live, base and all."""
    await world.pull()
    services = world.services
    items = ConflictItems(services.store.conflicts, services.vault)
    paused = Paused(services.database, services.store, items, Chronicle(services.store.history, services.vault))
    services.reconciler._pusher = paused
    external_id = next(
        str(row["id"]) for row in (await world.vendor_state())["candidates"] if row["first_name"] != "Anonymized"
    )
    record = await world.record_of(CANDIDATE, external_id)
    await world.edit_here(CANDIDATE, record["id"], current_title="Regent")
    claim = await claimed(world, "reconcile")
    pushing = asyncio.create_task(services.runner.run(claim))
    await paused.answered.wait()
    assert (await delete(world, archive=False))["jobs_cancelled"] == 1
    paused.may_go_on.set()
    await pushing
    assert await world.rows(LIVE, id=world.integration_id) == []
    logged = await world.rows("SELECT details FROM sync_logs WHERE job_id = %(id)s", id=claim.job_id)
    assert [row["details"].get("cause") for row in logged].count("integration_deleted") == 1
    assert await nothing_waits(world)


async def test_the_taking_back_of_a_run_ends_with_the_integration(world: World) -> None:
    """Its run went on for ever: nothing of a deleted integration is claimed."""
    run_id = await world.pull(CANDIDATE)
    reverting = await world.services.reverts.start(world.company_id, run_id)
    assert (await delete(world, archive=False))["jobs_cancelled"] == 1
    assert (await world.run_of(reverting))["status"] == "cancelled"
    assert await world.rows("SELECT 1 FROM sync_queue WHERE action = 'revert'") == []


async def test_nobody_claims_a_job_of_an_integration_that_is_being_deleted(world: World) -> None:
    """Who did read the integration before the deletion was committed, and wrote after it had looked."""
    services = world.services
    await services.syncs.request(world.company_id, world.integration_id, entity=CANDIDATE, direction=Direction.INBOUND)
    (job,) = await world.rows("SELECT id FROM sync_queue WHERE action = 'pull'")
    async with nobody_logs(world):
        deleting = asyncio.create_task(delete(world, archive=False))
        await until(lambda: waiting(world, 1))
        async with services.database.dispatch() as tx:
            claim = await services.store.ledger.claim(tx, job["id"], low=1, high=10, ttl_s=60, per_integration=5)
    assert claim is None
    await deleting
