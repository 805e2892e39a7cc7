"""Applications of candidates who are merged and parted: made once, and whose they are at the vendor."""

from __future__ import annotations

from uuid import UUID

import pytest

from shared.errors import Conflict
from shared.model import EntityType
from tests.integration.sync.links import links_of
from tests.integration.sync.merging import merge, part, two_people
from tests.integration.sync.submitting import open_job, submit
from tests.integration.sync.vendor_merging import merge_silently, merge_there, tell
from tests.integration.sync.waits import due_now
from tests.integration.sync.world import World

CANDIDATE = EntityType.CANDIDATE


async def test_an_application_that_is_being_created_keeps_its_candidate_until_then(world: World) -> None:
    """Its create has lost its answer and is searched by the candidate's id there: else it would be made once more."""
    ada, augusta = await two_people(world)
    job, job_id = await open_job(world)
    await merge(world, ada["id"], augusta["id"])
    await world.drain()

    async def submit_and_lose_the_answer(candidate_id: UUID) -> None:
        await submit(world, candidate_id, job_id)
        fault = {"kind": "lost_answer", "method": "POST", "path": "/v3/applications", "times": 1}
        await world.control.post("/faults", json=fault)
        await world.drain()

    async def let_the_search_find_it() -> None:
        await world.rows("UPDATE create_intents SET sent_at = sent_at - interval '5 min' RETURNING 1")
        await due_now(world)
        await world.drain()

    await submit_and_lose_the_answer(ada["id"])
    with pytest.raises(Conflict, match="being created"):
        await part(world, ada["id"])
    await let_the_search_find_it()
    await part(world, ada["id"])
    await world.drain()
    await submit_and_lose_the_answer(augusta["id"])
    with pytest.raises(Conflict, match="being created"):
        await merge(world, ada["id"], augusta["id"])
    await let_the_search_find_it()
    await merge(world, ada["id"], augusta["id"])
    await world.drain()
    state = await world.vendor_state()
    people = {each["id"] for each in state["candidates"] if each["last_name"] == "Lovelace"}
    made = [
        each["candidate_id"]
        for each in state["applications"]
        if each["candidate_id"] in people and each["job_id"] == job["id"]
    ]
    assert len(made) == len(set(made)) == 2


async def test_an_application_that_a_vendor_got_as_the_survivors_stays_theirs_after_a_parting(world: World) -> None:
    """It was submitted before the merge and sent after it: the vendor knows it as the survivor's, and so it is."""
    ada, augusta = await two_people(world)
    _, job_id = await open_job(world)
    application = await submit(world, augusta["id"], job_id)
    await merge(world, ada["id"], augusta["id"])
    await world.drain()
    (link,) = await world.rows(
        "SELECT external_id FROM external_entity_map WHERE internal_id = %(id)s", id=application.id
    )
    await part(world, ada["id"])
    await world.drain()
    state = await world.vendor_state()
    there = next(each["candidate_id"] for each in state["applications"] if str(each["id"]) == link["external_id"])
    (here,) = await world.rows("SELECT candidate_id FROM records WHERE id = %(id)s", id=application.id)
    assert here["candidate_id"] == ada["id"] == (await world.record_of(CANDIDATE, there))["id"]


@pytest.mark.parametrize("is_followed", [True, False])
@pytest.mark.parametrize("is_survivors", [True, False])
async def test_an_application_is_theirs_to_whom_the_vendor_has_given_it_after_a_parting(
    world: World, *, is_survivors: bool, is_followed: bool
) -> None:
    """
    The vendor has merged the two as well: one of who is parted here is gone there, and their application is not.

    Also where it was seen already whose the application is, and the merge was not heard of yet.
    """
    await world.pull(EntityType.JOB)
    job, _ = await open_job(world)
    ada, augusta = await two_people(world, application={"job_id": job["id"]})
    left, lost = (ada, augusta) if is_survivors else (augusta, ada)
    (there,), (gone,) = [[int(link) for link in await links_of(world, each["id"])] for each in (left, lost)]
    await merge(world, ada["id"], augusta["id"])
    await world.drain()
    if is_followed:
        await merge_there(world, there, gone)
    else:
        await merge_silently(world, there, gone)
        await world.pull(EntityType.APPLICATION)
    await part(world, ada["id"])
    await world.drain()
    if not is_followed:
        await tell(world, there, gone)
    state = await world.vendor_state()
    held = {str(each["id"]) for each in state["applications"] if each["candidate_id"] == there}
    here = await world.rows(
        "SELECT l.external_id FROM records r JOIN external_entity_map l ON l.internal_id = r.id"
        " WHERE r.candidate_id = %(id)s",
        id=left["id"],
    )
    assert {each["external_id"] for each in here} == held
    assert len(held) == 2
