"""A Greenhouse simulator per test, clients for each of its faces, and a webhook receiver."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import pytest_asyncio
import uvicorn
from starlette.requests import Request
from starlette.responses import Response

from sandbox.vendors.greenhouse import GreenhouseSimulator, Settings
from sandbox.vendors.greenhouse.account import Account
from sandbox.vendors.greenhouse.webhooks import tls


@dataclass
class Receiver:
    """Takes webhooks and answers the statuses in `answers`, then 200."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    taken: list[tuple[httpx.Headers, bytes]] = field(default_factory=list)

    def actions(self) -> list[str]:
        """The actions taken so far, pings left out."""
        return [a for _, body in self.taken if (a := json.loads(body)["action"]) != "ping"]

    def payload(self, action: str) -> Any:
        """The payload of the last event of *action*."""
        bodies = [json.loads(body) for _, body in self.taken]
        return [body["payload"] for body in bodies if body["action"] == action][-1]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The ASGI callable."""
        request = Request(scope, receive)
        self.taken.append((httpx.Headers(request.headers.raw), await request.body()))
        await Response(status_code=self.answers.pop(0) if self.answers else 200)(scope, receive, send)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver that serves on a free port."""
    taking = Receiver()
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        taking.url = f"http://127.0.0.1:{listening.getsockname()[1]}/hook"
        server = _Server(uvicorn.Config(taking, lifespan="off", log_level="critical"))
        serving = asyncio.create_task(server.serve([listening]))
        yield taking
        server.should_exit = True
        await serving


@pytest_asyncio.fixture
async def greenhouse() -> AsyncIterator[GreenhouseSimulator]:
    """A simulator of forty people, whose limits and retries are short."""
    settings = Settings(people=40, seed=7, limiter=False, webhook_time_scale=1e-6)
    async with GreenhouseSimulator(settings) as simulator:
        yield simulator


@pytest.fixture
def account(greenhouse: GreenhouseSimulator) -> Account:
    """The tables of that simulator."""
    return greenhouse.simulator.account


@pytest_asyncio.fixture
async def control(greenhouse: GreenhouseSimulator) -> AsyncIterator[httpx.AsyncClient]:
    """The control plane."""
    async with greenhouse.control() as client:
        yield client


@pytest_asyncio.fixture(scope="module")
async def lasting() -> AsyncIterator[GreenhouseSimulator]:
    """A simulator for the tests of a module that change nothing."""
    async with GreenhouseSimulator(Settings(people=40, seed=7, limiter=False)) as simulator:
        yield simulator


@contextlib.asynccontextmanager
async def site_admin(greenhouse: GreenhouseSimulator) -> AsyncIterator[httpx.AsyncClient]:
    """A v3 client with the Site Admin's token."""
    async with httpx.AsyncClient(base_url=f"{greenhouse.base_url}/v3", trust_env=False, verify=tls()) as client:
        answer = await client.post(
            f"{greenhouse.base_url}/token",
            auth=(greenhouse.settings.client_id, greenhouse.settings.client_secret),
            data={
                "grant_type": "client_credentials",
                "sub": str(greenhouse.simulator.account.admin_user_id),
            },
        )
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield client


@pytest_asyncio.fixture
async def v3(greenhouse: GreenhouseSimulator) -> AsyncIterator[httpx.AsyncClient]:
    """Harvest v3 as a Site Admin."""
    async with site_admin(greenhouse) as client:
        yield client


@pytest_asyncio.fixture
async def lasting_v3(lasting: GreenhouseSimulator) -> AsyncIterator[httpx.AsyncClient]:
    """Harvest v3 of the simulator that lasts for the module."""
    async with site_admin(lasting) as client:
        yield client


@pytest_asyncio.fixture
async def v1(greenhouse: GreenhouseSimulator) -> AsyncIterator[httpx.AsyncClient]:
    """Harvest v1 with the key, writing on behalf of the Site Admin."""
    async with httpx.AsyncClient(
        base_url=f"{greenhouse.base_url}/v1",
        auth=(greenhouse.settings.api_key, ""),
        headers={"On-Behalf-Of": str(greenhouse.simulator.account.admin_user_id)},
        trust_env=False,
        verify=tls(),
    ) as client:
        yield client
