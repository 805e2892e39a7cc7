"""What people asked for while a direction was off: it goes out when that opens, and until then they are told."""

from __future__ import annotations

from typing import Any

from shared.model import Direction, EntityType
from shared.store.dead_letters import DeadLetters
from shared.store.records import StoredRecord
from tests.integration.sync.configuring import directions, patch
from tests.integration.sync.submitting import a_submission, new_candidate, open_job, submission_of, submit
from tests.integration.sync.vendor import a_candidate, holders, vendor_candidate, writes
from tests.integration.sync.working import run_job_of
from tests.integration.sync.world import World

CANDIDATE, APPLICATION = EntityType.CANDIDATE, EntityType.APPLICATION


async def told(world: World) -> list[dict[str, Any]]:
    """Return the open issues of submissions that wait."""
    return await world.rows(
        "SELECT integration_id, subject, detail FROM issues WHERE kind = 'submissions_wait' AND ended_at IS NULL"
    )


async def is_there(world: World, candidate: StoredRecord, application: StoredRecord) -> bool:
    """Whether the vendor has the candidate once, and the application is submitted."""
    made = await holders(world, str(candidate.data["email"]))
    return len(made) == 1 and (await submission_of(world, application.id))["state"] == "submitted"


async def test_what_was_submitted_goes_out_when_its_direction_opens_again(world: World) -> None:
    """Its job had ended, and nothing asked for it again: it said `queued` for ever."""
    candidate, application = await a_submission(world)
    await directions(world, application="inbound", candidate="inbound")
    await world.drain()
    assert await writes(world) == []
    (issue,) = await told(world)
    assert (issue["integration_id"], issue["subject"]) == (world.integration_id, "applications")
    assert str(application.id) in issue["detail"]
    assert "config.directions.application and config.directions.candidate" in issue["detail"]
    await directions(world, application="both", candidate="both")
    await world.drain()
    assert await is_there(world, candidate, application)
    assert await told(world) == []


async def test_an_outbound_run_asks_for_what_is_queued(world: World) -> None:
    """Whatever took its job away."""
    candidate, application = await a_submission(world)
    await world.execute("DELETE FROM sync_queue WHERE record_key = %(key)s", key=str(application.id))
    await world.services.syncs.request(
        world.company_id, world.integration_id, direction=Direction.OUTBOUND, entity=APPLICATION
    )
    await world.drain()
    assert await is_there(world, candidate, application)


async def test_an_application_whose_candidate_may_not_go_out_waits_and_says_so(world: World) -> None:
    """The candidate's job ended, and the application held for it: no run could let it go."""
    candidate, application = await a_submission(world)
    await run_job_of(world, application.id)
    await directions(world, candidate="inbound")
    await world.drain()
    (issue,) = await told(world)
    assert "config.directions.candidate to both" in issue["detail"]
    assert await writes(world) == []
    await directions(world, candidate="both")
    await world.drain()
    assert await is_there(world, candidate, application)
    assert await told(world) == []


async def test_no_application_goes_along_with_its_candidate_while_applications_are_inbound(world: World) -> None:
    candidate, application = await a_submission(world)
    await run_job_of(world, application.id)
    await directions(world, application="inbound")
    await world.drain()
    assert await writes(world) == []
    assert len(await told(world)) == 1
    await directions(world, application="both")
    await world.drain()
    assert await is_there(world, candidate, application)


async def test_a_direction_that_opens_during_a_pause_is_served_after_it(
    world: World,
) -> None:
    candidate, application = await a_submission(world)
    await directions(world, application="inbound")
    await world.drain()
    await patch(world, sync_enabled=False)
    await directions(world, application="both")
    await world.drain()
    assert await writes(world) == []
    assert await told(world) == []
    await patch(world, sync_enabled=True)
    await world.drain()
    assert await is_there(world, candidate, application)


async def test_a_switch_that_took_the_job_away_brings_it_back(world: World) -> None:
    """The entity's switch cancels waiting jobs; a submission was among them."""
    candidate, application = await a_submission(world)
    await patch(world, sync_applications=False)
    assert len(await told(world)) == 1
    await world.drain()
    await patch(world, sync_applications=True)
    await world.drain()
    assert await is_there(world, candidate, application)
    assert await told(world) == []


async def test_the_issue_ends_when_nothing_waits_any_more(world: World) -> None:
    _, application = await a_submission(world)
    await directions(world, application="inbound")
    await world.drain()
    await world.services.archives.archive(world.company_id, APPLICATION, application.id, actor="jo")
    assert await told(world) == []
    await world.services.archives.restore(world.company_id, APPLICATION, application.id)
    assert len(await told(world)) == 1


async def test_what_is_entered_at_the_vendor_by_hand_ends_the_issue(world: World) -> None:
    candidate, application = await a_submission(world)
    job, _ = await open_job(world)
    await directions(world, application="inbound", candidate="inbound")
    await world.drain()
    assert len(await told(world)) == 1
    response = await world.control.post(
        "/candidates",
        json={
            "first_name": candidate.data["first_name"],
            "last_name": candidate.data["last_name"],
            "email_addresses": [{"value": candidate.data["email"], "type": "personal"}],
        },
    )
    response.raise_for_status()
    made = response.json()
    response = await world.control.post("/applications", json={"candidate_id": made["id"], "job_id": job["id"]})
    response.raise_for_status()
    await world.pull()
    assert (await submission_of(world, application.id))["state"] == "submitted"
    assert await told(world) == []


async def test_a_submission_whose_job_is_gone_at_the_vendor_says_so(world: World) -> None:
    """It ended as if nothing were to be done, and said `queued` for ever."""
    _, application = await a_submission(world)
    await world.execute(
        "UPDATE external_entity_map SET state = 'gone' WHERE internal_id = %(id)s",
        id=application.data["job_id"],
    )
    await world.drain()
    said = await submission_of(world, application.id)
    assert (said["state"], said["error"]) == ("failed", "the job is not at the vendor any more")
    assert await writes(world) == []
    letter = await world.row("SELECT state FROM dead_letters")
    assert letter["state"] == "open"


async def edited_while_off(world: World) -> dict[str, Any]:
    """Return a candidate at the vendor, whose title was edited here while candidates did not go out."""
    await world.pull()
    candidate = await a_candidate(world)
    record = await world.record_of(CANDIDATE, candidate["id"])
    await directions(world, candidate="inbound")
    await world.edit_here(CANDIDATE, record["id"], current_title="Edited while off")
    await world.drain()
    return candidate


async def test_what_was_edited_while_a_direction_was_off_goes_out_when_it_opens(world: World) -> None:
    """No outbound run was started by anything but a person; an edit waited for the record's next change."""
    candidate = await edited_while_off(world)
    assert await writes(world) == []
    await directions(world, candidate="both")
    await world.drain()
    assert (await vendor_candidate(world, candidate["id"]))["title"] == "Edited while off"
    (run,) = await world.rows("SELECT * FROM runs WHERE trigger = 'opened' AND entity_type = 'candidate'")
    assert (run["direction"], run["status"]) == ("outbound", "complete")


async def test_an_edit_that_a_pull_passed_over_while_the_direction_was_off_goes_out_too(world: World) -> None:
    """A pull moved the link past the edit, so that an outbound run took it for known."""
    candidate = await edited_while_off(world)
    await world.edit_at_vendor("candidates", candidate["id"], {"company": "Changed meanwhile"})
    await world.pull(CANDIDATE)
    assert (await world.record_of(CANDIDATE, candidate["id"]))["data"]["current_company"] == "Changed meanwhile"
    await directions(world, candidate="both")
    await world.drain()
    assert (await vendor_candidate(world, candidate["id"]))["title"] == "Edited while off"


async def test_a_candidate_who_can_not_be_created_makes_their_submission_say_so_once(world: World) -> None:
    """It said `queued` beside a dead letter of the candidate's; each outbound run would have made another one."""
    await world.pull()
    _, job_id = await open_job(world)
    candidate = await new_candidate(world, email=None)
    application = await submit(world, candidate.id, job_id)
    await world.drain()
    said = await submission_of(world, application.id)
    assert (said["state"], "without a valid e-mail" in said["error"]) == ("failed", True)
    await world.services.syncs.request(
        world.company_id, world.integration_id, direction=Direction.OUTBOUND, entity=APPLICATION
    )
    await world.drain()
    (letter,) = await world.rows("SELECT id FROM dead_letters WHERE state = 'open'")
    await world.edit_here(CANDIDATE, candidate.id, email="found@example.org")
    async with world.services.database.company(world.company_id) as tx:
        assert (await DeadLetters().redrive(tx, letter_id=letter["id"]))[1]
    await world.drain()
    assert (await submission_of(world, application.id))["state"] == "submitted"
