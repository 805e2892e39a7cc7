"""A vendor's list may show the past, and an answer nothing: neither is taken for a change. Worlds found both faults."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from shared.adapters.greenhouse.adapter import GreenhouseAdapter
from shared.merge.base_codec import decode_base
from shared.merge.settle import open_intents
from shared.merge.state import State
from shared.model import EntityType, Record
from shared.store.links import Ticket
from shared.sync.merging.observations import observe
from shared.sync.merging.work import Applied, Work
from tests.integration.sync.comparing import compare
from tests.integration.sync.vendor import an_application, signal, stage_names
from tests.integration.sync.world import World

APPLICATION = EntityType.APPLICATION
CANDIDATE = EntityType.CANDIDATE
HOUR_S = 3600.0


async def a_person(world: World) -> dict[str, Any]:
    return next(each for each in (await world.vendor_state())["candidates"] if each["title"] and each["tags"])


async def there(world: World, external_id: object) -> dict[str, Any]:
    rows: list[dict[str, Any]] = (await world.vendor_state())["candidates"]
    return next(row for row in rows if row["id"] == external_id)


async def test_a_list_that_lacks_what_we_have_just_written_reverts_nothing(world: World) -> None:
    await world.pull()
    person = await a_person(world)
    record = await world.record_of(CANDIDATE, person["id"])
    world.simulator.settings.replica_lag_s = HOUR_S
    await world.edit_here(CANDIDATE, record["id"], current_title="Written just now")
    await world.drain()
    assert (await there(world, person["id"]))["title"] == "Written just now"

    for mode in ("incremental", "full"):
        await world.pull(CANDIDATE, mode=mode)
    await compare(world)

    assert (await there(world, person["id"]))["title"] == "Written just now"
    after = await world.record_of(CANDIDATE, person["id"])
    assert (after["data"]["current_title"], after["link_state"]) == ("Written just now", "live")
    assert await world.rows("SELECT 1 FROM conflicts") == []


async def test_a_list_that_lacks_who_has_just_come_in_deletes_nobody(world: World) -> None:
    await world.pull()
    world.simulator.settings.replica_lag_s = HOUR_S
    made = await world.control.post("/candidates", json={"first_name": "New", "last_name": "Here"})
    external_id = made.json()["id"]
    await signal(world, CANDIDATE, external_id)
    assert (await world.record_of(CANDIDATE, external_id))["link_state"] == "live"

    run = await world.run_of(await world.pull(CANDIDATE, mode="full"))
    await world.control.delete("/requests")
    compared = await compare(world)

    assert [each for each in await world.requests() if str(external_id) in str(each)], "it is asked for by its id"
    after = await world.record_of(CANDIDATE, external_id)
    assert (after["link_state"], after["archived_at"], after["data"]["first_name"]) == ("live", None, "New")
    assert run["status"] == "complete"
    asked = compared["differences"][str(external_id)]
    assert (asked["kind"], asked["repair"]) == ("missing_there", "reconcile")
    assert await world.rows("SELECT 1 FROM external_entity_map WHERE state <> 'live'") == []


async def test_an_answer_that_shows_nothing_beside_a_refused_call_settles_each_by_itself(world: World) -> None:
    """The move is made and answered with nothing, the hire after it is refused: a look tells of the first."""
    await world.pull()
    application = await an_application(world)
    record = await world.record_of(APPLICATION, application["id"])
    target = next(name for name in await stage_names(world, application["job_id"]) if name != application["stage_name"])
    hire = {"kind": "error", "status": 422, "method": "POST", "path": "/v3/applications/.*/hire", "times": None}
    await world.control.post("/faults", json=hire)
    await world.control.delete("/requests")
    await world.edit_here(APPLICATION, record["id"], stage=target, status="hired")
    await world.drain()

    calls = [each["path"].rsplit("/", 1)[-1] for each in await world.requests() if each["method"] == "POST"]
    assert calls.count("move") == 1, "what was not shown in the answer was looked for, and not written again"
    rows = (await world.vendor_state())["applications"]
    shown = next(row for row in rows if row["id"] == application["id"])
    assert (shown["stage_name"], shown["status"]) == (target, application["status"])
    after = await world.record_of(APPLICATION, application["id"])
    assert (after["data"]["stage"], after["data"]["status"]) == (target, "hired")
    agreed = decode_base(after["base"])
    assert open_intents(agreed) == frozenset()
    assert (agreed["stage"].state, agreed["status"].blocked is not None) == (State.AGREED, True)
    (item,) = await world.rows("SELECT unit, kind FROM conflicts WHERE status = 'open'")
    assert item == {"unit": "status", "kind": "refused"}


async def listed(world: World, entity: EntityType, record: Record, ticket: Ticket, *, lag: timedelta) -> Applied:
    """Apply *record* as a page shows it that was asked for at *ticket*, of a vendor whose lists lag by *lag*."""
    services = world.services
    async with services.database.company(world.company_id) as tx:
        integration = await services.store.connections.get(tx, world.integration_id)
    work = Work(integration, behind(lag), entity)
    book = services.applier.book(work)
    async with services.database.company(world.company_id) as tx:
        return await services.applier.apply(tx, work, observe([record], ticket, context=book.context), book)


def behind(lag: timedelta) -> type[GreenhouseAdapter]:
    """Return the adapter of a vendor whose lists lag by *lag*."""
    entities = GreenhouseAdapter.capabilities.entities
    slow = {entity: replace(each, list_lag=lag) for entity, each in entities.items()}

    class Behind(GreenhouseAdapter):
        capabilities = replace(GreenhouseAdapter.capabilities, entities=slow)

    return Behind


async def shown(world: World, entity: EntityType, external_id: object) -> tuple[Record, Ticket]:
    """Return what the vendor shows of a record now, and the ticket of that look."""
    services = world.services
    async with services.database.company(world.company_id) as tx:
        integration = await services.store.connections.get(tx, world.integration_id)
        ticket = await services.store.links.ticket(tx)
    async with services.adapters.connected(integration) as adapter:
        return await adapter.fetch(entity, str(external_id)), ticket


async def delete_there(world: World, external_id: object) -> None:
    """Let the vendor's people delete a candidate, and its event come in."""
    (await world.control.request("DELETE", f"/candidates/{external_id}?webhooks=false")).raise_for_status()
    await signal(world, CANDIDATE, external_id)
    assert (await world.record_of(CANDIDATE, external_id))["link_state"] == "gone"


async def test_a_page_that_was_asked_for_before_a_delete_at_the_vendor_revives_nobody(world: World) -> None:
    """Only after deletes of ours was it known that a page may be older; found by the simulation."""
    await world.pull()
    person = await a_person(world)
    record, ticket = await shown(world, CANDIDATE, person["id"])
    await delete_there(world, person["id"])
    applied = await listed(world, CANDIDATE, record, ticket, lag=timedelta(0))
    assert (applied.is_stale, applied.merged) == (True, [])
    after = await world.record_of(CANDIDATE, person["id"])
    assert (after["link_state"], after["archived_at"] is None) == ("gone", False)


async def test_a_list_that_lags_behind_a_delete_at_the_vendor_revives_nobody(world: World) -> None:
    """It was held against the last time that somebody was seen alive, long before; found by the simulation."""
    await world.pull()
    person = await a_person(world)
    record, ticket = await shown(world, CANDIDATE, person["id"])
    await delete_there(world, person["id"])
    ended = await world.row(
        "SELECT last_synced_at FROM external_entity_map WHERE external_id = %(id)s AND entity_type = 'candidate'",
        id=str(person["id"]),
    )
    lag = timedelta(seconds=30)
    late = Ticket(ticket.number + 1000, ended["last_synced_at"] + lag - timedelta(milliseconds=1))
    applied = await listed(world, CANDIDATE, record, late, lag=lag)
    assert (applied.is_stale, applied.merged) == (True, [])
    await world.drain()
    assert (await world.record_of(CANDIDATE, person["id"]))["link_state"] == "gone"
    # Whom the vendor shows for longer than its lists lag is back.
    later = Ticket(late.number + 1, ended["last_synced_at"] + lag + timedelta(milliseconds=1))
    assert len((await listed(world, CANDIDATE, record, later, lag=lag)).merged) == 1


async def test_a_list_that_was_asked_for_before_a_fetch_had_its_answer_takes_nothing_back(world: World) -> None:
    """The fetch's answer came a minute after it was asked for; the list was asked in between. Found by world 10432."""
    await world.pull()
    person = await a_person(world)
    record, ticket = await shown(world, CANDIDATE, person["id"])
    record = record.model_copy(update={"vendor_version": None, "updated_at": None})
    await world.edit_at_vendor("candidates", person["id"], {"title": "Admiral"})
    await world.pull(CANDIDATE)
    link = await world.row(
        "SELECT last_synced_at FROM external_entity_map WHERE external_id = %(id)s AND entity_type = 'candidate'",
        id=str(person["id"]),
    )
    for lag in (timedelta(0), timedelta(seconds=10)):
        late = Ticket(ticket.number + 1000, link["last_synced_at"] + lag - timedelta(milliseconds=1))
        applied = await listed(world, CANDIDATE, record, late, lag=lag)
        assert (applied.is_stale, applied.merged) == (True, [])
    assert (await world.record_of(CANDIDATE, person["id"]))["data"]["current_title"] == "Admiral"


async def test_an_application_that_a_list_shows_of_whom_the_vendor_has_deleted_is_fetched_first(world: World) -> None:
    """It had gone with its candidate before we ever had it: a list that lagged brought it in; found by a world."""
    await world.pull()
    application = await an_application(world)
    record, _ = await shown(world, APPLICATION, application["id"])
    await world.rows(
        "DELETE FROM external_entity_map WHERE external_id = %(id)s AND entity_type = 'application' RETURNING 1",
        id=str(application["id"]),
    )
    await delete_there(world, application["candidate_id"])
    await world.control.delete("/requests")
    async with world.services.database.dispatch() as tx:
        ticket = await world.services.store.links.ticket(tx)
    applied = await listed(world, APPLICATION, record, ticket, lag=timedelta(0))
    assert applied.merged == []
    await world.drain()
    assert [each["method"] for each in await world.requests() if str(application["id"]) in str(each)] == ["GET"]
    assert await world.rows("SELECT 1 FROM external_entity_map WHERE external_id = %(id)s", id=record.external_id) == []
