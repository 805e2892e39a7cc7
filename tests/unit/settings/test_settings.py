"""What `load_settings` accepts, refuses and says."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import SettingsError
from shared.settings import LogFormat, load_settings

SECRET = base64.b64encode(bytes(range(32))).decode()
GOOD: Mapping[str, str] = {
    "DATABASE_URL": "postgresql://app:canary-password@localhost/liaison",
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "ENCRYPTION_SECRET": SECRET,
    "AUTH_JWT_SECRET": "a shared secret of thirty-two characters",
}
KEY = "0f0e0d0c-0b0a-0908-0706-050403020100"


def refusal(**changes: str | None) -> str:
    environ = {**GOOD, **changes}
    with pytest.raises(SettingsError) as caught:
        load_settings({name: text for name, text in environ.items() if text is not None})
    return str(caught.value)


def test_defaults_are_those_of_the_specification() -> None:
    settings = load_settings(GOOD)
    assert settings.sync_poll_interval_ms == 5000
    assert settings.sync_batch_size == 10
    assert settings.sync_max_concurrent == 5
    assert settings.webhook_kept_events == 10_000
    assert settings.webhook_kept_bytes == 100_000_000
    assert settings.encryption_secret.get_secret_value() == bytes(range(32))
    assert settings.database_prepared_statements
    assert not settings.outgoing_allow_loopback
    assert settings.log_format is LogFormat.JSON
    assert not settings.runs_in_azure


def test_all_faults_are_told_together_and_no_value_is_quoted() -> None:
    message = refusal(
        DATABASE_URL="canary-address",
        AzureWebJobsStorage=None,
        ENCRYPTION_SECRET="canary-secret!",
        SYNC_BATCH_SIZE="canary-number",
        LOG_FORMAT="canary-format",
        SANDBOX_FAULT_FILE="canary-job",
        AUTH_JWT_SECRET=None,
    )
    for name in ("DATABASE_URL", "AzureWebJobsStorage", "ENCRYPTION_SECRET", "SYNC_BATCH_SIZE", "LOG_FORMAT"):
        assert f"\n{name} " in message
    assert "\nSANDBOX_FAULT_FILE " in message
    assert "\nAUTH_JWT_SECRET " in message
    assert "canary" not in message


@pytest.mark.parametrize(
    "secret",
    [None, "", "   ", base64.b64encode(b"x" * 31).decode(), "not base64 at all!", SECRET[:-3]],
)
def test_a_sealing_secret_that_is_short_missing_or_malformed_stops_with_the_remedy(secret: str | None) -> None:
    message = refusal(ENCRYPTION_SECRET=secret)
    assert "ENCRYPTION_SECRET" in message
    assert "`openssl rand -base64 32`" in message


@given(st.binary(min_size=32, max_size=64))
def test_any_sealing_secret_of_at_least_32_bytes_is_taken_with_a_final_newline_or_not(secret: bytes) -> None:
    text = base64.b64encode(secret).decode() + "\n"
    settings = load_settings({**GOOD, "ENCRYPTION_SECRET": text})
    assert settings.encryption_secret.get_secret_value() == secret


def test_previous_secrets_are_a_list_and_each_is_checked() -> None:
    other = base64.b64encode(b"y" * 32).decode()
    settings = load_settings({**GOOD, "ENCRYPTION_SECRET_PREVIOUS": f"{other}, {SECRET},"})
    assert [s.get_secret_value() for s in settings.encryption_secret_previous] == [b"y" * 32, bytes(range(32))]
    assert "ENCRYPTION_SECRET_PREVIOUS has 4 bytes" in refusal(ENCRYPTION_SECRET_PREVIOUS=f"{other},eHh4eA==")


def test_a_reference_that_key_vault_did_not_resolve_is_named_as_such() -> None:
    reference = "@Microsoft.KeyVault(SecretUri=https://canary.vault.azure.net/secrets/s)"
    message = refusal(ENCRYPTION_SECRET=reference, LOG_LEVEL=reference)
    assert message.count("Key Vault reference that was not resolved") == 2
    assert "canary" not in message


def test_blank_values_count_as_absent() -> None:
    settings = load_settings({**GOOD, "SYNC_BATCH_SIZE": " ", "AUTH_JWKS_URL": "", "LOG_FORMAT": ""})
    assert settings.sync_batch_size == 10
    assert settings.auth_jwks_url is None


def test_loopback_is_refused_where_a_real_site_runs() -> None:
    loopback = {"OUTGOING_ALLOW_LOOPBACK": "true", "SANDBOX_FAULT_FILE": "job-1"}
    assert load_settings({**GOOD, **loopback}).sandbox_fault_file == "job-1"
    assert "OUTGOING_ALLOW_LOOPBACK is for the sandbox alone" in refusal(**loopback, WEBSITE_SITE_NAME="liaison")


def test_a_token_is_checked_in_exactly_one_way() -> None:
    provider = {
        "AUTH_JWKS_URL": "https://login.example.com/keys",
        "AUTH_ISSUER": "https://login.example.com",
        "AUTH_AUDIENCE": "api://liaison",
    }
    assert "one way only" in refusal(**provider)
    settings = load_settings({**GOOD, "AUTH_JWT_SECRET": "", **provider})
    assert settings.auth_jwks_url == "https://login.example.com/keys"
    missing = refusal(AUTH_JWT_SECRET=None, AUTH_JWKS_URL="http://login.example.com/keys")
    assert "AUTH_ISSUER is not set" in missing
    assert "AUTH_AUDIENCE is not set" in missing
    assert "AUTH_JWKS_URL must begin with https://" in missing


def test_the_public_address_comes_from_the_platform_unless_it_is_set() -> None:
    assert load_settings(GOOD).public_base_url == "http://localhost:7071"
    hosted = {**GOOD, "WEBSITE_HOSTNAME": "liaison.azurewebsites.net"}
    assert load_settings(hosted).public_base_url == "https://liaison.azurewebsites.net"
    assert load_settings({**GOOD, "WEBSITE_HOSTNAME": "localhost:7171"}).public_base_url == "http://localhost:7171"
    own = {**hosted, "PUBLIC_BASE_URL": "https://sync.example.com/"}
    assert load_settings(own).public_base_url == "https://sync.example.com"
    assert "PUBLIC_BASE_URL must begin with https://" in refusal(PUBLIC_BASE_URL="http://sync.example.com")
    assert "PUBLIC_BASE_URL may hold neither" in refusal(PUBLIC_BASE_URL="https://user@sync.example.com")


def test_the_insights_connection_is_cleaned_as_its_parser_needs_it() -> None:
    untidy = f" InstrumentationKey={KEY.upper()} ; IngestionEndpoint=https://in.example.com/ ;LiveEndpoint=https://x/;"
    settings = load_settings({**GOOD, "APPLICATIONINSIGHTS_CONNECTION_STRING": untidy})
    assert settings.insights_connection_string is not None
    cleaned = settings.insights_connection_string.get_secret_value()
    assert cleaned == f"InstrumentationKey={KEY};IngestionEndpoint=https://in.example.com"


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "InstrumentationKey=not-a-uuid;IngestionEndpoint=https://in.example.com",
        f"InstrumentationKey={KEY}",
        f"InstrumentationKey={KEY};IngestionEndpoint=https://in.example.com/?a=b",
        f"InstrumentationKey={KEY};IngestionEndpoint=http://in.example.com",
    ],
)
def test_an_insights_connection_that_would_lose_telemetry_is_refused(text: str) -> None:
    assert "APPLICATIONINSIGHTS_CONNECTION_STRING" in refusal(APPLICATIONINSIGHTS_CONNECTION_STRING=text)


def test_the_settings_cant_be_changed_and_print_no_secret() -> None:
    settings = load_settings(GOOD)
    with pytest.raises(ValueError, match="frozen"):
        settings.sync_batch_size = 1
    assert "canary" not in repr(settings)
    assert "thirty-two" not in repr(settings)


def test_bounds_hold() -> None:
    assert "SYNC_SWEEP_SECONDS input should be less than or equal to 60" in refusal(SYNC_SWEEP_SECONDS="61")
    assert "DATABASE_POOL_MAX" in refusal(DATABASE_POOL_MAX="0")


@pytest.mark.parametrize(
    ("said", "share"),
    [
        ({}, 0.7),
        ({"VENDOR_RATE_SHARE": "0.4"}, 0.4),
        ({"OUTGOING_ALLOW_LOOPBACK": "true"}, 1.0),
        ({"OUTGOING_ALLOW_LOOPBACK": "true", "VENDOR_RATE_SHARE": "0.4"}, 0.4),
    ],
)
def test_a_sandbox_shares_its_simulators_with_nobody(said: dict[str, str], share: float) -> None:
    assert load_settings({**GOOD, **said}).rate_share == share
