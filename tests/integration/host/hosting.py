"""Start the local host as a child process, the way people do, and look at it from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx

from tests.fixtures.waiting import GENEROUS_S

REPOSITORY = Path(__file__).resolve().parents[3]
APP = REPOSITORY / "tests" / "fixtures" / "host_app"
# A schedule that does not come while a test runs.
NEVER = "0 0 0 1 1 *"


class HostProcess:
    """One host and a client of it."""

    def __init__(self, connection_string: str, *, root: Path = APP, **environment: str) -> None:
        """Start it and wait until it serves."""
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "sandbox.host", "--root", str(root), "--port", "0", "--json"],
            cwd=REPOSITORY,
            env={
                "PATH": os.defpath,
                "AzureWebJobsStorage": connection_string,
                "AzureFunctionsWebHost__hostid": "test",
                "TICK_SCHEDULE": NEVER,
                "SANDBOX_HOST_LOCK_SECONDS": "15",
                "SANDBOX_HOST_LOCK_RETRY_SECONDS": "0.2",
                "SANDBOX_HOST_RESTART_START_SECONDS": "0.1",
                **environment,
            },
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the host ended before it was ready"
        self.announced: dict[str, Any] = json.loads(line)
        self.client = httpx.AsyncClient(base_url=self.announced["url"], timeout=GENEROUS_S)

    @property
    def master(self) -> dict[str, str]:
        """Headers that open everything."""
        return {"x-functions-key": self.announced["master_key"]}

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.client.get(path, **options)

    async def started(self) -> list[int]:
        """Return the dequeue counts of the runs that began in the present worker."""
        counts: list[int] = (await self.get("/started")).json()["started"]
        return counts

    async def worker_pid(self) -> int | None:
        """Return the process that serves now, or None while none does."""
        try:
            answer = await self.get("/started")
        except httpx.TransportError:
            return None
        # A worker that ends while it answers gives a 500.
        return int(answer.json()["pid"]) if answer.status_code == HTTPStatus.OK else None

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self, within: float = GENEROUS_S) -> int:
        return self._process.wait(within)

    async def close(self) -> None:
        """End it the hard way, unless it has ended."""
        await self.client.aclose()
        if not self.ended:
            self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
