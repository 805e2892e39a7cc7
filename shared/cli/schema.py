"""Migrations, as the role that owns the tables."""

from __future__ import annotations

import argparse

from shared.cli.output import result
from shared.errors import SettingsError
from shared.settings import load_settings
from shared.store.database import translated
from shared.store.migrate import migrate as apply_migrations


async def migrate(_: argparse.Namespace) -> int:
    """Apply what is missing; again does no harm."""
    settings = load_settings()
    if settings.database_owner_url is None:
        raise SettingsError(
            "DATABASE_OWNER_URL is not set", remedy="set it to the database as the role that owns its tables"
        )
    with translated():
        applied = await apply_migrations(settings.database_owner_url.get_secret_value())
    result({"applied": applied})
    return 0
