"""SIGTERM is heard, and ends the process a little later than it would have."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

from shared.draining import ENDED_BY_SIGTERM, Draining
from tests.fixtures.waiting import GENEROUS_S

PROGRAM = """
import threading
from shared.draining import Draining
draining = Draining(grace_s=0.2)
draining.watch()
print("watching", flush=True)
while not draining.is_asked():
    threading.Event().wait(0.01)
print("asked", flush=True)
threading.Event().wait()
"""


def test_a_process_hears_that_it_is_asked_and_ends_after_its_grace() -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout is not None
        assert process.stdout.readline() == "watching\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "asked\n"
        assert process.wait(GENEROUS_S) == ENDED_BY_SIGTERM == 143


def test_a_handler_that_somebody_else_has_set_is_left_alone() -> None:
    def theirs(_number: int, _frame: object) -> None: ...

    before = signal.signal(signal.SIGTERM, theirs)
    try:
        Draining().watch()
        assert signal.getsignal(signal.SIGTERM) is theirs
    finally:
        signal.signal(signal.SIGTERM, before)


def test_off_the_main_thread_nothing_is_watched_and_nothing_raised() -> None:
    draining, raised = Draining(), list[BaseException]()

    def watch() -> None:
        try:
            draining.watch()
        except ValueError as error:
            raised.append(error)

    thread = threading.Thread(target=watch)
    thread.start()
    thread.join()
    assert (raised, draining.is_asked()) == ([], False)
