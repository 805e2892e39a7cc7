"""A ledger for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.fixtures.postgres import Database
from tests.fixtures.storage import StorageAccount
from tests.integration.ledger.ground import Ground, Place
from tests.integration.ledger.workshop import Workshop


@pytest.fixture
async def ground(database: Database) -> AsyncIterator[Ground]:
    """An empty ledger, and connections enough for a race."""
    made = await Ground.open(database.app_dsn, database.admin_dsn)
    yield made
    await made.aclose()


@pytest.fixture
async def place(ground: Ground) -> Place:
    """One integration of one company."""
    return await ground.place()


@pytest.fixture
async def workshop(ground: Ground, storage: StorageAccount) -> AsyncIterator[Workshop]:
    """Workers over this ledger and queues of their own."""
    made = Workshop.of(ground, storage.connection_string)
    yield made
    await made.aclose()
