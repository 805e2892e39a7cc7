"""
The worker: one process that listens, fires the triggers and runs the user's code (§8).

It is started by the supervisor, which owns the listening socket and holds the other end of the
worker's standard input. A line there asks for a drain; its end means that the supervisor is gone,
and the worker with it, at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path

import uvicorn

from sandbox.host import http_trigger
from sandbox.host.admin import Admin, RunByHand
from sandbox.host.host_lock import HostBlobs, HostLock
from sandbox.host.indexing import Function, IndexingError, index
from sandbox.host.invocation import FunctionTimeout, Invoker, Running, WorkerEnding
from sandbox.host.keys import Keys
from sandbox.host.ncrontab import BadSchedule
from sandbox.host.queue_trigger import QueueListener
from sandbox.host.settings import BadSettings, HostSettings, read_settings
from sandbox.host.storage import Queues
from sandbox.host.supervisor import EXIT_REFUSED, EXIT_TIMED_OUT, LEASE_ID, MASTER_KEY
from sandbox.host.timer_trigger import TimerListener, Timers

log = logging.getLogger(__name__)

STANDARD_INPUT = 0
SETTLING_SECONDS = 5  # for failed invocations to be answered before a worker ends


class _Server(uvicorn.Server):
    """A server that leaves signals to the supervisor."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


class Worker:
    """The listeners of one app."""

    def __init__(self, functions: list[Function], settings: HostSettings, keys: Keys) -> None:
        self._functions = functions
        self._settings = settings
        self._keys = keys
        self._stop = asyncio.Event()
        self._abandoned = False
        self._tasks: list[asyncio.Task[None]] = []
        self._queue_listeners: list[QueueListener] = []
        self._timers: Timers | None = None
        self._server: _Server | None = None
        threads = settings.environment.get("PYTHON_THREADPOOL_THREAD_COUNT")
        self._queues = Queues(settings)
        self.invoker = Invoker(self._queues.write_outputs, threads=int(threads) if threads else None)

    async def serve(self, listening: socket.socket, lease_id: str, ready: Callable[[], None]) -> None:
        """
        Serve until `stop` is called, then await all that is running.

        Raises what a listener cannot go on with.
        """
        async with self._queues, contextlib.AsyncExitStack() as stack:
            app = await self._build(stack, lease_id)
            config = uvicorn.Config(
                app,
                http="httptools",
                ws="none",
                loop="asyncio",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
            )
            self._server = _Server(config)
            self._tasks.append(asyncio.create_task(self._server.serve([listening])))
            self._tasks += [asyncio.create_task(each.run()) for each in self._queue_listeners]
            if self._timers is not None:
                self._tasks.append(asyncio.create_task(self._timers.run()))
            ready()
            for task in self._tasks:
                task.add_done_callback(self._stop_if_failed)
            await self._stop.wait()
            self._stop_listening()
            self._server.should_exit = True
            await asyncio.gather(*self._tasks)
            await self._admin.finish()
            if self._abandoned:
                await asyncio.Event().wait()  # the watchdog ends the process, with its own code

    def stop(self) -> None:
        """Begin the drain."""
        self._stop.set()

    def _stop_if_failed(self, task: asyncio.Task[None]) -> None:
        """End the worker when a listener cannot go on; one that was drained has just ended."""
        if not task.cancelled() and task.exception() is not None:
            self._stop.set()

    async def abandon(self) -> None:
        """Fail whatever is running, settle its messages and requests, and stop listening."""
        self._abandoned = True
        self._stop_listening()
        for running in list(self.invoker.running.values()):
            running.abandon(WorkerEnding("the worker is restarted after a timeout"))
        self.stop()
        await asyncio.wait(self._tasks)

    async def _build(self, stack: contextlib.AsyncExitStack, lease_id: str) -> http_trigger.HttpHost:
        enabled = [f for f in self._functions if not self._settings.is_disabled(f.name)]
        self._admin = Admin(self._settings, self._keys, self.invoker, self._functions)
        by_hand: dict[str, RunByHand] = {}
        for function in _of_type(enabled, "queueTrigger"):
            listener = QueueListener(function, self._settings, self._queues, self.invoker)
            self._queue_listeners.append(listener)
            by_hand[function.name.lower()] = listener.deliver_by_hand
        timer_functions = _of_type(enabled, "timerTrigger")
        if timer_functions:
            blobs = await stack.enter_async_context(HostBlobs(self._settings))
            timings = self._settings.timings
            lock = HostLock(blobs, lease_id, timings.lock)
            timers = [TimerListener(f, self._settings, blobs, self.invoker) for f in timer_functions]
            self._timers = Timers(timers, lock, timings.lock_retry)
            by_hand |= {timer.function.name.lower(): timer.fire_by_hand for timer in timers}
        http_functions = _of_type(self._functions, "httpTrigger")
        host = http_trigger.HttpHost(http_functions, self._settings, self._keys, self.invoker, self._admin)
        by_hand |= {f.name.lower(): host.by_hand(f) for f in http_functions}
        self._admin.runs_by_hand = by_hand
        self._admin.drain = self._stop_listening
        return host

    def _stop_listening(self) -> None:
        for listener in self._queue_listeners:
            listener.stop()
        if self._timers is not None:
            self._timers.stop()


def _of_type(functions: list[Function], trigger: str) -> list[Function]:
    return [function for function in functions if function.trigger["type"] == trigger]


class Watchdog(threading.Thread):
    """
    Ends the worker when a function outlasts `functionTimeout`.

    A thread, because the event loop itself may be what hangs. First the overdue invocations fail
    towards their callers. If the user's code then does not end within the grace period, all other
    invocations fail too and the process ends, to be started again.
    """

    def __init__(self, worker: Worker, timeout: float, grace: float) -> None:
        super().__init__(name="watchdog", daemon=True)
        self._worker = worker
        self._timeout = timeout
        self._grace = grace
        self._loop = asyncio.get_running_loop()
        self._never = threading.Event()

    def run(self) -> None:
        """Watch until the process ends."""
        interval = min(1.0, self._timeout / 10)
        while not self._never.wait(interval):
            overdue = self._overdue()
            if overdue and not self._end_within_grace(overdue):
                self._end_worker()

    def _overdue(self) -> list[Running]:
        limit = time.monotonic() - self._timeout
        return [each for each in list(self._worker.invoker.running.values()) if each.started < limit]

    def _end_within_grace(self, overdue: list[Running]) -> bool:
        for running in overdue:
            text = f"Timeout value of {self._timeout:g} s exceeded by function {running.function!r}"
            log.error(text)
            self._loop.call_soon_threadsafe(running.abandon, FunctionTimeout(text))
        ends = time.monotonic() + self._grace
        while time.monotonic() < ends:
            if all(running.task.done() for running in overdue):
                return True
            self._never.wait(0.05)
        return False

    def _end_worker(self) -> None:
        log.error("the worker is restarted; every other invocation in it fails")
        settled = asyncio.run_coroutine_threadsafe(self._worker.abandon(), self._loop)
        with contextlib.suppress(TimeoutError):
            settled.result(SETTLING_SECONDS)
        logging.shutdown()
        os._exit(EXIT_TIMED_OUT)


def _follow_supervisor(loop: asyncio.AbstractEventLoop, worker: Worker) -> None:
    """Obey standard input: a line drains, its end is the end."""
    # Not through sys.stdin, whose lock the interpreter wants when it ends.
    while os.read(STANDARD_INPUT, 64):
        loop.call_soon_threadsafe(worker.stop)
    os._exit(1)


async def _serve(functions: list[Function], settings: HostSettings, keys: Keys, lease_id: str, fds: list[int]) -> None:
    worker = Worker(functions, settings, keys)
    loop = asyncio.get_running_loop()
    threading.Thread(target=_follow_supervisor, args=(loop, worker), daemon=True).start()
    timeout = settings.function_timeout
    if timeout is not None:
        Watchdog(worker, timeout.total_seconds(), settings.timings.timeout_grace).start()
    listening_fd, report_fd = fds

    def report_ready() -> None:
        with os.fdopen(report_fd, "w") as report:
            json.dump({"worker_pid": os.getpid(), "host_key": keys.host}, report)

    await worker.serve(socket.socket(fileno=listening_fd), lease_id, report_ready)


def main(root: Path, fds: list[int]) -> int:
    """Serve the app in *root* and return the exit code. *fds*: listening socket, ready pipe."""
    logging.basicConfig(level=logging.INFO, format="[%(asctime)s] %(levelname)s %(name)s: %(message)s")
    logging.getLogger("azure.core").setLevel(logging.WARNING)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    # The stand-in takes the place of the platform, whose environment an app sees.
    environment = os.environ  # noqa: TID251
    keys = Keys(environment.pop(MASTER_KEY))
    lease_id = environment.pop(LEASE_ID)
    os.chdir(root)
    try:
        settings = read_settings(root, environment)
        script = environment.get("PYTHON_SCRIPT_FILE_NAME") or "function_app.py"
        functions = index(root, script)
        asyncio.run(_serve(functions, settings, keys, lease_id, fds))
    except (BadSettings, IndexingError, BadSchedule):
        log.exception("the app cannot be served")
        return EXIT_REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), [int(fd) for fd in sys.argv[2:4]]))
