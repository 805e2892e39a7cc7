"""A company's own fields, both ways: those that the mapping names come and go, and all others stay where they are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from pydantic import JsonValue

from sandbox.vendors.greenhouse.server import GreenhouseSimulator
from sandbox.vendors.greenhouse.settings import Settings as SimulatorSettings
from shared.integrations.lifecycle import Integrations
from shared.integrations.requests import PatchIntegration
from shared.model import EntityType
from tests.fixtures.postgres import Database
from tests.fixtures.storage import StorageAccount
from tests.integration.sync.comparing import compare
from tests.integration.sync.vendor import an_application
from tests.integration.sync.world import World, connect, settings_for

CANDIDATE, APPLICATION, JOB = EntityType.CANDIDATE, EntityType.APPLICATION, EntityType.JOB
FIELDS = "custom_fields"
NAMES: Mapping[str, Mapping[str, str]] = {
    "candidate": {"notice_period": "Notice period", "years_of_experience": "Years in the trade"},
    "application": {"interview_format": "Interview"},
    "job": {"employment_type": "Employment"},
}
NOTICE, YEARS = NAMES["candidate"].values()
FORMAT, EMPLOYMENT = NAMES["application"]["interview_format"], NAMES["job"]["employment_type"]


@pytest.fixture
async def world(database: Database, storage: StorageAccount) -> AsyncIterator[World]:
    """A company connected to a Greenhouse of twenty people, whose mapping names four custom fields; all is pulled."""
    async with GreenhouseSimulator(SimulatorSettings(people=20, seed=7, limiter=False)) as simulator:
        settings = settings_for(database.app_dsn, storage.connection_string)
        mapping = {entity: {FIELDS: dict(names)} for entity, names in NAMES.items()}
        made = await connect(settings, simulator, database.admin_dsn, mapping=mapping)
        try:
            await made.pull()
            yield made
        finally:
            await made.control.aclose()
            await made.services.aclose()


async def a_candidate(world: World) -> dict[str, Any]:
    """Return somebody at the vendor whose named fields both have a value."""
    rows = (await world.vendor_state())["candidates"]
    found: dict[str, Any] = next(
        row
        for row in rows
        if not row["private"]
        and row["first_name"] != "Anonymized"
        and all(row[FIELDS][key]["value"] for key in NAMES["candidate"])
        and "rating" not in row[FIELDS]
    )
    return found


async def at_vendor(world: World, candidate_id: int) -> dict[str, Any]:
    rows = (await world.vendor_state())["candidates"]
    return {
        key: field["value"] for key, field in next(row for row in rows if row["id"] == candidate_id)[FIELDS].items()
    }


async def here(world: World, entity: EntityType, external_id: object) -> dict[str, JsonValue]:
    data = (await world.record_of(entity, external_id))["data"]
    return {element["name"]: element["value"] for element in data.get(FIELDS, [])}


async def edit(world: World, entity: EntityType, external_id: object, values: Mapping[str, JsonValue]) -> None:
    record_id = (await world.record_of(entity, external_id))["id"]
    elements: list[JsonValue] = [{"name": name, "value": value} for name, value in values.items()]
    await world.edit_here(entity, record_id, **{FIELDS: elements})


async def writes(world: World) -> int:
    """How often something was written at the vendor."""
    return sum(entry["method"] == "PATCH" for entry in await world.requests())


async def test_s_136_what_the_mapping_names_comes_and_nothing_else(world: World) -> None:
    state = await world.vendor_state()
    shown = {
        CANDIDATE: [row for row in state["candidates"] if not row["private"] and row["first_name"] != "Anonymized"],
        APPLICATION: state["applications"],
        JOB: [row for row in state["jobs"] if not row["is_template"]],
    }
    for entity, rows in shown.items():
        linked = await world.rows(
            "SELECT l.external_id, r.data FROM external_entity_map l JOIN records r ON r.id = l.internal_id"
            " WHERE l.entity_type = %(entity)s",
            entity=entity.value,
        )
        data = {row["external_id"]: row["data"] for row in linked}
        filled = 0
        for row in rows:
            if str(row["id"]) not in data:
                continue
            mine = {each["name"] for each in data[str(row["id"])].get(FIELDS, [])}
            names = NAMES[entity.value]
            assert mine == {names[key] for key in names if row[FIELDS][key]["value"] is not None}
            filled += bool(mine)
        assert filled, entity


@pytest.mark.parametrize(
    ("entity", "key", "value"),
    [
        (CANDIDATE, "notice_period", "None"),
        (APPLICATION, "interview_format", "On site"),
        (JOB, "employment_type", "Part"),
    ],
)
async def test_an_edit_at_the_vendor_comes_with_the_next_pull_alone(
    world: World, entity: EntityType, key: str, value: str
) -> None:
    table = f"{entity.value}s"
    rows = (await world.vendor_state())[table]
    row = next(
        row
        for row in rows
        if not row.get("private")
        and not row.get("is_template")
        and row.get("first_name") != "Anonymized"
        and row[FIELDS][key]["value"] != value
    )
    await world.edit_at_vendor(table, row["id"], {f"{FIELDS}.{key}": value, f"{FIELDS}.unnamed": "x"})
    run_id = await world.pull(entity)
    (log,) = await world.rows("SELECT * FROM sync_logs WHERE run_id = %(run)s AND action = 'updated'", run=run_id)
    assert (log["external_id"], log["details"]["fields"]) == (str(row["id"]), [FIELDS])
    assert (await here(world, entity, row["id"]))[NAMES[entity.value][key]] == value


async def test_a_value_that_is_cleared_at_the_vendor_goes_here_too(world: World) -> None:
    row = await a_candidate(world)
    await world.edit_at_vendor("candidates", row["id"], {f"{FIELDS}.notice_period": None})
    await world.pull(CANDIDATE)
    assert NOTICE not in await here(world, CANDIDATE, row["id"])


async def test_s_136_an_edit_here_is_written_and_the_rest_of_the_set_stays(world: World) -> None:
    row = await a_candidate(world)
    before = await at_vendor(world, row["id"])
    target = "3 months" if before["notice_period"] != "3 months" else "1 month"
    await edit(world, CANDIDATE, row["id"], {NOTICE: target})
    await world.drain()
    after = await at_vendor(world, row["id"])
    assert after == before | {"notice_period": target, "years_of_experience": None}
    done = await writes(world)
    await world.pull(mode="full")
    assert await here(world, CANDIDATE, row["id"]) == {NOTICE: target}
    assert await writes(world) == done


async def test_both_sides_change_another_field_at_once(world: World) -> None:
    row = await a_candidate(world)
    mine = await here(world, CANDIDATE, row["id"])
    target = "3 months" if mine[NOTICE] != "3 months" else "1 month"
    await edit(world, CANDIDATE, row["id"], mine | {NOTICE: target})
    await world.edit_at_vendor("candidates", row["id"], {f"{FIELDS}.years_of_experience": 7.5})
    await world.drain()
    await world.pull(CANDIDATE)
    assert await here(world, CANDIDATE, row["id"]) == {NOTICE: target, YEARS: 7.5}
    vendor = await at_vendor(world, row["id"])
    assert (vendor["notice_period"], vendor["years_of_experience"]) == (target, 7.5)


async def test_a_field_that_no_mapping_names_stays_here_and_costs_no_call(world: World) -> None:
    row = await a_candidate(world)
    mine = await here(world, CANDIDATE, row["id"]) | {"Shoe size": 43}
    before = await at_vendor(world, row["id"])
    await edit(world, CANDIDATE, row["id"], mine)
    await world.drain()
    assert await writes(world) == 0
    assert await at_vendor(world, row["id"]) == before
    await world.edit_at_vendor("candidates", row["id"], {f"{FIELDS}.years_of_experience": 31})
    await world.pull(CANDIDATE)
    assert await here(world, CANDIDATE, row["id"]) == mine | {YEARS: 31}


async def test_a_comparison_finds_no_drift_in_fields_that_no_mapping_names(world: World) -> None:
    row = await a_candidate(world)
    await edit(world, CANDIDATE, row["id"], await here(world, CANDIDATE, row["id"]) | {"Shoe size": 43})
    await world.drain()
    for entity in EntityType:
        run = await compare(world, entity)
        assert (run["status"], run["drift"]) == ("complete", 0), run["differences"]
    await world.edit_at_vendor("candidates", row["id"], {f"{FIELDS}.years_of_experience": 40})
    run = await compare(world)
    assert run["differences"][str(row["id"])]["units"] == [FIELDS]
    await world.drain()
    assert await here(world, CANDIDATE, row["id"]) == {
        NOTICE: row[FIELDS]["notice_period"]["value"],
        YEARS: 40,
        "Shoe size": 43,
    }


async def test_an_option_that_the_vendor_doesn_t_know_is_an_issue_that_names_the_field(world: World) -> None:
    row = await a_candidate(world)
    before = await at_vendor(world, row["id"])
    await edit(world, CANDIDATE, row["id"], {NOTICE: "9 years", YEARS: 1})
    await world.drain()
    assert await at_vendor(world, row["id"]) == before | {"years_of_experience": 1}
    (issue,) = await world.rows("SELECT * FROM issues WHERE kind = 'value_refused' AND ended_at IS NULL")
    assert "custom field notice_period: has no such option in Greenhouse" in issue["detail"]
    assert "9 years" not in issue["detail"]
    target = "3 months" if before["notice_period"] != "3 months" else "1 month"
    await edit(world, CANDIDATE, row["id"], {NOTICE: target, YEARS: 1})
    await world.drain()
    await world.pull(CANDIDATE)
    assert await here(world, CANDIDATE, row["id"]) == {NOTICE: target, YEARS: 1}
    assert await at_vendor(world, row["id"]) == before | {"notice_period": target, "years_of_experience": 1}


async def test_a_field_that_is_taken_away_at_the_vendor_blanks_nothing(world: World) -> None:
    row = await a_candidate(world)
    mine = await here(world, CANDIDATE, row["id"])
    field = next(each for each in (await world.vendor_state())[FIELDS] if each["name_key"] == "notice_period")
    await world.edit_at_vendor(FIELDS, field["id"], {"active": False})
    await world.edit_at_vendor("candidates", row["id"], {"title": "Chief Baker"})
    await world.pull(CANDIDATE)
    assert (await world.record_of(CANDIDATE, row["id"]))["data"]["current_title"] == "Chief Baker"
    assert await here(world, CANDIDATE, row["id"]) == mine


async def rename(world: World, names: Mapping[str, str]) -> None:
    """Save another mapping of candidates' custom fields, as a person would, and let what follows happen."""
    request = PatchIntegration.model_validate({"config": {"mapping": {"candidate": {FIELDS: dict(names)}}}})
    await Integrations.of(world.services).change(world.company_id, world.integration_id, request, expected_version=None)
    await world.drain()


async def told(world: World) -> list[dict[str, Any]]:
    return await world.rows("SELECT * FROM issues WHERE kind = 'custom_field_unseen' AND ended_at IS NULL")


async def test_a_misspelled_key_costs_its_own_field_alone_and_is_told(world: World) -> None:
    row = await a_candidate(world)
    mine = await here(world, CANDIDATE, row["id"])
    assert await told(world) == []
    await rename(world, {**NAMES["candidate"], "notice_perod": "Notice (typo)"})
    (issue,) = await told(world)
    assert issue["subject"] == "candidate.custom_fields.notice_perod"
    named = (
        str(world.integration_id),
        "candidate",
        "notice_perod",
        "config.mapping.candidate.custom_fields",
        "Correct",
    )
    assert [part for part in named if part not in issue["detail"]] == []
    assert await here(world, CANDIDATE, row["id"]) == mine
    await world.edit_at_vendor("candidates", row["id"], {f"{FIELDS}.years_of_experience": 31})
    await world.pull(CANDIDATE)
    assert (await here(world, CANDIDATE, row["id"]))[YEARS] == 31
    target = "3 months" if mine[NOTICE] != "3 months" else "1 month"
    await edit(world, CANDIDATE, row["id"], {NOTICE: target, "Notice (typo)": "stays here"})
    await world.drain()
    vendor = await at_vendor(world, row["id"])
    assert (vendor["notice_period"], vendor["years_of_experience"]) == (target, None)
    await world.pull(CANDIDATE, mode="full")
    assert await here(world, CANDIDATE, row["id"]) == {NOTICE: target, "Notice (typo)": "stays here"}
    run = await compare(world)
    assert run["drift"] == 0, run["differences"]
    (issue,) = await told(world)
    await rename(world, NAMES["candidate"])
    assert await told(world) == []


async def test_a_first_pull_tells_of_a_key_that_nobody_shows(world: World) -> None:
    request = PatchIntegration.model_validate(
        {"config": {"mapping": {"job": {FIELDS: {"employment_typ": EMPLOYMENT}}}}}
    )
    await world.execute("DELETE FROM cursors WHERE entity_type = 'job'")
    await Integrations.of(world.services).change(world.company_id, world.integration_id, request, expected_version=None)
    assert await told(world) == []
    await world.pull(JOB)
    (issue,) = await told(world)
    assert "employment_typ" in issue["subject"]


async def test_what_changed_while_a_field_was_out_of_sight_is_known_when_it_returns(world: World) -> None:
    row = await a_candidate(world)
    mine = await here(world, CANDIDATE, row["id"])
    field = next(each for each in (await world.vendor_state())[FIELDS] if each["name_key"] == "notice_period")
    await world.edit_at_vendor(FIELDS, field["id"], {"active": False})
    await world.pull(CANDIDATE, mode="full")
    assert [each["subject"] for each in await told(world)] == ["candidate.custom_fields.notice_period"]
    await world.edit_at_vendor("candidates", row["id"], {f"{FIELDS}.years_of_experience": None})
    await world.pull(CANDIDATE, mode="full")
    assert await here(world, CANDIDATE, row["id"]) == {NOTICE: mine[NOTICE]}
    await edit(world, CANDIDATE, row["id"], {YEARS: 3})
    await world.drain()
    assert (await at_vendor(world, row["id"]))["years_of_experience"] == 3
    await world.edit_at_vendor(FIELDS, field["id"], {"active": True})
    await world.pull(CANDIDATE, mode="full")
    await world.drain()
    assert await told(world) == []
    assert (await at_vendor(world, row["id"]))["notice_period"] is None
    assert await here(world, CANDIDATE, row["id"]) == {YEARS: 3}


async def test_an_application_s_fields_go_out_and_its_stage_stays(world: World) -> None:
    row = await an_application(world)
    target = "Remote" if row[FIELDS]["interview_format"]["value"] != "Remote" else "On site"
    await edit(world, APPLICATION, row["id"], {FORMAT: target})
    await world.drain()
    rows = (await world.vendor_state())["applications"]
    after = next(each for each in rows if each["id"] == row["id"])
    assert after[FIELDS]["interview_format"]["value"] == target
    assert after[FIELDS]["priority"] == row[FIELDS]["priority"]
    assert (after["stage_id"], after["status"]) == (row["stage_id"], row["status"])
