"""Fixtures of the host's tests: the sample app served, and its storage account."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from tests.fixtures.storage import StorageAccount
from tests.integration.host.hosting import HostProcess
from tests.integration.host.queues import TestQueues

StartHost = Callable[..., HostProcess]


@pytest.fixture
def queues(storage: StorageAccount) -> Iterator[TestQueues]:
    """The queues of this test's storage account."""
    made = TestQueues(storage.connection_string)
    yield made
    made.close()


@pytest.fixture
async def start_host(storage: StorageAccount) -> AsyncIterator[StartHost]:
    """Start hosts on this test's storage account; settings are keyword arguments."""
    hosts: list[HostProcess] = []

    def start(**environment: Any) -> HostProcess:
        host = HostProcess(storage.connection_string, **environment)
        hosts.append(host)
        return host

    yield start
    for host in hosts:
        await host.close()
