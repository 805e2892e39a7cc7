"""Batches of events: shared by what comes at once, lost by no outage and no host that dies, held up by no event."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from typing import Self
from uuid import UUID

import pytest

from shared import telemetry
from shared.adapters import registry
from shared.adapters.greenhouse.adapter import GreenhouseAdapter
from shared.adapters.protocol import Change
from shared.intake import events
from shared.intake.accept import Verdict
from shared.intake.events import EventKnock, read_knock
from shared.intake.process import LONGEST_EVENT_ID, POISONED, REFUSED
from shared.intake.publish import publish
from shared.intake.waking import MOST_TRIES, wake_batches
from shared.intake.work import LAST_TRY, Worker
from shared.store.database import Database
from shared.store.queues import MOST_SEEN
from shared.telemetry import get_logger
from tests.integration.intake.world import BODY, World, candidate_event, issues, now, only_message

QUEUES = (events.QUEUE, events.POISON_QUEUE)
NOWHERE = "postgresql://liaison_app:x@127.0.0.1:1/liaison"


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
