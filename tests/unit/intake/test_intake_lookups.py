"""A shared look-up is never older than the question."""

from __future__ import annotations

import asyncio

import pytest

from shared.errors import Unavailable
from shared.intake.lookups import LookUp


class Shelf:
    """A store whose reads wait until they are let through."""

    def __init__(self) -> None:
        self.value = "old"
        self.reads = 0
        self.gate = asyncio.Event()
        self.fails = False

    async def read(self, key: str) -> str:
        self.reads += 1
        found = f"{key} {self.value}"
        await self.gate.wait()
        if self.fails:
            raise Unavailable
        return found


async def turns() -> None:
    """Let every task go on as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_whoever_asks_during_a_read_gets_one_that_began_later() -> None:
    shelf = Shelf()
    look_up = LookUp(shelf.read)
    first = asyncio.create_task(look_up("a"))
    await turns()
    shelf.value = "new"
    later = [asyncio.create_task(look_up("a")) for _ in range(50)]
    await turns()
    shelf.gate.set()

    assert await first == "a old"
    assert set(await asyncio.gather(*later)) == {"a new"}
    assert shelf.reads == 2, "fifty questions cost one read"


async def test_keys_do_not_wait_for_one_another() -> None:
    shelf = Shelf()
    look_up = LookUp(shelf.read)
    tasks = [asyncio.create_task(look_up(key)) for key in "abc"]
    await turns()

    assert shelf.reads == 3
    shelf.gate.set()
    assert await asyncio.gather(*tasks) == ["a old", "b old", "c old"]


async def test_a_failed_read_fails_all_who_waited_and_none_who_come_later() -> None:
    shelf = Shelf()
    look_up = LookUp(shelf.read)
    shelf.fails = True
    waiting = [asyncio.create_task(look_up("a")) for _ in range(3)]
    await turns()
    shelf.gate.set()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 3
    assert shelf.reads == 2, "one read for the first, one for the two that came during it"
    shelf.fails = False
    assert await look_up("a") == "a old"


async def test_made_up_keys_leave_nothing_behind() -> None:
    shelf = Shelf()
    shelf.gate.set()
    look_up = LookUp(shelf.read)

    for number in range(100):
        await look_up(str(number))

    assert len(look_up._turns) == 0


async def test_an_error_of_ours_reaches_the_one_who_read() -> None:
    async def read(key: str) -> str:
        raise RuntimeError(key)

    with pytest.raises(RuntimeError):
        await LookUp(read)("a")
