"""Creates that ended without an answer, or before they were sent: each makes one record, and none waits for ever."""

from __future__ import annotations

import pytest

from shared.model import EntityType
from tests.integration.sync.submitting import lose_the_answer, new_candidate, open_job, submission_of, submit
from tests.integration.sync.vendor import holders, signal
from tests.integration.sync.waits import after_the_lag, due_now
from tests.integration.sync.world import World, fresh_token


async def test_s_131_a_lost_answer_to_a_create_makes_one_record(world: World) -> None:
    candidate, application = await lose_the_answer(world)
    assert (await submission_of(world, application.id))["state"] == "queued"
    # The vendor's search may lag: the retry waits that long, and starts with a search.
    await world.rows("UPDATE create_intents SET sent_at = sent_at - interval '5 min' RETURNING 1")
    await due_now(world)
    await world.drain()
    assert len(await holders(world, str(candidate.data["email"]))) == 1
    assert (await submission_of(world, application.id))["state"] == "submitted"
    assert await world.rows("SELECT 1 FROM create_intents WHERE state = 'open'") == []


async def test_pain_19_somebody_whose_address_changes_while_the_answer_is_lost_is_made_once(world: World) -> None:
    candidate, _ = await lose_the_answer(world)
    married = {"email": f"new.{fresh_token()}@example.org", "last_name": "Quandt", "phone": "+1 202 555 0199"}
    await world.edit_here(EntityType.CANDIDATE, candidate.id, **married)
    intent = await world.row("SELECT sent_sealed FROM create_intents")
    assert str(candidate.data["email"]).encode() not in bytes(intent["sent_sealed"])
    await after_the_lag(world)
    assert await holders(world, str(candidate.data["email"])) == []
    (made,) = await holders(world, married["email"])
    # What was edited meanwhile is an edit of what was sent: it went out, and nobody is asked.
    assert (made["last_name"], [each["value"] for each in made["phone_numbers"]]) == ("Quandt", ["+1 202 555 0199"])
    assert await world.rows("SELECT 1 FROM conflicts WHERE status = 'open'") == []
    intents = await world.rows("SELECT DISTINCT state, sent_sealed FROM create_intents")
    assert intents == [{"state": "linked", "sent_sealed": None}]


async def test_whoever_is_shown_without_an_address_may_be_whom_a_lost_create_has_made(world: World) -> None:
    """The key shows addresses no more: they came in as somebody else, and were made once more."""
    candidate, application = await lose_the_answer(world)
    hidden = ["email_addresses", "phone_numbers"]
    await world.control.patch("/settings", json={"hidden_fields": {"candidates": hidden}})
    await world.pull()
    await after_the_lag(world)
    assert len(await holders(world, str(candidate.data["email"]))) == 1
    assert (await submission_of(world, application.id))["state"] == "submitted"
    grown = await world.rows("SELECT id FROM records WHERE data ->> 'last_name' = %(name)s", name="Hoppér")
    assert [each["id"] for each in grown] == [candidate.id]


async def test_whoever_is_archived_while_the_answer_is_lost_comes_in_from_the_vendor(world: World) -> None:
    """Else their intent would stay open, and whoever comes from there would wait for its end for ever."""
    candidate, _ = await lose_the_answer(world)
    await world.rows(
        "UPDATE records SET archived_at = clock_timestamp() WHERE id = %(id)s RETURNING 1", id=candidate.id
    )
    (made,) = await holders(world, str(candidate.data["email"]))
    await signal(world, EntityType.CANDIDATE, made["id"])
    await after_the_lag(world)
    assert (await world.row("SELECT state FROM create_intents"))["state"] == "withdrawn"
    assert await world.rows("SELECT 1 FROM sync_queue WHERE hold_reason LIKE 'creation:%%'") == []
    assert (await world.record_of(EntityType.CANDIDATE, made["id"]))["archived_at"] is None
    assert len(await holders(world, str(candidate.data["email"]))) == 1


async def test_a_retry_within_the_search_lag_waits(world: World) -> None:
    await lose_the_answer(world)
    await world.control.delete("/requests")
    await due_now(world)
    await world.drain()
    assert [
        each for each in await world.requests() if each["method"] == "POST" and each["path"] == "/v3/candidates"
    ] == []
    waiting = await world.row(
        "SELECT scheduled_at > clock_timestamp() AS is_later, retry_count FROM sync_queue"
        " WHERE entity_type = 'candidate' AND action = 'reconcile' AND status = 'pending'"
    )
    assert waiting == {"is_later": True, "retry_count": 1}


async def test_a_create_that_could_not_search_gives_way_to_whoever_came_in_meanwhile(world: World) -> None:
    """Its intent stayed open for ever: nobody could archive or merge the record any more; found by the simulation."""
    await world.pull()
    _, job_id = await open_job(world)
    candidate = await new_candidate(world)
    application = await submit(world, candidate.id, job_id)
    fault = {"kind": "error", "method": "GET", "path": "/v3/candidates", "times": 1, "status": 503}
    await world.control.post("/faults", json=fault)
    await world.drain()
    assert await world.rows("SELECT state, sent_at FROM create_intents") == [{"state": "open", "sent_at": None}]
    address = {"value": candidate.data["email"], "type": "personal"}
    names = {name: candidate.data[name] for name in ("first_name", "last_name")}
    made = await world.control.post("/candidates", json={**names, "email_addresses": [address]})
    await signal(world, EntityType.CANDIDATE, made.json()["id"])
    assert (await world.record_of(EntityType.CANDIDATE, made.json()["id"]))["id"] == candidate.id
    await due_now(world)
    await world.drain()
    assert await world.rows("SELECT 1 FROM create_intents WHERE state = 'open'") == []
    assert (await submission_of(world, application.id))["state"] == "submitted"
    assert len(await holders(world, str(candidate.data["email"]))) == 1
    await world.services.archives.archive(world.company_id, EntityType.CANDIDATE, candidate.id, actor="jo")


@pytest.mark.parametrize("is_first_ours", [True, False])
async def test_a_person_says_which_of_two_a_lost_create_has_made(world: World, is_first_ours: bool) -> None:
    """The search found both again and asked again, whatever was decided; found by the simulation."""
    candidate, application = await lose_the_answer(world)
    email = str(candidate.data["email"])
    (made,) = await holders(world, email)
    theirs = {"first_name": "Grace", "last_name": "Hoppér", "email_addresses": [{"value": email, "type": "personal"}]}
    other = (await world.control.post("/candidates?webhooks=false", json=theirs)).json()
    for each in (made, other):
        await signal(world, EntityType.CANDIDATE, each["id"])
    await after_the_lag(world)
    asked = await world.row("SELECT * FROM conflicts WHERE status = 'open' AND kind = 'ambiguous_match'")
    ours = (
        asked["external_id"] if is_first_ours else str(({made["id"], other["id"]} - {int(asked["external_id"])}).pop())
    )
    await world.services.resolutions.resolve(
        world.company_id,
        asked["id"],
        choice="record" if is_first_ours else "new",
        value=str(candidate.id) if is_first_ours else None,
        expected_version=asked["version"],
        actor="recruiter",
    )
    await after_the_lag(world)
    links = await world.rows("SELECT external_id FROM external_entity_map WHERE internal_id = %(id)s", id=candidate.id)
    assert [each["external_id"] for each in links] == [ours]
    assert len(await holders(world, email)) == 2
    assert await world.rows("SELECT 1 FROM create_intents WHERE state = 'open'") == []
    assert await world.rows("SELECT 1 FROM conflicts WHERE status = 'open' AND kind = 'ambiguous_match'") == []
    there = await world.rows(
        "SELECT internal_id FROM external_entity_map WHERE external_id IN (%(a)s, %(b)s)",
        a=str(made["id"]),
        b=str(other["id"]),
    )
    assert len({each["internal_id"] for each in there}) == 2
    assert (await submission_of(world, application.id))["state"] == "submitted"
