"""What was: history, a record as it stood at a moment, and explanations that name the true writer."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from shared.composition import Services
from shared.errors import NotFound
from shared.model import FIELDS, EntityType
from shared.past.chronicles import Chronicles
from tests.fixtures.postgres import Database
from tests.fixtures.storage import StorageAccount
from tests.integration.sync.world import World, settings_for
from tests.past_proof.proving import prove

CANDIDATE = EntityType.CANDIDATE
EDITS = 40
LOOKS = 60


def chronicles(world: World) -> Chronicles:
    return world.services.chronicles


async def explained(world: World, record_id: UUID) -> dict[str, Any]:
    async with world.services.database.company(world.company_id) as tx:
        return dict(await chronicles(world).explain(tx, CANDIDATE, record_id))


async def history(world: World, record_id: UUID, *, below: int | None = None, limit: int = 500) -> list[dict[str, Any]]:
    async with world.services.database.company(world.company_id) as tx:
        return await chronicles(world).history(tx, CANDIDATE, record_id, below=below, limit=limit)


async def stood(world: World, record_id: UUID, moment: datetime) -> dict[str, Any]:
    async with world.services.database.company(world.company_id) as tx:
        _, data, _ = await chronicles(world).at(tx, CANDIDATE, record_id, moment)
    return dict(data)


async def now_there(world: World) -> datetime:
    """Return the database's own time: history is told by its clock."""
    found: datetime = (await world.row("SELECT clock_timestamp() AS at"))["at"]
    return found


async def test_a_record_at_any_moment_is_what_an_independent_copy_says(world: World) -> None:
    """The oracle writes down the whole record after each edit; edits are made on both sides in random order."""
    await world.pull()
    rng = random.Random(11)  # noqa: S311 - a seeded story
    person = (await world.vendor_state())["candidates"][3]
    record = await world.record_of(CANDIDATE, person["id"])
    told: list[tuple[datetime, dict[str, Any]]] = [(await now_there(world), record["data"])]
    for number in range(EDITS):
        if rng.random() < 0.5:
            field = rng.choice(["current_title", "current_company", "preferred_name"])
            await world.edit_here(CANDIDATE, record["id"], **{field: rng.choice([None, f"{field} {number}"])})
        else:
            field = rng.choice(["title", "company"])
            await world.edit_at_vendor("candidates", person["id"], {field: f"{field} there {number}"})
            await world.pull(CANDIDATE)
        await world.drain()
        told.append((await now_there(world), (await world.record_of(CANDIDATE, person["id"]))["data"]))
    moments = [at for at, _ in told]
    for _ in range(LOOKS):
        moment = moments[0] + (moments[-1] - moments[0]) * rng.random()
        # Between two copies an edit is under way: only a moment at which one was taken has one answer.
        at, data = max((each for each in told if each[0] <= moment), key=lambda each: each[0])
        assert await stood(world, record["id"], at) == data
    with pytest.raises(NotFound, match="did not exist then"):
        await stood(world, record["id"], datetime(2000, 1, 1, tzinfo=UTC))


async def test_history_tells_old_and_new_values_and_who_made_the_change(world: World) -> None:
    await world.pull()
    person = (await world.vendor_state())["candidates"][0]
    record = await world.record_of(CANDIDATE, person["id"])
    before = record["data"].get("current_title")
    await world.edit_here(CANDIDATE, record["id"], current_title="Captain")
    await world.drain()
    await world.edit_at_vendor("candidates", person["id"], {"title": "Admiral"})
    run_id = await world.pull(CANDIDATE)
    newest, older = await history(world, record["id"])
    (there,), (here,) = newest["fields"], older["fields"]
    assert (there["field"], there["old"], there["new"], there["rule"]) == (
        "current_title", "Captain", "Admiral", "their_change",
    )  # fmt: skip
    assert (newest["source"], newest["integration_id"]) == ("greenhouse", str(world.integration_id))
    runs = await world.rows("SELECT id FROM runs WHERE id = %(run)s OR parent_id = %(run)s", run=run_id)
    assert newest["run_id"] in {row["id"] for row in runs}
    assert (here["old"], here["new"], here["rule"], here["actor"]) == (before, "Captain", "edit", "test")
    assert older["source"] == "portal"
    assert await history(world, record["id"], below=newest["version"], limit=1) == [older]


async def test_an_explanation_names_writer_rule_bracket_and_how_systems_stand(world: World) -> None:
    await world.pull()
    person = (await world.vendor_state())["candidates"][1]
    record = await world.record_of(CANDIDATE, person["id"])
    first = await explained(world, record["id"])
    assert {name for name in FIELDS[CANDIDATE] if record["data"].get(name)} <= set(first)
    for name, field in first.items():
        assert field["value"] == record["data"].get(name)
        assert (field["source"], field["integration_id"]) == ("greenhouse", str(world.integration_id))
        assert field["rule"] in ("first_value", "first_meeting", "union")
        (system,) = field["systems"]
        assert (system["platform"], system["state"]) == ("greenhouse", "agreed")
    asked_after = await now_there(world)
    await world.edit_at_vendor("candidates", person["id"], {"title": "Admiral"})
    await world.pull(CANDIDATE)
    title = (await explained(world, record["id"]))["current_title"]
    assert (title["value"], title["rule"]) == ("Admiral", "their_change")
    assert datetime.fromisoformat(title["changed_after"]) < asked_after < datetime.fromisoformat(title["seen_at"])
    await world.edit_here(CANDIDATE, record["id"], current_title="Captain")
    title = (await explained(world, record["id"]))["current_title"]
    assert (title["source"], title["rule"], title["actor"], title["lost"]) == ("portal", "edit", "test", [])


async def test_an_explanation_shows_what_lost(world: World) -> None:
    await world.pull()
    person = (await world.vendor_state())["candidates"][2]
    record = await world.record_of(CANDIDATE, person["id"])
    # Both change: theirs first, ours later, so ours wins and theirs is written nowhere.
    await world.edit_at_vendor("candidates", person["id"], {"title": "There first"})
    await world.edit_here(CANDIDATE, record["id"], current_title="Here last")
    await world.drain()
    title = (await explained(world, record["id"]))["current_title"]
    assert title["value"] == "Here last"
    assert [(each["value"], each["source"]) for each in title["lost"]] == [("There first", "greenhouse")]
    # And the other way round: what stood here is what lost.
    await world.edit_here(CANDIDATE, record["id"], current_company="Here first")
    await world.edit_at_vendor("candidates", person["id"], {"company": "There last"})
    await world.drain()
    company = (await explained(world, record["id"]))["current_company"]
    assert (company["value"], company["rule"]) == ("There last", "both_changed")
    assert [(each["value"], each["source"]) for each in company["lost"]] == [("Here first", "portal")]


async def test_a_write_at_the_vendor_keeps_what_it_replaced(world: World) -> None:
    await world.pull()
    person = next(each for each in (await world.vendor_state())["candidates"] if each["title"])
    record = await world.record_of(CANDIDATE, person["id"])
    await world.edit_here(CANDIDATE, record["id"], current_title="Captain")
    await world.drain()
    rows = await world.rows(
        "SELECT side, units, source FROM record_history WHERE record_id = %(id)s ORDER BY at", id=record["id"]
    )
    assert [(row["side"], row["units"], row["source"]) for row in rows] == [
        ("ours", ["current_title"], "portal"),
        ("theirs", ["current_title"], str(world.integration_id)),
    ]


async def test_of_an_erased_person_no_past_is_left(world: World) -> None:
    await world.pull()
    person = (await world.vendor_state())["candidates"][4]
    record = await world.record_of(CANDIDATE, person["id"])
    await world.edit_here(CANDIDATE, record["id"], current_title="Captain")
    await world.execute("DELETE FROM person_keys WHERE record_id = %(id)s", id=record["id"])
    assert await history(world, record["id"]) == []


async def test_a_decision_tells_of_every_value_that_it_replaced(world: World) -> None:
    await world.pull()
    person = next(each for each in (await world.vendor_state())["candidates"] if each["preferred_name"] is None)
    record = await world.record_of(CANDIDATE, person["id"])
    await world.edit_here(CANDIDATE, record["id"], preferred_name="Here")
    await world.edit_at_vendor("candidates", person["id"], {"preferred_name": "There"})
    await world.drain()
    (item,) = await world.rows("SELECT id FROM conflicts WHERE status = 'open' AND unit = 'preferred_name'")
    decide = world.services.resolutions.resolve
    await decide(world.company_id, item["id"], choice="value", value="Neither", actor="jo")
    await world.drain()
    name = (await explained(world, record["id"]))["preferred_name"]
    assert (name["value"], name["source"], name["rule"], name["actor"]) == ("Neither", "portal", "decided", "jo")
    assert {(each["value"], each["source"]) for each in name["lost"]} == {("Here", "portal"), ("There", "greenhouse")}


@pytest.mark.parametrize("choice", ["portal", "integration", "value"])
async def test_a_decision_tells_what_it_rejected_before_anything_is_written_at_the_vendor(
    world: World, choice: str
) -> None:
    await world.pull()
    person = next(each for each in (await world.vendor_state())["candidates"] if each["preferred_name"] is None)
    record = await world.record_of(CANDIDATE, person["id"])
    await world.edit_here(CANDIDATE, record["id"], preferred_name="Here")
    await world.edit_at_vendor("candidates", person["id"], {"preferred_name": "There"})
    await world.drain()
    (item,) = await world.rows("SELECT id FROM conflicts WHERE status = 'open' AND unit = 'preferred_name'")
    await world.services.resolutions.resolve(
        world.company_id,
        item["id"],
        choice=choice,
        integration_id=world.integration_id if choice == "integration" else None,
        value="Neither" if choice == "value" else None,
        actor="jo",
    )

    rejected = {"portal": {"There"}, "integration": {"Here"}, "value": {"Here", "There"}}[choice]
    for moment in ("at once", "after the write"):
        name = (await explained(world, record["id"]))["preferred_name"]
        assert (name["rule"], name["actor"]) == ("decided", "jo")
        assert {each["value"] for each in name["lost"]} == rejected, moment
        await world.drain()


async def test_every_field_names_its_true_writer_and_random_moments_are_told_as_they_were(
    database: Database, storage: StorageAccount
) -> None:
    """One small story of `python -m tests.past_proof`; `make verify` plays a thousand records."""
    services = Services(settings_for(database.app_dsn, storage.connection_string), limiter_off=True)
    try:
        verdict = await prove(services, database.admin_dsn, seed=1, moments=10, people=12, rounds=2)
    finally:
        await services.aclose()
    assert verdict.faults == []
    assert verdict.records > 12
    assert verdict.moments == 10
