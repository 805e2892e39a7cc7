"""What a person spells otherwise than Greenhouse shows it (`45000 eur`, an option in capitals): both are at rest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from sandbox.vendors.greenhouse.server import GreenhouseSimulator
from sandbox.vendors.greenhouse.settings import Settings as SimulatorSettings
from shared.model import EntityType, JsonValue
from tests.fixtures.postgres import Database
from tests.fixtures.storage import StorageAccount
from tests.integration.sync.comparing import compare
from tests.integration.sync.vendor import an_application
from tests.integration.sync.world import World, connect, settings_for

CANDIDATE, APPLICATION = EntityType.CANDIDATE, EntityType.APPLICATION
FIELDS = "custom_fields"
KINDS = {"pay": "currency", "band": "currency_range", "years": "number_range", "remote": "yes_no", "seen_on": "date"}
NAMES = {**{key: key.title() for key in KINDS}, "notice_period": "Notice"}
OURS: dict[str, JsonValue] = {
    "Pay": "45000.0 eur",
    "Band": "40000 .. 50000.50 eur",
    "Years": "2 .. 4",
    "Remote": "Yes",
    "Seen_On": " 2026-09-01 ",
    "Notice": "3 MONTHS",
}
THEIRS: dict[str, Any] = {
    "pay": {"amount": "45000", "currency_code": "EUR"},
    "band": {"min_amount": "40000.0", "max_amount": "50000.5", "currency_code": "EUR"},
    "years": {"min_value": 2, "max_value": 4},
    "remote": True,
    "seen_on": "2026-09-01",
    "notice_period": "3 months",
}


@pytest.fixture
async def world(database: Database, storage: StorageAccount) -> AsyncIterator[World]:
    """A company connected to a Greenhouse with a custom field of each type whose values have several spellings."""
    async with GreenhouseSimulator(SimulatorSettings(people=20, seed=7, limiter=False)) as simulator:
        settings = settings_for(database.app_dsn, storage.connection_string)
        made = await connect(settings, simulator, database.admin_dsn, mapping={"candidate": {FIELDS: NAMES}})
        try:
            for key, kind in KINDS.items():
                answer = await made.control.post("/custom_fields", json={"name": key, "value_type": kind})
                answer.raise_for_status()
            await made.pull()
            yield made
        finally:
            await made.control.aclose()
            await made.services.aclose()


async def somebody(world: World) -> dict[str, Any]:
    """Return a candidate at the vendor who is no secret and no ghost."""
    rows = (await world.vendor_state())["candidates"]
    found: dict[str, Any] = next(
        row for row in rows if not row["private"] and row["first_name"] != "Anonymized" and "rating" not in row[FIELDS]
    )
    return found


async def at_vendor(world: World, candidate_id: int) -> dict[str, Any]:
    rows = (await world.vendor_state())["candidates"]
    shown = next(row for row in rows if row["id"] == candidate_id)[FIELDS]
    return {key: shown[key]["value"] for key in NAMES}


async def here(world: World, candidate_id: int) -> dict[str, JsonValue]:
    data = (await world.record_of(CANDIDATE, candidate_id))["data"]
    return {element["name"]: element["value"] for element in data.get(FIELDS, [])}


async def edit(world: World, candidate_id: int, **values: JsonValue) -> None:
    record_id = (await world.record_of(CANDIDATE, candidate_id))["id"]
    elements: list[JsonValue] = [{"name": name, "value": value} for name, value in values.items()]
    await world.edit_here(CANDIDATE, record_id, **{FIELDS: elements})


async def writes(world: World, path: str = "candidates") -> int:
    """How often something was written at the vendor under that path."""
    return sum(entry["method"] in {"PATCH", "POST"} and path in entry["path"] for entry in await world.requests())


async def test_each_side_keeps_its_spelling_and_neither_is_written_again(world: World) -> None:
    row = await somebody(world)
    await edit(world, row["id"], **OURS)
    await world.drain()
    assert await at_vendor(world, row["id"]) == THEIRS
    done = await writes(world)
    await world.pull(CANDIDATE, mode="full")
    run = await compare(world)
    await world.drain()
    assert run["drift"] == 0, run["differences"]
    assert await here(world, row["id"]) == OURS
    assert (await at_vendor(world, row["id"]), await writes(world)) == (THEIRS, done)
    assert await world.rows("SELECT kind FROM issues WHERE ended_at IS NULL AND kind = 'value_refused'") == []
    assert await world.rows("SELECT 1 FROM conflicts WHERE status = 'open'") == []
    # What changes there beside them comes, and nothing else does.
    await world.edit_at_vendor("candidates", row["id"], {f"{FIELDS}.years": None})
    await world.pull(CANDIDATE)
    assert await here(world, row["id"]) == {name: value for name, value in OURS.items() if name != "Years"}


async def test_what_the_vendor_holds_in_other_words_is_not_written(world: World) -> None:
    """An option's letters are the account's own, which only an answer tells: that one alone is written, in no other."""
    row = await somebody(world)
    await world.edit_at_vendor("candidates", row["id"], {f"{FIELDS}.{key}": value for key, value in THEIRS.items()})
    await world.pull(CANDIDATE)
    done = await writes(world)
    mine = {**OURS, "Notice": "3 months"}
    await edit(world, row["id"], **mine)
    await world.drain()
    assert (await here(world, row["id"]), await writes(world)) == (mine, done)
    await edit(world, row["id"], **OURS)
    await world.drain()
    await world.pull(CANDIDATE, mode="full")
    assert (await here(world, row["id"]), await at_vendor(world, row["id"])) == (OURS, THEIRS)
    assert await writes(world) == done + 1


async def test_a_write_whose_answer_was_lost_is_known_by_the_vendor_s_spelling(world: World) -> None:
    row = await somebody(world)
    before = {"pay": {"amount": "30000", "currency_code": "EUR"}, "remote": False}
    await world.edit_at_vendor("candidates", row["id"], {f"{FIELDS}.{key}": value for key, value in before.items()})
    await world.pull(CANDIDATE)
    mine = {**OURS, "Notice": "3 months"}
    await world.control.post("/faults", json={"kind": "lost_answer", "method": "PATCH", "times": 1})
    await edit(world, row["id"], **mine)
    await world.drain()
    done = await writes(world)
    assert done == 1
    await world.pull(CANDIDATE, mode="full")
    await world.drain()
    assert (await here(world, row["id"]), await at_vendor(world, row["id"])) == (mine, THEIRS)
    assert await writes(world) == done


async def test_a_reason_of_rejection_is_found_in_any_letters_and_comes_back_in_the_vendor_s(world: World) -> None:
    row = await an_application(world)
    record = await world.record_of(APPLICATION, row["id"])
    reason = (await world.vendor_state())["rejection_reasons"][0]
    written = reason["name"].upper()
    assert written != reason["name"]
    await world.edit_here(APPLICATION, record["id"], status="rejected", rejection_reason=written)
    await world.drain()
    done = await writes(world, "applications")
    await world.pull(APPLICATION, mode="full")
    run = await compare(world, APPLICATION)
    await world.drain()
    assert run["drift"] == 0, run["differences"]
    assert (await world.record_of(APPLICATION, row["id"]))["data"]["rejection_reason"] == reason["name"]
    shown = next(each for each in (await world.vendor_state())["applications"] if each["id"] == row["id"])
    assert (shown["status"], shown["rejection_reason_id"]) == ("rejected", reason["id"])
    assert await writes(world, "applications") == done
