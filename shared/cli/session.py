"""What a command works with: settings and database alone, or everything that the functions have."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from shared.errors import NotFound
from shared.settings import Settings, load_settings
from shared.store.companies import Companies
from shared.store.database import Database

if TYPE_CHECKING:
    from shared.composition import Services
    from shared.sync.pulling.reading import Reader

ACTOR = "operator"
"""By whom a decision was made that came by a command."""


@dataclass(frozen=True, slots=True)
class Session:
    """Settings and a pool of two connections."""

    settings: Settings
    database: Database


@asynccontextmanager
async def opened() -> AsyncIterator[Session]:
    """Give settings and database; nothing of vendors and queues is loaded."""
    settings = load_settings()
    database = Database(
        settings.database_url.get_secret_value(), pool_max=2, prepared=settings.database_prepared_statements
    )
    try:
        yield Session(settings, database)
    finally:
        await database.aclose()


@asynccontextmanager
async def composed(*, limiter_off: bool = False, first_reader: Reader | None = None) -> AsyncIterator[Services]:
    """Give everything that the functions have; for commands that call vendors or queues. Logs go to standard error."""
    from shared.composition import Services

    services = Services(load_settings(), limiter_off=limiter_off, first_reader=first_reader)
    try:
        yield services
    finally:
        await services.aclose()


async def company_of(database: Database, integration_id: UUID) -> UUID:
    """Return the company of an integration. Raises NotFound."""
    async with database.dispatch() as tx:
        company_id = await Companies().of_integration(tx, integration_id)
    if company_id is None:
        raise NotFound(f"there is no integration {integration_id}")
    return company_id
