"""Submissions: what the portal creates appears at the vendor, once."""

from __future__ import annotations

import asyncio

import pytest

from shared.errors import Conflict, InvalidInput
from shared.model import EntityType
from tests.fixtures.waiting import until
from tests.integration.sync.submitting import new_candidate, open_job, submission_of, submit
from tests.integration.sync.vendor import holders, signal, stage_names
from tests.integration.sync.world import World, fresh_token


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
