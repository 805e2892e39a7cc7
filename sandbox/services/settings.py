"""What a developer may choose about the local services, by environment variables `SANDBOX_…`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """Which PostgreSQL and storage account to use; by default we start our own of each."""

    model_config = SettingsConfigDict(env_prefix="SANDBOX_", frozen=True)

    postgres_dsn: str | None = Field(
        default=None,
        description="An existing PostgreSQL 15 or later, as a role that may create roles and "
        "databases (superuser for the tests), in place of our own server.",
    )
    postgres_bin: Path | None = Field(
        default=None,
        description="Folder with `initdb` and `postgres` (15 or later) in place of the wheel's.",
    )
    storage_connection: str | None = Field(
        default=None,
        description="Connection string of an existing storage account in place of Azurite.",
    )
