"""Secrets of a connection: told by name, sealed, masked."""

from __future__ import annotations

from uuid import UUID

import pytest

from shared.errors import InvalidInput
from shared.integrations.credentials import hints, is_secret, masked, open_secrets, seal_secrets, take_secrets
from shared.security.sealing import SealBroken, Sealer

SEALER = Sealer(bytes(range(32)))
ONE, OTHER = UUID(int=1), UUID(int=2)


@pytest.mark.parametrize(
    "name", ["harvest_api_key", "client_secret", "auth_token", "access_token", "password", "key", "API_KEY"]
)
def test_keys_that_sound_secret_are(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    ["board_token", "token_url", "client_id", "user_id", "api_version", "directions", "keyboard", "job_board_url"],
)
def test_keys_that_do_not_are_not(name: str) -> None:
    assert not is_secret(name)


def test_config_is_parted_and_a_null_takes_a_secret_away() -> None:
    plain, secrets = take_secrets({"client_id": "c", "client_secret": "s", "harvest_api_key": None, "directions": {}})
    assert plain == {"client_id": "c", "directions": {}}
    assert secrets == {"client_secret": "s", "harvest_api_key": None}


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"auth": {"token": "x"}}, "config.auth.token"),
        ({"auth": [{"inner": {"api_key": "x"}}]}, "config.auth.0.inner.api_key"),
        ({"client_secret": {"value": "x"}}, "config.client_secret"),
        ({"client_secret": 7}, "config.client_secret"),
    ],
)
def test_a_secret_that_would_be_stored_in_clear_is_refused(config: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        take_secrets(config)
    assert caught.value.field == field


def test_secrets_open_for_their_own_integration_alone() -> None:
    sealed = seal_secrets(SEALER, ONE, {"api_key": "a-very-secret-key"})
    assert sealed is not None
    assert "secret" not in sealed
    assert open_secrets(SEALER, ONE, sealed) == {"api_key": "a-very-secret-key"}
    with pytest.raises(SealBroken):
        open_secrets(SEALER, OTHER, sealed)
    assert open_secrets(SEALER, ONE, None) == {}
    assert seal_secrets(SEALER, ONE, {}) is None


def test_a_mask_shows_four_characters_of_long_secrets_and_none_of_short_ones() -> None:
    assert masked({"a": "0123456789abcdef", "b": "0123456789abcde"}) == {"a": "********cdef", "b": "********"}


def test_credentials_that_no_longer_open_hide_nothing_else() -> None:
    assert list(hints(SEALER, OTHER, seal_secrets(SEALER, ONE, {"api_key": "x"}))) == ["*"]
