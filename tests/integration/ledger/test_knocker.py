"""Knocks: to the queue of their priority, a handful for many jobs, and nobody who has committed waits long for one."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest

from sandbox.services.azurite import ACCOUNT, KEY
from shared import telemetry
from shared.store.ledger import Knock
from shared.store.queues import Knocker, Queues
from tests.fixtures.waiting import GENEROUS_S
from tests.integration.ledger.ground import Ground, Place
from tests.integration.ledger.workshop import BULK, NORMAL, URGENT, Workshop


@pytest.fixture
def silent() -> Iterator[str]:
    """A storage account that takes connections and answers nothing, as one that hangs does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/{ACCOUNT}"
        yield f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};QueueEndpoint={address};"


async def test_a_storage_account_that_hangs_is_left_to_the_sweep(silent: str) -> None:
    """Three tries of ten seconds were the portal's wait for each of its edits."""
    queues = Queues(silent)
    knocker = Knocker(queues, telemetry.get_logger("test"), patience_s=0.2)
    with telemetry.captured() as events:
        async with asyncio.timeout(GENEROUS_S):
            assert await knocker.send([Knock(uuid4(), uuid4(), 0, 3), Knock(uuid4(), uuid4(), 0, 5)]) == 0
    await queues.aclose()
    assert [(each.event, each.fields["code"]) for each in events] == [("knock_not_sent", "timeout")]


async def test_knocks_go_to_the_queue_of_their_priority(workshop: Workshop, ground: Ground, place: Place) -> None:
    asked = {URGENT: (1, 3), NORMAL: (4, 7), BULK: (8, 10)}
    requests = [place.request(str(each), priority=each) for pair in asked.values() for each in pair]
    knocks = await place.ask_for(requests)
    assert await workshop.knocker.send(knocks) == 6
    for queue, pair in asked.items():
        found = await workshop.take(queue)
        keys = [(await ground.row("SELECT record_key FROM sync_queue WHERE id = %(id)s", id=UUID(each["job_id"])))
                for each in found]  # fmt: skip
        assert sorted(int(each["record_key"]) for each in keys) == list(pair)
        assert {each["v"] for each in found} == {1}


async def test_a_page_of_five_hundred_sends_a_handful_of_messages(workshop: Workshop, place: Place) -> None:
    knocks = await place.ask_for([place.request(str(number), priority=9) for number in range(500)])
    assert len(knocks) == 500
    assert await workshop.knocker.send(knocks) == 16
