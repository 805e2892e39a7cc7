"""Supervise one service process: start it under a guardian, wait until healthy, stop it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from sandbox.services import guardian
from sandbox.services.account import BARE_ENVIRONMENT, Account
from sandbox.services.folders import record_process

POLL_SECONDS = 0.02
PORT_TRIES = 5

Started = TypeVar("Started")


class ServiceFailed(Exception):
    """A local service did not start, or ended by itself; the text holds its last output."""


class ServiceProcess:
    """
    One running service, ended with this process however this process ends.

    The guardian leads a session of its own, so Ctrl-C reaches our code alone and it stops
    the services in order.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        folder: Path,
        account: Account | None = None,
        environment: Mapping[str, str] = BARE_ENVIRONMENT,
        stop_signal: signal.Signals = signal.SIGTERM,
        grace_seconds: float = 10,
    ) -> None:
        """Start *command* at once, in *folder*, which is removed should this process die."""
        self.name = name
        self._log = folder / f"{name}.log"
        self._grace_seconds = grace_seconds
        spec: guardian.Spec = {
            "command": [str(part) for part in command],
            "environment": dict(environment),
            "uid": account.uid if account else None,
            "gid": account.gid if account else None,
            "cwd": str(folder),
            "log": str(self._log),
            "folder": str(folder),
            "stop_signal": stop_signal.value,
            "grace_seconds": grace_seconds,
        }
        with self._log.open("ab") as log:
            self._guardian = subprocess.Popen(  # noqa: S603 - commands of this package
                # -I and -S: it needs the standard library only, and starts in 20 ms.
                [sys.executable, "-I", "-S", guardian.__file__, json.dumps(spec)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                text=True,
            )
        record_process(folder, self._guardian.pid)
        self.pid = self._read_pid()
        record_process(folder, self.pid)

    def _read_pid(self) -> int:
        assert self._guardian.stdout is not None  # noqa: S101 - asked for above
        line = self._guardian.stdout.readline()
        if not line:
            self.stop()
            raise ServiceFailed(f"{self.name} could not be started\n{self.last_output()}")
        return int(line)

    def wait_healthy(self, healthy: Callable[[], bool], *, within: float) -> None:
        """
        Return when *healthy* says so; raise `ServiceFailed` if it has ended or time is up.

        *within* is in seconds. A service that fails is stopped before we raise.
        """
        deadline = time.monotonic() + within
        while not healthy():
            if (code := self._ended_within(POLL_SECONDS)) is not None:
                self.stop()
                raise ServiceFailed(f"{self.name} ended with {code}\n{self.last_output()}")
            if time.monotonic() > deadline:
                self.stop()
                raise ServiceFailed(f"{self.name}: not healthy in {within} s\n{self.last_output()}")

    def running(self) -> bool:
        """Tell whether the service has not ended."""
        return self._guardian.poll() is None

    def stop(self) -> None:
        """End the service: its stop signal, then, after its grace, SIGKILL. Safe to repeat."""
        if self.running():
            self._guardian.terminate()
        self._guardian.wait(timeout=self._grace_seconds + 10)
        for pipe in (self._guardian.stdin, self._guardian.stdout):
            if pipe is not None:
                pipe.close()

    def last_output(self) -> str:
        """Return the end of what the service wrote, for an error message."""
        if not self._log.exists():
            return ""
        return self._log.read_text(encoding="utf-8", errors="replace")[-3000:]

    def _ended_within(self, seconds: float) -> int | None:
        try:
            return self._guardian.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return None


def free_ports(count: int) -> list[int]:
    """Return *count* different loopback TCP ports that nobody listens on at this moment."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def on_free_port(start: Callable[[int], Started]) -> Started:
    """Return what *start* returns for a free port; others are tried while somebody is faster. Raises ServiceFailed."""
    for _ in range(PORT_TRIES - 1):
        try:
            return start(free_ports(1)[0])
        except ServiceFailed as failure:
            # The port was free a moment ago.
            if "Address already in use" not in str(failure):
                raise
    return start(free_ports(1)[0])


def answers(port: int) -> bool:
    """Tell whether somebody accepts connections on this loopback *port*."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
