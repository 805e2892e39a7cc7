"""Pacing against windows of many kinds, in virtual time."""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from shared.adapters.holding import Permit
from shared.adapters.limits import Clock, Limiter, WindowHeaders, read_headers, refusal_s, waiting_at_most
from shared.adapters.window import Told
from shared.adapters.windows import Windows
from shared.errors import RateLimited

START = 1_800_000_000.0


class VirtualTime:
    """Time that passes only when everybody sleeps, and then at once."""

    def __init__(self, start: float = START) -> None:
        self.seconds = start
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def now(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (self.seconds + seconds, self._count, future))
        await future

    async def run(self, *work: asyncio.Task[None]) -> None:
        """Let time pass until *work* is done."""
        while not all(task.done() for task in work):
            for _ in range(20):
                await asyncio.sleep(0)
            if self._sleepers and not all(task.done() for task in work):
                self.seconds, _, future = heapq.heappop(self._sleepers)
                future.set_result(None)
        for task in work:
            task.result()


@dataclass
class Vendor:
    """Fixed windows, told in one of several ways, by a clock that may be off."""

    time: VirtualTime
    limit: int
    window_s: float
    is_aligned: bool = True
    """Else a window begins with its first call."""
    told: Callable[[float], float] = math.ceil
    skew_s: float = 0.0
    tells_date: bool = True
    used: int = 0
    refused: int = 0
    ends_at: float = 0.0
    windows: list[int] = field(default_factory=list)

    def call(self) -> Told:
        now = self.time.now() + self.skew_s
        if now >= self.ends_at:
            start = math.floor(now / self.window_s) * self.window_s if self.is_aligned else now
            self.ends_at, self.used = start + self.window_s, 0
            self.windows.append(0)
        if self.used >= self.limit:
            self.refused += 1
        else:
            self.used += 1
            self.windows[-1] += 1
        date = float(math.floor(now)) if self.tells_date else None
        return Told(self.limit, self.limit - self.used, self.told(self.ends_at), date, longest_s=self.window_s)


async def use_up(vendor: Vendor, *, calls: int, at_once: int, latency_s: float = 0.02) -> float:
    """Make *calls* through a limiter; return the seconds that they took."""
    time = vendor.time
    limiter = Limiter("account", Windows(), Clock(time.now, time.sleep))
    waiting = iter(range(calls))
    started = time.now()

    async def work() -> None:
        for _ in waiting:
            permit = await limiter.wait()
            sent_at = time.now()
            await time.sleep(latency_s / 2)
            told = vendor.call()
            await time.sleep(latency_s / 2)
            await limiter.store.answered("account", permit, told, sent_at=sent_at, now=time.now())

    await time.run(*(asyncio.ensure_future(work()) for _ in range(at_once)))
    return time.now() - started


@pytest.mark.parametrize("at_once", [1, 5])
@pytest.mark.parametrize(("limit", "window_s"), [(75, 30.0), (50, 10.0), (100, 3.0)])
@pytest.mark.parametrize("is_aligned", [True, False])
@pytest.mark.parametrize("skew_s", [0.0, 0.4, -0.4, 300.0, -300.0])
async def test_windows_are_used_up_within_a_tenth_of_the_floor(
    limit: int, window_s: float, at_once: int, is_aligned: bool, skew_s: float
) -> None:
    vendor = Vendor(VirtualTime(START + 0.3), limit, window_s, is_aligned, told=lambda end: end, skew_s=skew_s)
    calls = 5 * limit + limit // 2
    seconds = await use_up(vendor, calls=calls, at_once=at_once)
    assert vendor.refused == 0
    assert sum(vendor.windows) == calls
    # A clock's part of a second is learnt from `Date`s of whole seconds: in short windows that shows.
    rounding_s = 1.2 if skew_s and window_s < 30 else 0.0
    assert seconds <= 1.10 * (math.ceil(calls / limit) - 1) * window_s + rounding_s * len(vendor.windows)


@pytest.mark.parametrize("is_aligned", [True, False])
@pytest.mark.parametrize("skew_s", [0.0, 0.4, -0.4])
async def test_small_windows_are_not_spent_on_questions(is_aligned: bool, skew_s: float) -> None:
    vendor = Vendor(VirtualTime(START + 0.3), 5, 2.0, is_aligned, told=lambda end: end, skew_s=skew_s)
    seconds = await use_up(vendor, calls=27, at_once=2)
    assert vendor.refused <= (1 if skew_s else 0)
    if not skew_s:
        assert seconds <= 1.10 * 5 * 2.0


@pytest.mark.parametrize("told", [math.ceil, math.floor])
@pytest.mark.parametrize("phase_s", [0.0, 0.1, 0.5, 0.95])
@pytest.mark.parametrize("at_once", [1, 5])
async def test_a_rounded_end_of_the_window_brings_no_refusal(
    told: Callable[[float], float], phase_s: float, at_once: int
) -> None:
    vendor = Vendor(VirtualTime(START + phase_s), 75, 30.0, is_aligned=False, told=told)
    seconds = await use_up(vendor, calls=400, at_once=at_once)
    assert vendor.refused == 0
    assert seconds <= 1.10 * (math.ceil(400 / 75) - 1) * 30.0


@pytest.mark.parametrize("skew_s", [-300.0, 300.0])
async def test_a_clock_that_is_off_without_saying_so_costs_time_and_no_refusal_storm(skew_s: float) -> None:
    vendor = Vendor(VirtualTime(), 20, 10.0, skew_s=skew_s, tells_date=False)
    await use_up(vendor, calls=110, at_once=3)
    assert vendor.refused <= 1


async def test_what_others_use_of_the_window_is_respected() -> None:
    vendor = Vendor(VirtualTime(START + 1), 50, 10.0)
    vendor.call()
    vendor.used = 40
    await use_up(vendor, calls=60, at_once=1)
    assert vendor.refused == 0


async def test_the_first_call_goes_alone_until_the_limit_is_told() -> None:
    windows = Windows()
    first = await windows.reserve("a", START)
    assert isinstance(first, Permit)
    assert isinstance(await windows.reserve("a", START), float)
    assert isinstance(await windows.reserve("b", START), Permit)
    await windows.unanswered("a", first, START)
    assert isinstance(await windows.reserve("a", START), Permit)


async def test_a_vendor_that_hangs_is_asked_five_times_within_a_minute_and_late_answers_grant_nothing_twice() -> None:
    """Five calls without an answer open its breaker; found by the kills, where one question at a time hung for 30 s."""
    windows = Windows()
    asked = [await windows.reserve("a", START + 10 * number) for number in range(5)]
    assert all(isinstance(each, Permit) for each in asked)
    assert isinstance(await windows.reserve("a", START + 49), float)
    permits = [each for each in asked if isinstance(each, Permit)]
    now = START + 50
    for number, permit in enumerate(permits, start=1):
        told = Told(80, 80 - number, START + 80, None, longest_s=30.0)
        await windows.answered("a", permit, told, sent_at=START + 10 * number, now=now)
    granted = [each for _ in range(100) if isinstance(each := await windows.reserve("a", now), Permit)]
    assert 70 <= len(granted) <= 75


async def test_a_vendor_that_tells_nothing_is_not_paced() -> None:
    windows = Windows()
    first = await windows.reserve("a", START)
    assert isinstance(first, Permit)
    await windows.answered("a", first, Told(None, None, None, None), sent_at=START, now=START)
    assert [await windows.reserve("a", START) for _ in range(200)] == [Permit(None)] * 200


async def test_a_refusal_stops_everybody_until_its_time() -> None:
    windows = Windows()
    await windows.refused("a", START + 7, START)
    assert await windows.reserve("a", START + 2) == 5.0
    assert isinstance(await windows.reserve("a", START + 7), Permit)


async def test_a_wait_that_is_too_long_is_the_jobs() -> None:
    time = VirtualTime()
    limiter = Limiter("a", Windows(), Clock(time.now, time.sleep))
    await limiter.store.refused("a", START + 100, START)
    with pytest.raises(RateLimited) as raised:
        await limiter.wait()
    assert raised.value.wait_s == 100


async def test_who_is_in_a_hurry_makes_room_sooner() -> None:
    time = VirtualTime()
    limiter = Limiter("a", Windows(), Clock(time.now, time.sleep))
    await limiter.store.refused("a", START + 9, START)
    with waiting_at_most(5), pytest.raises(RateLimited) as raised:
        await limiter.wait()
    assert raised.value.wait_s == 9


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0"}, 1.0),
        ({"retry-after": "-5"}, 30.0),
        ({"retry-after": "999999999"}, 86400.0),
        ({"retry-after": format_datetime(datetime.fromtimestamp(START + 9, UTC), usegmt=True)}, 9.0),
        ({"retry-after": "soon", "x-ratelimit-reset": str(START + 4)}, 4.0),
        (
            {
                "x-ratelimit-reset": str(START + 304),
                "date": format_datetime(datetime.fromtimestamp(START + 300, UTC), usegmt=True),
            },
            4.0,
        ),
        ({"x-ratelimit-reset": "nan"}, 30.0),
        ({}, 30.0),
    ],
)
def test_how_long_a_refusal_asks_to_wait(headers: dict[str, str], wait_s: float) -> None:
    assert refusal_s(headers, WindowHeaders(), START) == wait_s


def test_headers_that_are_no_numbers_tell_nothing() -> None:
    told = read_headers({"x-ratelimit-limit": "many", "x-ratelimit-remaining": "-1", "date": "today"}, WindowHeaders())
    assert (told.limit, told.remaining, told.reset, told.vendor_now) == (None, None, None, None)
