"""Our own programs as processes of the sandbox: the Functions host, a vendor's simulator, the command line."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from sandbox.services.account import BARE_ENVIRONMENT
from sandbox.services.folders import CLONE
from sandbox.services.identity import ProcessIdentity
from sandbox.services.process import POLL_SECONDS, ServiceFailed, ServiceProcess, on_free_port

START_SECONDS = 120
HEALTHY_SECONDS = 180
"""Generous: it is waited for on a condition, and a machine may be slow."""
DRAIN_SECONDS = 20
CLI_SECONDS = 120

PYTHON_ENVIRONMENT = BARE_ENVIRONMENT | {"PYTHONPATH": str(CLONE)}


class CommandFailed(Exception):
    """A command of ours ended badly; the text is what it said."""


class HostProgram:
    """
    The local Functions host, serving the clone. `start`, `stop` and `kill` may alternate.

    Port and master key stay the same, so that addresses and keys outlive a crash.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], *, port: int = 0) -> None:
        """*environment*: the app's settings, to which `PUBLIC_BASE_URL` is added. *port* 0 takes a free one."""
        self.folder = folder
        self.master_key = secrets.token_urlsafe(24)
        self.port = port
        self.conditions: Mapping[str, str] = {}
        """Variables that the next start has in addition: what is made of its world, such as another clock."""
        self._environment = {**PYTHON_ENVIRONMENT, **environment, "SANDBOX_HOST_MASTER_KEY": self.master_key}
        self._process: ServiceProcess | None = None
        self._worker: ProcessIdentity | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Number of the supervisor's process. Raises `ServiceFailed` when stopped."""
        if self._process is None:
            raise ServiceFailed("the host is not started")
        return self._process.pid

    @property
    def log(self) -> Path:
        """What host and app wrote, of all starts."""
        return self.folder / "host.log"

    def start(self) -> Mapping[str, Any]:
        """Start and return what it announces; raises `ServiceFailed`."""
        return self._start_on(self.port) if self.port else on_free_port(self._start_on)

    def run_by_hand(self, function: str) -> None:
        """Ask the host's own endpoint to run a timer or queue function now. Raises httpx.HTTPError."""
        headers = {"x-functions-key": self.master_key}
        body = {"input": ""}
        address = f"{self.url}/admin/functions/{function}"
        httpx.post(address, headers=headers, json=body, timeout=START_SECONDS, trust_env=False).raise_for_status()

    def become_healthy(self) -> None:
        """
        Return when `/health` answers 200; raise `ServiceFailed` after `HEALTHY_SECONDS`, with what it said last.

        The sweep, whose heartbeat health goes by, is asked for once: the host says that it has begun, not that it is
        over, and the timer's first tick may be 20 s away.
        """
        said, pause, deadline = "nothing", threading.Event(), time.monotonic() + HEALTHY_SECONDS
        self.run_by_hand("sweep_due_jobs")
        while time.monotonic() < deadline:
            try:
                answer = httpx.get(f"{self.url}/health", timeout=START_SECONDS, trust_env=False)
            except httpx.HTTPError as error:
                said = type(error).__name__
            else:
                if answer.is_success:
                    return
                said = f"{answer.status_code} {answer.text}"
            if not self.running():
                raise ServiceFailed("the host has ended before it was healthy")
            pause.wait(POLL_SECONDS)
        raise ServiceFailed(f"the host was not healthy within {HEALTHY_SECONDS} s; it says {said}")

    def running(self) -> bool:
        """Tell whether it has not ended."""
        return self._process is not None and self._process.running()

    def stop(self) -> None:
        """Drain and stop. Safe to repeat."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def kill(self) -> None:
        """End it as a crash of its machine would: nothing is drained, nothing released. Returns when it is gone."""
        if self._process is None:
            return
        if supervisor := ProcessIdentity.of(self._process.pid):
            supervisor.kill()
        self._process.stop()
        self._process = None
        # The worker ends as soon as it sees that its supervisor is gone, and holds the port until then.
        worker, pause = self._worker, threading.Event()
        deadline = time.monotonic() + DRAIN_SECONDS
        while worker is not None and worker.alive():
            if time.monotonic() > deadline:
                raise ServiceFailed("the host's worker outlived it")
            pause.wait(POLL_SECONDS)

    def _start_on(self, port: int) -> Mapping[str, Any]:
        self.port = port
        command: list[str | Path] = [
            sys.executable,
            "-m",
            "sandbox.host",
            "--root",
            CLONE,
            "--port",
            str(self.port),
            "--json",
        ]
        written = self.log.stat().st_size if self.log.exists() else 0
        process = ServiceProcess(
            "host",
            command,
            folder=self.folder,
            environment={**self._environment, "PUBLIC_BASE_URL": self.url, **self.conditions},
            grace_seconds=DRAIN_SECONDS,
        )
        process.wait_healthy(lambda: announced(self.log, "worker_pid", since=written) is not None, within=START_SECONDS)
        self._process = process
        told = announced(self.log, "worker_pid", since=written) or {}
        self._worker = ProcessIdentity.of(int(told["worker_pid"]))
        return told


class SimulatorProgram:
    """A vendor's simulator on a free port. Its state lives in its memory, and goes with it."""

    def __init__(self, vendor: str, folder: Path, options: Sequence[str] = ()) -> None:
        """Start it and wait for its addresses; raises `ServiceFailed`. *options* are those of its command line."""
        self._process = ServiceProcess(
            vendor,
            [sys.executable, "-m", f"sandbox.vendors.{vendor}", "--json", *options],
            folder=folder,
            environment=PYTHON_ENVIRONMENT,
        )
        log = folder / f"{vendor}.log"
        self._process.wait_healthy(lambda: announced(log, "admin_url") is not None, within=START_SECONDS)
        self.addresses: Mapping[str, Any] = announced(log, "admin_url") or {}

    @property
    def pid(self) -> int:
        """Number of its process."""
        return self._process.pid

    def running(self) -> bool:
        """Tell whether it has not ended."""
        return self._process.running()

    def stop(self) -> None:
        """Stop it. Safe to repeat."""
        self._process.stop()


def cli(arguments: Sequence[str], environment: Mapping[str, str]) -> Mapping[str, Any]:
    """Run `python -m shared.cli` with *arguments*; return its last line of JSON. Raises CommandFailed."""
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "shared.cli", *arguments],
        env={**PYTHON_ENVIRONMENT, **environment},
        cwd=CLONE,
        capture_output=True,
        text=True,
        timeout=CLI_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise CommandFailed(f"{' '.join(arguments[:2])} ended with {done.returncode}\n{done.stderr[-3000:]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def announced(log: Path, key: str, *, since: int = 0) -> dict[str, Any] | None:
    """Return the JSON line with *key* that a program wrote to *log* after byte *since*; None if there is none yet."""
    if not log.exists():
        return None
    for line in log.read_bytes()[since:].splitlines(keepends=True):
        if line.startswith(b"{") and line.endswith(b"}\n") and f'"{key}"'.encode() in line:
            found: dict[str, Any] = json.loads(line)
            return found
    return None
