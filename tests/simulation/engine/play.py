"""
One world, played from its plan: the driver that the loop asks whenever nothing is ready.

It lets somebody go on, performs the next step of the story, or lets time pass. What is right is none of its business:
that is the oracle's part (`oracle`, `rest`).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from dataclasses import dataclass, field, replace
from random import Random

from shared.errors import LiaisonError
from shared.model import Direction
from shared.sync.workers.runner import Unforeseen
from tests.simulation.engine.commits import Commits
from tests.simulation.engine.gates import Gates, Owner, Parked, task_factory
from tests.simulation.engine.host import SWEEP_S, TIMER_S, Host
from tests.simulation.engine.loop import VirtualLoop
from tests.simulation.engine.ports import chance, quiet
from tests.simulation.engine.rest import come_to_rest
from tests.simulation.engine.script import Plan, Step
from tests.simulation.engine.steps import Steps
from tests.simulation.engine.vendor import moment_of
from tests.simulation.engine.world import World
from tests.simulation.store.memory import MemoryDatabase
from tests.simulation.store.numbers import Numbers

BURSTS = (0, 0, 1, 2, 4, 8, 16)
"""So many gates somebody may pass before the next choice."""


@dataclass(slots=True)
class Verdict:
    """How a world ended. *failure* is None when every invariant held."""

    plan: Plan
    """As far as it was played."""
    failure: str | None
    trace: str
    """Hash of every choice and every gate: equal in every replay."""
    gates: int
    rounds: int
    figures: Counter[str] = field(default_factory=Counter)


def play(plan: Plan) -> Verdict:
    """Play *plan* to its end."""
    with chance(plan.seed), quiet():
        return _Play(plan).run()


class _Play:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.loop = VirtualLoop(self._drive)
        self.gates = Gates()
        self.database = MemoryDatabase(lambda: moment_of(self.loop.time()), self._gate, Numbers(plan.seed))
        self.world = World(plan, self.database, self.gates, self.loop.time, self.fail)
        self.commits = Commits(self.world, self.fail)
        self.host = Host(self.loop, self.gates, self.world, self.fail)
        self.steps = Steps(self.loop, self.host, self.world)
        self.gates.fault = self._fault
        self.failure: str | None = None
        self.rounds = 0
        self._trace = hashlib.blake2b(digest_size=16)
        self._left = list(plan.steps)
        self._moves = 0
        self._over: asyncio.Future[None] | None = None
        self._rest: asyncio.Task[object] | None = None

    def run(self) -> Verdict:
        """Play, and let nothing of it outlive the return."""
        self.loop.set_task_factory(task_factory)  # type: ignore[arg-type]  # mypy wants a generic function
        self.loop.set_exception_handler(lambda _loop, _context: None)
        try:
            self.loop.run_until_complete(self._play())
        finally:
            self._tear_down()
        plan = self.plan
        if self.failure is not None:
            plan = replace(plan, steps=plan.steps[: len(plan.steps) - len(self._left)])
        return Verdict(plan, self.failure, self._trace.hexdigest(), self.gates.passed, self.rounds, self.host.figures)

    async def _play(self) -> None:
        self._over = self.loop.create_future()
        await self.world.begin()
        for _ in range(self.plan.workers):
            self.host.start_worker()
        for name in self.world.vendors:
            self.host.spawn(self.host.portal, self.steps.ask(name, Direction.INBOUND), f"first pull of {name}")
        self.loop.call_later(SWEEP_S, self.host.sweep)
        if self.plan.pulls_every_s:
            self.loop.call_later(TIMER_S, self.host.tick)
        await self._over

    def _tear_down(self) -> None:
        self.gates.fault = None
        self.host.close()
        for process in [*self.host.workers, self.host.portal]:
            self.gates.kill(process.owner)
        left = [task for task in asyncio.all_tasks(self.loop) if not task.done()]
        for task in left:
            task.cancel()
        if left:
            self.loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    def fail(self, text: str) -> None:
        """Remember the first thing that went wrong; the driver ends the story with it."""
        if self.failure is None:
            self.failure = text

    # -- the driver ---------------------------------------------------------------------------------------------------

    def _drive(self) -> None:
        """Nothing is ready: choose who goes on, perform the next step, or let time pass."""
        over = self._over
        if over is None or over.done():
            self._release_all()
            return
        if self.failure is not None:
            over.set_result(None)
            return
        now = self.loop.time()
        ready = self.gates.ready(now)
        if self._left and now >= self.steps.wait_until and not (ready and self._moves > 0):
            self._perform(self._left.pop(0))
        elif ready:
            self._moves -= 1
            self._let_go(ready)
        else:
            self._let_time_pass(now)

    def _perform(self, step: Step) -> None:
        self._mark(step.told())
        self.host.roll = Random(step.salt)  # noqa: S311 - a seed
        self._moves = self._left[0].moves if self._left else 0
        happened = self.steps.perform(step)
        self.host.figures[step.kind.value if happened else "nothing came of it"] += 1

    def _let_go(self, ready: list[Parked]) -> None:
        roll = self.host.roll
        chosen = ready[roll.randrange(len(ready))] if len(ready) > 1 else ready[0]
        self.gates.burst = roll.choice(BURSTS)
        self._mark(f"{chosen.label} {chosen.number} goes on")
        self.gates.release(chosen)

    def _let_time_pass(self, now: float) -> None:
        timer = self.loop.next_timer()
        if self._left:
            target = self.steps.wait_until if timer is None else min(timer, self.steps.wait_until)
            self.loop.advance(max(target, now))
        elif self._rest is None and not self.host.active:
            self._rest = self.loop.create_task(self._come_to_rest())
        elif timer is not None:
            self.loop.advance(timer)
        else:
            self.fail("nothing is ready and nothing will be: somebody waits for what never comes")

    def _release_all(self) -> None:
        """The story is over: whatever is parked has to end."""
        for parked in list(self.gates.parked):
            self.gates.release(parked)
        timer = self.loop.next_timer()
        if timer is not None:
            self.loop.advance(timer)

    async def _come_to_rest(self) -> None:
        self.gates.fault = None
        self.gates.is_open = True
        self.host.close()
        try:
            self.rounds = await come_to_rest(self.world, self.host.process("last worker").services)
        except LiaisonError as error:
            self.fail(f"the world does not come to rest: {error!r}")
        except AssertionError as error:
            self.fail(str(error))
        except Unforeseen as error:
            self.fail(f"a job raised what nobody foresaw: {error.__cause__!r}")
        except Exception as error:
            self.fail(f"the world could not be judged: {error!r}")
            raise
        finally:
            if self._over is not None and not self._over.done():
                self._over.set_result(None)

    # -- the gates ----------------------------------------------------------------------------------------------------

    def _mark(self, text: str) -> None:
        self._trace.update(text.encode())

    async def _gate(self, label: str) -> None:
        if label == "commit:end":
            self.commits.watch()
        await self.gates(label)

    def _fault(self, label: str, owner: Owner | None) -> BaseException | None:
        self._mark(label)
        return self.host.fault(label, owner)
