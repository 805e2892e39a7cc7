"""Submissions of people who were merged and parted again before their vendor had them."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from shared.model import EntityType
from shared.store.dead_letters import DeadLetters
from tests.fixtures.waiting import until
from tests.integration.sync.locks import WAITING
from tests.integration.sync.merging import merge, part
from tests.integration.sync.submitting import new_candidate, open_job, submission_of, submit
from tests.integration.sync.vendor import holders, vendor_person
from tests.integration.sync.waits import due_now
from tests.integration.sync.working import run_job_of
from tests.integration.sync.world import World

CANDIDATE = EntityType.CANDIDATE


async def waiting(world: World, count: int) -> bool:
    """Whether *count* transactions wait for an advisory lock: the first one for that of merges."""
    return len(await world.rows(WAITING)) == count


async def applications_of(world: World, *candidates: UUID) -> list[tuple[UUID, UUID]]:
    """Return the applications of *candidates* here, each with whose it is."""
    rows = await world.rows(
        "SELECT id, candidate_id FROM records WHERE entity_type = 'application' AND candidate_id = ANY(%(ids)s)",
        ids=list(candidates),
    )
    return [(each["id"], each["candidate_id"]) for each in rows]


async def test_a_redriven_create_does_not_send_along_what_the_vendor_has_as_the_survivors(world: World) -> None:
    """
    It named an application that went out as the survivor's meanwhile, and stays theirs.

    Who was parted was created with it once more: the vendor held it twice, and so did we.
    """
    await world.pull()
    _, job_id = await open_job(world)
    ada, augusta = await new_candidate(world), await new_candidate(world, first_name="Augusta", email=None)
    application = await submit(world, augusta.id, job_id)
    await world.drain()
    (letter,) = await world.rows("SELECT id FROM dead_letters WHERE state = 'open'")
    await merge(world, ada.id, augusta.id)
    await world.drain()
    assert (await submission_of(world, application.id))["state"] == "submitted"
    parting = await part(world, ada.id)
    assert parting.applications_stayed == [application.id]
    await world.edit_here(CANDIDATE, augusta.id, email=f"augusta.{augusta.id.hex}@example.org")
    async with world.services.database.company(world.company_id) as tx:
        assert (await DeadLetters().redrive(tx, letter_id=letter["id"]))[1]
    await world.drain()
    assert await holders(world, f"augusta.{augusta.id.hex}@example.org") == []
    await world.pull(EntityType.APPLICATION)
    assert await applications_of(world, ada.id, augusta.id) == [(application.id, ada.id)]
    assert await world.rows("SELECT 1 FROM dead_letters WHERE state = 'open'") == []


async def test_a_redriven_create_does_not_send_along_what_the_vendor_has_as_the_other_ones(world: World) -> None:
    """It was the survivor's and went out under the other one's link, who has that back: until its vendor is asked."""
    await world.pull()
    _, job_id = await open_job(world)
    there = await vendor_person(world, first_name="Augusta", last_name="Hoppér")
    await world.pull()
    ada, augusta = await new_candidate(world, email=None), await world.record_of(CANDIDATE, there)
    application = await submit(world, ada.id, job_id)
    await world.drain()
    (letter,) = await world.rows("SELECT id FROM dead_letters WHERE state = 'open'")
    await merge(world, ada.id, augusta["id"])
    await world.drain()
    assert (await submission_of(world, application.id))["state"] == "submitted"
    await part(world, ada.id)
    await world.edit_here(CANDIDATE, ada.id, email=f"ada.{ada.id.hex}@example.org")
    async with world.services.database.company(world.company_id) as tx:
        assert (await DeadLetters().redrive(tx, letter_id=letter["id"]))[1]
    await run_job_of(world, ada.id)
    await world.drain()
    assert await holders(world, f"ada.{ada.id.hex}@example.org") == []
    assert await applications_of(world, ada.id, augusta["id"]) == [(application.id, augusta["id"])]


@pytest.mark.parametrize("is_planned", [False, True])
async def test_what_is_given_back_before_it_is_sent_goes_with_its_own_candidate(
    world: World, *, is_planned: bool
) -> None:
    """The survivor's create was asked for with it, and made the two one at the vendor. Also where it had begun."""
    await world.pull()
    _, job_id = await open_job(world)
    ada, augusta = await new_candidate(world), await new_candidate(world, first_name="Augusta")
    application = await submit(world, augusta.id, job_id)
    await merge(world, ada.id, augusta.id)
    await run_job_of(world, application.id)
    if is_planned:
        async with world.services.database.company(world.company_id) as tx:
            await world.services.store.record_merges.hold_still(tx)
            parting = asyncio.create_task(part(world, ada.id))
            await until(lambda: waiting(world, 1))
            creating = asyncio.create_task(run_job_of(world, ada.id))
            await until(lambda: waiting(world, 2))
        await asyncio.gather(parting, creating)
    else:
        await part(world, ada.id)
    await due_now(world)
    await world.drain()
    assert await holders(world, str(ada.data["email"])) == []
    assert len(await holders(world, str(augusta.data["email"]))) == 1
    assert (await submission_of(world, application.id))["state"] == "submitted"
    (here,) = await world.rows("SELECT candidate_id FROM records WHERE id = %(id)s", id=application.id)
    assert here["candidate_id"] == augusta.id


async def test_what_waited_for_the_survivor_to_be_made_looks_again_once_they_are_two(world: World) -> None:
    """The survivor can't be made; the one whose it is can, and it waited for the next look of the sweep."""
    await world.pull()
    _, job_id = await open_job(world)
    ada, augusta = await new_candidate(world, email=None), await new_candidate(world, first_name="Augusta")
    application = await submit(world, augusta.id, job_id)
    await merge(world, ada.id, augusta.id)
    await world.edit_here(CANDIDATE, ada.id, email=None)
    await world.drain()
    assert (await submission_of(world, application.id))["state"] == "failed"
    await part(world, ada.id)
    await world.drain()
    assert (await submission_of(world, application.id))["state"] == "submitted"
    assert len(await holders(world, str(augusta.data["email"]))) == 1
