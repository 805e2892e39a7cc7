from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.fixtures.postgres import Database
from tests.fixtures.storage import StorageAccount
from tests.fixtures.waiting import GENEROUS_S
from tests.integration.intake.world import World


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the intake wait for the database: what a slow machine's can't tell in 100 ms would be called a forgery."""
    monkeypatch.setattr("shared.intake.known.DATABASE_ANSWERS_WITHIN_S", GENEROUS_S)


@pytest.fixture
async def world(database: Database, storage: StorageAccount) -> AsyncIterator[World]:
    """A company of one's own, with database and storage of one's own."""
    made = World.make(database_dsn=database.app_dsn, admin_dsn=database.admin_dsn, storage=storage.connection_string)
    yield made
    await made.aclose()
