"""Entries share batches; nobody is told that his is stored before it is; then the worker is knocked for."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from shared.errors import Unavailable
from shared.intake.events import BATCH_BYTES, QUEUE, read_knock
from shared.intake.outbox import Outbox
from shared.store.blobs import Blobs
from shared.store.queues import Queues
from tests.fixtures.waiting import GENEROUS_S, wait_in_loop

ANYWHERE = "UseDevelopmentStorage=true"


class Shelf(Blobs):
    """A container that keeps what it is given, once its gate is open."""

    def __init__(self) -> None:
        super().__init__(ANYWHERE)
        self.batches: dict[str, bytes] = {}
        self.gate = asyncio.Event()
        self.gate.set()
        self.is_gone = False

    async def put(self, container: str, name: str, content: bytes) -> None:
        await self.gate.wait()
        if self.is_gone:
            raise Unavailable(f"{container} {name}")
        self.batches[name] = content

    def entries(self) -> list[list[object]]:
        return [orjson.loads(content)["events"] for content in self.batches.values()]


class Door(Queues):
    """A queue that counts knocks."""

    def __init__(self) -> None:
        super().__init__(ANYWHERE)
        self.knocks: list[str] = []
        self.is_gone = False

    async def send(self, queue: str, body: bytes | str, *, delay_s: int = 0) -> None:
        if self.is_gone:
            raise Unavailable(queue)
        assert (queue, delay_s) == (QUEUE, 0)
        self.knocks.append(read_knock(body).batch)


async def test_a_lone_entry_goes_at_once_and_is_knocked_for() -> None:
    shelf, door = Shelf(), Door()
    outbox = Outbox(shelf, door, apart_s=3600.0)

    async with asyncio.timeout(GENEROUS_S):
        await outbox.put(b"1")

    assert shelf.entries() == [[1]]
    await wait_in_loop(lambda: door.knocks == list(shelf.batches))


async def test_those_that_follow_closely_share_the_next_batch() -> None:
    shelf = Shelf()
    outbox = Outbox(shelf, Door(), apart_s=0.05)
    await outbox.put(b"0")

    await asyncio.gather(*(outbox.put(str(number).encode()) for number in range(1, 20)))

    assert shelf.entries() == [[0], list(range(1, 20))]


async def test_a_full_batch_does_not_wait_for_its_time() -> None:
    shelf = Shelf()
    outbox = Outbox(shelf, Door(), apart_s=3600.0)
    await outbox.put(b"0")
    entry = orjson.dumps("x" * (BATCH_BYTES * 2 // 5))

    puts = [asyncio.create_task(outbox.put(entry)) for _ in range(6)]
    await wait_in_loop(lambda: sum(put.done() for put in puts) == 4)

    assert [len(batch) for batch in shelf.entries()] == [1, 2, 2]
    for put in puts:
        put.cancel()  # the last two wait for company


async def test_an_entry_larger_than_a_batch_has_one_of_its_own() -> None:
    shelf = Shelf()

    await Outbox(shelf, Door()).put(orjson.dumps("x" * (BATCH_BYTES + 1)))

    assert [len(batch) for batch in shelf.entries()] == [1]


async def test_nobody_is_answered_before_it_is_stored() -> None:
    shelf, door = Shelf(), Door()
    shelf.gate.clear()
    put = asyncio.create_task(Outbox(shelf, door).put(b"1"))

    done, _ = await asyncio.wait([put], timeout=0.1)
    assert not done
    assert door.knocks == []

    shelf.gate.set()
    await put


async def test_a_knock_that_gets_lost_is_no_failure_of_the_event() -> None:
    shelf, door = Shelf(), Door()
    door.is_gone = True

    await Outbox(shelf, door).put(b"1")

    assert shelf.entries() == [[1]]


async def test_all_who_shared_a_lost_batch_are_told() -> None:
    shelf = Shelf()
    shelf.is_gone = True
    outbox = Outbox(shelf, Door())

    outcomes = await asyncio.gather(*(outbox.put(b"1") for _ in range(3)), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 3
    shelf.is_gone = False
    await outbox.put(b"2")


async def test_who_gives_up_does_not_take_the_others_along() -> None:
    shelf = Shelf()
    shelf.gate.clear()
    outbox = Outbox(shelf, Door())
    impatient, patient = (asyncio.create_task(outbox.put(text)) for text in (b"1", b"2"))
    await asyncio.wait([patient], timeout=0.05)
    impatient.cancel()
    shelf.gate.set()

    await patient
    with pytest.raises(asyncio.CancelledError):
        await impatient
    assert shelf.entries() == [[1, 2]]
