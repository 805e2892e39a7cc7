from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.fixtures.postgres import Database
from tests.fixtures.storage import StorageAccount
from tests.integration.intake.world import World


@pytest.fixture
async def world(database: Database, storage: StorageAccount) -> AsyncIterator[World]:
    """A company of one's own, with database and storage of one's own."""
    made = World.make(database_dsn=database.app_dsn, admin_dsn=database.admin_dsn, storage=storage.connection_string)
    yield made
    await made.aclose()
