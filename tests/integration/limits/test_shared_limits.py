"""One vendor's windows, used by many processes through an Azure Table."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from azure.data.tables.aio import TableServiceClient

from sandbox.vendors.greenhouse import GreenhouseSimulator
from sandbox.vendors.greenhouse.settings import Settings
from shared.adapters.holding import Permit
from shared.adapters.window import Told, Window
from shared.adapters.windows import Windows
from shared.errors import Unavailable
from shared.store.tables import Tables
from shared.sync.vendors.window_table import TABLE, WindowTable
from tests.fixtures.storage import StorageAccount
from tests.fixtures.waiting import until

START = 1_800_000_000.0
PROCESSES, AT_ONCE = 4, 2
WINDOW_S, LIMIT = 2.0, 40
WINDOWS = 3
"""Whole windows that are judged."""


@asynccontextmanager
async def calling(asked: dict[str, Any]) -> AsyncIterator[Process]:
    """A process that calls until the block ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.limits.caller", json.dumps(asked), stdout=PIPE
    )
    assert process.stdout is not None
    try:
        assert await process.stdout.readline() == b"ready\n"
        yield process
    finally:
        process.kill()
        await process.wait()


async def strays_of(callers: Sequence[Process]) -> Counter[float]:
    """Count, by the end of the window that counted them, the calls that the window before had granted."""
    lines: list[bytes] = []
    for each in callers:
        assert each.stdout is not None
        lines += (await each.stdout.read()).splitlines()
    return Counter(float(line.split()[1]) for line in lines)


async def token_of(simulator: GreenhouseSimulator) -> str:
    told = simulator.addresses()
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(
            told["token_url"],
            data={"grant_type": "client_credentials", "sub": str(told["user_id"])},
            auth=(told["client_id"], told["client_secret"]),
        )
    return f"Bearer {answer.raise_for_status().json()['access_token']}"


@pytest.mark.parametrize("share", [0.7, 1.0])
async def test_eight_workers_in_four_processes_use_the_share_and_are_refused_nothing(
    storage: StorageAccount, share: float
) -> None:
    settings = Settings(people=5, window_s=WINDOW_S, window_limit=LIMIT)
    async with GreenhouseSimulator(settings) as simulator, AsyncExitStack() as processes:
        asked = {
            "storage": storage.connection_string,
            "base_url": simulator.base_url,
            "authorization": await token_of(simulator),
            "path": "/v3/candidates?per_page=1",
            "at_once": AT_ONCE,
            "share": share,
            "window_s": WINDOW_S,
        }
        callers = await asyncio.gather(*(processes.enter_async_context(calling(asked)) for _ in range(PROCESSES)))
        limiter = simulator.simulator.limiters()[0]
        all_call_at = time.time()

        def judged() -> list[dict[str, Any]]:
            """Each whole window since all of them call; the last is still open."""
            return [window for window in limiter.windows()[:-1] if window["starts_at"] >= all_call_at]

        async def are_over() -> bool:
            return len(judged()) >= WINDOWS

        await until(are_over, within=180)
        windows = judged()[:WINDOWS]
    assert limiter.refusals() == 0
    allowed = int(LIMIT * share)
    used = [window["used"] for window in windows]
    assert statistics.median(used) >= 0.95 * allowed, used
    # A call that was on its way as a window turned is counted by the next one: it is of those that the first granted.
    strays = await strays_of(callers)
    granted = [window["used"] - strays[window["starts_at"] + WINDOW_S] for window in windows]
    assert max(granted) <= allowed, (used, strays)


@dataclass
class Rows:
    """The table, and a switch that takes it away."""

    table: WindowTable
    is_away: bool = False

    async def load(self, account: str) -> tuple[Window, object]:
        if self.is_away:
            raise Unavailable("the test took the table away")
        return await self.table.load(account)

    async def save(self, account: str, window: Window, mark: object) -> bool:
        return await self.table.save(account, window, mark)


@pytest.fixture
async def rows(storage: StorageAccount) -> AsyncIterator[Rows]:
    """Windows in a table of this test."""
    tables = Tables(storage.connection_string)
    yield Rows(WindowTable(tables))
    await tables.aclose()


def told(remaining: int, *, limit: int = 80, reset: float = START + 30) -> Told:
    return Told(limit, remaining, reset, None, longest_s=30.0)


async def taken(windows: Windows, now: float, share: float = 1.0, *, most: int = 200) -> int:
    """Take calls until there is a wait; each is answered with what the vendor counts."""
    for number in range(most):
        permit = await windows.reserve("a", now, share)
        if isinstance(permit, float):
            return number
    return most


async def test_a_window_that_one_process_learned_is_anothers_too(rows: Rows) -> None:
    one, other = Windows(rows), Windows(rows)
    first = await one.reserve("a", START)
    assert isinstance(first, Permit)
    assert isinstance(await other.reserve("a", START), float), "the other asked as well"
    await one.answered("a", first, told(79), sent_at=START, now=START)
    assert await taken(other, START, share=0.5) == 39
    assert await taken(one, START, share=0.5) == 0
    await one.refused("a", START + 9, START)
    assert await other.reserve("a", START + 2, 1.0) == 7.0


async def test_what_a_dead_process_held_is_lost_for_one_window_only(rows: Rows) -> None:
    dead, living = Windows(rows), Windows(rows)
    first = await dead.reserve("a", START)
    assert isinstance(first, Permit)
    await dead.answered("a", first, told(79), sent_at=START, now=START)
    assert isinstance(await dead.reserve("a", START), Permit)
    turned = START + 31.1
    asking = await dead.reserve("a", turned)
    assert isinstance(asking, Permit)
    assert isinstance(await living.reserve("a", turned), float)
    asked = await living.reserve("a", turned + 11)
    assert isinstance(asked, Permit), "the dead process's question was waited for without end"
    await living.answered("a", asked, told(79, reset=START + 90), sent_at=turned + 11, now=turned + 11)
    assert await taken(living, turned + 11) >= 78


async def test_without_the_table_each_process_takes_an_eighth_and_says_so(rows: Rows) -> None:
    windows = Windows(rows)
    rows.is_away = True
    first = await windows.reserve("a", START, 0.8)
    assert isinstance(first, Permit)
    await windows.answered("a", first, told(79), sent_at=START, now=START)
    assert await taken(windows, START, share=0.8) == 80 * 0.8 / 8 - 1
    assert windows.is_alone
    rows.is_away = False
    assert await taken(windows, START + 6, share=0.8) > 0
    assert not windows.is_alone


async def test_the_table_deleted_under_load_costs_no_refusal(rows: Rows, storage: StorageAccount) -> None:
    """The next call asks, and what the vendor says is used up already counts as ours."""
    windows = Windows(rows)
    first = await windows.reserve("a", START)
    assert isinstance(first, Permit)
    await windows.answered("a", first, told(79), sent_at=START, now=START)
    for remaining in range(78, 38, -1):
        permit = await windows.reserve("a", START, 0.7)
        assert isinstance(permit, Permit)
        await windows.answered("a", permit, told(remaining), sent_at=START, now=START)
    async with TableServiceClient.from_connection_string(storage.connection_string) as service:
        await service.delete_table(TABLE)
    after = Windows(rows)
    asked = await after.reserve("a", START, 0.7)
    assert isinstance(asked, Permit)
    await after.answered("a", asked, told(38), sent_at=START, now=START)
    assert 0 < await taken(after, START, share=0.7) <= 56 - 42
