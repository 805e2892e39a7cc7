"""What people archive here: without a policy it stays at the vendor, and it comes back by people alone."""

from __future__ import annotations

import pytest

from shared.errors import Conflict
from shared.model import EntityType
from tests.integration.sync.archiving import applications_of, archive, people, record, removal, restore
from tests.integration.sync.comparing import compare
from tests.integration.sync.vendor import at_vendor, signal, writes
from tests.integration.sync.world import World

CANDIDATE, APPLICATION = EntityType.CANDIDATE, EntityType.APPLICATION


async def test_nothing_is_deleted_at_a_vendor_unless_its_policy_says_so(world: World) -> None:
    await world.pull()
    (person,) = await people(world)
    await world.control.delete("/requests")
    await archive(world, person.record_id)
    await world.drain()
    assert await writes(world) == []
    assert await removal(world, person.link_id) is None
    stands = await record(world, person)
    assert (stands["archived_by"], stands["link_state"]) == ("jo", "live")
    children = await applications_of(world, person.record_id)
    assert children
    assert {each["archived_by"] for each in children} == {str(person.record_id)}


async def test_what_a_person_archived_comes_back_by_a_person_alone(world: World) -> None:
    """Neither an edit at the vendor with its event, nor a full pull, nor a comparison restores it."""
    await world.pull()
    (person,) = await people(world)
    await archive(world, person.record_id)
    await world.edit_at_vendor("candidates", person.external_id, {"title": "Diver"})
    await signal(world, CANDIDATE, person.external_id)
    await world.pull(CANDIDATE, mode="full")
    stands = await record(world, person)
    assert (stands["data"]["current_title"], stands["archived_by"]) == ("Diver", "jo")
    compared = await compare(world)
    assert compared["drift"] == 0
    assert {row["kind"] for row in compared["differences"].values()} == {"archived"}
    await restore(world, person.record_id)
    await world.drain()
    back = await record(world, person)
    assert (back["archived_at"], back["archived_by"], back["id"]) == (None, None, person.record_id)
    assert {each["archived_at"] for each in await applications_of(world, person.record_id)} == {None}


async def test_a_submission_under_way_with_its_candidate_is_not_archived_before_it_is_known(world: World) -> None:
    """One call makes both; else nobody would look any more for what it made when its answer is lost."""
    await world.pull(EntityType.JOB)
    job = await world.row("SELECT r.id FROM records r WHERE r.entity_type = 'job' ORDER BY r.id LIMIT 1")
    made = await world.services.edits.create_candidate(
        world.company_id, {"first_name": "Ada", "last_name": "Byron", "email": "ada@example.org"}, actor="jo"
    )
    application = await world.services.edits.submit_application(
        world.company_id, candidate_id=made.id, job_id=job["id"], fields={}, actor="jo"
    )
    fault = {"kind": "lost_answer", "method": "POST", "path": "/v3/candidates", "times": 1}
    await world.control.post("/faults", json=fault)
    await world.drain()
    with pytest.raises(Conflict, match="being created"):
        await archive(world, application.id, APPLICATION)


async def test_a_submission_that_was_archived_in_time_is_made_nowhere(world: World) -> None:
    await world.pull(EntityType.JOB)
    job = await world.row("SELECT r.id FROM records r WHERE r.entity_type = 'job' ORDER BY r.id LIMIT 1")
    made = await world.services.edits.create_candidate(
        world.company_id, {"first_name": "Ada", "last_name": "Byron", "email": "ada@example.org"}, actor="jo"
    )
    await world.services.edits.submit_application(
        world.company_id, candidate_id=made.id, job_id=job["id"], fields={}, actor="jo"
    )
    await archive(world, made.id)
    before = await at_vendor(world)
    await world.drain()
    assert await at_vendor(world) == before
