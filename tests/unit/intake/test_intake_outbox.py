"""Entries share messages; nobody is told that his is stored before it is."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from shared.errors import Unavailable
from shared.intake.events import ENTRY_BYTES, MESSAGE_BYTES
from shared.intake.outbox import Outbox
from shared.store.queues import Queues


class Recorder(Queues):
    """A queue that keeps what it is sent, once its gate is open."""

    def __init__(self) -> None:
        super().__init__("UseDevelopmentStorage=true")
        self.messages: list[bytes] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.is_gone = False

    async def send(self, queue: str, body: bytes | str, *, delay_s: int = 0) -> None:
        await self.gate.wait()
        if self.is_gone:
            raise Unavailable(f"{queue}, {delay_s}")
        self.messages.append(body if isinstance(body, bytes) else body.encode())


def entries_of(message: bytes) -> list[object]:
    found: list[object] = orjson.loads(message)["events"]
    return found


async def test_a_lone_entry_goes_at_once() -> None:
    queues = Recorder()
    outbox = Outbox(queues, apart_s=3600.0)

    await asyncio.wait_for(outbox.put(b"1"), 5)

    assert [entries_of(message) for message in queues.messages] == [[1]]


async def test_those_that_follow_closely_share_the_next_message() -> None:
    queues = Recorder()
    outbox = Outbox(queues, apart_s=0.05)
    await outbox.put(b"0")

    await asyncio.gather(*(outbox.put(str(number).encode()) for number in range(1, 20)))

    assert [entries_of(message) for message in queues.messages] == [[0], list(range(1, 20))]


async def test_a_full_message_does_not_wait_for_its_time() -> None:
    queues = Recorder()
    outbox = Outbox(queues, apart_s=3600.0)
    await outbox.put(b"0")
    entry = orjson.dumps("x" * (ENTRY_BYTES * 2 // 5))

    puts = [asyncio.create_task(outbox.put(entry)) for _ in range(6)]
    done, pending = await asyncio.wait(puts, timeout=1.0)

    assert [len(entries_of(message)) for message in queues.messages] == [1, 2, 2]
    assert (len(done), len(pending)) == (4, 2), "the last two wait for company"
    assert all(len(message) <= MESSAGE_BYTES for message in queues.messages)
    for task in pending:
        task.cancel()


async def test_the_largest_entry_fits_a_message() -> None:
    queues = Recorder()

    await Outbox(queues).put(orjson.dumps("x" * (ENTRY_BYTES - 2)))

    assert len(queues.messages[0]) <= MESSAGE_BYTES


async def test_nobody_is_answered_before_it_is_stored() -> None:
    queues = Recorder()
    queues.gate.clear()
    put = asyncio.create_task(Outbox(queues).put(b"1"))

    done, _ = await asyncio.wait([put], timeout=0.1)
    assert not done

    queues.gate.set()
    await put


async def test_all_who_shared_a_lost_message_are_told() -> None:
    queues = Recorder()
    queues.is_gone = True
    outbox = Outbox(queues)

    outcomes = await asyncio.gather(*(outbox.put(b"1") for _ in range(3)), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 3
    queues.is_gone = False
    await outbox.put(b"2")


async def test_who_gives_up_does_not_take_the_others_along() -> None:
    queues = Recorder()
    queues.gate.clear()
    outbox = Outbox(queues)
    impatient, patient = (asyncio.create_task(outbox.put(text)) for text in (b"1", b"2"))
    await asyncio.wait([patient], timeout=0.05)
    impatient.cancel()
    queues.gate.set()

    await patient
    with pytest.raises(asyncio.CancelledError):
        await impatient
    assert entries_of(queues.messages[0]) == [1, 2]
