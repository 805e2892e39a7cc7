"""
Credentials of a connection: taken out of `config` on receipt, sealed as one JSON by name, shown as a mask only.

Which keys of `config` are secret is told by their names, so that a vendor's new key is sealed from its first day.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pydantic import JsonValue

from shared.errors import InvalidInput
from shared.security.sealing import MAX_PLAINTEXT_BYTES, SealBroken, Sealer

API_KEY = "api_key"
_SECRET_NAME = re.compile(r"(?:^|_)(?:key|secret|token|password|passphrase|credential|credentials)$", re.IGNORECASE)
_PUBLIC_NAMES = frozenset({"board_token"})
"""Named like secrets, and part of public addresses (docs/vendors/greenhouse.md, Job Board)."""
LONGEST_SECRET = 8192
"""Characters of one secret."""
_SHOWN = 4
_LONG_ENOUGH = 16
MASK = "********"


def is_secret(name: str) -> bool:
    """Tell whether a key of `config` holds a secret."""
    return _SECRET_NAME.search(name) is not None and name not in _PUBLIC_NAMES


def path_of(secret: str) -> str:
    """Return where a client gives the secret of this name."""
    return secret if secret == API_KEY else f"config.{secret}"


def take_secrets(config: Mapping[str, Any]) -> tuple[dict[str, JsonValue], dict[str, str | None]]:
    """
    Part *config* into what is kept readable and what is to be sealed; a null says that a secret shall go.

    Raises InvalidInput for a secret that is too long, is no text, or stands deeper than the top level: it would be
    stored in clear.
    """
    plain: dict[str, JsonValue] = {}
    secrets: dict[str, str | None] = {}
    for name, value in config.items():
        if not is_secret(name):
            _refuse_nested(value, f"config.{name}")
            plain[name] = value
        elif value is None or isinstance(value, str):
            if value is not None and len(value) > LONGEST_SECRET:
                raise _too_long(name)
            secrets[name] = value or None
        else:
            raise InvalidInput(
                f"config.{name}: must be text", field=f"config.{name}", remedy="give it as text, or null"
            )
    return plain, secrets


def _too_long(name: str) -> InvalidInput:
    path = path_of(name)
    remedy = f"give at most {LONGEST_SECRET} characters, and less where there are several secrets"
    return InvalidInput(f"{path}: is too long", field=path, remedy=remedy)


def _refuse_nested(value: object, path: str) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            if is_secret(str(name)) and inner is not None:
                raise InvalidInput(
                    f"{path}.{name}: secrets stand at the top level of config",
                    field=f"{path}.{name}",
                    remedy=f"give it as config.{name}",
                )
            _refuse_nested(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            _refuse_nested(inner, f"{path}.{place}")


def seal_secrets(sealer: Sealer, integration_id: UUID, secrets: Mapping[str, str]) -> str | None:
    """Seal *secrets* for their integration; None if there are none. Raises InvalidInput if they are too long."""
    if not secrets:
        return None
    plaintext = json.dumps(dict(sorted(secrets.items())))
    if len(plaintext) > MAX_PLAINTEXT_BYTES:
        raise _too_long(max(secrets, key=lambda name: len(json.dumps(secrets[name]))))
    return sealer.seal(plaintext, integration_id=integration_id)


def open_secrets(sealer: Sealer, integration_id: UUID, sealed: str | None) -> dict[str, str]:
    """Return secrets by name. Raises SealBroken."""
    return {} if sealed is None else dict(json.loads(sealer.open(sealed, integration_id=integration_id)))


def masked(secrets: Mapping[str, str]) -> dict[str, str]:
    """Return a hint by name: a mask, and the last four characters of what is long enough to spare them."""
    return {name: MASK + (value[-_SHOWN:] if len(value) >= _LONG_ENOUGH else "") for name, value in secrets.items()}


def hints(sealer: Sealer, integration_id: UUID, sealed: str | None) -> dict[str, str]:
    """Return masks by name; what can't be opened any more says so, and hides nothing else of the integration."""
    try:
        return masked(open_secrets(sealer, integration_id, sealed))
    except SealBroken:
        return {"*": "can't be opened: give the credentials again"}
