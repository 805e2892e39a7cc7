"""Whoever has committed a change does not wait long for its knock."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from uuid import uuid4

import pytest

from sandbox.services.azurite import ACCOUNT, KEY
from shared import telemetry
from shared.store.ledger import Knock
from shared.store.queues import Knocker, Queues
from tests.fixtures.waiting import GENEROUS_S


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
