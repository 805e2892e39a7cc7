"""A vendor's list may show the past, and an answer nothing: neither is taken for a change. Worlds found both faults."""

from __future__ import annotations

from typing import Any

from shared.merge.base_codec import decode_base
from shared.merge.settle import open_intents
from shared.merge.state import State
from shared.model import EntityType
from tests.integration.sync.test_parity import compare
from tests.integration.sync.test_reconcile import an_application, signal, stage_names
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
