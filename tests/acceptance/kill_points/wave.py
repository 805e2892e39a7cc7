"""One kill: several points are reached and held at the same time, each in a company of its own, and all die at once."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

from sandbox.stack import Stack
from tests.acceptance.kill_points import judging
from tests.acceptance.kill_points.account import Account, opened_account
from tests.acceptance.kill_points.load import Load
from tests.acceptance.kill_points.points import HOLDS_ALL_COMMITS, IN_FIRST_SYNC, POINTS, MomentMissed, Reached
from tests.fixtures.waiting import GENEROUS_S, wait_until

PROMISED_S = 120.0
TRIES = 3
"""Kills for one wave: one that missed its moment proves nothing, and is made again in companies of its own."""
PEOPLE = 1600
LOOK_EVERY_S = 0.25
RANDOM = "random moment under load"
LOAD_S = (3.0, 9.0)
"""The kill comes so long after the load began, as the seed says."""

_HELD_BY_LOCK = (
    "in a page's transaction",
    "page fetched, not written",
    "application created, not linked",
    "webhook taken, not processed",
)


@dataclass(frozen=True)
class Result:
    """What one point came to. Times are seconds from the start of the new host."""

    point: str
    seed: int
    down_s: float
    """From the kill to the start of the new host, which the others count from."""
    sweep_s: float
    """Until its first sweep: what the dead host's lock on timers costs."""
    converged_s: float
    repeated_pages: int
    creates: int
    submissions: int
    wrong: Sequence[str]


@dataclass
class Subject:
    """A point and the account that it happens in."""

    point: str
    account: Account
    reached: Reached
    in_first_sync: bool
    killed_at: float = 0.0
    down_s: float = 0.0
    converged_s: float | None = None
    last_seen: str = ""


def run_wave(stack: Stack, points: Sequence[str], seed: int) -> list[Result]:
    """
    Reach *points*, kill, restart, wait until all has come right; return a result for each.

    Raises MomentMissed when none of some kills hit its moment.
    """
    for _ in range(TRIES - 1):
        try:
            return _run_once(stack, points, seed)
        except MomentMissed as missed:
            print(f"{missed}; once more", flush=True)  # noqa: T201 - told beside the table
            stack.host.start()
    return _run_once(stack, points, seed)


def _run_once(stack: Stack, points: Sequence[str], seed: int) -> list[Result]:
    chance = random.Random(seed)  # noqa: S311 - it secures nothing
    with ExitStack() as accounts:
        kill = _under_load if RANDOM in points else _at_moments
        subjects = kill(stack, accounts, points, chance)
        judging.eat_knocks(stack.storage)
        (clock,) = subjects[0].account.rows("SELECT clock_timestamp() AS now")
        began = time.monotonic()
        for each in subjects:
            each.down_s = began - each.killed_at
        stack.host.start()
        sweep_s = converge(subjects, began, clock["now"])
        results = [result_of(each, seed, sweep_s) for each in subjects]
    return [_as_one(results)] if RANDOM in points else results


def _at_moments(stack: Stack, accounts: ExitStack, points: Sequence[str], chance: random.Random) -> list[Subject]:
    """Kill at exact moments. Those held longest without harm are reached first."""
    ordered = sorted(points, key=lambda each: (each in HOLDS_ALL_COMMITS, each not in _HELD_BY_LOCK))
    opened = _open(stack, accounts, len(ordered), chance)
    _sync_first([account for point, account in zip(ordered, opened, strict=True) if point not in IN_FIRST_SYNC])
    with ExitStack() as held:
        subjects = [
            Subject(point, account, POINTS[point](account, chance, held), point in IN_FIRST_SYNC)
            for point, account in zip(ordered, opened, strict=True)
        ]
        stack.host.kill()
        killed_at = time.monotonic()
    for each in subjects:
        each.killed_at = killed_at
        each.reached.check()
    return subjects


def _under_load(stack: Stack, accounts: ExitStack, points: Sequence[str], chance: random.Random) -> list[Subject]:
    """Kill at a moment that the seed chooses: one account in its first sync, one with everything going on at once."""
    fresh, busy = _open(stack, accounts, 2, chance)
    _sync_first([busy])
    of_busy = random.Random(chance.random())  # noqa: S311 - a thread of its own
    loads = [Load(fresh, chance, with_portal=False), Load(busy, of_busy, with_portal=True)]
    for load in loads:
        load.start()
    threading.Event().wait(chance.uniform(*LOAD_S))  # the moment is the point: there is no condition to wait for
    stack.host.kill()
    killed_at = time.monotonic()
    return [Subject(points[0], load.account, load.stop(), load.account is fresh, killed_at) for load in loads]


def _open(stack: Stack, accounts: ExitStack, count: int, chance: random.Random) -> list[Account]:
    seeds = [chance.randrange(1_000_000) for _ in range(count)]
    with ThreadPoolExecutor() as pool:
        entering = [
            pool.submit(accounts.enter_context, opened_account(stack, people=PEOPLE, seed_number=seed))
            for seed in seeds
        ]
        return [each.result() for each in entering]


def _sync_first(accounts: Sequence[Account]) -> None:
    for account in accounts:
        account.start_sync()
    for account in accounts:
        wait_until(lambda account=account: account.at_work() is None, within=3 * GENEROUS_S)  # type: ignore[misc]


def converge(subjects: Sequence[Subject], began: float, killed_at: object) -> float:
    """Watch until all has come right or the promised time is over; return when the first sweep came."""
    sweep_s: float | None = None
    pause = threading.Event()
    while True:
        now_s = time.monotonic() - began
        if sweep_s is None and _has_swept(subjects[0].account, killed_at):
            sweep_s = now_s
        for each in subjects:
            if each.converged_s is None and _has_come_right(each):
                each.converged_s = time.monotonic() - began
        if now_s > PROMISED_S or (sweep_s is not None and all(each.converged_s is not None for each in subjects)):
            return now_s if sweep_s is None else sweep_s
        pause.wait(LOOK_EVERY_S)


def _has_swept(account: Account, since: object) -> bool:
    return account.number("SELECT count(*) FROM heartbeats WHERE name = 'sweep' AND at > %(since)s", since=since) > 0


def _has_come_right(subject: Subject) -> bool:
    account = subject.account
    waiting = judging.unsettled(account)
    if waiting is None:
        found = judging.differing(account)
        waiting = f"{len(found)} differences, such as {found[:3]}" if found else None
    subject.last_seen = waiting or ""
    return waiting is None


def result_of(subject: Subject, seed: int, sweep_s: float) -> Result:
    account, submissions = subject.account, subject.reached.submissions
    wrong = judging.faults_of(account, submissions)
    repeated = judging.repeated_pages(account) if subject.in_first_sync else 0
    if repeated > judging.MOST_REPEATED:
        wrong.append(f"{repeated} pages were asked for twice")
    if subject.converged_s is None:
        wrong.append(f"not right after {PROMISED_S:.0f} s: {subject.last_seen}")
        wrong += judging.open_jobs(account)
    return Result(
        point=subject.point,
        seed=seed,
        down_s=subject.down_s,
        sweep_s=sweep_s,
        converged_s=PROMISED_S if subject.converged_s is None else subject.converged_s,
        repeated_pages=repeated,
        creates=judging.creates(account, submissions),
        submissions=len(submissions),
        wrong=wrong,
    )


def _as_one(results: Sequence[Result]) -> Result:
    """Return the accounts of one random moment as the one point that they are."""
    return Result(
        point=results[0].point,
        seed=results[0].seed,
        down_s=results[0].down_s,
        sweep_s=results[0].sweep_s,
        converged_s=max(each.converged_s for each in results),
        repeated_pages=max(each.repeated_pages for each in results),
        creates=sum(each.creates for each in results),
        submissions=sum(each.submissions for each in results),
        wrong=[line for each in results for line in each.wrong],
    )
