"""The table of answers: who gets 200, 401 and 503, and what is kept of it (docs/webhooks.md)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from uuid import UUID

import pytest

from shared.intake import accept, known
from shared.intake import publish as publishing
from shared.intake.accept import MAX_BODY_BYTES, Verdict
from shared.intake.events import EventKnock, read_batch, read_knock
from shared.intake.known import ROW, TABLE
from shared.intake.process import CLOCKS_DIFFER_BY
from shared.intake.publish import ANNOUNCED_LASTS, announce_rotation, publish, publish_all
from shared.intake.quota import UnverifiedQuota
from shared.intake.secrets import WebhookSecrets
from shared.intake.wiring import Intake
from shared.store.queues import Queues
from tests.integration.intake.world import BODY, SECRET, World, candidate_event, now, signed


async def test_a_signed_event_is_stored_and_answered_200(world: World) -> None:
    integration_id = await world.published()

    verdict = await world.send(integration_id, BODY)

    assert (verdict, verdict.status) == (Verdict.ACCEPTED, 200)
    [(name, content)] = (await world.batches()).items()
    [notice] = read_batch(content)
    assert (notice.integration_id, notice.is_verified) == (integration_id, True)
    [message] = await world.messages()
    assert read_knock(message) == EventKnock(name)


async def test_what_the_known_secrets_do_not_cover_is_refused_and_leaves_no_trace(world: World) -> None:
    integration_id = await world.published()

    verdict = await world.send(integration_id, BODY, secret="forged")

    assert (verdict, verdict.status) == (Verdict.FORGED, 401)
    assert await world.notices() == []
    assert await world.messages() == []


async def test_a_wrong_mac_is_refused_whatever_the_signature_says(world: World) -> None:
    integration_id, other = await world.published(), await world.published()

    assert await world.send(integration_id, BODY, mac="wrong") is Verdict.FORGED
    assert await world.send(integration_id, BODY, mac=world.mac(other)) is Verdict.FORGED
    assert await world.intake.acceptor.accept("no-uuid", "wrong", signed(BODY), BODY) is Verdict.FORGED
    assert await world.notices() == []
    assert await world.messages() == []


async def test_without_a_mac_a_known_integration_is_served(world: World) -> None:
    integration_id = await world.published()

    assert await world.send(integration_id, BODY, mac=None) is Verdict.ACCEPTED
    assert await world.send(integration_id, BODY, mac=None, secret="forged") is Verdict.FORGED


@pytest.mark.parametrize("integration", ["0f8c1a52-6a4e-4c58-9d7e-2f6f0f1d9b11", "no-uuid"])
async def test_an_id_that_never_existed_is_answered_200_and_nothing_is_kept(world: World, integration: str) -> None:
    verdict = await world.intake.acceptor.accept(integration, None, signed(BODY), BODY)

    assert (verdict, verdict.status) == (Verdict.UNKNOWN, 200)
    assert await world.notices() == []
    assert await world.messages() == []


async def test_pain_18_an_integration_of_ours_that_the_table_lacks_is_kept_unverified(world: World) -> None:
    integration_id = world.integration()

    assert await world.send(integration_id, BODY) is Verdict.UNVERIFIED

    [notice] = await world.notices()
    assert not notice.is_verified


async def test_what_is_unverified_has_a_quota_a_minute(world: World) -> None:
    integration_id = world.integration()
    world.intake.acceptor._quota = UnverifiedQuota(events=2)

    verdicts = [await world.send(integration_id, BODY) for _ in range(3)]

    assert verdicts == [Verdict.UNVERIFIED, Verdict.UNVERIFIED, Verdict.OVER_QUOTA]
    assert Verdict.OVER_QUOTA.status == 503
    assert await world.send(world.integration(), BODY) is Verdict.UNVERIFIED, "another integration has its own"


async def test_the_previous_secret_verifies_until_its_end(world: World) -> None:
    running = WebhookSecrets("new", previous=SECRET, previous_until=now() + timedelta(hours=24))
    ended = WebhookSecrets("new", previous=SECRET, previous_until=now() - timedelta(seconds=1))

    assert await world.send(await world.published(running), BODY) is Verdict.ACCEPTED
    assert await world.send(await world.published(ended), BODY) is Verdict.FORGED


@pytest.mark.parametrize("minutes_off", [-10, 10])
async def test_a_worker_whose_clock_is_wrong_ends_the_previous_secret_when_the_database_does(
    world: World, monkeypatch: pytest.MonkeyPatch, without_database: Callable[[World], Intake], minutes_off: int
) -> None:
    running = world.integration(WebhookSecrets("new", previous=SECRET, previous_until=now() + timedelta(minutes=5)))
    ended = world.integration(WebhookSecrets("new", previous=SECRET, previous_until=now() - timedelta(seconds=1)))
    go_wrong(monkeypatch, timedelta(minutes=minutes_off))

    for integration_id in (running, ended):
        await publish(world.intake.publishing, world.company_id, integration_id)

    for intake in (world.intake, without_database(world)):
        assert await world.send(running, BODY, intake=intake) is Verdict.ACCEPTED
        assert await world.send(ended, BODY, intake=intake) is Verdict.FORGED


@pytest.mark.parametrize("minutes_off", [-10, 10])
async def test_what_a_worker_whose_clock_is_wrong_kept_unverified_is_processed(
    world: World, monkeypatch: pytest.MonkeyPatch, minutes_off: int
) -> None:
    until = now() + timedelta(minutes=5)
    integration_id = world.integration(WebhookSecrets("new", previous=SECRET, previous_until=until))
    go_wrong(monkeypatch, timedelta(minutes=minutes_off))
    assert await world.send(integration_id, BODY) is Verdict.UNVERIFIED, "nothing is published yet"

    assert await world.work() == 1

    assert world.jobs(integration_id) == {"candidate ext:4711": 1}


async def test_an_event_that_came_long_after_the_previous_secret_ended_is_dropped_by_the_worker(world: World) -> None:
    until = now() - CLOCKS_DIFFER_BY - timedelta(seconds=1)
    integration_id = world.integration(WebhookSecrets("new", previous=SECRET, previous_until=until))
    assert await world.send(integration_id, BODY) is Verdict.UNVERIFIED

    assert await world.work() == 1

    assert world.jobs(integration_id) == {}


@pytest.mark.parametrize("minutes_off", [-11, 11])
async def test_a_worker_whose_clock_is_wrong_keeps_an_announcement_for_ten_minutes(
    world: World, monkeypatch: pytest.MonkeyPatch, minutes_off: int
) -> None:
    integration_id = await world.published()
    go_wrong(monkeypatch, timedelta(minutes=minutes_off))

    await announce_rotation(world.intake.tables, integration_id, 2, now())
    await publish_all(world.intake.publishing)
    assert (await row_of(world, integration_id))["announced"] == 2

    await announce_rotation(world.intake.tables, integration_id, 2, now() - ANNOUNCED_LASTS)
    await publish_all(world.intake.publishing)
    assert (await row_of(world, integration_id))["announced"] == 0, "it was never saved"


def go_wrong(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    """Let the clock of this process be wrong *by* so much, in whatever of the intake reads it."""

    class Wrong(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Wrong:
            return cls.fromtimestamp((datetime.now(tz) + by).timestamp(), tz)

    for module in (accept, known, publishing):
        monkeypatch.setattr(module, "datetime", Wrong)


async def test_a_secret_that_is_not_in_force_yet_verifies(world: World) -> None:
    integration_id = await world.published(WebhookSecrets("current", next=SECRET))

    assert await world.send(integration_id, BODY) is Verdict.ACCEPTED


async def test_a_rotation_is_seen_at_once_though_the_process_holds_a_copy(world: World) -> None:
    integration_id = await world.published()
    assert await world.send(integration_id, BODY) is Verdict.ACCEPTED

    world.rotate(integration_id, WebhookSecrets("rotated"))
    await publish(world.intake.publishing, world.company_id, integration_id)

    assert await world.send(integration_id, BODY, secret="rotated") is Verdict.ACCEPTED
    assert await world.send(integration_id, BODY) is Verdict.FORGED, "the old one was not kept as previous"


async def test_a_rotation_that_is_not_published_yet_is_found_in_the_database(world: World) -> None:
    integration_id = await world.published()
    world.rotate(integration_id, WebhookSecrets("rotated"))

    assert await world.send(integration_id, BODY, secret="rotated") is Verdict.ACCEPTED
    assert await world.send(integration_id, BODY, secret="rotated") is Verdict.ACCEPTED, "from the copy"
    assert await world.send(integration_id, BODY, secret="forged") is Verdict.FORGED


async def test_during_an_announced_rotation_nothing_is_refused_that_nobody_can_check(
    world: World, without_database: Callable[[World], Intake]
) -> None:
    integration_id = await world.published()
    await announce_rotation(world.intake.tables, integration_id, 2, now())
    intake = without_database(world)

    assert await world.send(integration_id, BODY, secret="coming", intake=intake) is Verdict.UNVERIFIED
    assert await world.send(integration_id, BODY, intake=intake) is Verdict.ACCEPTED, "the known one still verifies"

    world.rotate(integration_id, WebhookSecrets("coming"))
    assert await world.work() == 2
    assert world.jobs(integration_id) == {"candidate ext:4711": 2}, "the worker has verified it"


async def test_a_forgery_kept_unverified_is_dropped_by_the_worker(world: World) -> None:
    integration_id = world.integration()
    await world.send(integration_id, BODY, secret="forged")

    assert await world.work() == 1

    assert world.jobs(integration_id) == {}
    assert world.recorded(integration_id) == []


async def test_a_published_row_ends_the_announcement(world: World, without_database: Callable[[World], Intake]) -> None:
    integration_id = await world.published()
    await announce_rotation(world.intake.tables, integration_id, 2, now())
    await publish(world.intake.publishing, world.company_id, integration_id)
    assert (await row_of(world, integration_id))["announced"] == 2, "an older version does not end it"

    world.rotate(integration_id, WebhookSecrets(SECRET))
    await publish_all(world.intake.publishing)

    assert (await row_of(world, integration_id))["announced"] == 0
    assert await world.send(integration_id, BODY, secret="x", intake=without_database(world)) is Verdict.FORGED


async def test_without_the_database_a_forgery_is_still_refused(
    world: World, without_database: Callable[[World], Intake]
) -> None:
    integration_id = await world.published()

    assert await world.send(integration_id, BODY, secret="forged", intake=without_database(world)) is Verdict.FORGED


async def test_a_lost_table_costs_checks_and_no_event(world: World) -> None:
    integration_id = await world.published()
    await world.intake.tables._client(TABLE).delete_table()

    assert await world.send(integration_id, BODY) is Verdict.UNVERIFIED

    await world.work()
    assert world.jobs(integration_id) == {"candidate ext:4711": 1}
    assert await publish_all(world.intake.publishing) == 1
    assert await world.send(integration_id, BODY) is Verdict.ACCEPTED


async def test_a_row_sealed_under_a_foreign_key_is_no_reason_to_refuse(world: World) -> None:
    integration_id, other = await world.published(), await world.published()
    foreign = (await row_of(world, other))["secrets"]
    await world.intake.tables.merge(TABLE, str(integration_id), ROW, {"secrets": foreign})

    assert await world.send(integration_id, BODY) is Verdict.UNVERIFIED


async def test_with_the_blob_service_gone_the_answer_is_503(world: World) -> None:
    integration_id = await world.published()
    intake = world.restarted()
    warm = await world.send(integration_id, BODY, intake=intake)
    gone = world.restarted()
    gone.blobs._connection_string = UNREACHABLE
    gone.acceptor._directory = intake.acceptor._directory

    verdict = await world.send(integration_id, BODY, intake=gone)

    assert (warm, verdict, verdict.status) == (Verdict.ACCEPTED, Verdict.NO_STORAGE, 503)


async def test_with_the_queue_service_gone_events_are_stored_and_processed_later(world: World) -> None:
    integration_id = await world.published()
    unreachable = Queues(UNREACHABLE)
    world.queues, queues = unreachable, world.queues
    intake = world.restarted()
    world.queues = queues

    assert await world.send(integration_id, BODY, intake=intake) is Verdict.ACCEPTED

    assert await world.work() == 0, "nobody was knocked for"
    assert await world.sweep() == 1
    assert await world.work() == 1
    assert world.jobs(integration_id) == {"candidate ext:4711": 1}
    await unreachable.aclose()


async def test_with_the_table_service_gone_ours_are_kept_and_strangers_come_again(world: World) -> None:
    integration_id = await world.published()
    intake = world.restarted()
    intake.tables._connection_string = UNREACHABLE

    assert await world.send(integration_id, BODY, intake=intake) is Verdict.UNVERIFIED
    assert await world.send(integration_id, BODY, intake=intake, mac=None) is Verdict.NO_STORAGE


async def test_large_bodies_are_taken_and_absurd_ones_refused(world: World) -> None:
    integration_id = await world.published()
    large = candidate_event(4712, notes="n" * (MAX_BODY_BYTES - 1000))

    assert await world.send(integration_id, large) is Verdict.ACCEPTED
    assert await world.work() == 1
    assert world.jobs(integration_id) == {"candidate ext:4712": 1}
    assert await world.batches() == {}, "it goes with the event"

    absurd = await world.send(integration_id, b" " * (MAX_BODY_BYTES + 1))
    assert (absurd, absurd.status) == (Verdict.TOO_LARGE, 413)


async def test_a_body_that_the_host_lost_is_asked_for_again(world: World) -> None:
    integration_id = await world.published()
    headers = {**signed(BODY), "transfer-encoding": "chunked"}

    verdict = await world.intake.acceptor.accept(str(integration_id), world.mac(integration_id), headers, b"")

    assert (verdict, verdict.status) == (Verdict.NO_BODY, 503)


async def test_nothing_personal_stands_in_the_clear(world: World) -> None:
    integration_id = await world.published()
    await world.send(integration_id, BODY, event_id="e-1")

    stored = b"".join((await world.batches()).values()) + "".join(await world.messages()).encode()

    assert str(integration_id).encode() in stored
    for clear in (b"Aurelia", b"Quicksilver", b"e-1", b"candidate", SECRET.encode()):
        assert clear not in stored


UNREACHABLE = (
    "DefaultEndpointsProtocol=http;AccountName=gone;AccountKey=Z29uZQ==;BlobEndpoint=http://127.0.0.1:1/gone;"
    "QueueEndpoint=http://127.0.0.1:1/gone;TableEndpoint=http://127.0.0.1:1/gone;"
)


async def row_of(world: World, integration_id: UUID) -> dict[str, object]:
    found = await world.intake.tables.find(TABLE, str(integration_id), ROW)
    assert found is not None
    return dict(found)


@pytest.fixture
def without_database() -> Callable[[World], Intake]:
    """Return what builds the intake of a process whose database is out of reach."""

    def build(world: World) -> Intake:
        intake = world.restarted()
        intake.acceptor._directory._ask_database = None
        return intake

    return build
