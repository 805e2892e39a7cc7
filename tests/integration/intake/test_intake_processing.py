"""What the worker makes of accepted events: jobs, counts, refusals."""

from __future__ import annotations

import json
from uuid import UUID, uuid4

from shared.intake.accept import Verdict
from shared.intake.process import REFUSED
from tests.integration.intake.world import BODY, World, issues, only_message


async def test_an_event_asks_for_a_reconcile_and_a_worker_is_knocked_for(world: World) -> None:
    integration_id = await world.published()
    await world.send(integration_id, BODY, event_id="e-1")

    await world.work()

    assert world.jobs(integration_id) == {"candidate ext:4711": 1}
    [job] = world.run("SELECT * FROM sync_queue WHERE integration_id = %s", integration_id)
    assert (job["action"], job["direction"], job["priority"]) == ("reconcile", "inbound", 3)
    assert job["payload"] == {"reason": "webhook"}
    [knock] = await world.messages("sync-urgent")
    assert json.loads(knock)["job_id"] == str(job["id"])
    [row] = world.recorded(integration_id)
    assert (row["event_id"], row["state"], row["times"], row["records"]) == ("e-1", "processed", 1, 1)
    assert (row["headers_sealed"], row["body_sealed"]) == (None, None)


async def test_a_linked_record_is_named_by_our_id(world: World) -> None:
    integration_id = await world.published()
    record_id = linked(world, integration_id, "4711")
    await world.send(integration_id, BODY)

    await world.work()

    assert world.jobs(integration_id) == {f"candidate {record_id}": 1}


async def test_a_replay_changes_nothing_but_a_count(world: World) -> None:
    integration_id = await world.published()
    for _ in range(3):
        await world.send(integration_id, BODY, event_id="e-1")
        await world.work()

    [row] = world.recorded(integration_id)
    assert (row["times"], row["state"]) == (3, "processed")
    [job] = world.run("SELECT * FROM sync_queue WHERE integration_id = %s", integration_id)
    assert job["status"] == "pending", "one fetch settles all three"


async def test_two_changes_with_the_same_bytes_and_no_event_id_are_both_asked_for(world: World) -> None:
    integration_id = await world.published()

    for _ in range(2):
        await world.send(integration_id, BODY)
    await world.work()

    assert world.jobs(integration_id) == {"candidate ext:4711": 2}
    assert len(world.recorded(integration_id)) == 2


async def test_a_message_that_is_delivered_twice_counts_one_event(world: World) -> None:
    integration_id = await world.published()
    await world.send(integration_id, BODY)
    message = await only_message(world)

    for _ in range(2):
        await world.intake.worker.work(message)

    assert [row["times"] for row in world.recorded(integration_id)] == [1], "its batch is gone: it was processed"


async def test_a_signed_lie_leads_to_a_fetch_and_to_nothing_else(world: World) -> None:
    integration_id = await world.published()
    record_id = linked(world, integration_id, "4711")
    body = json.dumps({"action": "delete_candidate", "payload": {"person": {"id": 4711}}}).encode()
    await world.send(integration_id, body)

    await world.work()

    assert world.jobs(integration_id) == {f"candidate {record_id}": 1}
    [record] = world.run("SELECT * FROM records WHERE id = %s", record_id)
    assert (record["version"], record["archived_at"], record["data"]) == (1, None, {"first_name": "Ada"})
    [link] = world.run("SELECT * FROM external_entity_map WHERE internal_id = %s", record_id)
    assert link["state"] == "live"


async def test_a_merge_names_both_records_and_the_survivor(world: World) -> None:
    integration_id = await world.published()
    body = {"action": "merge_candidate", "payload": {"person": {"id": 1}, "new_candidate_id": 2}}
    await world.send(integration_id, json.dumps(body).encode())

    await world.work()

    rows = world.run("SELECT record_key, payload FROM sync_queue WHERE integration_id = %s", integration_id)
    assert {row["record_key"]: row["payload"].get("merged_into:1") for row in rows} == {"ext:1": "2", "ext:2": None}


async def test_a_ping_is_counted_and_asks_for_nothing(world: World) -> None:
    integration_id = await world.published()

    assert await world.send(integration_id, b'{"action": "ping", "payload": {}}') is Verdict.ACCEPTED
    await world.work()

    assert world.jobs(integration_id) == {}
    assert [row["state"] for row in world.recorded(integration_id)] == ["processed"]


async def test_an_unreadable_event_is_refused_and_people_are_told(world: World) -> None:
    integration_id = await world.published()
    body = json.dumps({"action": "update_candidate", "payload": {"candidate": {"id": "Aurelia"}}}).encode()
    await world.send(integration_id, body)

    await world.work()

    assert [row["state"] for row in world.recorded(integration_id)] == ["refused"]
    [issue] = issues(world, integration_id)
    assert issue["kind"] == REFUSED
    assert "payload.candidate.id" in issue["detail"]
    assert "Aurelia" not in issue["detail"]


def linked(world: World, integration_id: UUID, external_id: str) -> UUID:
    """Add a candidate of ours that is linked to the vendor's *external_id*."""
    record_id = uuid4()
    world.run(
        "INSERT INTO records (company_id, entity_type, id, data) VALUES (%s, 'candidate', %s, %s)",
        world.company_id,
        record_id,
        '{"first_name": "Ada"}',
    )
    world.run(
        "INSERT INTO external_entity_map (id, integration_id, entity_type, internal_id, external_id, company_id)"
        " VALUES (%s, %s, 'candidate', %s, %s, %s)",
        uuid4(),
        integration_id,
        record_id,
        external_id,
        world.company_id,
    )
    return record_id
