"""A mapping on the real engine: who comes in, which fields, in whose words, and what a change of it does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.model import EntityType
from tests.integration.sync.configuring import map_as, patch
from tests.integration.sync.links import linked
from tests.integration.sync.vendor import (
    a_candidate,
    an_application,
    shown_stage,
    signal,
    stage_names,
    vendor_candidate,
    writes,
)
from tests.integration.sync.world import World

CANDIDATE, APPLICATION, JOB = EntityType.CANDIDATE, EntityType.APPLICATION, EntityType.JOB


async def links_of(world: World) -> dict[str, tuple[Any, Any]]:
    rows = await world.rows("SELECT external_id, digest, base FROM external_entity_map WHERE entity_type = 'candidate'")
    return {row["external_id"]: (row["digest"], row["base"]) for row in rows}


async def test_s_135_a_filter_decides_who_comes_in_and_nothing_waits_for_the_others(world: World) -> None:
    people = (await world.vendor_state())["candidates"]
    wanted = {str(row["id"]) for row in people if (row["last_name"] or "") < "M"}
    assert wanted
    assert len(wanted) < len(people)
    await map_as(world, {"candidate": {"where": 'coalesce(last_name, "") < "M"'}})
    run = await world.run_of(await world.pull(CANDIDATE))
    assert await linked(world, CANDIDATE) == wanted
    assert (run["status"], run["records_read"]) == ("complete", len(people))
    assert run["records_created"] + run["records_unchanged"] == len(people)
    left_out = await world.rows("SELECT details FROM sync_logs WHERE details ? 'left_out'")
    assert sum(row["details"]["left_out"] for row in left_out) == len(people) - len(wanted)
    assert await world.rows("SELECT 1 FROM quarantine") == []


async def test_s_135_since_a_day_only_what_changed_there_comes_in(world: World) -> None:
    people = (await world.vendor_state())["candidates"]
    days = sorted(row["updated_at"][:10] for row in people)
    since = days[len(days) // 2]
    wanted = {str(row["id"]) for row in people if row["updated_at"][:10] >= since}
    await map_as(world, {"candidate": {"since": since}})
    await world.pull(CANDIDATE)
    assert await linked(world, CANDIDATE) == wanted
    old = next(row for row in people if str(row["id"]) not in wanted and row["email_addresses"])
    await world.edit_at_vendor("candidates", old["id"], {"title": "Captain"})
    await signal(world, CANDIDATE, old["id"])
    assert str(old["id"]) in await linked(world, CANDIDATE)


async def test_what_hangs_on_what_was_left_out_stays_out_with_it(world: World) -> None:
    state = await world.vendor_state()
    job_id = next(row["job_id"] for row in state["applications"] if row["job_id"])
    of_job = {str(row["id"]) for row in state["applications"] if row["job_id"] == job_id}
    title = next(row["name"] for row in state["jobs"] if row["id"] == job_id)
    await map_as(world, {"job": {"where": f"title != {title!r}"}})
    run = await world.run_of(await world.pull(APPLICATION))
    await world.pull()
    assert not await linked(world, APPLICATION) & of_job
    assert await world.rows("SELECT 1 FROM sync_queue WHERE hold_reason LIKE 'parent:%%'") == []
    again = await world.run_of(await world.pull(APPLICATION, mode="full"))
    assert (run["status"], again["status"], again["records_skipped"]) == ("partial", "complete", 0)
    (parity,) = await world.services.comparisons.request(
        world.company_id, world.integration_id, entity=APPLICATION, repairs=True
    )
    await world.drain()
    found = await world.rows("SELECT kind FROM parity_differences WHERE parity_id = %(id)s", id=parity)
    assert found == []
    await map_as(world, None)
    await world.drain()
    assert of_job <= await linked(world, APPLICATION)
    assert await world.rows("SELECT 1 FROM left_out") == []


async def applicant(world: World) -> tuple[int, set[str]]:
    """Return a vendor's candidate with applications for jobs, and the ids of those."""
    state = await world.vendor_state()
    people = {row["id"] for row in state["candidates"] if row["email_addresses"] and not row["private"]}
    person = next(row["candidate_id"] for row in state["applications"] if row["candidate_id"] in people)
    return person, {str(row["id"]) for row in state["applications"] if row["candidate_id"] == person}


CAPTAINS = {"candidate": {"where": 'current_title == "Captain"'}}


async def test_what_was_left_out_with_a_candidate_comes_in_with_them(world: World) -> None:
    person, own = await applicant(world)
    await map_as(world, CAPTAINS)
    await world.pull()
    assert not own & await linked(world, APPLICATION)
    assert await world.rows("SELECT 1 FROM sync_queue WHERE status = 'pending'") == []
    await world.edit_at_vendor("candidates", person, {"title": "Captain"})
    await signal(world, CANDIDATE, person)
    assert await linked(world, APPLICATION) == own
    parents = await world.rows("SELECT 1 FROM left_out WHERE parent_id = %(id)s", id=str(person))
    assert parents == []


async def test_what_was_left_out_with_a_parent_whom_no_page_brought_in_comes_with_the_next_pull(world: World) -> None:
    person, own = await applicant(world)
    await map_as(world, CAPTAINS)
    await world.pull()
    record = await world.services.edits.create_candidate(world.company_id, {"last_name": "Moved"}, actor="test")
    table = f"entity,internal_id,external_id\ncandidate,{record.id},{person}\n"
    await world.services.id_maps.run(world.company_id, world.integration_id, table, is_trial=False)
    await world.drain()
    await world.pull(JOB)
    assert await linked(world, APPLICATION) == own


@pytest.mark.parametrize(
    "pause", ["sync_enabled", "sync_candidates"], ids=["the integration is paused", "the entity is off"]
)
async def test_a_mapping_that_is_saved_while_nothing_runs_reaches_everything_on_resume(
    world: World, pause: str
) -> None:
    await world.pull()
    candidate = await a_candidate(world)
    await patch(world, **{pause: False})
    await map_as(world, {"candidate": {"set": {"current_title": "upper(last_name)"}}})
    await world.drain()
    await patch(world, **{pause: True})
    await world.drain()
    record = await world.record_of(CANDIDATE, candidate["id"])
    assert record["data"]["current_title"] == candidate["last_name"].upper()
    owed = await world.rows("SELECT 1 FROM cursors WHERE full_wanted_at IS NOT NULL")
    assert owed == []
    await world.pull(CANDIDATE)
    modes = await world.rows(
        "SELECT mode FROM runs WHERE entity_type = 'candidate' AND direction = 'inbound' ORDER BY started_at"
    )
    assert [row["mode"] for row in modes] == ["incremental", "full", "incremental"]


async def test_a_full_pull_that_was_cancelled_is_still_owed(world: World) -> None:
    await world.pull()
    await map_as(world, {"candidate": {"set": {"current_title": "upper(last_name)"}}})
    runs = await world.rows("SELECT id FROM runs WHERE trigger = 'mapping'")
    for row in runs:
        await world.services.syncs.cancel(world.company_id, row["id"])
    await world.drain()
    assert {row["status"] for row in await world.rows("SELECT status FROM runs WHERE trigger = 'mapping'")} == {
        "cancelled"
    }
    again = await world.run_of(await world.pull(CANDIDATE))
    assert (again["mode"], again["status"]) == ("full", "complete")
    assert await world.rows("SELECT 1 FROM cursors WHERE full_wanted_at IS NOT NULL") == []


async def test_what_is_here_is_kept_in_step_whatever_the_filter_says(world: World) -> None:
    await world.pull()
    candidate = await a_candidate(world)
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    before = await linked(world, CANDIDATE)
    await map_as(world, {"candidate": {"where": "False", "since": tomorrow}})
    await world.drain()
    assert await linked(world, CANDIDATE) == before
    await world.edit_at_vendor("candidates", candidate["id"], {"title": "Captain"})
    await signal(world, CANDIDATE, candidate["id"])
    record = await world.record_of(CANDIDATE, candidate["id"])
    assert record["data"]["current_title"] == "Captain"
    await world.edit_here(CANDIDATE, record["id"], current_company="Moon Ltd")
    await world.drain()
    assert (await vendor_candidate(world, candidate["id"]))["company"] == "Moon Ltd"


async def test_an_excluded_field_is_neither_brought_in_nor_written_nor_cleared(world: World) -> None:
    candidate = await a_candidate(world)
    await map_as(world, {"candidate": {"exclude": ["phone", "further_phones"]}})
    await world.pull(CANDIDATE)
    record = await world.record_of(CANDIDATE, candidate["id"])
    assert "phone" not in record["data"]
    await world.edit_here(CANDIDATE, record["id"], phone="+44 20 7946 0123")
    await world.drain()
    assert (await vendor_candidate(world, candidate["id"]))["phone_numbers"] == candidate["phone_numbers"]
    await signal(world, CANDIDATE, candidate["id"])
    record = await world.record_of(CANDIDATE, candidate["id"])
    assert record["data"]["phone"] == "+44 20 7946 0123"


async def test_s_135_stages_are_called_by_our_words_here_and_by_theirs_there(world: World) -> None:
    application = await an_application(world)
    names = await stage_names(world, application["job_id"])
    now, then = application["stage_name"], next(name for name in names if name != application["stage_name"])
    words = {now: "Heute", then: "Morgen"}
    await map_as(world, {"application": {"values": {"stage": words}}, "job": {"values": {"stages": words}}})
    await world.pull()
    record = await world.record_of(APPLICATION, application["id"])
    assert record["data"]["stage"] == "Heute"
    job = await world.record_of(JOB, application["job_id"])
    assert {"Heute", "Morgen"} <= {stage["name"] for stage in job["data"]["stages"]}
    await world.edit_here(APPLICATION, record["id"], stage="Morgen")
    await world.drain()
    assert await shown_stage(world, application["id"]) == then
    await world.control.delete("/requests")
    await signal(world, APPLICATION, application["id"])
    assert await writes(world) == []
    after = await world.record_of(APPLICATION, application["id"])
    assert after["data"]["stage"] == "Morgen"
    assert await world.rows("SELECT 1 FROM conflicts WHERE status = 'open'") == []


async def test_a_computed_field_is_ours_to_show_and_never_written(world: World) -> None:
    candidate = await a_candidate(world)
    await map_as(world, {"candidate": {"set": {"current_title": 'upper(last_name) + "!"'}}})
    await world.pull(CANDIDATE)
    record = await world.record_of(CANDIDATE, candidate["id"])
    assert record["data"]["current_title"] == candidate["last_name"].upper() + "!"
    await world.control.delete("/requests")
    await world.edit_here(CANDIDATE, record["id"], current_title="Captain")
    await world.drain()
    assert await writes(world) == []


async def test_a_record_that_an_expression_can_not_read_is_set_aside_with_its_cause(world: World) -> None:
    candidate = await a_candidate(world)
    await world.edit_at_vendor("candidates", candidate["id"], {"title": "not a number"})
    await map_as(world, {"candidate": {"set": {"experience_years": "number(current_title)"}}})
    await world.pull(CANDIDATE)
    row = await world.row("SELECT * FROM quarantine WHERE external_id = %(id)s", id=str(candidate["id"]))
    assert "config.mapping.candidate.set.experience_years" in row["reason"]
    assert "not a number" not in row["reason"]
    await map_as(world, None)
    await world.drain()
    assert str(candidate["id"]) in await linked(world, CANDIDATE)


async def test_without_a_mapping_every_digest_is_as_it_was(world: World) -> None:
    await world.pull()
    before = await links_of(world)
    await map_as(world, {"candidate": {}, "job": None})
    run = await world.run_of(await world.pull(CANDIDATE, mode="full"))
    assert run["records_updated"] == run["records_created"] == 0
    assert await links_of(world) == before


async def test_a_changed_map_meets_once_more_and_overwrites_nobody(world: World) -> None:
    application = await an_application(world)
    names = await stage_names(world, application["job_id"])
    there = application["stage_name"]
    await world.pull()
    record = await world.record_of(APPLICATION, application["id"])
    assert record["data"]["stage"] == there
    await world.control.delete("/requests")
    await map_as(world, {"application": {"values": {"stage": {there: "Heute"}}}})
    await world.drain()
    after = await world.record_of(APPLICATION, application["id"])
    assert after["data"]["stage"] == "Heute"
    assert after["base"]["m"].keys() == {"stage"}
    assert await shown_stage(world, application["id"]) == there
    assert await writes(world) == []
    await world.edit_here(APPLICATION, record["id"], stage=next(name for name in names if name != there))
    await world.drain()
    assert await shown_stage(world, application["id"]) != there
    await map_as(world, None)
    await world.drain()
    last = await world.record_of(APPLICATION, application["id"])
    assert "m" not in last["base"]


async def test_a_preview_tells_who_would_be_left_out(world: World) -> None:
    people = (await world.vendor_state())["candidates"]
    await map_as(world, {"candidate": {"where": "False"}})
    preview = await world.services.previews.of(world.company_id, world.integration_id, most=20_000)
    (found,) = [each for each in preview.entities if each.entity is CANDIDATE]
    assert {row.action.value for row in found.rows} == {"left_out"}
    assert len(found.rows) == len(people)


async def test_an_erased_person_whom_the_filter_leaves_out_is_suppressed_and_nothing_of_them_is_kept(
    world: World,
) -> None:
    """In the preview, and in the pull after it."""
    person = await a_candidate(world)
    async with world.services.database.company(world.company_id) as tx:
        email = person["email_addresses"][0]["value"]
        await world.services.suppression.suppress_identity(tx, {"email": email}, reason="erasure")
    await map_as(world, {"candidate": {"where": "False"}})
    preview = await world.services.previews.of(world.company_id, world.integration_id, most=20_000)
    shown = {row.external_id: row.action.value for each in preview.entities for row in each.rows}
    assert shown[str(person["id"])] == "suppressed"
    assert "left_out" in shown.values()
    run = await world.run_of(await world.pull(CANDIDATE))
    assert run["records_suppressed"] == 1
    kept = await world.rows("SELECT external_id FROM left_out")
    assert str(person["id"]) not in {row["external_id"] for row in kept}
    assert len(kept) == run["records_read"] - 1


async def test_pain_30_a_new_mapping_is_shown_before_it_is_saved_and_deletes_nothing(world: World) -> None:
    await world.pull()
    application = await an_application(world)
    before = await world.rows("SELECT id, data, version FROM records ORDER BY id")
    known = await linked(world, APPLICATION)
    shown = await world.services.previews.of(
        world.company_id,
        world.integration_id,
        most=20_000,
        mapping={
            "application": {
                "values": {"stage": {application["stage_name"]: "Heute"}},
                "since": (datetime.now(UTC) + timedelta(days=1)).date().isoformat(),
            }
        },
    )
    (found,) = [each for each in shown.entities if each.entity is APPLICATION]
    (row,) = [each for each in found.rows if each.external_id == str(application["id"])]
    assert row.action.value == "change"
    assert [(each.field, each.ours, each.becomes) for each in row.fields] == [
        ("stage", application["stage_name"], "Heute")
    ]
    assert "left_out" not in {each.action.value for each in found.rows}
    assert await world.rows("SELECT id, data, version FROM records ORDER BY id") == before
    await map_as(world, {"application": {"since": (datetime.now(UTC) + timedelta(days=1)).date().isoformat()}})
    await world.drain()
    assert await linked(world, APPLICATION) == known
    assert await world.rows("SELECT id, data, version FROM records ORDER BY id") == before
