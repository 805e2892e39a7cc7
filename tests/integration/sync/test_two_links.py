"""One person with two records in one account of a vendor: legal after a merge, and found wanting by the simulation."""

from __future__ import annotations

from uuid import UUID

import pytest

from shared.adapters.greenhouse.adapter import GreenhouseAdapter
from shared.errors import Conflict
from shared.model import Direction, EntityType
from shared.store.ledger import Job
from shared.store.links import Ticket
from shared.sync.merging.observations import observe
from shared.sync.merging.work import Work
from tests.integration.sync.merging import merge, two_people
from tests.integration.sync.submitting import open_job, submission_of, submit
from tests.integration.sync.vendor import signal
from tests.integration.sync.vendor_merging import merge_there, person
from tests.integration.sync.world import World

CANDIDATE = EntityType.CANDIDATE


async def externals(world: World, record_id: UUID) -> list[str]:
    """Return the vendor's ids of a record, the primary one first."""
    rows = await world.rows(
        "SELECT external_id FROM external_entity_map WHERE internal_id = %(id)s ORDER BY is_primary DESC", id=record_id
    )
    return [row["external_id"] for row in rows]


async def titles(world: World, ids: list[str]) -> list[str]:
    """Return the titles that the vendor shows."""
    people = {str(row["id"]): row for row in (await world.vendor_state())["candidates"]}
    return [people[each]["title"] for each in ids]


async def test_what_changed_at_one_of_them_reaches_the_other(world: World) -> None:
    """The engine told every other system of a value it took, and so never the other record of the same one."""
    one, two = await two_people(world)
    await merge(world, one["id"], two["id"])
    await world.drain()
    first, second = await externals(world, one["id"])
    await world.edit_at_vendor("candidates", second, {"title": "Regent"})
    await world.pull(CANDIDATE)
    await world.drain()
    assert await titles(world, [first, second]) == ["Regent", "Regent"]


async def test_both_on_one_page_are_taken_in(world: World) -> None:
    """The page wrote their record twice in one statement; now one of them is left to a job of its own."""
    one, two = await two_people(world)
    await merge(world, one["id"], two["id"])
    await world.drain()
    first, second = await externals(world, one["id"])
    await world.edit_at_vendor("candidates", first, {"title": "Regent"})
    await world.edit_at_vendor("candidates", second, {"company": "Analytical Engines"})
    run = await world.run_of(await world.pull(CANDIDATE))
    await world.drain()
    assert run["status"] == "complete"
    row = await world.row("SELECT data FROM records WHERE id = %(id)s", id=one["id"])
    assert (row["data"]["current_title"], row["data"]["current_company"]) == ("Regent", "Analytical Engines")
    people = {str(each["id"]): each for each in (await world.vendor_state())["candidates"]}
    assert {(people[each]["title"], people[each]["company"]) for each in (first, second)} == {
        ("Regent", "Analytical Engines")
    }
    assert await world.rows("SELECT 1 FROM quarantine") == []


async def test_an_application_goes_to_the_one_that_is_left(world: World) -> None:
    """Nobody took the second one's place as the primary one, so an application would have waited for ever."""
    await world.pull(EntityType.JOB)
    _, job_id = await open_job(world)
    one, two = await two_people(world)
    await merge(world, one["id"], two["id"])
    await world.drain()
    first, second = await externals(world, one["id"])
    (await world.control.request("DELETE", f"/candidates/{first}", params={"webhooks": "false"})).raise_for_status()
    await signal(world, CANDIDATE, first)
    application = await submit(world, one["id"], job_id)
    await world.drain()
    assert (await submission_of(world, application.id))["state"] == "submitted"
    made = [row for row in (await world.vendor_state())["applications"] if str(row["candidate_id"]) == second]
    assert len(made) == 1


async def test_a_conflict_whose_side_the_vendor_has_merged_away_leaves_its_item(world: World) -> None:
    """The link of the one that went stayed a side, so nobody could decide: that record is not there any more."""
    winner, loser = await person(world, "Ada"), await person(world, "Augusta")
    await world.pull(CANDIDATE)
    record = await world.record_of(CANDIDATE, loser)
    await world.edit_here(CANDIDATE, record["id"], preferred_name="Gussie")
    await world.edit_at_vendor("candidates", loser, {"preferred_name": "Augie"})
    await world.drain()
    query = "SELECT status FROM conflicts WHERE record_id = %(id)s AND kind = 'field'"
    assert [row["status"] for row in await world.rows(query, id=record["id"])] == ["open"]
    await merge_there(world, winner, loser)
    assert [row["status"] for row in await world.rows(query, id=record["id"])] == ["closed"]


async def test_a_job_whose_link_has_moved_on_leaves_it_to_the_other_record_s(world: World) -> None:
    """Two jobs wrote one link side by side when a merge came between a job's first look and its fetch."""
    one, two = await two_people(world)
    (external_id,) = await externals(world, two["id"])
    services = world.services
    async with services.database.company(world.company_id) as tx:
        integration = await services.store.connections.get(tx, world.integration_id)
        ticket = await services.store.links.ticket(tx)
    place = (UUID(int=1), world.company_id, world.integration_id)
    job = Job(
        *place, "reconcile", CANDIDATE, str(two["id"]), Direction.OUTBOUND, 3, {}, 0, 5, 0, 0, None, 1, 60.0, None
    )
    work = Work(integration, GreenhouseAdapter, CANDIDATE, job)
    async with services.adapters.connected(integration) as adapter:
        record = await adapter.fetch(CANDIDATE, external_id)
    await merge(world, one["id"], two["id"])
    book = services.applier.book(work)
    seen = observe([record], Ticket(ticket.number, ticket.at), context=book.context, is_fresh_fetch=True)
    with pytest.raises(Conflict, match="another record"):
        async with services.database.company(world.company_id) as tx:
            await services.applier.apply(tx, work, seen, book, is_forced=True, with_pushes=True)
