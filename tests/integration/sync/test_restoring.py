"""What people restore: whatever the vendor did meanwhile it lives here, unless somebody stands in its way."""

from __future__ import annotations

from uuid import UUID

import pytest

from shared.errors import Conflict
from shared.model import EntityType
from tests.integration.sync.archiving import applications_of, archive, deletes, people, record, removal, restore
from tests.integration.sync.comparing import ground_of
from tests.integration.sync.vendor import at_vendor, signal, writes
from tests.integration.sync.waits import due_now
from tests.integration.sync.world import World

CANDIDATE, APPLICATION = EntityType.CANDIDATE, EntityType.APPLICATION


@pytest.mark.parametrize("is_asked_for", [True, False], ids=["the restore's job", "a job of before"])
async def test_restored_after_a_lost_answer_it_lives_here_whatever_the_vendor_did(
    pulled: World, is_asked_for: bool
) -> None:
    """It was deleted there: here it lives on with its applications, although `on_delete` archives."""
    (person,) = await people(pulled)
    path = f"/v3/candidates/{person.external_id}"
    await pulled.control.post("/faults", json={"kind": "lost_answer", "method": "DELETE", "path": path, "times": 1})
    await archive(pulled, person.record_id)
    await pulled.drain()
    await restore(pulled, person.record_id)
    if not is_asked_for:  # one that was at work when it was restored finds it gone first
        await pulled.execute("UPDATE sync_queue SET payload = payload - 'revoked'")
    await due_now(pulled)
    await pulled.drain()
    assert person.external_id not in await at_vendor(pulled)
    stands = await record(pulled, person)
    assert (stands["link_state"], stands["archived_at"]) == ("gone", None)
    children = await applications_of(pulled, person.record_id)
    assert {(each["state"], each["archived_at"]) for each in children} == {("gone", None)}
    assert set(await deletes(pulled)) == {("outbound", "success", "removed_before_restored")}
    assert await pulled.rows("SELECT 1 FROM removals") == []


async def test_restored_before_the_vendor_did_it_nothing_is_left_of_the_wish(pulled: World) -> None:
    (person,) = await people(pulled)
    await archive(pulled, person.record_id)
    await pulled.execute("UPDATE removals SET state = 'sent'")  # and the worker died before its call
    await restore(pulled, person.record_id)
    await pulled.drain()
    assert person.external_id in await at_vendor(pulled)
    assert await pulled.rows("SELECT 1 FROM removals") == []
    # A delete at the vendor is one again.
    await ground_of(pulled).at_vendor("DELETE", f"/candidates/{person.external_id}")
    await signal(pulled, CANDIDATE, person.external_id)
    assert (await record(pulled, person))["archived_at"] is not None


async def test_restored_in_time_it_is_deleted_nowhere(pulled: World) -> None:
    (person,) = await people(pulled)
    await archive(pulled, person.record_id)
    await restore(pulled, person.record_id)
    await pulled.drain()
    assert await writes(pulled) == []
    assert (await record(pulled, person))["archived_at"] is None
    assert await removal(pulled, person.link_id) is None


async def test_restored_after_the_vendor_deleted_it_lives_here_alone_and_is_not_made_anew(pulled: World) -> None:
    (person,) = await people(pulled)
    await archive(pulled, person.record_id)
    await pulled.drain()
    before = await at_vendor(pulled)
    await restore(pulled, person.record_id)
    await pulled.drain()
    back = await record(pulled, person)
    assert (back["archived_at"], back["link_state"]) == (None, "gone")
    assert await at_vendor(pulled) == before
    assert {each["archived_at"] for each in await applications_of(pulled, person.record_id)} == {None}


async def test_an_application_comes_back_after_its_candidate_alone(world: World) -> None:
    await world.pull()
    (person,) = await people(world)
    child, *_ = await applications_of(world, person.record_id)
    await archive(world, child["id"], APPLICATION)
    await archive(world, person.record_id)
    with pytest.raises(Conflict, match="candidate is archived"):
        await restore(world, child["id"], APPLICATION)
    await restore(world, person.record_id)
    by = {each["id"]: each["archived_by"] for each in await applications_of(world, person.record_id)}
    assert by.pop(child["id"]) == "jo"  # it did not go with its candidate, so it does not come back with them
    assert set(by.values()) <= {None}
    await restore(world, child["id"], APPLICATION)
    assert {each["archived_by"] for each in await applications_of(world, person.record_id)} == {None}


async def test_an_archived_application_that_lives_on_there_is_restored_and_not_submitted_again(world: World) -> None:
    await world.pull()
    (person,) = await people(world)
    child, *_ = await applications_of(world, person.record_id)
    job_id = (await world.row("SELECT data FROM records WHERE id = %(id)s", id=child["id"]))["data"]["job_id"]
    await archive(world, child["id"], APPLICATION)
    with pytest.raises(Conflict, match="system has it still") as refused:
        await world.services.edits.submit_application(
            world.company_id, candidate_id=person.record_id, job_id=UUID(job_id), fields={}, actor="jo"
        )
    assert str(refused.value.remedy) == f"POST /api/applications/{child['id']}/restore"


async def test_an_application_without_a_job_comes_back(world: World) -> None:
    await world.pull()
    prospect = await world.row(
        "SELECT id FROM records WHERE entity_type = 'application' AND data ->> 'job_id' IS NULL ORDER BY id LIMIT 1"
    )
    await archive(world, prospect["id"], APPLICATION)
    await restore(world, prospect["id"], APPLICATION)
    found = await world.row("SELECT archived_at FROM records WHERE id = %(id)s", id=prospect["id"])
    assert found["archived_at"] is None


async def test_somebody_who_took_the_address_meanwhile_stands_in_the_way(world: World) -> None:
    await world.pull()
    (person,) = await people(world)
    email = (await record(world, person))["data"]["email"]
    await archive(world, person.record_id)
    holder = await world.services.edits.create_candidate(world.company_id, {"email": email}, actor="jo")
    with pytest.raises(Conflict, match=str(holder.id)):
        await restore(world, person.record_id)
