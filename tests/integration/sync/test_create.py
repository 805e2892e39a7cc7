"""Submissions: what the portal creates appears at the vendor, once."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from shared.errors import Conflict, InvalidInput
from shared.model import EntityType
from shared.store.records import StoredRecord
from tests.fixtures.waiting import until
from tests.integration.sync.vendor import signal, stage_names
from tests.integration.sync.world import World, fresh_token


async def open_job(world: World) -> tuple[dict[str, Any], UUID]:
    """Return an open vendor job with a pipeline, and our record of it."""
    state = await world.vendor_state()
    job = next(row for row in state["jobs"] if row["status"] == "open" and not row["is_template"])
    return job, (await world.record_of(EntityType.JOB, job["id"]))["id"]


async def new_candidate(world: World, **fields: Any) -> StoredRecord:
    """Add a candidate in the portal."""
    values = {
        "first_name": "Grace",
        "last_name": "Hoppér",
        "email": f"grace.{fresh_token()}@example.org",
        "phone": "+1 202 555 0143",
        "tags": ["Compilers"],
        **fields,
    }
    return await world.services.edits.create_candidate(world.company_id, values, actor="recruiter")


async def submit(world: World, candidate_id: UUID, job_id: UUID, **fields: Any) -> StoredRecord:
    """Submit a candidate to a job."""
    return await world.services.edits.submit_application(
        world.company_id, candidate_id=candidate_id, job_id=job_id, fields=fields, actor="recruiter"
    )


async def holders(world: World, email: str) -> list[dict[str, Any]]:
    """Return the vendor's candidates who hold *email*."""
    return [
        row
        for row in (await world.vendor_state())["candidates"]
        if any(each["value"] == email for each in row["email_addresses"] or [])
    ]


async def submission_of(world: World, record_id: UUID) -> dict[str, Any]:
    """Return an application's `submission`."""
    row = await world.row("SELECT submission FROM records WHERE id = %(id)s", id=record_id)
    found: dict[str, Any] = row["submission"]
    return found


async def due_now(world: World) -> None:
    """Let every pending job be due: the clock is not waited for."""
    await world.rows(
        "UPDATE sync_queue SET scheduled_at = clock_timestamp() WHERE status = 'pending' AND hold_reason IS NULL"
        " RETURNING 1"
    )


async def test_a_submitted_candidate_and_application_appear_at_the_vendor(world: World) -> None:
    await world.pull()
    job, job_id = await open_job(world)
    candidate = await new_candidate(world)
    application = await submit(world, candidate.id, job_id)
    assert application.submission is not None
    assert application.submission["state"] == "queued"
    await world.drain()
    (made,) = await holders(world, str(candidate.data["email"]))
    assert (made["first_name"], made["last_name"], made["tags"]) == ("Grace", "Hoppér", ["Compilers"])
    rows = [row for row in (await world.vendor_state())["applications"] if row["candidate_id"] == made["id"]]
    assert [row["job_id"] for row in rows] == [job["id"]]
    submission = await submission_of(world, application.id)
    assert submission["state"] == "submitted"
    assert submission["external_id"] == str(rows[0]["id"])
    assert submission["integration_id"] == str(world.integration_id)
    logs = await world.rows(
        "SELECT entity_type, status FROM sync_logs WHERE direction = 'outbound' AND action = 'created'"
    )
    assert {(row["entity_type"], row["status"]) for row in logs} == {
        ("candidate", "success"),
        ("application", "success"),
    }
    stage = (await world.record_of(EntityType.APPLICATION, rows[0]["id"]))["data"]["stage"]
    assert stage == rows[0]["stage_name"]


async def test_nothing_is_doubled_when_its_own_webhooks_and_pulls_follow(world: World) -> None:
    await world.pull()
    _, job_id = await open_job(world)
    candidate = await new_candidate(world)
    await submit(world, candidate.id, job_id)
    await world.drain()
    (made,) = await holders(world, str(candidate.data["email"]))
    await signal(world, EntityType.CANDIDATE, made["id"])
    await world.pull(mode="full")
    await world.drain()
    people = await world.rows(
        "SELECT id FROM records WHERE entity_type = 'candidate' AND data ->> 'email' = %(email)s",
        email=candidate.data["email"],
    )
    assert [row["id"] for row in people] == [candidate.id]
    applications = await world.rows("SELECT id FROM records WHERE candidate_id = %(id)s", id=candidate.id)
    assert len(applications) == 1
    assert len(await holders(world, str(candidate.data["email"]))) == 1


async def lose_the_answer(world: World) -> tuple[StoredRecord, StoredRecord]:
    """Submit a new candidate whose create the vendor carries out, and whose answer never comes; return both records."""
    await world.pull()
    _, job_id = await open_job(world)
    candidate = await new_candidate(world)
    application = await submit(world, candidate.id, job_id)
    await world.control.post(
        "/faults", json={"kind": "lost_answer", "method": "POST", "path": "/v3/candidates", "times": 1}
    )
    await world.drain()
    return candidate, application


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


async def after_the_lag(world: World) -> None:
    """Let the vendor's search show everything, and everything that waits be done."""
    await world.rows("UPDATE create_intents SET sent_at = sent_at - interval '5 min' RETURNING 1")
    for _ in range(3):
        await due_now(world)
        await world.drain()


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


async def test_two_submissions_of_a_new_candidate_create_one_candidate(world: World) -> None:
    await world.pull()
    state = await world.vendor_state()
    jobs = [row for row in state["jobs"] if row["status"] == "open" and not row["is_template"]][:2]
    candidate = await new_candidate(world)
    made = [await submit(world, candidate.id, (await world.record_of(EntityType.JOB, job["id"]))["id"]) for job in jobs]
    await world.drain()
    (person,) = await holders(world, str(candidate.data["email"]))
    rows = [row for row in (await world.vendor_state())["applications"] if row["candidate_id"] == person["id"]]
    assert sorted(row["job_id"] for row in rows) == sorted(job["id"] for job in jobs)
    assert [(await submission_of(world, each.id))["state"] for each in made] == ["submitted", "submitted"]


async def test_a_second_application_of_a_known_candidate_is_created_alone(world: World) -> None:
    await world.pull()
    state = await world.vendor_state()
    job, job_id = await open_job(world)
    applied = {row["candidate_id"] for row in state["applications"] if row["job_id"] == job["id"]}
    person = next(row for row in state["candidates"] if row["id"] not in applied and not row["private"])
    record = await world.record_of(EntityType.CANDIDATE, person["id"])
    application = await submit(world, record["id"], job_id)
    before = len(state["candidates"])
    await world.drain()
    after = await world.vendor_state()
    assert len(after["candidates"]) == before
    assert (await submission_of(world, application.id))["state"] == "submitted"
    assert any(row["candidate_id"] == person["id"] and row["job_id"] == job["id"] for row in after["applications"])


async def test_a_stage_given_with_the_submission_is_reached(world: World) -> None:
    await world.pull()
    job, job_id = await open_job(world)
    target = (await stage_names(world, job["id"]))[1]
    candidate = await new_candidate(world)
    application = await submit(world, candidate.id, job_id, stage=target)
    await world.drain()
    external_id = (await submission_of(world, application.id))["external_id"]
    rows = (await world.vendor_state())["applications"]
    assert next(row for row in rows if str(row["id"]) == external_id)["stage_name"] == target


async def test_what_the_vendor_refuses_is_told_in_its_words(world: World) -> None:
    await world.pull()
    _, job_id = await open_job(world)
    candidate = await new_candidate(world)
    application = await submit(world, candidate.id, job_id)
    await world.control.post(
        "/faults",
        json={"kind": "error", "method": "POST", "path": "/v3/candidates", "times": 1, "status": 422},
    )
    await world.drain()
    submission = await submission_of(world, application.id)
    assert submission["state"] == "failed"
    assert submission["error"]
    letter = await world.row("SELECT * FROM dead_letters WHERE state = 'open'")
    assert letter["code"] == "rejected"
    await world.services.database.aclose()


async def test_a_namesake_at_the_vendor_is_a_persons_question(world: World) -> None:
    await world.pull()
    _, job_id = await open_job(world)
    email = f"shared.{fresh_token()}@example.org"
    candidate = await new_candidate(world, email=email)
    response = await world.control.post(
        "/candidates?webhooks=false",
        json={
            "first_name": "Somebody",
            "last_name": "Else",
            "email_addresses": [{"value": email, "type": "personal"}],
        },
    )
    response.raise_for_status()
    await submit(world, candidate.id, job_id)
    await world.drain()
    assert len(await holders(world, email)) == 1
    conflict = await world.row("SELECT * FROM conflicts WHERE status = 'open' AND kind = 'ambiguous_match'")
    assert conflict["matches"] == [candidate.id]


async def test_an_inbound_integration_takes_no_submission(world: World) -> None:
    await world.pull()
    _, job_id = await open_job(world)
    candidate = await new_candidate(world)
    await world.rows("UPDATE integrations SET config = config - 'directions' RETURNING 1")
    with pytest.raises(Conflict, match="takes no application"):
        await submit(world, candidate.id, job_id)
    assert await world.rows("SELECT 1 FROM records WHERE candidate_id = %(id)s", id=candidate.id) == []


async def test_s_003_without_a_route_nothing_is_created_elsewhere(world: World) -> None:
    await world.pull()
    _, job_id = await open_job(world)
    await world.rows("DELETE FROM routes RETURNING 1")
    candidate = await new_candidate(world)
    application = await submit(world, candidate.id, job_id)
    assert application.submission is None
    await world.drain()
    assert await holders(world, str(candidate.data["email"])) == []


async def test_a_second_application_for_one_job_and_a_second_holder_of_an_email_are_refused(world: World) -> None:
    await world.pull()
    _, job_id = await open_job(world)
    candidate = await new_candidate(world)
    await submit(world, candidate.id, job_id)
    with pytest.raises(Conflict, match="already"):
        await submit(world, candidate.id, job_id)
    with pytest.raises(Conflict, match="e-mail"):
        await new_candidate(world, email=str(candidate.data["email"]).upper())
    with pytest.raises(InvalidInput, match="job_id"):
        await submit(world, candidate.id, candidate.id)


async def test_of_two_who_become_one_and_had_both_applied_for_a_job_one_application_goes_out(world: World) -> None:
    """The vendor had two applications of one candidate for one job; found by the simulation."""
    await world.pull()
    _, job_id = await open_job(world)
    one, other = await new_candidate(world), await new_candidate(world)
    made = [await submit(world, each.id, job_id) for each in (one, other)]
    await world.services.merges.merge(world.company_id, one.id, other.id, {}, actor="jo")
    await world.drain()
    (person,) = await holders(world, str(one.data["email"]))
    there = [row for row in (await world.vendor_state())["applications"] if row["candidate_id"] == person["id"]]
    assert len(there) == 1
    said = sorted([await submission_of(world, each.id) for each in made], key=lambda each: str(each["state"]))
    assert [each["state"] for each in said] == ["failed", "submitted"]
    assert "another application" in said[0]["error"]


async def test_an_application_that_a_webhook_links_during_the_search_is_not_created_once_more(world: World) -> None:
    """The search finds it, a webhook's reconcile links it, and only then are we about to create."""
    await world.pull()
    job, job_id = await open_job(world)
    person = (await world.control.post("/candidates", json={"first_name": "Ada", "last_name": "There"})).json()
    await signal(world, EntityType.CANDIDATE, person["id"])
    candidate = await world.record_of(EntityType.CANDIDATE, person["id"])
    application = await submit(world, candidate["id"], job_id)
    made = await world.control.post("/applications", json={"candidate_id": person["id"], "job_id": job["id"]})
    fault = {"kind": "latency", "method": "GET", "path": "/v3/applications", "seconds": 3.0, "times": 1}
    fault_id = (await world.control.post("/faults", json=fault)).json()["id"]

    creating = asyncio.create_task(world.drain())

    async def is_searching() -> bool:
        faults = (await world.control.get("/faults")).json()
        return any(each["id"] == fault_id and each["applied"] for each in faults)

    await until(is_searching)
    await signal(world, EntityType.APPLICATION, made.json()["id"])
    await creating

    assert await world.rows("SELECT cause FROM dead_letters") == []
    assert (await submission_of(world, application.id))["state"] == "submitted"
    assert (await submission_of(world, application.id))["external_id"] == str(made.json()["id"])
    links = await world.rows("SELECT 1 FROM external_entity_map WHERE internal_id = %(id)s", id=application.id)
    assert len(links) == 1
    rows = [each for each in (await world.vendor_state())["applications"] if each["candidate_id"] == person["id"]]
    assert len(rows) == 1
    assert await world.rows("SELECT 1 FROM create_intents WHERE state = 'open'") == []


async def test_what_is_edited_while_a_create_is_under_way_reaches_the_vendor(world: World) -> None:
    """A tag that was taken away meanwhile stayed there alone for ever; found by the simulation."""
    await world.pull()
    _, job_id = await open_job(world)
    candidate = await new_candidate(world, tags=["Compilers", "Navy"], current_title="Officer")
    await submit(world, candidate.id, job_id)
    fault = {"kind": "latency", "method": "POST", "path": "/v3/candidates", "seconds": 3.0, "times": 1}
    fault_id = (await world.control.post("/faults", json=fault)).json()["id"]

    creating = asyncio.create_task(world.drain())

    async def is_sent() -> bool:
        faults = (await world.control.get("/faults")).json()
        return any(each["id"] == fault_id and each["applied"] for each in faults)

    await until(is_sent)
    await world.edit_here(EntityType.CANDIDATE, candidate.id, tags=["Compilers", "COBOL"], current_title="Admiral")
    await creating
    await world.drain()

    (made,) = await holders(world, str(candidate.data["email"]))
    assert (sorted(made["tags"]), made["title"]) == (["COBOL", "Compilers"], "Admiral")
    record = await world.record_of(EntityType.CANDIDATE, made["id"])
    assert sorted(record["data"]["tags"]) == ["COBOL", "Compilers"]
    assert await world.rows("SELECT 1 FROM conflicts WHERE status = 'open'") == []


async def test_an_application_of_somebody_whom_the_vendor_has_deleted_says_so(world: World) -> None:
    """It waited for ever until they exist there, which no automation brings about; found by the simulation."""
    await world.pull()
    _, job_id = await open_job(world)
    person = {"first_name": "Ada", "last_name": "Gone", "email_addresses": [{"value": "ada.gone@example.org"}]}
    response = await world.control.post("/candidates?webhooks=false", json=person)
    response.raise_for_status()
    await world.pull(EntityType.CANDIDATE)
    record = await world.record_of(EntityType.CANDIDATE, response.json()["id"])
    path, no_events = f"/candidates/{response.json()['id']}", {"webhooks": "false"}
    (await world.control.request("DELETE", path, params=no_events)).raise_for_status()
    await signal(world, EntityType.CANDIDATE, response.json()["id"])
    application = await submit(world, record["id"], job_id)
    await world.drain()
    submission = await submission_of(world, application.id)
    assert (submission["state"], submission["error"]) == ("failed", "the candidate was deleted at the vendor")
    letter = await world.row("SELECT code FROM dead_letters WHERE state = 'open'")
    assert letter["code"] == "rejected"


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
