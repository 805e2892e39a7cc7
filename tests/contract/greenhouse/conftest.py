"""A simulator for each test, and adapters connected to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from sandbox.vendors.greenhouse import GreenhouseSimulator, Settings
from shared.adapters.greenhouse.adapter import GreenhouseAdapter
from shared.adapters.http import VendorHttp
from shared.adapters.protocol import Connection, Cursor, Page
from shared.model import EntityType, Record


@dataclass
class Account:
    """One simulated account with an adapter for it."""

    simulator: GreenhouseSimulator
    adapter: GreenhouseAdapter
    http: VendorHttp

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Every row of *table*, as v3 shows it."""
        return list(self.simulator.simulator.account[table])

    def connected_again(self, version: str, **config: Any) -> Account:
        """The same account through an adapter of another *config*."""
        return Account(self.simulator, connect(self.simulator, self.http, version, **config), self.http)

    def fault(self, kind: str, **rule: Any) -> None:
        """Let something go wrong."""
        self.simulator.simulator.faults.add({"kind": kind, **rule})

    def requests(self) -> list[dict[str, Any]]:
        """What was asked, oldest first."""
        return list(self.simulator.simulator.journal.entries)

    async def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Play the recruiter."""
        async with self.simulator.control() as client:
            answer = await client.request(method, path, json=body or {})
            answer.raise_for_status()
            return answer.json() if answer.content else None

    async def everything(self, entity: EntityType, cursor: Cursor | None = None) -> list[Record]:
        """All records of a pull; a refused one fails the test."""
        pages = await self.pages(entity, cursor)
        assert not [one for page in pages for one in page.refused]
        return [record for page in pages for record in page.records]

    async def pages(self, entity: EntityType, cursor: Cursor | None = None) -> list[Page]:
        """All pages of a pull."""
        return [page async for page in self.adapter.pages(entity, cursor)]


def connect(simulator: GreenhouseSimulator, http: VendorHttp, version: str, **config: Any) -> GreenhouseAdapter:
    """Return an adapter for *simulator*; *config* goes over what it offers."""
    told = simulator.addresses()
    settings = {
        "api_version": version,
        "client_id": told["client_id"],
        "token_url": told["token_url"],
        "user_id": told["user_id"],
        **config,
    }
    secrets = {"client_secret": told["client_secret"], "api_key": told["api_key"]}
    return GreenhouseAdapter.open(Connection("an-integration", told["api_base_url"], settings, secrets), http)


Start = Callable[..., Awaitable[Account]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Give a way to start simulators with an adapter each; all of them end with the test."""
    async with AsyncExitStack() as stack:

        async def one(version: str = "v3", *, config: dict[str, Any] | None = None, **settings: Any) -> Account:
            simulator = await stack.enter_async_context(
                GreenhouseSimulator(Settings(**{"people": 40, "limiter": False, **settings}))
            )
            http = await stack.enter_async_context(_http())
            return Account(simulator, connect(simulator, http, version, **(config or {})), http)

        yield one


@asynccontextmanager
async def _http() -> AsyncIterator[VendorHttp]:
    http = VendorHttp(integration_id="an-integration", allow_loopback=True)
    try:
        yield http
    finally:
        await http.aclose()


def shown(records: list[Record]) -> dict[str, dict[str, Any]]:
    return {record.external_id: record.visible() for record in records}
