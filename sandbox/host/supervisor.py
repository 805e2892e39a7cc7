"""
The supervisor: owns the port and the keys, keeps one worker running, passes signals on (§8).

It imports no user code and nothing heavy, so that a worker which hangs or dies cannot take the
host down: requests that arrive in between wait in the socket's backlog.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from sandbox.host.keys import Keys, new_master_key

EXIT_REFUSED = 3  # the app cannot be served: starting a worker again would not help
EXIT_TIMED_OUT = 75  # a function timed out: start again at once

MASTER_KEY = "SANDBOX_HOST_MASTER_KEY"
LEASE_ID = "SANDBOX_HOST_LEASE_ID"

LONGEST_RESTART_WAIT = 30.0  # seconds
BACKLOG = 2048  # connections
REPOSITORY = Path(__file__).resolve().parents[2]

Announce = Callable[[Mapping[str, Any]], None]


class Supervisor:
    """One host: a listening socket, its keys, and a worker that is replaced when it dies."""

    def __init__(self, root: Path, port: int, environment: Mapping[str, str], announce: Announce) -> None:
        self._root = root
        self._announce = announce
        self._keys = Keys(environment.get(MASTER_KEY) or new_master_key())
        self._environment = {
            **environment,
            MASTER_KEY: self._keys.master,
            # All workers of one host share it, and so one host lock.
            LEASE_ID: str(uuid.uuid4()),
        }
        self._restart_start = float(environment.get("SANDBOX_HOST_RESTART_START_SECONDS") or 1)
        self._socket = _listen(port)
        self._worker: subprocess.Popen[bytes] | None = None
        self._draining = threading.Event()

    def run(self) -> int:
        """
        Serve until SIGTERM or SIGINT, then drain. Return the exit code: 0 after a clean drain.

        A second signal ends the worker at once. A first worker that never gets ready is not
        replaced: the app is wrong then, and the log says how.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        wait, was_ready = self._restart_start, False
        while True:
            ready = self._start_worker()
            if ready and not was_ready:
                self._announce(self._described(ready))
            assert self._worker is not None  # noqa: S101 - _start_worker has just set it
            code = self._worker.wait()
            was_ready = was_ready or ready is not None
            if self._draining.is_set():
                return 0 if code == 0 else 1
            if code == EXIT_REFUSED or not was_ready:
                return 1
            print(f"the worker ended ({code}); starting another", file=sys.stderr, flush=True)
            wait = self._restart_start if ready else min(wait * 2, LONGEST_RESTART_WAIT)
            if code != EXIT_TIMED_OUT and self._draining.wait(wait):
                return 1

    def _start_worker(self) -> dict[str, Any] | None:
        """Start a worker and wait for its report, or None when it died before that."""
        reading, writing = os.pipe()
        fds = (self._socket.fileno(), writing)
        try:
            self._worker = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-m", "sandbox.host.worker", str(self._root), *map(str, fds)],
                cwd=REPOSITORY,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=sys.stderr.fileno(),  # our own output is the announcement alone
                pass_fds=fds,
                start_new_session=True,  # Ctrl-C reaches us only, and we pass it on
            )
        finally:
            os.close(writing)
        if self._draining.is_set():
            self._ask_to_drain()
        with os.fdopen(reading) as report:
            text = report.read()
        return json.loads(text) if text else None

    def _described(self, ready: Mapping[str, Any]) -> dict[str, Any]:
        port = self._socket.getsockname()[1]
        return {
            "port": port,
            "url": f"http://127.0.0.1:{port}",
            "master_key": self._keys.master,
            "pid": os.getpid(),
            **ready,
        }

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self._draining.is_set():
            if self._worker is not None:
                self._worker.kill()
            return
        self._draining.set()
        self._ask_to_drain()

    def _ask_to_drain(self) -> None:
        """Tell the worker, and accept no connection it will never serve."""
        if self._worker is None or self._worker.stdin is None:
            return
        self._socket.close()
        try:
            self._worker.stdin.write(b"drain\n")
            self._worker.stdin.flush()
        except BrokenPipeError:
            return  # it has ended already, and `run` is about to see that


def _listen(port: int) -> socket.socket:
    """Return a listening socket that says it is TCP: only for such asyncio turns Nagle's delay off."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(BACKLOG)
    return listener
