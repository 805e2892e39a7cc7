"""Under the simulator's limiter: no refusal after the first window, and hardly slower than the limit itself."""

from __future__ import annotations

import asyncio
import math
import time

from shared.model import EntityType
from tests.contract.greenhouse.conftest import Account, Start
from tests.fixtures.rounds import seconds_over

WINDOW_S = 1.0


async def pace(account: Account, calls: int, at_once: int) -> tuple[float, int, int]:
    """Make *calls* fetches; return seconds, requests counted by the vendor, and refusals."""
    ids = [str(row["id"]) for row in account.rows("candidates") if not row["private"]][:40]
    waiting = iter(range(calls))

    async def work() -> None:
        for number in waiting:
            await account.adapter.fetch(EntityType.CANDIDATE, ids[number % len(ids)])

    started = time.monotonic()
    await asyncio.gather(*(work() for _ in range(at_once)))
    seconds = time.monotonic() - started
    limiter = account.simulator.simulator.limiters()[0]
    return seconds, sum(window["used"] for window in limiter.windows()), limiter.refusals()


async def test_five_windows_are_used_up_without_a_refusal(start: Start) -> None:
    limit = 20
    calls = 5 * limit + limit // 2

    async def over_s() -> float:
        account = await start(people=60, limiter=True, window_s=WINDOW_S, window_limit=limit)
        seconds, requests, refusals = await pace(account, calls, at_once=4)
        assert refusals == 0
        assert requests == calls
        floor_s = (math.ceil(requests / limit) - 1) * WINDOW_S
        return seconds - 1.10 * floor_s

    assert await seconds_over(over_s) <= 0
