"""What happens to that on which the host stands, while it is killed. Each fault ends when its block ends."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
from azure.core.exceptions import HttpResponseError
from azure.data.tables import TableServiceClient

from sandbox.seed import call
from sandbox.services.azurite import AzuriteServer
from sandbox.stack import Stack
from tests.acceptance.kill_points.account import Account
from tests.acceptance.kills import clock

CLOCK_S = 600
LIMITS = "ratelimits"
LOOK_EVERY_S = 0.5
HEALTH_S = 15.0


@dataclass(frozen=True)
class Spans:
    """How long faults last, in seconds."""

    storage: float = 300.0
    vendor: float = 120.0
    clock: float = 45.0

    @classmethod
    def short(cls) -> Spans:
        """Return spans for those who have no hour."""
        return cls(storage=25.0, vendor=30.0, clock=20.0)


@dataclass
class Ground:
    """One run of a stack, its storage and its accounts, and what was seen of faults."""

    stack: Stack
    storage: AzuriteServer
    accounts: Sequence[Account]
    spans: Spans
    kills: int = 0
    seen: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def restart(self) -> None:
        """Kill the host, and start it again."""
        self.stack.host.kill()
        self.stack.host.start()
        self.kills += 1

    def health(self) -> tuple[int, Sequence[str]]:
        """Return what health says: status, 0 for no answer, and problems."""
        try:
            answer = httpx.get(f"{self.stack.host.url}/health", timeout=HEALTH_S, trust_env=False)
            return answer.status_code, answer.json()["problems"]
        except (httpx.HTTPError, ValueError):
            return 0, ()


Fault = Callable[[Ground], Iterator[None]]
"""Begins, yields for the kill that is to happen under it, and ends."""


def _without_storage(ground: Ground, end: Callable[[], None], begin: Callable[[], None]) -> Iterator[None]:
    end()
    try:
        began = time.monotonic()
        yield
        _watch_storage(ground, began)
    finally:
        begin()


def storage_hangs(ground: Ground) -> Iterator[None]:
    """The storage account takes connections and answers nothing."""
    yield from _without_storage(ground, ground.storage.suspend, ground.storage.resume)


def storage_restarts(ground: Ground) -> Iterator[None]:
    """The storage account is gone, and comes back with the data that it had."""
    yield from _without_storage(ground, ground.storage.stop, ground.storage.start)


def tables_deleted(ground: Ground) -> Iterator[None]:
    """Somebody deletes every table of the account, those of limits and breakers among them, three times under load."""
    yield
    with TableServiceClient.from_connection_string(ground.stack.storage) as service:
        for _ in range(3):
            names = [table.name for table in service.list_tables()]
            for name in names:
                service.delete_table(name)
            _wait(ground.spans.clock / 6)
        _watch(ground, f"table {LIMITS} made again", lambda: LIMITS in [table.name for table in service.list_tables()])


def vendor_hangs(ground: Ground) -> Iterator[None]:
    """The first vendor takes connections and answers nothing."""
    account = ground.accounts[0]
    os.kill(account.vendor_pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        yield
        _watch_breaker(ground, account, began)
    finally:
        os.kill(account.vendor_pid, signal.SIGCONT)


def vendor_fails(ground: Ground) -> Iterator[None]:
    """The second vendor answers 503 to everything."""
    account = ground.accounts[-1]
    account.add_fault(kind="error", status=503, times=None)
    try:
        began = time.monotonic()
        yield
        _watch_breaker(ground, account, began)
    finally:
        call(account.control, "DELETE", "/faults")


def clock_fast(ground: Ground) -> Iterator[None]:
    """The host's clock is ten minutes ahead."""
    yield from _clock(ground, CLOCK_S)


def clock_slow(ground: Ground) -> Iterator[None]:
    """The host's clock is ten minutes behind."""
    yield from _clock(ground, -CLOCK_S)


def _clock(ground: Ground, offset_s: int) -> Iterator[None]:
    """A vendor fails meanwhile, so that something must be dated: when it may be asked again."""
    ground.stack.host.conditions = clock.running_off(offset_s)
    try:
        yield
        _watch(ground, f"healthy with the clock {offset_s:+d} s", lambda: ground.health()[0] == httpx.codes.OK)
        began = time.time()
        account = ground.accounts[-1]
        account.add_fault(kind="error", status=503, times=None)
        try:
            _watch(ground, "a breaker open", lambda: _breaker_opened(account, began))
        finally:
            call(account.control, "DELETE", "/faults")
        _wait(ground.spans.clock)
        blocked_s = account.number(
            "SELECT coalesce(max(extract(epoch FROM blocked_until - clock_timestamp())), 0)::int FROM integrations"
            " WHERE id = %(integration)s"
        )
        if blocked_s > MOST_BLOCKED_S:
            ground.wrong.append(f"the clock {offset_s:+d} s blocks an integration for {blocked_s} s")
    finally:
        ground.stack.host.conditions = {}
        ground.restart()  # only a new process sees the right time again
        clock.release()


MOST_BLOCKED_S = 300
"""The longest that a breaker stays open."""

FAULTS: dict[str, Fault] = {
    "storage hangs": storage_hangs,
    "tables deleted": tables_deleted,
    "clock ahead": clock_fast,
    "vendor hangs": vendor_hangs,
    "storage restarts": storage_restarts,
    "clock behind": clock_slow,
    "vendor fails": vendor_fails,
}


@contextmanager
def befallen(ground: Ground, name: str) -> Iterator[None]:
    """Let a fault happen around the block, which kills and restarts the host."""
    yield from FAULTS[name](ground)


def _watch_storage(ground: Ground, began: float) -> None:
    """Health names what is away, and says 503 if it is for long."""
    named_s: float | None = None
    refused_s: float | None = None
    while (now_s := time.monotonic() - began) < ground.spans.storage:
        status, problems = ground.health()
        if named_s is None and NAMED in problems:
            named_s = now_s
        if refused_s is None and status == httpx.codes.SERVICE_UNAVAILABLE:
            refused_s = now_s
        _wait(LOOK_EVERY_S)
    ground.seen.append(f"health names {NAMED} after {_told(named_s)}, 503 after {_told(refused_s)}")
    if named_s is None:
        ground.wrong.append(f"health did not name {NAMED}")


NAMED = "tables_unreachable"


def _watch_breaker(ground: Ground, account: Account, began: float) -> None:
    since = time.time() - (time.monotonic() - began)
    _watch(ground, "a breaker open", lambda: _breaker_opened(account, since))
    _wait(max(0.0, ground.spans.vendor - (time.monotonic() - began)))


def _breaker_opened(account: Account, since: float) -> bool:
    query = (
        "SELECT count(*) FROM issues WHERE integration_id = %(integration)s AND kind = 'vendor_unreachable'"
        " AND last_seen_at >= to_timestamp(%(since)s)"
    )
    return account.number(query, since=since) > 0


LONGEST_S = 180.0


def _watch(ground: Ground, what: str, is_so: Callable[[], bool]) -> None:
    """Note after how long *what* was so; what never is, is wrong."""
    began = time.monotonic()
    while (now_s := time.monotonic() - began) < LONGEST_S:
        try:
            if is_so():
                ground.seen.append(f"{what} after {_told(now_s)}")
                return
        except HttpResponseError:
            pass  # a table at the moment of its deletion
        _wait(LOOK_EVERY_S)
    ground.wrong.append(f"not within {LONGEST_S:.0f} s: {what}")


def _told(seconds: float | None) -> str:
    return "no time" if seconds is None else f"{seconds:.0f} s"


def _wait(seconds: float) -> None:
    threading.Event().wait(seconds)
