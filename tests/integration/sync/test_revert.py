"""Taking a run back: shown first, done field by field, here and at the vendor, and never over something newer."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from shared.errors import Conflict
from shared.integrations.lifecycle import Integrations
from shared.integrations.requests import Config, PatchIntegration
from shared.model import Direction, EntityType
from shared.past.reverting import Reverts
from shared.store.ledger import Job
from shared.sync.jobs.endings import Continue, Done, Ending
from shared.sync.jobs.priorities import REVERT
from tests.integration.sync.comparing import compare
from tests.integration.sync.merging import merge, part
from tests.integration.sync.world import World

CANDIDATE = EntityType.CANDIDATE


async def people(world: World, count: int) -> list[dict[str, Any]]:
    """Return vendor's candidates that have a title and a company."""
    found = [each for each in (await world.vendor_state())["candidates"] if each["title"] and each["company"]]
    return found[:count]


async def title_there(world: World, external_id: object) -> str:
    rows = (await world.vendor_state())["candidates"]
    return str(next(row for row in rows if row["id"] == external_id)["title"])


async def revert(world: World, run_id: UUID) -> dict[str, Any]:
    """Take the run back; return the row of the run that did it."""
    reverting = await world.services.reverts.start(world.company_id, run_id)
    await world.drain()
    return await world.run_of(reverting)


async def test_what_a_pull_changed_goes_back_on_both_sides_unless_something_newer_stands_there(world: World) -> None:
    await world.pull()
    changed, edited_since, held = await people(world, 3)
    for person in (changed, edited_since, held):
        await world.edit_at_vendor("candidates", person["id"], {"title": "By mistake", "company": "Wrong Ltd"})
    run_id = await world.pull(CANDIDATE)
    newer = await world.record_of(CANDIDATE, edited_since["id"])
    await world.edit_here(CANDIDATE, newer["id"], current_title="Meant so")
    await world.drain()
    vendor_before = await world.vendor_state()
    preview = await world.services.reverts.preview(world.company_id, run_id)
    assert preview["counts"] == {"records": 3, "fields": 5, "newer_change": 1, "archived": 0}
    assert len(preview["samples"]) == 6
    assert preview["is_whole"]
    assert await world.vendor_state() == vendor_before

    done = await revert(world, run_id)
    assert (done["status"], done["records_updated"], done["mode"]) == ("partial", 3, "revert")
    for person in (changed, held):
        record = await world.record_of(CANDIDATE, person["id"])
        assert (record["data"]["current_title"], record["data"]["current_company"]) == (
            person["title"], person["company"],
        )  # fmt: skip
        assert await title_there(world, person["id"]) == person["title"]
    kept = await world.record_of(CANDIDATE, edited_since["id"])
    assert (kept["data"]["current_title"], kept["data"]["current_company"]) == ("Meant so", edited_since["company"])
    assert await title_there(world, edited_since["id"]) == "Meant so"
    # Taken back is taken back: once more finds nothing to do but what stood in the way.
    again = await world.services.reverts.preview(world.company_id, run_id)
    assert again["counts"].get("fields", 0) == 0


async def test_the_reverting_run_can_be_taken_back_too(world: World) -> None:
    await world.pull()
    (person,) = await people(world, 1)
    await world.edit_at_vendor("candidates", person["id"], {"title": "Promoted"})
    run_id = await world.pull(CANDIDATE)
    first = await revert(world, run_id)
    assert first["status"] == "complete"
    assert await title_there(world, person["id"]) == person["title"]
    await revert(world, first["id"])
    assert (await world.record_of(CANDIDATE, person["id"]))["data"]["current_title"] == "Promoted"
    assert await title_there(world, person["id"]) == "Promoted"


async def test_what_a_pull_brought_in_is_archived_unless_it_is_used(world: World) -> None:
    run_id = await world.pull()
    children = await world.rows("SELECT id FROM runs WHERE parent_id = %(id)s AND entity_type = 'candidate'", id=run_id)
    used = await world.rows(
        "SELECT DISTINCT candidate_id AS id FROM records WHERE entity_type = 'application' AND candidate_id IS NOT NULL"
    )
    candidates = await world.rows("SELECT id FROM records WHERE entity_type = 'candidate'")
    preview = await world.services.reverts.preview(world.company_id, children[0]["id"])
    assert preview["counts"].get("in_use", 0) == len(used)
    assert preview["counts"]["archived"] == len(candidates) - len(used)
    await revert(world, children[0]["id"])
    left = await world.rows("SELECT id FROM records WHERE entity_type = 'candidate' AND archived_at IS NULL")
    assert {row["id"] for row in left} == {row["id"] for row in used}
    # Other rules look at every record once more, and bring nobody back.
    request = PatchIntegration(config=Config.model_validate({"policies": {"candidate": {"current_title": "critical"}}}))
    await Integrations.of(world.services).change(world.company_id, world.integration_id, request, expected_version=None)
    await world.pull(CANDIDATE, mode="full")
    still = await world.rows("SELECT id FROM records WHERE entity_type = 'candidate' AND archived_at IS NULL")
    assert still == left


async def test_a_run_older_than_the_log_says_how_much_of_it_nobody_knows_any_more(world: World) -> None:
    run_id = await world.pull(CANDIDATE)
    young = await world.services.reverts.preview(world.company_id, run_id)
    brought_in = young["counts"]["archived"]
    assert brought_in == (await world.run_of(run_id))["records_created"] > 0
    assert "forgotten" not in young["counts"]
    await world.execute("UPDATE runs SET started_at = started_at - interval '200 days' WHERE id = %(id)s", id=run_id)
    unspoilt = await world.services.reverts.preview(world.company_id, run_id)
    assert unspoilt["counts"] == young["counts"], "an old run of which the log still names every record"
    await world.execute(
        "DELETE FROM sync_logs WHERE run_id = %(id)s AND entity_id IN"
        " (SELECT entity_id FROM sync_logs WHERE run_id = %(id)s AND action = 'created' ORDER BY entity_id LIMIT 3)",
        id=run_id,
    )

    preview = await world.services.reverts.preview(world.company_id, run_id)
    assert (preview["counts"]["archived"], preview["counts"]["forgotten"]) == (brought_in - 3, 3)
    assert await world.services.reverts.forgotten(world.company_id, run_id) == 3

    done = await revert(world, run_id)
    taken_back = done["evidence"]["taken_back"]
    assert (done["status"], taken_back["archived"], taken_back["forgotten"]) == ("partial", brought_in - 3, 3)


async def test_what_an_outbound_run_wrote_at_the_vendor_goes_back(world: World) -> None:
    await world.pull()
    (person,) = await people(world, 1)
    record = await world.record_of(CANDIDATE, person["id"])
    await world.execute("DELETE FROM sync_queue")
    await world.edit_here(CANDIDATE, record["id"], current_title="Bulk change")
    await world.execute("DELETE FROM sync_queue")  # so that the run is what carries it
    run_id = await world.services.syncs.request(
        world.company_id, world.integration_id, direction=Direction.OUTBOUND, entity=CANDIDATE
    )
    await world.drain()
    assert await title_there(world, person["id"]) == "Bulk change"
    await revert(world, run_id)
    assert await title_there(world, person["id"]) == person["title"]
    assert (await world.record_of(CANDIDATE, person["id"]))["data"]["current_title"] == person["title"]


async def test_pain_32_the_address_of_somebody_who_was_erased_is_not_taken_back(world: World) -> None:
    """The rest of what the run changed goes back; neither side gets the address again, and the run tells that."""
    await world.pull()
    person = next(each for each in await people(world, 20) if len(each["email_addresses"]) == 1)
    address = person["email_addresses"][0]["value"]
    new = {"value": "new@example.org", "type": "personal"}
    await world.edit_at_vendor("candidates", person["id"], {"email_addresses": [new], "title": "By mistake"})
    run_id = await world.pull(CANDIDATE)
    async with world.services.database.company(world.company_id) as tx:
        await world.services.suppression.suppress_identity(tx, {"email": address.upper()}, reason="erasure")
    preview = await world.services.reverts.preview(world.company_id, run_id)
    assert preview["counts"] == {"records": 1, "fields": 1, "erased": 1, "archived": 0}
    assert {row["field"]: row["obstacle"] for row in preview["samples"]} == {"email": "erased", "current_title": None}
    assert address not in str(preview)

    done = await revert(world, run_id)
    assert (done["status"], done["evidence"]["taken_back"]["erased"]) == ("partial", 1)
    record = await world.record_of(CANDIDATE, person["id"])
    assert (record["data"]["email"], record["data"]["current_title"]) == ("new@example.org", person["title"])
    there = next(row for row in (await world.vendor_state())["candidates"] if row["id"] == person["id"])
    assert [each["value"] for each in there["email_addresses"]] == ["new@example.org"]
    assert there["title"] == person["title"]


async def test_nothing_is_written_to_who_is_part_of_somebody_else(world: World) -> None:
    """Nobody would see it, and it would be lost when the two are parted; the run says that it was not taken back."""
    await world.pull()
    alone, survivor, other = await people(world, 3)
    for person in (alone, other):
        await world.edit_at_vendor("candidates", person["id"], {"title": "By mistake"})
    run_id = await world.pull(CANDIDATE)
    merged = await world.record_of(CANDIDATE, other["id"])
    stays = (await world.record_of(CANDIDATE, survivor["id"]))["id"]
    await merge(world, stays, merged["id"])
    await world.drain()
    (before,) = await world.rows("SELECT data, version FROM records WHERE id = %(id)s", id=merged["id"])
    preview = await world.services.reverts.preview(world.company_id, run_id)
    assert preview["counts"] == {"records": 1, "fields": 1, "merged": 1, "archived": 0}
    assert {row["record_id"]: row["obstacle"] for row in preview["samples"]}[merged["id"]] == "merged"

    done = await revert(world, run_id)
    assert (done["status"], done["evidence"]["taken_back"]) == ("partial", preview["counts"])
    assert await title_there(world, alone["id"]) == alone["title"]
    assert await world.rows("SELECT data, version FROM records WHERE id = %(id)s", id=merged["id"]) == [before]
    await part(world, stays)
    await world.drain()
    again = await revert(world, run_id)
    assert again["status"] == "complete"
    assert (await world.record_of(CANDIDATE, other["id"]))["data"]["current_title"] == other["title"]
    assert await title_there(world, other["id"]) == other["title"]


async def test_who_was_brought_in_and_is_part_of_somebody_else_is_told(world: World) -> None:
    run_id = await world.pull(CANDIDATE)
    survivor, other = await people(world, 2)
    ids = [(await world.record_of(CANDIDATE, each["id"]))["id"] for each in (survivor, other)]
    await merge(world, ids[0], ids[1])
    preview = await world.services.reverts.preview(world.company_id, run_id)
    assert preview["counts"]["merged"] == 1


async def test_a_run_is_not_taken_back_while_it_runs_nor_twice_at_once(world: World) -> None:
    run_id = await world.services.syncs.request(
        world.company_id, world.integration_id, direction=Direction.INBOUND, entity=CANDIDATE
    )
    with pytest.raises(Conflict, match="not over yet"):
        await world.services.reverts.start(world.company_id, run_id)
    await world.drain()
    await world.services.reverts.start(world.company_id, run_id)
    with pytest.raises(Conflict, match="already"):
        await world.services.reverts.start(world.company_id, run_id)


async def test_a_worker_that_starts_over_takes_nothing_back_twice(world: World) -> None:
    await world.pull()
    persons = await people(world, 3)
    for person in persons:
        await world.edit_at_vendor("candidates", person["id"], {"title": "By mistake"})
    run_id = await world.pull(CANDIDATE)
    reverting = await world.services.reverts.start(world.company_id, run_id)
    # What the worker had committed when it died: one record of three.
    done = await world.record_of(CANDIDATE, persons[0]["id"])
    async with world.services.database.company(world.company_id) as tx:
        record = (await world.services.store.records.lock(tx, CANDIDATE, [done["id"]]))[done["id"]]
        requests = await world.services.edits.take_back(tx, record, {"current_title": persons[0]["title"]}, reverting)
        await world.services.store.ledger.enqueue(tx, requests)
    await world.edit_here(CANDIDATE, done["id"], current_title="Meant so, after it was taken back")
    await world.drain()
    assert (await world.run_of(reverting))["status"] == "complete"
    titles = [(await world.record_of(CANDIDATE, each["id"]))["data"]["current_title"] for each in persons]
    assert titles == ["Meant so, after it was taken back", persons[1]["title"], persons[2]["title"]]


async def test_what_was_taken_back_is_not_brought_in_again_by_a_comparison(world: World) -> None:
    run_id = await world.pull(CANDIDATE)
    await revert(world, run_id)
    assert await world.rows("SELECT id FROM records WHERE entity_type = 'candidate' AND archived_at IS NULL") == []
    await compare(world)
    await world.drain()
    assert await world.rows("SELECT id FROM records WHERE entity_type = 'candidate' AND archived_at IS NULL") == []


async def test_a_run_that_takes_long_is_taken_back_in_several_invocations(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each goes on behind the last batch of the one before, and the figures are those of all."""
    monkeypatch.setattr("shared.past.reverting.BATCH", 1)
    await world.pull()
    persons = await people(world, 3)
    for person in persons:
        await world.edit_at_vendor("candidates", person["id"], {"title": "By mistake"})
    run_id = await world.pull(CANDIDATE)
    services, endings = world.services, list[Ending]()
    reverts = Reverts(
        services.database,
        services.store,
        services.vault,
        services.edits,
        services.suppression,
        services.knocker,
        time_budget_s=0.0,
    )

    async def handle(job: Job) -> Ending:
        endings.append(await reverts(job))
        return endings[-1]

    monkeypatch.setitem(services.handlers, REVERT, handle)
    done = await revert(world, run_id)
    assert [type(each) for each in endings] == [Continue, Continue, Continue, Done]
    assert (done["status"], done["records_updated"], done["records_read"]) == ("complete", 3, 3)
    assert done["evidence"]["taken_back"] == {"records": 3, "fields": 3, "archived": 0}
    for person in persons:
        assert await title_there(world, person["id"]) == person["title"]
