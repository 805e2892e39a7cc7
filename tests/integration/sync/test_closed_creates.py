"""A create whose answer is lost, and whose direction is closed before anybody knows what became of it."""

from __future__ import annotations

from typing import Any

import pytest

from shared.model import EntityType
from shared.store.records import StoredRecord
from tests.integration.sync.configuring import directions, patch
from tests.integration.sync.submitting import lose_the_answer, lose_the_application_of, open_job, submission_of, submit
from tests.integration.sync.vendor import applications_there, holders
from tests.integration.sync.vendor_merging import person
from tests.integration.sync.waits import after_the_lag, due_now
from tests.integration.sync.world import World, fresh_token

CANDIDATE, APPLICATION = EntityType.CANDIDATE, EntityType.APPLICATION
HOUR_S = 3600.0


async def lose_the_application(world: World) -> tuple[int, StoredRecord]:
    """Submit somebody whom the vendor knows; it makes the application that no list shows yet, and never answers."""
    external_id = await person(world, "Ada")
    await world.pull()
    world.simulator.settings.replica_lag_s = HOUR_S
    _, application, _ = await lose_the_application_of(world, external_id)
    return external_id, application


async def of_name(world: World, *last_names: str) -> list[dict[str, Any]]:
    """Return the vendor's candidates of these names."""
    return [each for each in (await world.vendor_state())["candidates"] if each["last_name"] in last_names]


async def candidates_here(world: World, *emails: str) -> list[Any]:
    """Return our candidates who hold one of *emails*."""
    rows = await world.rows(
        "SELECT id FROM records WHERE entity_type = 'candidate' AND data ->> 'email' = ANY(%(emails)s)",
        emails=list(emails),
    )
    return [row["id"] for row in rows]


async def marry(world: World, candidate: StoredRecord) -> dict[str, str]:
    """Give a candidate another name, address and number: today's tell nobody who was sent."""
    married = {"email": f"new.{fresh_token()}@example.org", "last_name": "Quandt", "phone": "+1 202 555 0199"}
    await world.edit_here(CANDIDATE, candidate.id, **married)
    return married


async def is_one(world: World, candidate: StoredRecord, application: StoredRecord, *emails: str) -> None:
    """Check that the person and the application are there once on both sides, and linked."""
    await world.pull(mode="full")
    await after_the_lag(world)
    (made,) = await of_name(world, "Hoppér", "Quandt")
    assert await candidates_here(world, *emails) == ([candidate.id] if emails else [])
    assert (await world.record_of(CANDIDATE, made["id"]))["id"] == candidate.id
    (there,) = await applications_there(world, made["id"])
    assert (await world.record_of(APPLICATION, there["id"]))["id"] == application.id
    said = await submission_of(world, application.id)
    assert (said["state"], said["external_id"]) == ("submitted", str(there["id"]))
    assert await world.rows("SELECT 1 FROM create_intents WHERE state = 'open'") == []
    assert await world.rows("SELECT 1 FROM sync_queue WHERE hold_reason LIKE 'creation:%%'") == []
    assert await world.rows("SELECT 1 FROM issues WHERE kind = 'submissions_wait' AND ended_at IS NULL") == []


@pytest.mark.parametrize("closed", [CANDIDATE, APPLICATION])
@pytest.mark.parametrize("is_pulled", [True, False])
async def test_pain_19_a_candidate_whose_direction_closes_while_the_answer_is_lost_is_made_once(
    world: World, closed: EntityType, is_pulled: bool
) -> None:
    """What was sent was forgotten: the vendor's came in beside ours, and ours was created once more."""
    candidate, application = await lose_the_answer(world)
    married = await marry(world, candidate)
    emails = [str(candidate.data["email"]), married["email"]]
    await directions(world, **{closed.value: "inbound"})
    await due_now(world)
    await world.drain()
    if is_pulled:
        await world.pull()
        assert await candidates_here(world, *emails) == [candidate.id]
        await after_the_lag(world)
    assert len(await of_name(world, "Hoppér", "Quandt")) == 1
    await directions(world, **{closed.value: "both"})
    await world.drain()
    await is_one(world, candidate, application, *emails)


async def test_what_a_lost_create_has_made_is_linked_while_its_direction_is_closed(world: World) -> None:
    """The search reads only; ours does not go there, and theirs is ours."""
    candidate, application = await lose_the_answer(world)
    married = await marry(world, candidate)
    await directions(world, candidate="inbound", application="inbound")
    await world.control.delete("/requests")
    await after_the_lag(world)
    (made,) = await holders(world, str(candidate.data["email"]))
    assert (await world.record_of(CANDIDATE, made["id"]))["id"] == candidate.id
    assert [each for each in await world.requests() if each["method"] != "GET" and "/v3/" in each["path"]] == []
    await is_one(world, candidate, application, str(candidate.data["email"]), married["email"])


async def test_what_was_not_made_is_withdrawn_and_goes_out_when_its_direction_opens(world: World) -> None:
    await world.pull()
    _, job_id = await open_job(world)
    external_id = await person(world, "Ada")
    await world.pull()
    application = await submit(world, (await world.record_of(CANDIDATE, external_id))["id"], job_id)
    fault = {"kind": "error", "method": "POST", "path": "/v3/applications", "times": 1, "status": 503}
    await world.control.post("/faults", json=fault)
    await world.drain()
    await directions(world, application="inbound")
    await after_the_lag(world)
    assert [row["state"] for row in await world.rows("SELECT state FROM create_intents")] == ["withdrawn"]
    assert (await submission_of(world, application.id))["state"] == "queued"
    assert len(await world.rows("SELECT 1 FROM issues WHERE kind = 'submissions_wait' AND ended_at IS NULL")) == 1
    await directions(world, application="both")
    await world.drain()
    assert len(await applications_there(world, external_id)) == 1
    assert (await submission_of(world, application.id))["state"] == "submitted"


@pytest.mark.parametrize("is_pulled", [True, False])
async def test_pain_19_an_application_whose_direction_closes_while_the_answer_is_lost_is_made_once(
    world: World, is_pulled: bool
) -> None:
    """Opened again before the vendor's lists showed it, it was sent a second time: another vendor would have two."""
    external_id, application = await lose_the_application(world)
    await directions(world, application="inbound")
    await due_now(world)
    await world.drain()
    if is_pulled:
        await world.pull()
    await directions(world, application="both")
    await due_now(world)
    await world.drain()
    assert len(await applications_there(world, external_id)) == 1
    posts = [each for each in await world.requests() if (each["method"], each["path"]) == ("POST", "/v3/applications")]
    assert len(posts) == 1
    world.simulator.settings.replica_lag_s = 0
    await after_the_lag(world)
    await world.pull(mode="full")
    (there,) = await applications_there(world, external_id)
    assert (await world.record_of(APPLICATION, there["id"]))["id"] == application.id
    assert (await submission_of(world, application.id))["state"] == "submitted"
    rows = await world.rows("SELECT id FROM records WHERE candidate_id = %(id)s", id=application.data["candidate_id"])
    assert [row["id"] for row in rows] == [application.id]
    assert await world.rows("SELECT 1 FROM dead_letters") == []
    assert await world.rows("SELECT 1 FROM create_intents WHERE state = 'open'") == []


@pytest.mark.parametrize("again", ["both", "inbound"])
async def test_a_candidate_whose_entity_is_switched_off_meanwhile_is_made_once(world: World, again: str) -> None:
    """The switch takes the job away that knows; whoever comes from the vendor then asks for it."""
    candidate, application = await lose_the_answer(world)
    married = await marry(world, candidate)
    await patch(world, sync_candidates=False)
    await after_the_lag(world)
    await directions(world, candidate=again)
    await patch(world, sync_candidates=True)
    await is_one(world, candidate, application, str(candidate.data["email"]), married["email"])


async def test_whose_address_is_taken_away_while_the_answer_is_lost_is_found_by_what_was_sent(world: World) -> None:
    """They could not be found again, it was said, and their create stayed open for ever."""
    candidate, application = await lose_the_answer(world)
    await world.edit_here(CANDIDATE, candidate.id, email=None)
    await after_the_lag(world)
    await is_one(world, candidate, application)
