"""What is wrong with the environment as a whole, by variable name. No value is quoted."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from pydantic import ValidationError

from shared import setting_values as values

KEY_VAULT_PREFIX = "@microsoft.keyvault("


def unresolved(given: Mapping[str, str]) -> dict[str, str]:
    """Name the settings that still hold a reference instead of the secret it stands for."""
    return {
        name: "holds a Key Vault reference that was not resolved; check the secret's name, the vault's network rules "
        "and that the app's identity has the role Key Vault Secrets User"
        for name, text in given.items()
        if text.lower().startswith(KEY_VAULT_PREFIX)
    }


def contradictions(given: Mapping[str, str]) -> dict[str, str]:
    """Name the settings that do not go together. Works on raw text, so that one fault does not hide another."""
    faults: dict[str, str] = {}
    by_secret, by_keys = "AUTH_JWT_SECRET" in given, "AUTH_JWKS_URL" in given
    if not by_secret and not by_keys:
        faults["AUTH_JWT_SECRET"] = f"is not set, nor is AUTH_JWKS_URL; locally {values.MAKE_A_SECRET}"
    if by_secret and by_keys:
        faults["AUTH_JWKS_URL"] = "is set beside AUTH_JWT_SECRET; a token is checked one way only: remove one"
    for name in ("AUTH_ISSUER", "AUTH_AUDIENCE"):
        if by_keys and name not in given:
            faults[name] = "is not set; with AUTH_JWKS_URL it must name what the identity provider writes"
    allows_loopback = given.get("OUTGOING_ALLOW_LOOPBACK", "").lower() in values.TRUE_WORDS
    if allows_loopback and "WEBSITE_SITE_NAME" in given:
        faults["OUTGOING_ALLOW_LOOPBACK"] = "is for the sandbox alone; remove it from the app settings"
    if "SANDBOX_FAULT_FILE" in given and not allows_loopback:
        faults["SANDBOX_FAULT_FILE"] = "is for the sandbox alone (OUTGOING_ALLOW_LOOPBACK); remove it"
    jwks = urlsplit(given.get("AUTH_JWKS_URL", ""))
    if jwks.scheme == "http" and not (allows_loopback and values.is_loopback(jwks.hostname)):
        faults["AUTH_JWKS_URL"] = "must begin with https://"
    return faults


def faults_of(error: ValidationError, remedies: Mapping[str, str]) -> dict[str, str]:
    """Return the faults that *error* tells of; what is missing is told with its remedy."""
    faults: dict[str, str] = {}
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        name = str(detail["loc"][0])
        message = detail["msg"].removeprefix("Value error, ")
        if detail["type"] == "missing":
            message = "is not set" + (f"; {remedies[name]}" if remedies[name] else "")
        faults[name] = message[:1].lower() + message[1:]
    return faults
