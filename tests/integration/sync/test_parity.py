"""Full comparisons: what is found, what explains it, what heals it, and what is left alone."""

from __future__ import annotations

import unicodedata
from collections.abc import AsyncIterator, Mapping
from uuid import UUID

import pytest

from sandbox.vendors.greenhouse.server import GreenhouseSimulator
from sandbox.vendors.greenhouse.settings import Settings as SimulatorSettings
from shared.model import EntityType
from tests.fixtures.postgres import Database
from tests.fixtures.storage import StorageAccount
from tests.integration.sync.comparing import compare, ground_of
from tests.integration.sync.world import World, connect, settings_for
from tests.parity_proof.planting import in_step, plant

LINKS = """SELECT l.external_id, l.internal_id, l.state, r.data, r.archived_at FROM external_entity_map l
LEFT JOIN records r ON r.id = l.internal_id WHERE l.entity_type = 'candidate'"""


def normal(value: str | None) -> str:
    """Spelling is no difference."""
    return " ".join(unicodedata.normalize("NFC", value or "").split())


async def assert_both_sides_agree(world: World, before: Mapping[str, UUID]) -> None:
    """Judge by the vendor's own state, past everything that compared: same people, same values, same ids as ever."""
    people = {str(row["id"]): row for row in (await world.vendor_state())["candidates"]}
    links = {row["external_id"]: row for row in await world.rows(LINKS)}
    live = {external_id: row for external_id, row in links.items() if row["state"] == "live"}
    assert live.keys() == people.keys()
    for external_id, row in live.items():
        if not row["data"]:
            continue  # erased at the vendor: archived here, and empty
        assert row["archived_at"] is None
        for ours, theirs in (("first_name", "first_name"), ("last_name", "last_name"), ("current_title", "title")):
            assert normal(row["data"].get(ours)) == normal(people[external_id][theirs]), (external_id, ours)
        assert row["internal_id"] == before.get(external_id, row["internal_id"])
    assert all(row["archived_at"] is not None for row in links.values() if row["state"] != "live")
    unlinked = "SELECT 1 FROM records WHERE entity_type = 'candidate' AND id <> ALL(%(ids)s)"
    assert await world.rows(unlinked, ids=[row["internal_id"] for row in links.values()]) == []


@pytest.fixture
async def crowd(database: Database, storage: StorageAccount) -> AsyncIterator[World]:
    """A company whose Greenhouse has two hundred people."""
    async with GreenhouseSimulator(SimulatorSettings(people=200, seed=11, limiter=False)) as simulator:
        made = await connect(settings_for(database.app_dsn, storage.connection_string), simulator, database.admin_dsn)
        try:
            yield made
        finally:
            await made.control.aclose()
            await made.services.aclose()


async def test_parity_after_a_first_sync_is_whole_and_says_why_not_where_it_is_not(world: World) -> None:
    await world.pull()
    for entity in EntityType:
        run = await compare(world, entity)
        assert run["status"] == "complete", run["error"]
        assert run["drift"] == 0, run["differences"]
        everybody = len((await world.vendor_state())[f"{entity.value}s"])
        assert run["certificate"]["records"] == run["records"] == run["records_read"] <= everybody
        assert run["certificate"]["parity"] == 1.0


async def test_a_second_comparison_examines_nothing_and_rewrites_no_row(world: World) -> None:
    await world.pull()
    rows = "SELECT ctid::text, xmin::text FROM {} ORDER BY 1"
    tables = ("records", "external_entity_map")
    before = [await world.rows(rows.format(table)) for table in tables]
    first = await compare(world)
    sealed = await world.rows("SELECT xmin::text, link_id FROM parity_seals ORDER BY link_id")
    second = await compare(world)
    assert [await world.rows(rows.format(table)) for table in tables] == before
    assert len(sealed) == first["records"] - first["explained"]
    assert await world.rows("SELECT xmin::text, link_id FROM parity_seals ORDER BY link_id") == sealed
    assert second["fields_compared"] == first["fields_compared"] > first["records"]
    assert await world.rows("SELECT 1 FROM parity_seen") == []


async def test_explained_differences_are_no_drift(world: World) -> None:
    """A held conflict, an edit whose job waits, and what was set aside: each is named, none is repaired."""
    await world.pull()
    held, waiting, unreadable = (await in_step(ground_of(world)))[:3]
    ground = ground_of(world)
    await world.edit_here(EntityType.CANDIDATE, held.record_id, last_name="Ours")
    await ground.at_vendor("PATCH", f"/candidates/{held.external_id}", {"last_name": "Theirs"})
    await world.drain()
    await world.edit_here(EntityType.CANDIDATE, waiting.record_id, current_title="Diver")
    await world.rows(
        "UPDATE sync_queue SET scheduled_at = now() + interval '1 h' WHERE record_key = %(key)s RETURNING id",
        key=str(waiting.record_id),
    )
    await ground.at_vendor("PATCH", f"/candidates/{unreadable.external_id}", {"title": {"no": "text"}})
    await world.pull(EntityType.CANDIDATE)
    run = await compare(world)
    assert {key: (row["kind"], row["cause"]) for key, row in run["differences"].items()} == {
        held.external_id: ("conflict", "open_conflict"),
        waiting.external_id: ("ours_changed", "in_flight"),
        unreadable.external_id: ("unreadable", "quarantined"),
    }
    assert (run["drift"], run["explained"], run["certificate"]["parity"]) == (0, 3, 1.0)
    assert {row["repair"] for row in run["differences"].values()} == {None}


async def test_without_repair_drift_is_found_and_nothing_is_done(world: World) -> None:
    await world.pull()
    (pair,) = (await in_step(ground_of(world)))[:1]
    await ground_of(world).at_vendor("PATCH", f"/candidates/{pair.external_id}", {"title": "Diver"})
    for _ in range(2):
        run = await compare(world, repairs=False)
        assert {row["kind"] for row in run["differences"].values()} == {"theirs_changed"}
        assert run["certificate"]["parity"] < 1.0
    # What is there again in the next comparison, people are told of; once it is healed they are told of that.
    open_now = "SELECT kind FROM issues WHERE ended_at IS NULL"
    assert [row["kind"] for row in await world.rows(open_now)] == ["parity_fell"]
    await compare(world)
    assert (await compare(world))["drift"] == 0
    assert await world.rows(open_now) == []


async def test_an_altered_value_comes_back_and_is_never_pushed(world: World) -> None:
    """Ours was overwritten in the table: a merge would take that for an edit of ours."""
    await world.pull()
    (pair,) = (await in_step(ground_of(world)))[:1]
    before = await world.record_of(EntityType.CANDIDATE, pair.external_id)
    await world.rows(
        """UPDATE records SET data = data || '{"current_title": "Forged", "tags": ["forged"]}' WHERE id = %(id)s
        RETURNING id""",
        id=pair.record_id,
    )
    written = len([each for each in await world.requests() if each["method"] != "GET"])
    run = await compare(world)
    assert [(row["kind"], row["cause"]) for row in run["differences"].values()] == [("ours_altered", None)]
    after = await world.record_of(EntityType.CANDIDATE, pair.external_id)
    assert after["data"] == before["data"]
    assert after["version"] == before["version"] + 1
    assert len([each for each in await world.requests() if each["method"] != "GET"]) == written
    assert (await compare(world))["drift"] == 0


async def test_pain_28_a_comparison_that_is_cut_off_goes_on_where_it_stopped(world: World) -> None:
    """Its time budget is over after each page."""
    await world.control.post("/fill", json={"people": 520})
    await world.pull(EntityType.CANDIDATE)
    world.services.comparer._time_budget_s = -1.0
    before = len(await world.requests())
    run = await compare(world)
    everybody = len((await world.vendor_state())["candidates"])
    assert (run["status"], run["drift"], run["records"], run["pages"]) == ("complete", 0, everybody, 2)
    lists = [each for each in (await world.requests())[before:] if each["path"] == "/v3/candidates"]
    assert len(lists) == 2


async def test_a_comparison_whose_job_was_lost_is_given_up_and_begun_anew(world: World) -> None:
    await world.pull(EntityType.CANDIDATE)
    comparisons = world.services.comparisons
    (first,) = await comparisons.request(
        world.company_id, world.integration_id, entity=EntityType.CANDIDATE, repairs=True
    )
    assert await comparisons.request(
        world.company_id, world.integration_id, entity=EntityType.CANDIDATE, repairs=False
    ) == [first]
    await world.rows("DELETE FROM sync_queue WHERE action = 'compare' RETURNING id")
    await world.rows("UPDATE parity_runs SET started_at = now() - interval '25 h' RETURNING id")
    run = await compare(world)
    assert run["id"] != first
    assert run["status"] == "complete"
    given_up = await world.row("SELECT status, error FROM parity_runs WHERE id = %(id)s", id=first)
    assert (given_up["status"], "within a day" in given_up["error"]) == ("failed", True)


async def test_pain_24_a_vendor_that_forgot_the_cursor_is_listed_anew(world: World) -> None:
    """Cut off after the first of two pages; the cursor of the second is unknown when it goes on."""
    await world.control.post("/fill", json={"people": 520})
    await world.pull(EntityType.CANDIDATE)
    fault = {"kind": "error", "method": "GET", "path": "/v3/candidates", "after": 1, "times": 1, "status": 503}
    await world.control.post("/faults", json=fault)
    cut = await compare(world)
    assert (cut["status"], cut["pages"]) == ("running", 1)
    await world.rows("UPDATE parity_runs SET position = replace(position, 'cursor=', 'cursor=forgotten') RETURNING id")
    await world.rows("UPDATE sync_queue SET scheduled_at = now() WHERE action = 'compare' RETURNING 1")
    await world.drain()
    run = await world.row("SELECT * FROM parity_runs")
    assert (run["status"], run["pages"], run["drift"]) == ("complete", 2, 0)
    assert run["records"] == run["records_read"] == len((await world.vendor_state())["candidates"])


async def test_a_silent_webhook_is_noticed_and_forgiven(world: World) -> None:
    await world.pull()
    for each in (await in_step(ground_of(world)))[:10]:
        await ground_of(world).at_vendor("PATCH", f"/candidates/{each.external_id}", {"title": "Diver"})
    await world.pull(EntityType.CANDIDATE)
    await compare(world)
    silent = "SELECT detail FROM issues WHERE kind = 'webhook_silent' AND ended_at IS NULL"
    assert "none has ever come" in (await world.row(silent))["detail"]
    await world.rows(
        "INSERT INTO webhook_events (id, company_id, integration_id, state, received_at)"
        " VALUES (gen_random_uuid(), %(company)s, %(integration)s, 'processed', now()) RETURNING id",
        company=world.company_id,
        integration=world.integration_id,
    )
    await compare(world)
    assert await world.rows(silent) == []


async def test_parity_finds_what_ten_ways_of_coming_apart_leave_behind(crowd: World) -> None:
    await crowd.pull()
    before = {row["external_id"]: row["internal_id"] for row in await crowd.rows(LINKS)}
    planted = {each.external_id: each for each in await plant(ground_of(crowd), 4)}
    run = await compare(crowd)
    found = {key: row for key, row in run["differences"].items() if row["cause"] is None}
    assert {key: row["kind"] for key, row in found.items()} == {key: each.kind for key, each in planted.items()}
    healed = await compare(crowd)
    assert healed["drift"] == 0, healed["differences"]
    await assert_both_sides_agree(crowd, before)
