"""
The host of the world: it starts workers, hands messages to them, delivers again what a dead one held, and knocks.

Its workers die at the gate that a step has named, or hear of a failed call there; each has only its own memory to lose.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from random import Random
from typing import Any

import psycopg

from shared.errors import LiaisonError, OutcomeUnknown, Unavailable
from shared.intake.events import read_batch
from shared.sync.workers.runner import Unforeseen
from tests.simulation.engine.gates import Crashed, Gates, Owner
from tests.simulation.engine.loop import VirtualLoop
from tests.simulation.engine.ports import MemoryQueues, Message
from tests.simulation.engine.process import Process, start_process
from tests.simulation.engine.script import Kind
from tests.simulation.engine.world import World

EVENTS = "webhook-events"
SWEEP_S = 20.0
TIMER_S = 60.0
REDELIVERED_S = 30.0
"""A message that its worker did not delete is seen again so much later."""


class Host:
    """Workers and queues of one world. *fail* hears of what no engine may do."""

    def __init__(self, loop: VirtualLoop, gates: Gates, world: World, fail: Callable[[str], None]) -> None:
        self.roll = Random(world.plan.seed)  # noqa: S311 - a seed
        self.figures: Counter[str] = Counter()
        self.workers: list[Process] = []
        self.active: set[asyncio.Task[object]] = set()
        self.crash_in = 0
        """So many gates of workers until the one who passes there dies; 0: nobody."""
        self.fail_in = 0
        self.lost_knocks = 0
        self.upon: dict[str, Kind] = {}
        """By the gate of a call's answer: what happens there next."""
        self.is_closed = False
        """The story is over: what is sent goes nowhere."""
        self._loop = loop
        self._gates = gates
        self._world = world
        self._fail = fail
        self._messages: list[Message] = []
        self._queues = MemoryQueues(gates, self._waiting, self.put)
        self._started = 0
        self.portal = self.process("portal")

    # -- processes ----------------------------------------------------------------------------------------------------

    def process(self, name: str) -> Process:
        """Return a process that has just started."""
        return start_process(name, self._world.database, self._queues, self._world.adapters)

    @property
    def is_editing(self) -> bool:
        """Whether somebody in the portal waits for an edit to be kept."""
        return any(each.get_name().startswith("edit ") for each in self.active)

    def start_worker(self) -> None:
        """Start one more worker."""
        self.workers.append(self.process(f"worker {self._started}"))
        self._started += 1

    def any_worker(self) -> Process:
        """Return one of the workers."""
        return self.workers[self.roll.randrange(len(self.workers))]

    def spawn(self, process: Process, work: Coroutine[Any, Any, object], name: str) -> asyncio.Task[object]:
        """Run *work* in *process*."""
        task = process.owner.start(self._loop, work, name)
        self.active.add(task)
        task.add_done_callback(self.active.discard)
        return task

    async def attempt(self, work: Awaitable[object], refused: str) -> None:
        """Do *work* of somebody in the portal; whether it was *refused* is counted."""
        try:
            await work
        except (LiaisonError, psycopg.Error):
            self.figures[refused] += 1

    def fault(self, label: str, owner: Owner | None) -> BaseException | None:
        """Return what *owner* hears at the gate *label*: nothing, an error, or the end of its process."""
        if owner is None:
            return None
        if self.crash_in > 0 and owner is not self.portal.owner:
            self.crash_in -= 1
            if self.crash_in == 0:
                self._crash(owner)
                return Crashed()
        if owner is not self.portal.owner and (kind := self.upon.pop(label, None)) is not None:
            self.figures[f"calls that were taken: {kind.value}"] += 1
            if kind is Kind.CRASH_UPON:
                self._crash(owner)
                return Crashed()
            return OutcomeUnknown(f"{label}: the answer was lost")
        if self.fail_in > 0:
            self.fail_in -= 1
            if self.fail_in == 0:
                self.figures["calls that failed"] += 1
                return _failure(label, self.roll)
        return None

    def _crash(self, owner: Owner) -> None:
        self.figures["workers that died"] += 1
        current = asyncio.current_task()
        if current is not None:
            owner.tasks.discard(current)  # it hears of it by the error
        self._gates.kill(owner)
        self.workers = [each for each in self.workers if each.owner is not owner]
        self.start_worker()

    # -- messages -----------------------------------------------------------------------------------------------------

    def put(self, message: Message, delay_s: float = 0.0) -> None:
        """Take a message that may be seen after *delay_s*."""
        if self.is_closed:
            return
        if self.lost_knocks > 0 and message.queue != EVENTS:
            self.lost_knocks -= 1
            self.figures["knocks that got lost"] += 1
        elif delay_s > 0:
            self._loop.call_later(delay_s, self.put, message)
        else:
            self._messages.append(message)
            self._dispatch()

    def close(self) -> None:
        """Forget the messages and take no more."""
        self.is_closed = True
        self._messages.clear()

    def _waiting(self, queue: str) -> int:
        return sum(each.queue == queue for each in self._messages)

    def _dispatch(self) -> None:
        while self._messages:
            free = [each for each in self.workers if each.is_free]
            if not free:
                return
            worker = free[self.roll.randrange(len(free))] if len(free) > 1 else free[0]
            message = self._messages.pop(0)
            worker.busy += 1
            task = self.spawn(worker, _answer(worker, message), f"message of {message.queue}")
            task.add_done_callback(self._answered(worker, message))

    def _answered(self, worker: Process, message: Message) -> Callable[[asyncio.Task[object]], None]:
        def settle(done: asyncio.Task[object]) -> None:
            worker.busy -= 1
            error = Crashed() if done.cancelled() else done.exception()
            if isinstance(error, Unforeseen):
                self._fail(f"a job raised what nobody foresaw: {error.__cause__!r}")
            elif error is not None and not isinstance(error, LiaisonError | Crashed):
                self._fail(f"a message was not answered: {error!r}")
            if not self.is_closed:
                if error is not None:
                    self.put(message, REDELIVERED_S)
                self._dispatch()

        return settle

    def sweep(self) -> None:
        """Sweep now and every twenty seconds, as the timer does."""
        if self.is_closed:
            return
        worker = self.any_worker()
        self.spawn(worker, self._swept(worker), "sweep")
        self._loop.call_later(SWEEP_S, self.sweep)

    def tick(self) -> None:
        """Start due schedules now and every minute, as the timer does."""
        if self.is_closed:
            return
        worker = self.any_worker()
        self.spawn(worker, self._ticked(worker), "timer")
        self._loop.call_later(TIMER_S, self.tick)

    async def _ticked(self, worker: Process) -> None:
        try:
            self.figures["runs that a schedule has started"] += await worker.services.sweep.start_due()
        except LiaisonError:
            self.figures["timers that failed"] += 1

    async def _swept(self, worker: Process) -> None:
        try:
            await worker.services.sweep.sweep()
        except LiaisonError:
            self.figures["sweeps that failed"] += 1


async def _answer(worker: Process, message: Message) -> None:
    if message.queue == EVENTS:
        await worker.services.intake.processor.process(read_batch(message.body))
    else:
        await worker.services.runner.answer(message.body, message.queue)


def _failure(label: str, roll: Random) -> BaseException:
    """Return what may go wrong where *label* stands."""
    if label.endswith(", sent"):
        return Unavailable(f"{label}: refused the connection")
    if label.endswith(("write, answered", "create, answered")):
        return OutcomeUnknown(f"{label}: the answer was lost")
    if label.endswith(", answered") or label.startswith("queue"):
        return Unavailable(f"{label}: no answer")
    if label.endswith(":begin") and "." in label and roll.random() < 0.5:
        return psycopg.errors.DeadlockDetected("deadlock detected")
    return psycopg.OperationalError("the connection was lost")
