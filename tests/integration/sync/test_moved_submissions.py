"""Submissions whose candidate the vendor merges into another one: while their create has no answer, and afterwards."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from shared.model import EntityType
from shared.sync.candidates.vendor_merges import MOST_WAITS
from tests.integration.sync.configuring import configure
from tests.integration.sync.submitting import (
    LOST,
    lose_the_answer,
    lose_the_application_of,
    open_job,
    submission_of,
    submit,
)
from tests.integration.sync.vendor import applications_there, holders, signal
from tests.integration.sync.vendor_merging import merge_silently, merge_there, person, tell
from tests.integration.sync.waits import after_the_lag, due_now
from tests.integration.sync.working import run_job_of
from tests.integration.sync.world import World

CANDIDATE, APPLICATION = EntityType.CANDIDATE, EntityType.APPLICATION


async def merged_while_nobody_knows(world: World, fault: dict[str, Any]) -> tuple[int, UUID]:
    """Submit one of two people, with *fault* upon the create, and merge them there; return who is left, and what."""
    loser, winner = await person(world, "Ada"), await person(world, "Augusta")
    await world.pull()
    _, job_id = await open_job(world)
    application = await submit(world, (await world.record_of(CANDIDATE, loser))["id"], job_id)
    await world.control.post("/faults", json={"method": "POST", "path": "/v3/applications", "times": 1, **fault})
    await world.drain()
    await merge_there(world, winner, loser)
    return winner, application.id


@pytest.mark.parametrize("comes_first", [True, False])
async def test_what_a_lost_create_has_made_is_found_where_the_vendor_has_moved_it(
    world: World, comes_first: bool
) -> None:
    """The search went by the id that is gone, and the one who is left brought it in beside; found by the simulation."""
    winner, application_id = await merged_while_nobody_knows(world, {"kind": "lost_answer"})
    (made,) = await applications_there(world, winner)
    if comes_first:
        await signal(world, APPLICATION, made["id"])
    await after_the_lag(world)
    await signal(world, APPLICATION, made["id"])
    assert len(await applications_there(world, winner)) == 1
    assert (await submission_of(world, application_id))["state"] == "submitted"
    rows = await world.rows(
        "SELECT id, data FROM records WHERE entity_type = 'application' AND id IN"
        " (SELECT internal_id FROM external_entity_map WHERE external_id = %(id)s)",
        id=str(made["id"]),
    )
    assert [row["id"] for row in rows] == [application_id]
    assert rows[0]["data"]["candidate_id"] == str((await world.record_of(CANDIDATE, winner))["id"])
    assert await world.rows("SELECT 1 FROM create_intents WHERE state = 'open'") == []


async def test_what_was_not_made_before_the_merge_is_made_nowhere_and_says_so(world: World) -> None:
    winner, application_id = await merged_while_nobody_knows(world, {"kind": "error", "status": 503})
    await after_the_lag(world)
    assert await applications_there(world, winner) == []
    said = await submission_of(world, application_id)
    assert (said["state"], "deleted at the vendor" in said["error"]) == ("failed", True)
    assert await world.rows("SELECT 1 FROM create_intents WHERE state = 'open'") == []


async def test_what_the_vendor_moves_between_its_answer_and_our_look_follows_there(world: World) -> None:
    """The new link had nothing agreed of whose it is, and ours stayed the other one's; found by the simulation."""
    loser, winner = await person(world, "Ada"), await person(world, "Augusta")
    await world.pull()
    _, job_id = await open_job(world)
    application = await submit(world, (await world.record_of(CANDIDATE, loser))["id"], job_id)
    await run_job_of(world, application.id)
    assert len(await applications_there(world, loser)) == 1
    await merge_there(world, winner, loser)
    (there,) = await applications_there(world, winner)
    here = await world.record_of(APPLICATION, there["id"])
    assert here["id"] == application.id
    assert here["data"]["candidate_id"] == str((await world.record_of(CANDIDATE, winner))["id"])


async def arrive(world: World, how: str, application: int) -> None:
    """Let the vendor's application be seen here: by its event, or in a pull."""
    await (signal(world, APPLICATION, application) if how == "event" else world.pull(APPLICATION, mode=how))


async def require_one(world: World, ours: UUID, winner: int, *people: UUID) -> None:
    """Require that *people* have one application, *ours*: submitted, and of whom the vendor has left."""
    (there,) = await applications_there(world, winner)
    owner = (await world.record_of(CANDIDATE, winner))["id"]
    rows = await world.rows(
        "SELECT id, candidate_id, submission ->> 'state' AS state FROM records"
        " WHERE entity_type = 'application' AND candidate_id = ANY(%(ids)s)",
        ids=[owner, *people],
    )
    assert rows == [{"id": ours, "candidate_id": owner, "state": "submitted"}]
    assert (await world.record_of(APPLICATION, there["id"]))["id"] == ours
    assert await world.rows("SELECT 1 FROM create_intents WHERE state = 'open'") == []
    assert await world.rows("SELECT 1 FROM sync_queue WHERE hold_reason IS NOT NULL") == []
    assert await world.rows("SELECT 1 FROM dead_letters") == []


@pytest.mark.parametrize("policy", ["review", "merge"])
@pytest.mark.parametrize(
    ("how", "retries", "event"),
    [
        ("event", "after the merge is followed", True),
        ("incremental", "before the merge is followed", True),
        ("full", "before the merge is followed", True),
        ("event", "before the merge is followed", False),
        ("full", "after the merge is followed", False),
    ],
)
async def test_what_the_vendor_has_moved_and_shows_before_we_know_of_the_merge_is_ours(
    world: World, policy: str, how: str, retries: str, event: bool
) -> None:
    """It came in as an application of who is left, and ours was told to have failed: two of one."""
    await configure(world, "on_vendor_merge", f'"{policy}"')
    loser, winner = await person(world, "Ada"), await person(world, "Augusta")
    await world.pull()
    other, ours, made = await lose_the_application_of(world, loser)
    await merge_silently(world, winner, loser)
    if retries == "before the merge is followed":
        await after_the_lag(world)
        assert (await submission_of(world, ours.id))["state"] == "queued"
    await arrive(world, how, made["id"])
    if event:
        await tell(world, winner, loser)
    await after_the_lag(world)
    await require_one(world, ours.id, winner, other)
    await world.pull(mode="full")
    await require_one(world, ours.id, winner, other)


async def test_what_the_vendor_has_moved_to_somebody_unknown_is_ours(world: World) -> None:
    loser = await person(world, "Ada")
    await world.pull()
    other, ours, made = await lose_the_application_of(world, loser)
    winner = await person(world, "Augusta")
    await merge_silently(world, winner, loser)
    await arrive(world, "full", made["id"])
    await after_the_lag(world)
    await require_one(world, ours.id, winner, other)


@pytest.mark.parametrize("how", ["event", "incremental", "full"])
async def test_what_is_linked_stays_the_same_record_whomever_the_vendor_has_moved_it_to(world: World, how: str) -> None:
    loser, winner = await person(world, "Ada"), await person(world, "Augusta")
    await world.pull()
    _, job_id = await open_job(world)
    other = (await world.record_of(CANDIDATE, loser))["id"]
    ours = await submit(world, other, job_id)
    await world.drain()
    (made,) = await applications_there(world, loser)
    await merge_silently(world, winner, loser)
    await arrive(world, how, made["id"])
    await require_one(world, ours.id, winner, other)
    await tell(world, winner, loser)
    await world.pull(mode="full")
    await require_one(world, ours.id, winner, other)


@pytest.mark.parametrize("how", ["event", "full"])
async def test_somebody_elses_application_does_not_wait_for_a_create_whose_candidate_is_there(
    world: World, how: str
) -> None:
    ada, bea = await person(world, "Ada"), await person(world, "Bea")
    await world.pull()
    job, job_id = await open_job(world)
    await submit(world, (await world.record_of(CANDIDATE, ada))["id"], job_id)
    await world.control.post("/faults", json=LOST)
    await world.drain()
    made = await world.control.post("/applications", json={"candidate_id": bea, "job_id": job["id"]})
    await arrive(world, how, made.json()["id"])
    assert await world.rows("SELECT 1 FROM create_intents WHERE state = 'open'") != []
    here = await world.record_of(APPLICATION, made.json()["id"])
    assert here["data"]["candidate_id"] == str((await world.record_of(CANDIDATE, bea))["id"])


async def test_somebody_elses_application_is_not_taken_for_that_of_who_was_deleted(world: World) -> None:
    """Nothing shows a merge: it waits until the create has ended, and is its own."""
    ada, bea = await person(world, "Ada"), await person(world, "Bea")
    await world.pull()
    job, job_id = await open_job(world)
    ours = await submit(world, (await world.record_of(CANDIDATE, ada))["id"], job_id)
    await world.control.post("/faults", json=LOST)
    await world.drain()
    (await world.control.delete(f"/candidates/{ada}?webhooks=false")).raise_for_status()
    made = await world.control.post("/applications", json={"candidate_id": bea, "job_id": job["id"]})
    await arrive(world, "event", made.json()["id"])
    await world.rows("UPDATE create_intents SET sent_at = sent_at - interval '5 min' RETURNING 1")
    for _ in range(MOST_WAITS + 1):
        assert (await submission_of(world, ours.id))["state"] == "queued", "the event of a merge may be on its way"
        await due_now(world)
        await world.drain()
    assert (await submission_of(world, ours.id))["state"] == "failed"
    here = await world.record_of(APPLICATION, made.json()["id"])
    assert here["id"] != ours.id
    assert here["data"]["candidate_id"] == str((await world.record_of(CANDIDATE, bea))["id"])
    assert await world.rows("SELECT 1 FROM sync_queue WHERE hold_reason IS NOT NULL") == []
    assert await world.rows("SELECT 1 FROM conflicts WHERE reason = 'merge_unproven'") == []


@pytest.mark.parametrize("hidden", [[], ["email_addresses"]])
async def test_whom_a_create_may_have_made_and_the_vendor_merged_is_not_made_again(
    world: World, hidden: list[str]
) -> None:
    """
    They were created once more, with a second application: their address was somebody else's whom we know.

    Nor where the vendor shows no addresses any more: it finds by them all the same.
    """
    winner = await person(world, "Augusta")
    candidate, ours = await lose_the_answer(world)
    email = str(candidate.data["email"])
    (made,) = await holders(world, email)
    await merge_silently(world, winner, made["id"])
    await world.control.patch("/settings", json={"hidden_fields": {"candidates": hidden}})
    await after_the_lag(world)
    assert [each["id"] for each in await holders(world, email)] == [winner]
    assert len(await applications_there(world, winner)) == 1
    said = await submission_of(world, ours.id)
    assert (said["state"], "merged the two" in said["error"]) == ("failed", True)
    assert await world.rows("SELECT 1 FROM create_intents WHERE state = 'open'") == []


async def test_whom_a_person_has_told_from_the_holder_of_their_address_is_made(world: World) -> None:
    winner = await person(world, "Augusta")
    candidate, ours = await lose_the_answer(world)
    email = str(candidate.data["email"])
    (made,) = await holders(world, email)
    await merge_silently(world, winner, made["id"])
    one = (await world.record_of(CANDIDATE, winner))["id"]
    async with world.services.database.company(world.company_id) as tx:
        await world.services.store.identity_pairs.put(tx, one, [candidate.id], by="dm")
    await after_the_lag(world)
    assert len(await holders(world, email)) == 2
    assert (await submission_of(world, ours.id))["state"] == "submitted"
