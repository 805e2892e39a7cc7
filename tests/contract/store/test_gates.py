"""Where the simulation may step in between, and what a crash there leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from shared.store.companies import Companies
from shared.store.records import RecordWrite
from shared.store.store import Store
from tests.contract.store.ground import CANDIDATE
from tests.simulation.store.memory import MemoryDatabase, MemoryStore
from tests.simulation.store.numbers import Numbers

COMPANY = UUID(int=1)
RECORD = UUID(int=2)
MOMENT = datetime(2030, 1, 1, tzinfo=UTC)


class Crash(BaseException):
    """A worker dies."""


class Gate:
    """Notes every label, and does something at one of them."""

    def __init__(self) -> None:
        self.passed: list[str] = []
        self.at: dict[str, Callable[[], Awaitable[None]]] = {}

    async def __call__(self, label: str) -> None:
        self.passed.append(label)
        act = self.at.get(label)
        if act is not None:
            await act()


@pytest.fixture
async def gate() -> Gate:
    return Gate()


@pytest.fixture
async def database(gate: Gate) -> MemoryDatabase:
    """A database with one company."""
    made = MemoryDatabase(lambda: MOMENT, gate)
    async with made.company(COMPANY) as tx:
        await Companies().create(tx, "Acme")
    gate.passed.clear()
    return made


async def insert(database: MemoryDatabase) -> None:
    store: Store = MemoryStore(database)
    async with database.company(COMPANY) as tx:
        await store.records.insert(tx, CANDIDATE, [RecordWrite(RECORD, CANDIDATE, {}, {})])
        await store.links.of_records(tx, [RECORD])


LABELS = [
    "begin",
    "records.insert:begin",
    "records.insert:end",
    "links.of_records:begin",
    "links.of_records:end",
    "commit:begin",
    "commit:end",
]


async def test_every_step_has_its_gates(database: MemoryDatabase, gate: Gate) -> None:
    await insert(database)
    assert gate.passed == LABELS


@pytest.mark.parametrize("label", LABELS)
async def test_a_crash_leaves_all_or_nothing(database: MemoryDatabase, gate: Gate, label: str) -> None:
    async def crash() -> None:
        raise Crash

    gate.at = {label: crash}
    with pytest.raises(Crash):
        await insert(database)
    assert gate.passed == LABELS[: LABELS.index(label) + 1]
    assert len(database.rows("records")) == (1 if label == "commit:end" else 0)
    assert not database.memory.sessions
    gate.at = {}
    if label != "commit:end":
        await insert(database)


async def test_what_a_crashed_one_held_is_let_go(database: MemoryDatabase, gate: Gate) -> None:
    """Also of one that was waiting itself."""
    await insert(database)
    store = MemoryStore(database)
    has_come = asyncio.Event()

    async def lock() -> None:
        async with database.company(COMPANY) as tx:
            await store.records.lock(tx, CANDIDATE, [RECORD])

    async def park() -> None:
        has_come.set()
        await asyncio.Event().wait()

    gate.at = {"commit:begin": park}
    holder = asyncio.create_task(lock())
    await has_come.wait()
    waiters = [asyncio.create_task(lock()) for _ in range(2)]
    while database.waiting < 2:  # noqa: ASYNC110 - the store tells nobody that somebody waits
        await asyncio.sleep(0)
    waiters[0].cancel()
    holder.cancel()
    gate.at = {}
    await waiters[1]
    assert [task.cancelled() for task in (holder, waiters[0])] == [True, True]
    assert not database.memory.sessions


async def test_the_clock_never_stands_still_or_goes_back() -> None:
    moments = iter([MOMENT, MOMENT, MOMENT.replace(year=2029), MOMENT.replace(year=2031)])
    memory = MemoryDatabase(lambda: next(moments)).memory
    told = [memory.clock() for _ in range(4)]
    assert sorted(set(told)) == told
    assert told[-1].year == 2031


async def test_the_same_numbers_for_the_same_seed() -> None:
    first, second, other = Numbers(1), Numbers(1), Numbers(2)
    assert [first.uuid() for _ in range(3)] == [second.uuid() for _ in range(3)]
    assert first.uuid() != other.uuid()
    assert [first.next("a"), first.next("a"), first.next("b")] == [1, 2, 1]


async def test_a_statement_that_nobody_imitated_is_named(database: MemoryDatabase) -> None:
    async with database.company(COMPANY) as tx:
        with pytest.raises(NotImplementedError, match="SELECT 42"):
            await tx.rows("SELECT 42")


async def test_rows_to_look_at_are_copies(database: MemoryDatabase) -> None:
    await insert(database)
    database.rows("records")[0]["data"]["a"] = 1
    assert database.rows("records")[0]["data"] == {}
    await database.put("companies", {"id": uuid4(), "name": "Other"})
    assert await database.change("companies", {"name": "Other"}, {"name": "New"}) == 1
    assert {row["name"] for row in database.rows("companies")} == {"Acme", "New"}
