"""
Gates: where the steps of a world can be interleaved, fail, or be cut off by the death of their process.

Every stand-in (store, vendor, queue) begins and ends each of its methods with `await gate(label)`. A gate parks the
step in a list; the driver picks by the seed who goes on. Interleavings so happen exactly where they can in truth.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field

MOST_GATES = 200_000
"""A world that passes more has lost its way."""


class Crashed(BaseException):
    """The process is gone: no `except Exception` sees this, and no stand-in does anything for it any more."""


@dataclass(eq=False, slots=True)
class Owner:
    """A process of the world: a worker, the portal, the host. What it holds in memory dies with it."""

    name: str
    is_dead: bool = False
    frozen_until: float = 0.0
    """It does nothing before that time, as a process that was swapped out."""
    tasks: set[asyncio.Task[object]] = field(default_factory=set)

    def start(self, loop: asyncio.AbstractEventLoop, work: object, name: str) -> asyncio.Task[object]:
        """Run the coroutine *work* as a task of this process; what it starts belongs to the process as well."""
        mark = current_owner.set(self)
        try:
            return loop.create_task(work, name=name)  # type: ignore[arg-type]
        finally:
            current_owner.reset(mark)


current_owner: ContextVar[Owner | None] = ContextVar("owner", default=None)


@dataclass(slots=True)
class Parked:
    """A step that waits for the driver."""

    label: str
    number: int
    owner: Owner | None
    future: asyncio.Future[None]


Fault = Callable[[str, Owner | None], BaseException | None]
"""Asked at each gate: what to raise there, or None."""


class Gates:
    """The list of parked steps. Called as `await gates(label)`."""

    def __init__(self) -> None:
        self.parked: list[Parked] = []
        self.passed = 0
        self.is_open = False
        """Let everybody pass: whoever is ready runs in turn."""
        self.burst = 0
        """So many gates are passed before the next one parks."""
        self.fault: Fault | None = None
        self.trace: Callable[[str, str], None] | None = None

    async def __call__(self, label: str) -> None:
        """Wait until the driver lets this step go on. Raises what the world has in store for it."""
        owner = current_owner.get()
        if owner is not None and owner.is_dead:
            raise Crashed
        self.passed += 1
        if self.passed > MOST_GATES:
            raise Crashed(f"{MOST_GATES} gates were passed and the world is not at rest")
        if self.trace is not None:
            self.trace(label, owner.name if owner is not None else "-")
        if self.fault is not None:
            error = self.fault(label, owner)
            if error is not None:
                raise error
        if self.is_open:
            return
        if self.burst > 0:
            self.burst -= 1
            return
        future = asyncio.get_running_loop().create_future()
        self.parked.append(Parked(label, self.passed, owner, future))
        await future

    def ready(self, now: float) -> list[Parked]:
        """Return who may go on now, in an order that is the same in every run."""
        able = [each for each in self.parked if each.owner is None or each.owner.frozen_until <= now]
        return sorted(able, key=lambda each: (each.label, each.number))

    def release(self, parked: Parked) -> None:
        """Let *parked* go on."""
        self.parked.remove(parked)
        if not parked.future.done():
            parked.future.set_result(None)

    def kill(self, owner: Owner) -> None:
        """End *owner*: wherever one of its tasks waits, the process is no more."""
        owner.is_dead = True
        for each in [each for each in self.parked if each.owner is owner]:
            self.parked.remove(each)
            if not each.future.done():
                each.future.set_exception(Crashed())
        for task in list(owner.tasks):
            if not task.done():
                task.cancel()


def task_factory(loop: asyncio.AbstractEventLoop, work: object, **options: object) -> asyncio.Task[object]:
    """Make a task that its process knows of, so that it can die with it."""
    task: asyncio.Task[object] = asyncio.Task(work, loop=loop, **options)  # type: ignore[arg-type]
    owner = current_owner.get()
    if owner is not None:
        owner.tasks.add(task)
        task.add_done_callback(owner.tasks.discard)
    return task
