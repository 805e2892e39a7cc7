"""Timer triggers: schedules, missed occurrences, no overlap, retry policies (§5)."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.core.exceptions import AzureError
from azure.functions.meta import Datum

from sandbox.host import ncrontab
from sandbox.host.host_lock import NEVER, HostBlobs, HostLock
from sandbox.host.indexing import Function
from sandbox.host.invocation import Invoker, RetryContext, RpcException
from sandbox.host.settings import HostSettings, time_span

log = logging.getLogger(__name__)

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


class TimerListener:
    """Fires one timer function."""

    def __init__(
        self,
        function: Function,
        settings: HostSettings,
        blobs: HostBlobs,
        invoker: Invoker,
        clock: Clock = utc_now,
    ) -> None:
        self.function = function
        self._schedule = ncrontab.parse(settings.resolve(str(function.trigger["schedule"])))
        self._blobs = blobs
        self._invoker = invoker
        self._clock = clock
        self._status_path = f"timers/{blobs.host_id}/Host.Functions.{function.name}/status"
        monitored = function.trigger.get("useMonitor") is not False
        self._monitored = monitored and not self._schedule.comes_within_a_minute()
        self._status: dict[str, str] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """
        Make up for one missed occurrence, then follow the schedule until *stop* is set.

        A run that outlasts its interval swallows the occurrences inside it. What a run raises is
        logged and changes nothing in the schedule. A run under way is awaited.
        """
        past_due = await self._check_past_due()
        if past_due or self.function.trigger.get("runOnStartup"):
            await self._fire(past_due=past_due)
        while not stop.is_set():
            due = self._schedule.after(self._clock())
            if await self._reaches(due, stop):
                await self._fire(past_due=False)

    async def fire_by_hand(self, _given: str) -> None:
        """Run the function once, outside its schedule. Raises what the function raised."""
        await invoke_with_retries(self._invoker, self.function, self._datum(past_due=False))

    async def _reaches(self, due: datetime, stop: asyncio.Event) -> bool:
        """Wait for *due*; False when *stop* was set before."""
        while (left := (due - self._clock()).total_seconds()) > 0:
            try:
                async with asyncio.timeout(left):
                    await stop.wait()
            except TimeoutError:
                continue  # the clock decides, since a sleep may end early
            return False
        return True

    async def _fire(self, *, past_due: bool) -> None:
        started = self._clock()
        try:
            await invoke_with_retries(self._invoker, self.function, self._datum(past_due=past_due))
        except Exception:  # noqa: BLE001 - whatever a function raises; the invoker has logged it
            log.warning("timer %s goes on after a failed run", self.function.name)
        await self._record(started)

    def _datum(self, *, past_due: bool) -> Datum:
        info = {
            "Schedule": {"AdjustForDST": True},
            "ScheduleStatus": self._status or None,
            "IsPastDue": past_due,
        }
        return Datum(json.dumps(info), "json")

    async def _check_past_due(self) -> bool:
        """Read the recorded status and tell whether an occurrence was missed since."""
        if not self._monitored:
            return False
        now = self._clock()
        recorded = await self._blobs.read_json(self._status_path)
        if recorded is None:
            await self._write(last=NEVER, following=self._schedule.after(now))
            return False
        last = datetime.fromisoformat(recorded["Last"])
        base = datetime.fromisoformat(recorded["LastUpdated"]) if last == NEVER else last
        following = self._schedule.after(base)
        if following != datetime.fromisoformat(recorded["Next"]):  # the schedule was changed
            await self._write(last=last, following=self._schedule.after(now))
            return False
        self._status = recorded
        return now > following

    async def _record(self, started: datetime) -> None:
        if not self._monitored:
            return
        try:
            await self._write(last=started, following=self._schedule.after(started))
        except AzureError as exc:
            log.warning("the status of timer %s was not written: %s", self.function.name, exc)

    async def _write(self, *, last: datetime, following: datetime) -> None:
        self._status = {
            "Last": last.isoformat(),
            "Next": following.isoformat(),
            "LastUpdated": self._clock().isoformat(),
        }
        await self._blobs.write_json(self._status_path, self._status)


class Timers:
    """All timers of an app, run while this host holds the host lock."""

    def __init__(self, listeners: Sequence[TimerListener], lock: HostLock, retry: float) -> None:
        self.listeners = listeners
        self._lock = lock
        self._retry_seconds = retry
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Start no further run."""
        self._stop.set()

    async def run(self) -> None:
        """Take the lock, run the timers, and start over when it is lost; end when stopped."""
        while not self._stop.is_set():
            if await self._lock.acquire():
                await self._run_while_held()
            else:
                await _wait(self._stop, self._retry_seconds)

    async def _run_while_held(self) -> None:
        end = asyncio.Event()
        runs = [asyncio.create_task(self._follow(each, end)) for each in self.listeners]
        await self._lock.keep(self._stop)
        end.set()
        await asyncio.gather(*runs)
        if self._stop.is_set():
            await self._lock.release()

    async def _follow(self, listener: TimerListener, end: asyncio.Event) -> None:
        while not end.is_set():
            try:
                await listener.run(end)
            except AzureError as exc:
                log.warning("the status of timer %s: %s", listener.function.name, exc)
                await _wait(end, 1)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


async def invoke_with_retries(invoker: Invoker, function: Function, datum: Datum) -> None:
    """Run *function* under its retry policy, in memory. Raises what the last try raised."""
    policy = function.retry or {}
    allowed = int(policy.get("max_retry_count") or 0) if policy else 0
    tried, failure = 0, None
    while True:
        retry = RetryContext(tried, allowed, failure)
        try:
            await invoker.invoke(function, datum, {}, retry=retry)
        except Exception as exc:
            if 0 <= allowed <= tried:
                raise
            failure = RpcException("", "".join(traceback.format_exception(exc)), str(exc))
        else:
            return
        await asyncio.sleep(retry_delay(policy, tried).total_seconds())
        tried += 1


def retry_delay(policy: Any, tried: int) -> timedelta:
    """
    Return the wait before the retry that follows *tried* earlier retries.

    `fixed_delay` waits `delay_interval`; exponential waits about `minimum_interval * (1 + 2^tried)`,
    give or take a fifth, at most `maximum_interval`.
    """
    if policy.get("strategy") == "fixed_delay":
        return time_span(policy.get("delay_interval") or "00:00:00")
    minimum = time_span(policy.get("minimum_interval") or "00:00:00")
    maximum = time_span(policy.get("maximum_interval") or "23:59:59")
    return min(minimum + minimum * (random.uniform(0.8, 1.2) * 2.0**tried), maximum)
