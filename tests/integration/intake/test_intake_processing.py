"""What the worker makes of accepted events: jobs, kept events, refusals; and what outages do to it."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from typing import Any, Self
from uuid import UUID, uuid4

import pytest

from shared import telemetry
from shared.adapters import registry
from shared.adapters.greenhouse.adapter import GreenhouseAdapter
from shared.adapters.protocol import Change
from shared.intake import events
from shared.intake.accept import Verdict
from shared.intake.events import EventKnock, read_knock
from shared.intake.keeping import drop_old, replay_kept
from shared.intake.process import LONGEST_EVENT_ID, OVERFLOW, POISONED, REFUSED
from shared.intake.publish import publish
from shared.intake.waking import MOST_TRIES, wake_batches
from shared.intake.work import LAST_TRY, Worker
from shared.store.database import Database
from shared.store.queues import MOST_SEEN
from shared.telemetry import get_logger
from tests.integration.intake.world import World, candidate_event, now

BODY = candidate_event()
QUEUES = (events.QUEUE, events.POISON_QUEUE)
NOWHERE = "postgresql://liaison_app:x@127.0.0.1:1/liaison"


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


async def test_while_paused_events_are_kept_sealed_and_replayed_on_resume(world: World) -> None:
    integration_id = await world.published()
    pause(world, integration_id)
    for number in range(3):
        assert await world.send(integration_id, candidate_event(number + 1)) is Verdict.ACCEPTED
    await world.work()

    assert world.jobs(integration_id) == {}
    kept = world.recorded(integration_id)
    assert [row["state"] for row in kept] == ["kept"] * 3
    assert all("Quicksilver" not in row["body_sealed"] for row in kept)
    assert await replay_kept(world.intake.keeping, world.company_id, integration_id) == 0, "it still stands still"

    resume(world, integration_id)
    assert await replay_kept(world.intake.keeping, world.company_id, integration_id) == 3

    assert set(world.jobs(integration_id)) == {"candidate ext:1", "candidate ext:2", "candidate ext:3"}
    states = {(row["state"], row["body_sealed"]) for row in world.recorded(integration_id)}
    assert states == {("processed", None)}
    assert await replay_kept(world.intake.keeping, world.company_id, integration_id) == 0


@pytest.mark.parametrize("at_once", [True, False])
async def test_two_changes_under_one_event_id_are_both_kept_and_a_replay_is_not(world: World, at_once: bool) -> None:
    integration_id = await world.published()
    pause(world, integration_id)
    sizes: dict[int, int] = {}
    for number in (1, 1, 22):
        body = candidate_event(number)
        sizes[len(body)] = sizes.get(len(body), 0) + 1
        await world.send(integration_id, body, event_id="e-1")
        if not at_once:
            await world.work()
    await world.work()

    kept = world.recorded(integration_id)
    assert {row["size_bytes"]: row["times"] for row in kept} == sizes
    assert all(row["state"] == "kept" and row["event_id"].startswith("e-1 sha256:") for row in kept)
    resume(world, integration_id)
    await world.send(integration_id, candidate_event(1), event_id="e-1")
    await world.work()
    assert await replay_kept(world.intake.keeping, world.company_id, integration_id) == 2
    assert set(world.jobs(integration_id)) == {"candidate ext:1", "candidate ext:22"}


async def test_an_endless_event_id_is_kept_as_well(world: World) -> None:
    integration_id = await world.published()
    pause(world, integration_id)
    for number in (1, 2):
        await world.send(integration_id, candidate_event(number), event_id=secrets.token_hex(2_000))
    await world.work()
    assert [row["state"] for row in world.recorded(integration_id)] == ["kept", "kept"]


async def test_what_was_kept_and_can_not_be_read_any_more_is_made_up_for(world: World) -> None:
    integration_id = await world.published()
    pause(world, integration_id)
    for number in range(2):
        await world.send(integration_id, candidate_event(number + 1))
    await world.work()
    lost = world.recorded(integration_id)[0]["id"]
    world.run("UPDATE webhook_events SET body_sealed = headers_sealed WHERE id = %s", lost)
    resume(world, integration_id)
    assert await replay_kept(world.intake.keeping, world.company_id, integration_id) == 1
    assert {row["state"] for row in world.recorded(integration_id)} == {"refused", "processed"}
    assert world.column(integration_id, "full_compare_wanted_at") is not None
    [issue] = issues(world, integration_id)
    assert (issue["kind"], issue["detail"].startswith("1 kept events")) == (REFUSED, True)


async def test_replay_goes_through_more_than_one_batch(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.intake.keeping.BATCH_EVENTS", 2)
    integration_id = await world.published()
    pause(world, integration_id)
    for number in range(5):
        await world.send(integration_id, candidate_event(number + 1))
    await world.work()
    resume(world, integration_id)

    assert await replay_kept(world.intake.keeping, world.company_id, integration_id) == 5
    assert len(world.jobs(integration_id)) == 5


async def test_of_a_switched_off_entity_events_are_kept_until_it_is_on(world: World) -> None:
    integration_id = await world.published()
    world.run("UPDATE integrations SET sync_candidates = false WHERE id = %s", integration_id)
    application = {"id": 81, "candidate": {"id": 4711}}
    both = {"action": "new_candidate_application", "payload": {"application": application}}
    await world.send(integration_id, json.dumps(both).encode())
    await world.work()

    assert world.jobs(integration_id) == {"application ext:81": 1}
    assert await replay_kept(world.intake.keeping, world.company_id, integration_id) == 0
    assert [row["state"] for row in world.recorded(integration_id)] == ["kept"]

    world.run("UPDATE integrations SET sync_candidates = true WHERE id = %s", integration_id)
    assert await replay_kept(world.intake.keeping, world.company_id, integration_id) == 1
    assert "candidate ext:4711" in world.jobs(integration_id)


@pytest.mark.parametrize(("setting", "bound"), [("WEBHOOK_KEPT_EVENTS", 2), ("WEBHOOK_KEPT_BYTES", 2 * len(BODY) + 1)])
async def test_beyond_its_bounds_a_full_comparison_is_asked_for(world: World, setting: str, bound: int) -> None:
    world = bounded(world, setting, bound)
    integration_id = await world.published()
    pause(world, integration_id)
    for _ in range(4):
        assert await world.send(integration_id, BODY) is Verdict.ACCEPTED
    await world.work()

    assert len(world.recorded(integration_id)) == 2
    assert world.column(integration_id, "full_compare_wanted_at") is not None
    [issue] = issues(world, integration_id)
    assert (issue["kind"], issue["times"]) == (OVERFLOW, 1)
    await world.aclose()


async def test_of_a_deleted_integration_events_are_kept_for_thirty_days(world: World) -> None:
    recent, old = await world.published(), await world.published()
    delete(world, recent, days_ago=29)
    delete(world, old, days_ago=31)
    for integration_id in (recent, old):
        assert (await world.send(integration_id, BODY)).status == 200

    await world.work()

    assert [row["state"] for row in world.recorded(recent)] == ["kept"]
    assert world.recorded(old) == []
    assert world.jobs(recent) == world.jobs(old) == {}


async def test_kept_events_and_counts_leave_after_thirty_days(world: World) -> None:
    integration_id = await world.published()
    await world.send(integration_id, BODY)
    await world.send(integration_id, candidate_event(2))
    await world.work()
    first = world.recorded(integration_id)[0]
    world.run("UPDATE webhook_events SET received_at = now() - interval '31 days' WHERE id = %s", first["id"])

    assert await drop_old(world.intake.keeping) == 1
    assert first["id"] not in {row["id"] for row in world.recorded(integration_id)}


async def test_an_outage_of_the_database_sends_the_event_back_and_loses_nothing(world: World) -> None:
    integration_id = await world.published()
    await world.send(integration_id, BODY)
    message = await only_message(world)
    database, world.database = world.database, Database(NOWHERE)
    intake = world.restarted()
    impatient = Worker(intake.processor, intake.blobs, world.queues, get_logger("tests"), patience_s=0.0)

    await impatient.work(message)

    await world.database.aclose()
    world.database = database
    assert await world.messages() == [], "hidden for a while"
    assert await world.queues.count(events.QUEUE) == 1
    await world.intake.worker.work(message)
    assert world.jobs(integration_id) == {"candidate ext:4711": 1}


class RaisingAdapter(GreenhouseAdapter):
    """A vendor whose events nobody can read, for a reason that nobody foresaw."""

    platform = "raising"

    @classmethod
    def read_webhook(cls, headers: Mapping[str, str], body: bytes) -> Sequence[Change]:
        raise RuntimeError(f"a mistake of ours, over {len(headers)} headers and {len(body)} bytes")


@pytest.fixture(autouse=True)
def platforms_of_this_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone with it: all tests of a process share the registry."""
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))


async def raising(world: World) -> UUID:
    """Add an integration whose every event makes the worker raise."""
    registry.register(RaisingAdapter)
    integration_id = world.integration()
    world.run("UPDATE integrations SET platform = 'raising' WHERE id = %s", integration_id)
    await publish(world.intake.publishing, world.company_id, integration_id)
    return integration_id


async def test_an_event_that_poisons_its_batch_is_recorded_and_its_neighbours_processed(world: World) -> None:
    good, bad = await world.published(), await raising(world)
    for integration_id in (bad, good):
        assert await world.send(integration_id, BODY) is Verdict.ACCEPTED
    message = await joined(world)

    with pytest.raises(RuntimeError):
        await world.intake.worker.work(message)
    await world.intake.worker.bury(message)

    assert set(world.jobs(good)) == {"candidate ext:4711"}
    assert [row["state"] for row in world.recorded(bad)] == ["refused"]
    assert [issue["kind"] for issue in issues(world, bad)] == [POISONED]
    assert world.column(bad, "full_compare_wanted_at") is not None
    assert await world.batches() == {}


async def test_an_event_id_of_any_length_is_recorded_and_counts_its_replays(world: World) -> None:
    """The header is not covered by the signature, and stands in an index that takes some 2,700 bytes."""
    integration_id, neighbour = await world.published(), await world.published()
    endless = secrets.token_hex(2_000)
    for _ in range(2):
        await world.send(integration_id, BODY, event_id=endless)
    await world.send(neighbour, BODY, event_id="e" * LONGEST_EVENT_ID)

    await world.intake.worker.work(await joined(world))

    [row] = world.recorded(integration_id)
    assert (row["state"], row["times"], len(row["event_id"])) == ("processed", 2, len("sha256:") + 64)
    assert set(world.jobs(integration_id)) == {"candidate ext:4711"}
    [row] = world.recorded(neighbour)
    assert (row["state"], row["event_id"]) == ("processed", "e" * LONGEST_EVENT_ID)


class NulAdapter(GreenhouseAdapter):
    """Reads one person's event as naming what no statement can store."""

    platform = "nul"

    @classmethod
    def read_webhook(cls, headers: Mapping[str, str], body: bytes) -> Sequence[Change]:
        changes = super().read_webhook(headers, body)
        return [replace(each, external_id="666\x00") if each.external_id == "666" else each for each in changes]


async def test_an_event_that_breaks_a_statement_is_refused_alone(world: World) -> None:
    registry.register(NulAdapter)
    integration_id, neighbour = await world.published(), await world.published()
    world.run("UPDATE integrations SET platform = 'nul' WHERE id = %s", integration_id)
    await publish(world.intake.publishing, world.company_id, integration_id)
    for external_id in (4711, 666, 4712):
        assert await world.send(integration_id, candidate_event(external_id)) is Verdict.ACCEPTED
    await world.send(neighbour, BODY)

    await world.intake.worker.work(await joined(world))

    assert set(world.jobs(integration_id)) == {"candidate ext:4711", "candidate ext:4712"}
    assert sorted(row["state"] for row in world.recorded(integration_id)) == ["processed", "processed", "refused"]
    assert [issue["kind"] for issue in issues(world, integration_id)] == [REFUSED]
    assert world.column(integration_id, "full_compare_wanted_at") is not None
    assert set(world.jobs(neighbour)) == {"candidate ext:4711"}
    assert issues(world, neighbour) == []
    assert await world.batches() == {}


async def joined(world: World) -> bytes:
    """Make one batch of all that are stored; return a knock for it."""
    batches = await world.batches()
    entries = [json.dumps(entry).encode() for content in batches.values() for entry in json.loads(content)["events"]]
    name = events.batch_name(now())
    await world.intake.blobs.put(events.CONTAINER, name, events.batch_of(entries))
    for each in batches:
        await world.intake.blobs.delete(events.CONTAINER, each)
    return EventKnock(name).message()


async def only_message(world: World) -> bytes:
    """Take the one message that there is off the queue."""
    await world.batches()
    [message] = await world.messages()
    return message.encode()


class TenMinutesAhead(datetime):
    """Our clock, set wrong."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) + timedelta(minutes=10)


async def test_how_old_a_batch_is_does_not_depend_on_our_clock(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten minutes ahead every batch would look forgotten, ten minutes behind none."""
    for module in ("shared.store.blobs", "shared.intake.waking", "shared.intake.wiring"):
        monkeypatch.setattr(f"{module}.datetime", TenMinutesAhead, raising=False)
    integration_id = await world.published()
    await world.send(integration_id, BODY)
    await only_message(world)

    assert await world.intake.wake() == 0


async def test_a_batch_whose_knock_died_with_its_host_is_knocked_for_again(world: World) -> None:
    """Kill -9 between the delivery of a message and the commit: it stays hidden, and the batch is there."""
    integration_id = await world.published()
    await world.send(integration_id, BODY)
    await only_message(world)

    assert await wake_batches(world.intake.blobs, world.queues) == 0, "it may be at work"
    assert await world.sweep() == 1
    assert await world.work() == 1

    assert world.jobs(integration_id) == {"candidate ext:4711": 1}
    assert await world.sweep() == 0


async def test_in_a_backlog_nobody_is_knocked_for_twice(world: World) -> None:
    await world.send(await world.published(), BODY)
    await only_message(world)
    for _ in range(MOST_SEEN):
        await world.queues.send(events.QUEUE, EventKnock("of another batch").message())

    assert await world.sweep() == 0, "the queue is full of knocks as it is"


async def test_a_batch_that_ends_every_worker_is_given_up_unopened(world: World) -> None:
    integration_id = await world.published()
    await world.send(integration_id, BODY)
    await only_message(world)
    sent = []
    for _ in range(LAST_TRY + 1):  # each knock dies with its host
        assert await world.sweep() == 1
        sent += [(queue, read_knock(text).tries) for queue in QUEUES for text in await world.messages(queue)]

    assert sent == [(events.QUEUE if n <= MOST_TRIES else events.POISON_QUEUE, n) for n in range(1, LAST_TRY + 2)]
    [name] = await world.batches()
    await world.intake.worker.bury(EventKnock(name, LAST_TRY + 1).message())

    assert world.jobs(integration_id) == {}
    assert [row["state"] for row in world.recorded(integration_id)] == ["refused"]
    assert [issue["kind"] for issue in issues(world, integration_id)] == [POISONED]
    assert world.column(integration_id, "full_compare_wanted_at") is not None
    assert await world.batches() == {}


async def test_what_comes_at_once_shares_batches_and_transactions(world: World) -> None:
    integration_id = await world.published()

    sent = [world.send(integration_id, candidate_event(number), event_id=f"e-{number // 2}") for number in range(1, 41)]
    verdicts = await asyncio.gather(*sent)

    assert set(verdicts) == {Verdict.ACCEPTED}
    assert await world.work() < 10
    assert len(world.jobs(integration_id)) == 40
    assert sorted(row["times"] for row in world.recorded(integration_id)) == [1, 1, *[2] * 19]


async def test_a_message_that_is_not_ours_ends_without_harm(world: World) -> None:
    for message in (b"", b"{}", b'{"v": 2, "batch": "nowhere", "tries": 0}'):
        await world.intake.worker.work(message)
        await world.intake.worker.bury(message)

    assert await world.queues.count(events.QUEUE) == 0
    assert await world.batches() == {}


async def test_a_batch_of_another_release_waits_for_one_that_can_read_it(world: World) -> None:
    """It stays while the sweep knocks, then it is set aside whole: put back, its events are processed."""
    integration_id, blobs = await world.published(), world.intake.blobs
    await world.send(integration_id, BODY)
    [(name, ours)] = (await world.batches()).items()
    await world.messages()
    theirs = ours.replace(b'{"v": 1,', b'{"v": 9,')  # looks the same, and may mean something else
    assert theirs != ours
    await blobs.put(events.CONTAINER, name, theirs)
    for tries in range(LAST_TRY + 1):
        knock = EventKnock(name, tries).message()
        await (world.intake.worker.work(knock) if tries <= MOST_TRIES else world.intake.worker.bury(knock))
        assert await world.batches() == {name: theirs}, tries

    with telemetry.captured() as logged:
        await world.intake.worker.bury(EventKnock(name, LAST_TRY + 1).message())

    assert [each.event for each in logged if each.level == "error"] == [
        "webhook_batch_unreadable",
        "webhook_batch_set_aside",
    ]
    assert await world.batches() == {}
    assert await blobs.find(events.UNREAD_CONTAINER, name) == theirs
    await blobs.put(events.CONTAINER, name, ours)
    assert await world.sweep() == 1
    assert await world.work() == 1
    assert world.jobs(integration_id) == {"candidate ext:4711": 1}


async def test_an_entry_that_claims_to_be_verified_does_not_open(world: World) -> None:
    integration_id = world.integration()
    await world.send(integration_id, BODY, secret="forged")
    [(name, content)] = (await world.batches()).items()
    [entry] = json.loads(content)["events"]
    claimed = {"v": 1, "events": [{**entry, "verified": True}]}
    await world.intake.blobs.put(events.CONTAINER, name, json.dumps(claimed).encode())

    assert await world.work() == 1

    assert world.jobs(integration_id) == {}
    assert [row["state"] for row in world.recorded(integration_id)] == ["refused"]


def pause(world: World, integration_id: UUID) -> None:
    world.run("UPDATE integrations SET sync_enabled = false WHERE id = %s", integration_id)


def resume(world: World, integration_id: UUID) -> None:
    world.run("UPDATE integrations SET sync_enabled = true WHERE id = %s", integration_id)


def delete(world: World, integration_id: UUID, *, days_ago: int) -> None:
    world.run(
        "UPDATE integrations SET deleted_at = now() - make_interval(days => %s) WHERE id = %s", days_ago, integration_id
    )


def issues(world: World, integration_id: UUID) -> list[dict[str, Any]]:
    return world.run("SELECT * FROM issues WHERE integration_id = %s", integration_id)


def bounded(world: World, setting: str, bound: int) -> World:
    """Return a world like *world* with another bound."""
    return World.make(
        database_dsn=world.settings.database_url.get_secret_value(),
        admin_dsn=world.admin_dsn,
        storage=world.settings.storage_connection.get_secret_value(),
        **{setting: str(bound)},
    )


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
