"""What was archived here is deleted at the vendor too, where a policy says so, and once."""

from __future__ import annotations

from shared.model import EntityType
from shared.sync.merging.observations import observe
from shared.sync.merging.work import Work
from tests.integration.sync.archiving import applications_of, archive, deletes, people, record, removal, restore
from tests.integration.sync.comparing import compare, ground_of
from tests.integration.sync.configuring import configure
from tests.integration.sync.issues import open_issues
from tests.integration.sync.vendor import at_vendor, signal, writes
from tests.integration.sync.vendor_merging import merge_there
from tests.integration.sync.waits import due_now
from tests.integration.sync.world import World

CANDIDATE, APPLICATION = EntityType.CANDIDATE, EntityType.APPLICATION


async def test_by_policy_the_vendor_deletes_what_was_archived_here(pulled: World) -> None:
    (person,) = await people(pulled)
    children = await applications_of(pulled, person.record_id)
    await archive(pulled, person.record_id)
    await pulled.drain()
    assert [(each["method"], each["path"]) for each in await writes(pulled)] == [
        ("DELETE", f"/v3/candidates/{person.external_id}")
    ]
    assert person.external_id not in await at_vendor(pulled)
    stands = await record(pulled, person)
    assert (stands["link_state"], stands["archived_by"]) == ("gone", "jo")
    done = await removal(pulled, person.link_id)
    assert done is not None
    assert (done["state"], done["asked_by"]) == ("done", "jo")
    # Their applications went along, here and there, and nobody asked for them one by one.
    assert {each["state"] for each in await applications_of(pulled, person.record_id)} == {"gone"}
    assert (await deletes(pulled))[0] == ("outbound", "success", "removed_at_vendor")
    assert len(await deletes(pulled)) == 1 + len(children)


async def test_neither_a_pull_nor_a_comparison_brings_a_deleted_one_back(pulled: World) -> None:
    (person,) = await people(pulled)
    await archive(pulled, person.record_id)
    await pulled.drain()
    await signal(pulled, CANDIDATE, person.external_id)
    await pulled.pull(mode="full")
    compared = await compare(pulled)
    assert (compared["drift"], compared["explained"]) == (0, 0)
    stands = await record(pulled, person)
    assert (stands["link_state"], stands["archived_by"]) == ("gone", "jo")


async def test_a_lost_answer_to_a_delete_deletes_once(pulled: World) -> None:
    (person,) = await people(pulled)
    path = f"/v3/candidates/{person.external_id}"
    await pulled.control.post("/faults", json={"kind": "lost_answer", "method": "DELETE", "path": path, "times": 1})
    await archive(pulled, person.record_id)
    await pulled.drain()
    sent = await removal(pulled, person.link_id)
    assert sent is not None
    assert sent["state"] == "sent"
    await due_now(pulled)
    await pulled.drain()
    assert len([each for each in await writes(pulled) if each["method"] == "DELETE"]) == 1
    done = await removal(pulled, person.link_id)
    assert done is not None
    assert done["state"] == "done"
    assert (await deletes(pulled))[0] == ("outbound", "success", "removed_at_vendor")


async def test_a_crash_before_the_call_deletes_after_all(pulled: World) -> None:
    """The intent is committed, the call was never made: the next worker makes it."""
    (person,) = await people(pulled)
    await archive(pulled, person.record_id)
    await pulled.execute("UPDATE removals SET state = 'sent'")
    await pulled.drain()
    assert person.external_id not in await at_vendor(pulled)
    assert (await record(pulled, person))["link_state"] == "gone"


async def test_what_is_gone_already_is_done(pulled: World) -> None:
    await configure(pulled, "delete_brake", '{"count": 0, "share": 0.0}')
    (person,) = await people(pulled)
    await ground_of(pulled).at_vendor("DELETE", f"/candidates/{person.external_id}")
    await archive(pulled, person.record_id)
    await pulled.drain()
    assert (await record(pulled, person))["link_state"] == "gone"
    assert (await deletes(pulled))[0] == ("outbound", "success", "gone_already")
    assert await open_issues(pulled) == set()


async def test_a_missing_permission_is_told_and_stops_nothing_else(pulled: World) -> None:
    (person,) = await people(pulled)
    await pulled.control.patch("/access", json={"denied_scopes": ["harvest:candidates:destroy"]})
    await archive(pulled, person.record_id)
    await pulled.drain()
    refused = await removal(pulled, person.link_id)
    assert refused is not None
    assert refused["state"] == "refused"
    assert "harvest:candidates:destroy" in refused["detail"]
    assert "removal_refused" in await open_issues(pulled)
    assert await deletes(pulled) == [("outbound", "failed", "refused")]
    assert (await pulled.row("SELECT attention FROM integrations"))["attention"] is None
    # Not tried again by itself; asked for anew, it is.
    await signal(pulled, CANDIDATE, person.external_id)
    assert len(await deletes(pulled)) == 1
    await pulled.control.patch("/access", json={"denied_scopes": []})
    await restore(pulled, person.record_id)
    await archive(pulled, person.record_id)
    await pulled.drain()
    assert person.external_id not in await at_vendor(pulled)
    assert "removal_refused" not in await open_issues(pulled)


async def test_an_id_that_the_vendor_has_again_revives_its_link_and_not_its_record(pulled: World) -> None:
    (person,) = await people(pulled)
    await archive(pulled, person.record_id)
    await pulled.execute("UPDATE removals SET state = 'done'")
    await pulled.execute("UPDATE external_entity_map SET state = 'gone' WHERE id = %(id)s", id=person.link_id)
    await pulled.pull(CANDIDATE, mode="full")
    stands = await record(pulled, person)
    assert (stands["link_state"], stands["archived_by"]) == ("live", "jo")
    assert person.external_id in await at_vendor(pulled)


async def test_a_page_that_was_read_before_the_delete_revives_nothing(pulled: World) -> None:
    (person,) = await people(pulled)
    services = pulled.services
    async with services.database.company(pulled.company_id) as tx:
        integration = await services.store.connections.get(tx, pulled.integration_id)
        ticket = await services.store.links.ticket(tx)
    async with services.adapters.connected(integration) as adapter:
        seen = await adapter.fetch(CANDIDATE, person.external_id)
        await archive(pulled, person.record_id)
        await pulled.drain()
        work = Work(integration, type(adapter), CANDIDATE)
    book = services.applier.book(work)
    async with services.database.company(pulled.company_id) as tx:
        applied = await services.applier.apply(tx, work, observe([seen], ticket, context=book.context), book)
    assert applied.is_stale
    assert (await record(pulled, person))["link_state"] == "gone"


async def test_a_policy_that_comes_later_deletes_nothing_that_was_archived_before(world: World) -> None:
    await world.pull()
    (person,) = await people(world)
    await archive(world, person.record_id)
    await configure(world, "on_archive", '{"candidate": "delete"}')
    await signal(world, CANDIDATE, person.external_id)
    assert person.external_id in await at_vendor(world)


async def test_a_policy_or_direction_that_was_taken_back_deletes_nothing_any_more(pulled: World) -> None:
    (person,) = await people(pulled)
    await archive(pulled, person.record_id)
    await configure(pulled, "directions", '{"candidate": "inbound", "application": "inbound", "job": "inbound"}')
    await pulled.drain()
    assert person.external_id in await at_vendor(pulled)


async def test_whom_the_vendor_merged_since_is_not_deleted_there(pulled: World) -> None:
    """Held by the brake, and meanwhile the vendor has made one of two: that one is somebody else."""
    await configure(pulled, "delete_brake", '{"count": 0, "share": 0.0}')
    loser, winner = await people(pulled, 2)
    for pair in (loser, winner):
        await archive(pulled, pair.record_id)
    await pulled.drain()
    await merge_there(pulled, int(winner.external_id), int(loser.external_id))
    await pulled.services.deletes.approve(pulled.company_id, pulled.integration_id, actor="jo")
    await pulled.drain()
    assert winner.external_id in await at_vendor(pulled)
    assert {(await removal(pulled, each.link_id) or {})["state"] for each in (loser, winner)} == {"kept"}


async def test_an_application_alone_is_deleted_and_its_candidate_is_not(pulled: World) -> None:
    (person,) = await people(pulled)
    child, *_ = await applications_of(pulled, person.record_id)
    await archive(pulled, child["id"], APPLICATION)
    await pulled.drain()
    assert child["external_id"] not in await at_vendor(pulled, "applications")
    assert person.external_id in await at_vendor(pulled)
    assert (await record(pulled, person))["archived_at"] is None
