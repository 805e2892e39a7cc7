"""What an integration's `config` and secrets say about a Greenhouse account."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import quote

from shared.adapters.protocol import Connection
from shared.errors import InvalidInput
from shared.model import EntityType, JsonValue
from shared.model.custom_fields import named_in

HARVEST = "https://harvest.greenhouse.io"
TOKENS = "https://auth.greenhouse.io/token"
JOB_BOARD = "https://boards-api.greenhouse.io"
V1, V3 = "v1", "v3"
_VERSION_IN_PATH = re.compile(r"/v[123]$")
_BOARD_IN_PATH = re.compile(r"/boards(?:/([^/?#]+))?$")


@dataclass(frozen=True, slots=True, repr=False)
class Config:
    """One account, checked. *origin* has neither version nor slash at its end."""

    version: str
    origin: str
    token_url: str
    client: tuple[str, str] | None
    """Client id and secret, for v3."""
    key: str | None
    """Harvest API key, for v1."""
    user_id: str | None
    """Who acts: v3's `sub`, v1's On-Behalf-Of."""
    board_token: str | None
    board_url: str | None
    """Where the public posts of *board_token* are; None without one."""
    custom_fields: Mapping[EntityType, frozenset[str]]
    """Keys of the custom fields that the integration's mapping names, by entity."""

    @property
    def base_url(self) -> str:
        """Where the version's resources live."""
        return f"{self.origin}/{self.version}"

    @property
    def credential(self) -> str:
        """What names the credential without giving it away; calls with the same one share a rate limit."""
        if self.version == V3 and self.client is not None:
            return f"client:{self.client[0]}"
        return f"key:{sha256((self.key or '').encode()).hexdigest()[:16]}"


def read_config(connection: Connection) -> Config:
    """
    Return what *connection* says.

    Without `api_version` it is v3 when OAuth client credentials are given and v1 when only keys are. Raises
    InvalidInput that names the key which is missing or wrong.
    """
    config, secrets = connection.config, connection.secrets
    client_id, client_secret = _text(config, "client_id"), secrets.get("client_secret") or None
    key = secrets.get("harvest_api_key") or secrets.get("api_key") or None
    version = _text(config, "api_version") or (V1 if key and not (client_id and client_secret) else V3)
    if version not in {V1, V3}:
        raise InvalidInput("config.api_version: must be v3 or v1", field="config.api_version", remedy="use v3")
    if version == V3:
        _require(client_id, "config.client_id", "make OAuth credentials for Harvest v3 in Greenhouse")
        _require(client_secret, "config.client_secret", "make OAuth credentials for Harvest v3 in Greenhouse")
    else:
        _require(key, "api_key", "make a Harvest API key in Greenhouse, or use OAuth credentials and v3")
    user_id = _text(config, "user_id")
    if user_id is not None and not re.fullmatch(r"[0-9]{1,19}", user_id):
        raise InvalidInput("config.user_id: is not the number of a user", field="config.user_id")
    board_token = _text(config, "board_token")
    return Config(
        version=version,
        origin=_origin(connection.api_base_url or HARVEST),
        token_url=_text(config, "token_url") or TOKENS,
        client=(client_id, client_secret) if client_id and client_secret else None,
        key=key,
        user_id=user_id,
        board_token=board_token,
        custom_fields={entity: frozenset(named) for entity in EntityType if (named := named_in(config, entity))},
        board_url=None if board_token is None else _board_url(_text(config, "job_board_url") or JOB_BOARD, board_token),
    )


def _origin(url: str) -> str:
    return _VERSION_IN_PATH.sub("", url.strip().rstrip("/")).rstrip("/")


def _board_url(url: str, token: str) -> str:
    """Return the board's own address; *url* may be the host's, the version's or the board's. Raises InvalidInput."""
    base, own = url.rstrip("/"), quote(token, safe="")
    found = _BOARD_IN_PATH.search(base)
    if found is None:
        return f"{_VERSION_IN_PATH.sub('', base)}/v1/boards/{own}"
    if found.group(1) not in {None, own}:
        raise InvalidInput(
            "config.job_board_url: is another board's", field="config.job_board_url", remedy="name the board once"
        )
    return f"{base[: found.start()]}/boards/{own}"


def _text(config: Mapping[str, JsonValue], key: str) -> str | None:
    value = config.get(key)
    if value is None or value == "":
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise InvalidInput(f"config.{key}: is not text", field=f"config.{key}")
    return value.strip() or None


def _require(value: str | None, name: str, remedy: str) -> None:
    if not value:
        raise InvalidInput(f"{name}: is missing", field=name, remedy=remedy)
