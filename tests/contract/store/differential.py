"""
Random operations by two interleaved connections, on both stores; results and tables must be the same.

    python -m tests.contract.store.differential --seeds 1-500
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import random
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from enum import Enum
from itertools import count
from typing import Any
from uuid import UUID

import psycopg

from shared.errors import LiaisonError
from shared.store.companies import Companies
from shared.store.database import Transaction
from tests.contract.store.ground import Ground, MemoryGround, PostgresGround
from tests.contract.store.operations import Chooser, Operation, World, numbered
from tests.fixtures.postgres import Database, migrated_database, running_postgres
from tests.fixtures.waiting import GENEROUS_S
from tests.simulation.store.schema import tables
from tests.simulation.store.tables import INFINITY

STEPS = 60
_MADE_BY_THE_DATABASE = {"sync_logs": {"id"}, "notices": {"id"}, "person_keys": {"salt"}}


class _RollBack(Exception):
    """The plan ends a transaction so."""


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """What one of the two connections does next: `begin`, `commit`, `roll back`, or an operation; or time passes."""

    who: int
    what: str | Operation
    company: int = 0
    job: int | None = None

    def __str__(self) -> str:
        return f"{'AB'[self.who]}: {self.what if isinstance(self.what, str) else self.what.text}"


def plan(seed: int) -> list[Step]:
    """Return the steps of a seed."""
    chance = random.Random(seed)  # noqa: S311 - the same each time is what is wanted
    chooser, is_open = Chooser(chance), [False, False]
    steps: list[Step] = []
    while len(steps) < STEPS:
        who = chance.randrange(2)
        if chance.random() < 0.15:
            named = chance.randrange(6) if chance.random() < 0.4 else None
            steps.append(Step(who, chance.choice(("claim", "claim", "claim", "time passes")), job=named))
        elif not is_open[who]:
            is_open[who] = True
            steps.append(Step(who, "begin", company=int(chance.random() < 0.15)))
        elif chance.random() < 0.2:
            is_open[who] = False
            steps.append(Step(who, chance.choice(("commit", "commit", "commit", "roll back"))))
        else:
            steps.append(Step(who, chooser.operation()))
    return steps


class Connection:
    """Runs its steps one after another; `answer` is None while one is under way."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._inbox: asyncio.Queue[Step] = asyncio.Queue()
        self.answer: Any = "idle"
        self.is_open = False
        self.task = asyncio.create_task(self._run())

    def give(self, step: Step) -> None:
        """Let it begin the next step."""
        self.answer = None
        self._inbox.put_nowait(step)

    async def _run(self) -> None:
        while True:
            first = await self._inbox.get()
            try:
                async with self._world.ground.database.company(self._world.companies[first.company]) as tx:
                    self.is_open, self.answer = True, "begun"
                    await self._work(tx)
                ended = "committed"
            except _RollBack:
                ended = "rolled back"
            except (LiaisonError, psycopg.Error) as error:
                ended = type(error).__name__
            self.is_open, self.answer = False, ended

    async def _work(self, tx: Transaction) -> None:
        while True:
            step = await self._inbox.get()
            if step.what == "roll back":
                raise _RollBack
            if not isinstance(step.what, Operation):
                return
            try:
                result = await step.what.call(self._world, tx)
            except (LiaisonError, psycopg.Error) as error:
                result = type(error).__name__
            self.answer = ("did", result)


async def play(ground: Ground, steps: list[Step]) -> list[str]:
    """Return what came of each step, and what the tables hold at the end."""
    world = World(ground)
    with _counted_ids():
        await _furnish(world)
        both = [Connection(world), Connection(world)]
        told: list[str] = []
        for step in steps:
            told.append(f"{step} -> {await _do(world, both, step)}")
            if "DeadlockDetected" in told[-1]:
                told[-1] = "deadlock"
                break
        for who, connection in enumerate(both):
            if connection.is_open and told[-1] == "deadlock":
                connection.give(Step(who, "roll back"))
        await _rest(ground, both)
        for who, connection in enumerate(both):
            if connection.is_open:
                connection.give(Step(who, "commit"))
                await _rest(ground, both)
        for connection in both:
            connection.task.cancel()
        await asyncio.gather(*(connection.task for connection in both), return_exceptions=True)
        return [*told, *await _contents(ground)]


async def _do(world: World, both: list[Connection], step: Step) -> str:
    connection = both[step.who]
    if step.what == "claim":
        return await _claim(world, step.job)
    if step.what == "time passes":
        if any(each.is_open for each in both):
            return "somebody is at work"
        await world.ground.pass_time(5000)
        return "so it does"
    if connection.answer is None:
        return "waits"
    if connection.is_open is (step.what == "begin"):
        return "not now"
    connection.give(step)
    await _rest(world.ground, both)
    now = await world.ground.now()
    return " | ".join(str(_shown(each.answer, now)) for each in both)


async def _claim(world: World, job: int | None) -> str:
    rows = sorted(await world.ground.rows("sync_queue"), key=lambda row: row["id"])
    job_id = rows[job % len(rows)]["id"] if job is not None and rows else None
    claim = await world.ground.claim(job_id, low=1, high=10, ttl_s=3600, cap=3)
    if claim is None:
        return "nothing"
    async with world.ground.database.company(claim.company_id) as tx:
        found = await world.ground.store.ledger.load(tx, claim)
    world.jobs.append(found)
    return str(_shown(dataclasses.replace(found, lease_left_s=0), await world.ground.now()))


async def _rest(ground: Ground, both: list[Connection]) -> None:
    """Return once each of the two has answered or waits for the other; if both wait, one will be refused."""
    async with asyncio.timeout(GENEROUS_S):
        while busy := [each for each in both if each.answer is None]:
            for connection in busy:
                if connection.task.done():
                    connection.task.result()
            waiting = await ground.waiting()
            if waiting == len(busy) == 1 and busy[0].answer is None:
                return


async def _furnish(world: World) -> None:
    ground = world.ground
    for company_id in world.companies:
        async with ground.database.company(company_id) as tx:
            await Companies().create(tx, "Acme")
    for number, integration_id in enumerate(world.integrations):
        await ground.put(
            "integrations",
            id=integration_id,
            company_id=world.companies[number // 2],
            platform="greenhouse",
            webhook_url="https://x",
            rank=number + 1,
        )


async def _contents(ground: Ground) -> list[str]:
    now, told = await ground.now(), []
    for name in tables():
        hidden = _MADE_BY_THE_DATABASE.get(name, set())
        rows = [{key: value for key, value in row.items() if key not in hidden} for row in await ground.rows(name)]
        told += sorted(f"{name}: {_shown(row, now)}" for row in rows)
    return told


def _shown(value: Any, now: datetime) -> Any:  # noqa: PLR0911 - one for each type
    """Return *value* in a form that can be compared: moments to ten minutes, what has no order sorted."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return "never" if value == INFINITY else f"{round((value - now).total_seconds() / 600) * 10} min"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _shown({each.name: getattr(value, each.name) for each in dataclasses.fields(value)}, now)
    if isinstance(value, Mapping):
        return {str(_shown(key, now)): _shown(value[key], now) for key in sorted(value, key=str) if key != "age_s"}
    if isinstance(value, (list, tuple)):
        return sorted((_shown(each, now) for each in value), key=str)
    if isinstance(value, (set, frozenset)):
        return sorted(_shown(each, now) for each in value)
    return str(value) if isinstance(value, UUID) else value


@contextmanager
def _counted_ids() -> Iterator[None]:
    """Let production's own ids be the same in both stores."""
    numbers = count()
    modules = [
        module for name, module in sys.modules.items() if name.startswith("shared.store.") and hasattr(module, "uuid4")
    ]
    before = [vars(module)["uuid4"] for module in modules]
    for module in modules:
        vars(module)["uuid4"] = lambda: numbered(9, next(numbers))
    try:
        yield
    finally:
        for module, made in zip(modules, before, strict=True):
            vars(module)["uuid4"] = made


async def compare(seed: int, postgres: PostgresGround) -> None:
    """Raise AssertionError with the story of *seed* up to where the stores part."""
    steps = plan(seed)
    await postgres.clear()
    real, imitated = await play(postgres, steps), await play(MemoryGround(), steps)
    for number, (ours, theirs) in enumerate(zip(imitated, real, strict=False)):
        if ours != theirs:
            story = "\n".join(real[max(0, number - 8) : number])
            raise AssertionError(f"seed {seed}, step {number}\n{story}\nmemory   {ours}\npostgres {theirs}")
    assert len(real) == len(imitated), f"seed {seed}: {set(real) ^ set(imitated)}"


@asynccontextmanager
async def _postgres(database: Database) -> AsyncIterator[PostgresGround]:
    ground = await PostgresGround.open(database.app_dsn, database.admin_dsn)
    try:
        yield ground
    finally:
        await ground.aclose()


async def _compare_all(database: Database, first: int, last: int) -> None:
    async with _postgres(database) as ground:
        for seed in range(first, last + 1):
            await compare(seed, ground)
            if seed % 50 == 0:
                print(f"{seed} seeds alike", flush=True)  # noqa: T201 - a command


def main() -> None:
    """Compare the seeds that are asked for."""
    parser = argparse.ArgumentParser(description="Compare both stores.")
    parser.add_argument("--seeds", default="1-100", help="first-last")
    first, _, last = parser.parse_args().seeds.partition("-")
    with running_postgres() as server, migrated_database(server, "differential") as database:
        asyncio.run(_compare_all(database, int(first), int(last or first)))


if __name__ == "__main__":
    main()
