"""
Every setting of Liaison: the one frozen object, and the only code that reads the environment.

`local.settings.sample.json` and docs/settings.md are written from the declarations below (shared/setting_list.py) by
scripts/generate_settings_docs.py. Blank values count as absent, because a portal's empty text box stores one.
How the values themselves are checked stands in shared/setting_values.py, what does not go together in
shared/setting_faults.py.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, SecretBytes, SecretStr, ValidationError

from shared import setting_values as values
from shared.errors import SettingsError
from shared.setting_faults import contradictions, faults_of, unresolved

LOCAL_ADDRESS = "http://localhost:7071"
MAKE_A_SECRET = values.MAKE_A_SECRET


class LogFormat(StrEnum):
    """How a log event is written to standard output."""

    JSON = "json"
    CONSOLE = "console"


class LogLevel(StrEnum):
    """The least severity that is written."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


SealingSecret = Annotated[SecretBytes, BeforeValidator(values.sealing_secret)]
SealingSecrets = Annotated[tuple[SecretBytes, ...], BeforeValidator(values.sealing_secrets)]
TokenSecret = Annotated[SecretStr, BeforeValidator(values.token_secret)]
DatabaseUrl = Annotated[SecretStr, BeforeValidator(values.database_url)]
StorageConnection = Annotated[SecretStr, BeforeValidator(values.storage_connection)]
InsightsConnection = Annotated[SecretStr, BeforeValidator(values.insights_connection)]
Address = Annotated[str, BeforeValidator(values.address)]


def _setting(
    variable: str,
    default: Any,
    description: str,
    *,
    unit: str = "",
    sample: str | None = None,
    remedy: str = "",
    platform: bool = False,
    **bounds: Any,
) -> Any:
    """Declare one setting. *sample* stands in the sample file in place of the default; *platform* ones do not."""
    extra: dict[str, JsonValue] = {"unit": unit, "sample": sample, "remedy": remedy, "platform": platform}
    return Field(default, alias=variable, description=description, json_schema_extra=extra, **bounds)


class Settings(BaseModel):
    """All settings, typed and checked. Secrets print as asterisks; ask `get_secret_value()` where they are used."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    database_url: DatabaseUrl = _setting(
        "DATABASE_URL",
        ...,
        "PostgreSQL 15 or later, as the app's least-privileged role, which may bypass no row-level security.",
        sample="postgresql://liaison_app:password@localhost:5432/liaison",
        remedy="give a connection URL: postgresql://role:password@host:5432/database",
    )
    database_owner_url: DatabaseUrl | None = _setting(
        "DATABASE_OWNER_URL",
        None,
        "The same database as the role that owns the tables. Read by `python -m shared.cli migrate` alone; "
        "leave it unset where the functions run.",
        sample="postgresql://liaison_owner:password@localhost:5432/liaison",
    )
    database_prepared_statements: bool = _setting(
        "DATABASE_PREPARED_STATEMENTS",
        True,
        "Prepare repeated statements on the server. Set to false behind a pooler in transaction mode.",
    )
    database_pool_max: int = _setting(
        "DATABASE_POOL_MAX",
        4,
        "Most connections that one worker process opens. The pooler must hold instances times processes of each times "
        "this.",
        unit="connections",
        ge=1,
        le=64,
    )
    storage_connection: StorageConnection = _setting(
        "AzureWebJobsStorage",
        ...,
        "Connection string of the storage account: queues, blobs, tables and the host's own locks.",
        sample="UseDevelopmentStorage=true",
        remedy="give the account's connection string, or UseDevelopmentStorage=true for Azurite",
    )
    public_base_url: Address = _setting(
        "PUBLIC_BASE_URL",
        LOCAL_ADDRESS,
        "Address at which vendors and portal reach this app, without a path; webhook URLs begin with it. "
        "Absent: https:// and `WEBSITE_HOSTNAME`, where the platform sets that.",
    )

    encryption_secret: SealingSecret = _setting(
        "ENCRYPTION_SECRET",
        ...,
        "Root of all keys: 32 random bytes in base64. Keep a copy away from the database; "
        "what it sealed can't be opened without it.",
        sample="",
        remedy=MAKE_A_SECRET,
    )
    encryption_secret_previous: SealingSecrets = _setting(
        "ENCRYPTION_SECRET_PREVIOUS",
        (),
        "Secrets that were in use before, newest first, separated by commas: they open, but seal nothing. "
        "A key's id is derived from the key itself, so that order and position do not matter for opening.",
    )
    auth_jwt_secret: TokenSecret | None = _setting(
        "AUTH_JWT_SECRET",
        None,
        "Shared secret of bearer tokens (HS256), at least 32 characters: for local use. "
        "Set either this or AUTH_JWKS_URL.",
        sample="",
        remedy=MAKE_A_SECRET,
    )
    auth_jwks_url: Address | None = _setting(
        "AUTH_JWKS_URL",
        None,
        "Public keys of the identity provider (RS256, ES256); https only.",
        sample="",
    )
    auth_issuer: str = _setting(
        "AUTH_ISSUER", "liaison", "The `iss` that a bearer token must carry. Required with AUTH_JWKS_URL."
    )
    auth_audience: str = _setting(
        "AUTH_AUDIENCE", "liaison", "The `aud` that a bearer token must carry. Required with AUTH_JWKS_URL."
    )

    sync_poll_interval_ms: int = _setting(
        "SYNC_POLL_INTERVAL",
        5000,
        "Upper bound of the queue polling interval; host.json `maxPollingInterval` stays at or below it.",
        unit="ms",
        ge=100,
        le=60_000,
    )
    sync_batch_size: int = _setting(
        "SYNC_BATCH_SIZE",
        10,
        "Jobs that one instance runs at once, all queues together; "
        "host.json `batchSize` + `newBatchThreshold` equal it.",
        unit="jobs",
        ge=1,
        le=64,
    )
    sync_max_concurrent: int = _setting(
        "SYNC_MAX_CONCURRENT",
        5,
        "Running jobs of one integration, held across all instances.",
        unit="jobs",
        ge=1,
        le=100,
    )
    sync_max_concurrent_company: int = _setting(
        "SYNC_MAX_CONCURRENT_COMPANY",
        8,
        "Running jobs of one company, held across all instances; urgent ones start beyond it.",
        unit="jobs",
        ge=1,
        le=500,
    )
    sync_lease_seconds: int = _setting(
        "SYNC_LEASE_SECONDS",
        60,
        "How long a claimed job belongs to its worker unless renewed; a dead worker's job runs again after it.",
        unit="s",
        ge=5,
        le=600,
    )
    sync_time_budget_seconds: int = _setting(
        "SYNC_TIME_BUDGET_SECONDS",
        240,
        "After this long a pull stops between two pages and enqueues its own continuation.",
        unit="s",
        ge=5,
        le=240,
    )
    sync_sweep_seconds: int = _setting(
        "SYNC_SWEEP_SECONDS",
        20,
        "Period of the sweep that finds due jobs whose queue message was lost or sleeps.",
        unit="s",
        ge=1,
        le=60,
    )
    sync_retry_jitter: float = _setting(
        "SYNC_RETRY_JITTER",
        0.1,
        "Part of each wait between attempts that is added to it at random, at the most; "
        "jobs that failed together then do not come back together.",
        ge=0.0,
        le=1.0,
    )
    sync_visibility_seconds: int = _setting(
        "SYNC_VISIBILITY_SECONDS",
        30,
        "When a job that failed unforeseen is due again; host.json `visibilityTimeout` must be at least this, or the "
        "redelivered message finds nothing due and never reaches the poison queue.",
        unit="s",
        ge=0,
        le=600,
    )
    vendor_rate_share: float = _setting(
        "VENDOR_RATE_SHARE",
        0.7,
        "Part of a vendor's rate limit that an integration uses unless its `config.rate_share` says otherwise; "
        "the rest is left to the customer's other tools. Unless it is said, a sandbox (OUTGOING_ALLOW_LOOPBACK) "
        "uses all of it.",
        sample="",
        ge=0.01,
        le=1.0,
    )
    webhook_kept_events: int = _setting(
        "WEBHOOK_KEPT_EVENTS",
        10_000,
        "Events kept of an integration that can't take them now; "
        "beyond it the integration is marked for a full comparison.",
        unit="events",
        ge=1,
    )
    webhook_kept_bytes: int = _setting(
        "WEBHOOK_KEPT_BYTES",
        100_000_000,
        "The same bound in bytes of bodies.",
        unit="bytes",
        ge=1,
    )

    outbound_needs_preview: bool = _setting(
        "OUTBOUND_NEEDS_PREVIEW",
        True,
        "Let an integration write at its vendor only after somebody has seen a preview of its first sync. "
        "The sandbox, whose vendor is a simulator, sets it to false.",
    )
    conflict_due_h: int = _setting(
        "CONFLICT_DUE_H",
        48,
        "How long a conflict may wait for a person before data managers are reminded of it.",
        unit="hours",
        ge=1,
        le=8760,
    )

    insights_connection_string: InsightsConnection | None = _setting(
        "APPLICATIONINSIGHTS_CONNECTION_STRING",
        None,
        "Application Insights that receives logs, events and measurements. Absent: standard output alone.",
        sample="",
    )
    insights_statsbeat_disabled: bool = _setting(
        "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL",
        True,
        "Keep the exporter from sending usage data of its own to Microsoft.",
    )
    log_format: LogFormat = _setting(
        "LOG_FORMAT",
        LogFormat.JSON,
        "`json`: one object a line; `console`: aligned columns for people.",
        sample="console",
    )
    log_level: LogLevel = _setting("LOG_LEVEL", LogLevel.INFO, "Least severity that is written.")

    outgoing_allow_loopback: bool = _setting(
        "OUTGOING_ALLOW_LOOPBACK",
        False,
        "Let outgoing calls reach this machine. For the sandbox alone; refused in Azure.",
    )
    sandbox_fault_file: str | None = _setting(
        "SANDBOX_FAULT_FILE",
        None,
        "Path of a file that names jobs (by id or record key, one a line) which raise while it exists, to show the "
        "poison path. Needs OUTGOING_ALLOW_LOOPBACK.",
    )

    website_site_name: str | None = _setting(
        "WEBSITE_SITE_NAME", None, "Name of the function app. Its presence means: this is Azure.", platform=True
    )
    website_hostname: str | None = _setting(
        "WEBSITE_HOSTNAME", None, "Host name of the app; the default of PUBLIC_BASE_URL.", platform=True
    )

    @property
    def rate_share(self) -> float:
        """VENDOR_RATE_SHARE; unless it is said, a sandbox shares its simulators with nobody and uses them whole."""
        is_said = "vendor_rate_share" in self.model_fields_set
        return 1.0 if self.outgoing_allow_loopback and not is_said else self.vendor_rate_share

    @property
    def runs_in_azure(self) -> bool:
        """Whether a real Functions site runs this process."""
        return self.website_site_name is not None


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """
    Read and check all settings from *environ*, by default this process' own.

    Raises: SettingsError, whose message has a line for each fault, all of them at once, by variable name. No
    value is quoted in it.
    """
    source = os.environ if environ is None else environ  # noqa: TID251  # here, and nowhere else
    given = {name: text.strip() for name, text in source.items() if text.strip()}
    given = _only_declared(given)
    faults = unresolved(given) | contradictions(given)
    readable = {name: text for name, text in given.items() if name not in faults}
    if "PUBLIC_BASE_URL" not in given and "WEBSITE_HOSTNAME" in given:
        readable["PUBLIC_BASE_URL"] = values.address_of_host(given["WEBSITE_HOSTNAME"])
    try:
        settings = Settings.model_validate(readable)
    except ValidationError as error:
        faults = faults_of(error, _remedies()) | faults
    else:
        if not faults:
            return settings
    lines = [f"{name} {fault}" for name, fault in sorted(faults.items())]
    raise SettingsError(
        "\n".join(["The settings can't be used:", *lines]),
        remedy="Set the variables named above; docs/settings.md explains each.",
    )


def prepare_exporter_environment(settings: Settings) -> None:
    """
    Make the environment safe for opencensus, which reads two of our variables by itself.

    It refuses a connection string with a trailing semicolon even when a clean one is handed over as an argument,
    and takes the statsbeat switch from nowhere else (read in opencensus-ext-azure 1.1.15).
    """
    if settings.insights_connection_string is not None:
        connection = settings.insights_connection_string.get_secret_value()
        os.environ["APPLICATIONINSIGHTS_CONNECTION_STRING"] = connection  # noqa: TID251  # see above
    disabled = str(settings.insights_statsbeat_disabled).lower()
    os.environ["APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL"] = disabled  # noqa: TID251  # see above


def _only_declared(given: Mapping[str, str]) -> dict[str, str]:
    known = {str(field.alias) for field in Settings.model_fields.values()}
    return {name: text for name, text in given.items() if name in known}


def _remedies() -> dict[str, str]:
    """Return what to do about a fault, by variable."""
    found = {}
    for field in Settings.model_fields.values():
        extra = field.json_schema_extra
        found[str(field.alias)] = str(extra["remedy"]) if isinstance(extra, dict) else ""
    return found
