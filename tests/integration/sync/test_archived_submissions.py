"""Submissions whose application or candidate is archived before they have come to the vendor, and restored."""

from __future__ import annotations

import asyncio

import pytest

from shared.errors import Conflict
from shared.model import EntityType
from tests.fixtures.waiting import until
from tests.integration.sync.locks import WAITING
from tests.integration.sync.submitting import (
    a_submission,
    lose_the_answer,
    new_candidate,
    submission_of,
    submit,
)
from tests.integration.sync.vendor import holders
from tests.integration.sync.waits import due_now
from tests.integration.sync.working import run_job_of
from tests.integration.sync.world import World

CANDIDATE, APPLICATION = EntityType.CANDIDATE, EntityType.APPLICATION


async def test_the_candidate_goes_along_with_another_application_when_the_first_is_archived(world: World) -> None:
    """The job that makes the candidate named one that is not wanted any more, and the other waited for ever."""
    await world.pull()
    jobs = await world.rows(
        "SELECT r.id FROM records r WHERE r.entity_type = 'job' AND r.data ->> 'status' = 'open' ORDER BY r.id LIMIT 2"
    )
    candidate = await new_candidate(world)
    first, last = [await submit(world, candidate.id, job["id"]) for job in jobs]
    for application in (first, last):
        await run_job_of(world, application.id)
    await world.services.archives.archive(world.company_id, APPLICATION, last.id, actor="jo")
    await world.drain()
    assert len(await holders(world, str(candidate.data["email"]))) == 1
    assert (await submission_of(world, first.id))["state"] == "submitted"
    assert (await submission_of(world, last.id))["state"] == "queued"
    await world.services.archives.restore(world.company_id, APPLICATION, last.id)
    await world.drain()
    assert (await submission_of(world, last.id))["state"] == "submitted"
    assert len(await holders(world, str(candidate.data["email"]))) == 1


async def test_what_was_withdrawn_because_it_was_archived_is_submitted_once_it_is_restored(world: World) -> None:
    """Nobody asked for it again: it said `queued` for ever; found by the simulation."""
    candidate, application = await a_submission(world)
    await world.services.archives.archive(world.company_id, CANDIDATE, candidate.id, actor="jo")
    await world.drain()
    await world.services.archives.restore(world.company_id, CANDIDATE, candidate.id)
    await world.drain()
    assert (await submission_of(world, application.id))["state"] == "submitted"
    assert len(await holders(world, str(candidate.data["email"]))) == 1


async def test_an_application_whose_candidate_is_archived_while_it_waits_says_so(world: World) -> None:
    candidate, application = await a_submission(world)
    await run_job_of(world, application.id)
    # As a vendor's delete does it: the candidate alone.
    await world.rows(
        "UPDATE records SET archived_at = clock_timestamp() WHERE id = %(id)s RETURNING 1", id=candidate.id
    )
    await world.drain()
    assert await holders(world, str(candidate.data["email"])) == []
    said = await submission_of(world, application.id)
    assert (said["state"], "archived" in said["error"]) == ("failed", True)


@pytest.mark.parametrize("entity", [CANDIDATE, APPLICATION])
async def test_what_is_archived_between_the_plan_and_the_intent_is_made_nowhere(
    world: World, entity: EntityType
) -> None:
    """The person was told that it is archived; the vendor got it all the same."""
    candidate, application = await a_submission(world)
    await run_job_of(world, application.id)
    services = world.services
    async with services.database.company(world.company_id) as tx:
        await services.store.records.lock_identities(tx, [str(candidate.data["email"]).lower()])
        creating = asyncio.create_task(run_job_of(world, candidate.id))

        async def is_planned() -> bool:
            return bool(await world.rows(WAITING))

        await until(is_planned)
        record_id = candidate.id if entity is CANDIDATE else application.id
        await services.archives.archive(world.company_id, entity, record_id, actor="jo")
    await creating
    await due_now(world)
    await world.drain()
    assert await holders(world, str(candidate.data["email"])) == []
    assert await world.rows("SELECT 1 FROM create_intents WHERE state = 'open'") == []
    assert await world.rows("SELECT 1 FROM dead_letters") == []
    await services.archives.restore(world.company_id, entity, record_id)
    await world.drain()
    assert (await submission_of(world, application.id))["state"] == "submitted"


async def test_an_application_is_not_archived_between_its_candidate_that_is_found_and_its_own_search(
    world: World,
) -> None:
    """One answer was lost for both. Archived in between, the vendor's came in as a second one; found by a world."""
    candidate, application = await lose_the_answer(world)
    await world.rows("UPDATE create_intents SET sent_at = sent_at - interval '5 min' RETURNING 1")
    await due_now(world)
    await run_job_of(world, candidate.id)
    assert (await submission_of(world, application.id))["state"] == "queued"
    with pytest.raises(Conflict, match="being created"):
        await world.services.archives.archive(world.company_id, APPLICATION, application.id, actor="jo")
    await world.control.delete("/requests")
    await world.drain()
    assert (await submission_of(world, application.id))["state"] == "submitted"
    assert [each for each in await world.requests() if each["method"] == "POST" and "/v3/" in each["path"]] == []
    await world.services.archives.archive(world.company_id, APPLICATION, application.id, actor="jo")
    await world.pull(mode="full")
    rows = await world.rows("SELECT id FROM records WHERE candidate_id = %(id)s", id=candidate.id)
    assert [row["id"] for row in rows] == [application.id]
    assert await world.rows("SELECT 1 FROM create_intents WHERE state = 'open'") == []
