"""Every test of this folder that asks for a ground runs on both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.contract.store.ground import Ground, MemoryGround, Place, PostgresGround
from tests.fixtures.postgres import Database, Server, new_database


@pytest.fixture(scope="session")
def store_database(postgres: Server, template_database: str) -> Iterator[Database]:
    """A database with all migrations applied, this folder's alone; emptied, since a copy costs more than a test."""
    with new_database(postgres, "store", template=template_database) as made:
        yield made


@pytest.fixture(scope="session")
async def postgres_ground(store_database: Database) -> AsyncIterator[PostgresGround]:
    """PostgreSQL, connected once."""
    made = await PostgresGround.open(store_database.app_dsn, store_database.admin_dsn)
    yield made
    await made.aclose()


@pytest.fixture
async def emptied_postgres(postgres_ground: PostgresGround) -> PostgresGround:
    """PostgreSQL with nothing in it."""
    await postgres_ground.clear()
    return postgres_ground


@pytest.fixture(params=["memory", "postgres"])
def ground(request: pytest.FixtureRequest) -> Ground:
    """A store with nothing in it."""
    if request.param == "memory":
        return MemoryGround()
    made: PostgresGround = request.getfixturevalue("emptied_postgres")
    return made


@pytest.fixture
async def place(ground: Ground) -> Place:
    """One integration of one company."""
    return await ground.place()
