"""Serving a simulator on a free port of the loopback, in the running loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import httpx
import uvicorn

from sandbox.vendors.greenhouse.app import Simulator
from sandbox.vendors.greenhouse.settings import Settings
from sandbox.vendors.greenhouse.webhooks import tls

POLL_S = 0.005
KEEP_ALIVE_S = 75  # longer than a window, so that waiting for one costs no connection
TICK_S = 0.1  # uvicorn's own


class _Server(uvicorn.Server):
    """Leaves signals to whoever owns the process, and ends as soon as it is told."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.told_to_end = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        ticks = 0
        while not self.told_to_end.is_set():
            await self.on_tick(ticks)
            ticks += 1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self.told_to_end.wait()


def _listen(address: tuple[str, int]) -> socket.socket:
    """
    A listening socket that names its protocol.

    asyncio turns Nagle's algorithm off only for sockets that do, and `socket.create_server`
    makes one that does not: each small answer would then take 40 ms.
    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(address)
    listening.listen()
    return listening


class GreenhouseSimulator:
    """
    `async with GreenhouseSimulator(Settings(people=100)) as greenhouse:` serves till the end.

    Attributes: `settings` (changes count at once), `base_url` ("http://127.0.0.1:port"),
    `simulator` (its account, authority, faults, webhooks and journal, to look at in tests).
    """

    def __init__(self, settings: Settings | None = None, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.settings = settings or Settings()
        self._address = (host, port)
        self.base_url = ""
        self.simulator: Simulator

    async def __aenter__(self) -> Self:
        self._socket = _listen(self._address)
        host, port = self._socket.getsockname()[:2]
        self.base_url = f"http://{host}:{port}"
        self.simulator = Simulator(self.settings)
        self.simulator.account.base_url = self.base_url
        self._server = _Server(
            uvicorn.Config(
                self.simulator,
                lifespan="off",
                log_level="critical",
                access_log=False,
                date_header=False,  # the application writes it, by the account's own clock
                timeout_graceful_shutdown=1,
                timeout_keep_alive=KEEP_ALIVE_S,
            )
        )
        self._serving = asyncio.create_task(self._server.serve([self._socket]))
        while not self._server.started:
            if self._serving.done():
                await self._serving
            await asyncio.sleep(POLL_S)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.told_to_end.set()
        await self._serving
        await self.simulator.close()
        self._socket.close()

    def addresses(self) -> dict[str, Any]:
        """Addresses and keys, as `python -m sandbox.vendors.greenhouse --json` prints them."""
        settings = self.settings
        return {
            "api_base_url": self.base_url,
            "token_url": f"{self.base_url}/token",
            "job_board_url": f"{self.base_url}/v1/boards/{settings.board_token}",
            "client_id": settings.client_id,
            "client_secret": settings.client_secret,
            "api_key": settings.api_key,
            "job_board_key": settings.job_board_key or settings.api_key,
            "user_id": self.simulator.account.admin_user_id,
            "board_token": settings.board_token,
            "admin_url": f"{self.base_url}/_control",
            "admin_token": settings.admin_token,
        }

    def control(self) -> httpx.AsyncClient:
        """A client of the control plane. Close it, or use it with `async with`."""
        return httpx.AsyncClient(
            base_url=f"{self.base_url}/_control",
            headers={"Authorization": f"Bearer {self.settings.admin_token}"},
            trust_env=False,
            verify=tls(),
        )
