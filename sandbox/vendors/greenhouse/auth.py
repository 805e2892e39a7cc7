"""Credentials, tokens and who may do what (section 2)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import unquote

from sandbox.vendors.greenhouse.account import Account
from sandbox.vendors.greenhouse.clock import moment_text
from sandbox.vendors.greenhouse.errors import Refusal, forbidden
from sandbox.vendors.greenhouse.tables import Row


class TokenError(Exception):
    """A refusal of the token service: `{"error": code}` (section 2.3)."""

    def __init__(self, code: str, status: int = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(code)
        self.code = code
        self.status = status


@dataclass
class Grant:
    """What an access token, a refresh token or an authorization code stands for."""

    user_id: int
    expires_at: float
    redirect_uri: str = ""


@dataclass
class Authority:
    """The one OAuth client of the account, the tokens it holds, and its scopes."""

    account: Account
    denied_scopes: set[str] = field(default_factory=set)  # all others are granted
    sees_private: bool = True
    access: dict[str, Grant] = field(default_factory=dict)
    refresh: dict[str, Grant] = field(default_factory=dict)
    codes: dict[str, Grant] = field(default_factory=dict)
    old_secrets: dict[str, float] = field(default_factory=dict)  # secret → works until

    def rotate_secret(self) -> str:
        """Make a new client secret; the old one keeps working for a week (section 2.4)."""
        settings = self.account.settings
        until = self.account.clock.seconds() + settings.rotated_secret_lifetime_s
        self.old_secrets[settings.client_secret] = until
        settings.client_secret = secrets.token_urlsafe(24)
        return settings.client_secret

    def check_client(self, authorization: str) -> None:
        """Accept the client's Basic authentication. Raises TokenError (401)."""
        client_id, secret = read_basic(authorization) or ("", "")
        settings = self.account.settings
        now = self.account.clock.seconds()
        known = [settings.client_secret, *(s for s, t in self.old_secrets.items() if t > now)]
        # RFC 6749 form-encodes both parts before Basic; most clients do not.
        if client_id != settings.client_id or not any(
            hmac.compare_digest(candidate.encode(), secret.encode())
            or hmac.compare_digest(candidate.encode(), unquote(secret).encode())
            for candidate in known
        ):
            raise TokenError("invalid_client", HTTPStatus.UNAUTHORIZED)

    def mint_for(self, sub: str | None) -> dict[str, object]:
        """Client credentials: a token that acts as user *sub*, or as the service user (2.1)."""
        user_id = self.account.service_user_id if not sub else int(sub) if sub.isdigit() else 0
        user = self.account["users"].find(user_id)
        if user is None or user["deactivated"]:
            raise TokenError("invalid_grant")
        return self._mint(user_id)

    def authorize(self, user_id: int, redirect_uri: str) -> str:
        """An authorization code, good for one minute and one use (section 2.3)."""
        code = secrets.token_urlsafe(16)
        expires_at = self.account.clock.seconds() + self.account.settings.code_lifetime_s
        self.codes[code] = Grant(user_id, expires_at, redirect_uri)
        return code

    def exchange(self, code: str, redirect_uri: str) -> dict[str, object]:
        """Tokens for an authorization code. Raises TokenError."""
        grant = self._take(self.codes, code)
        if grant.redirect_uri != redirect_uri:
            raise TokenError("invalid_grant")
        return self._mint(grant.user_id) | self._mint_refresh(grant.user_id)

    def renew(self, refresh_token: str) -> dict[str, object]:
        """Tokens for a refresh token, which is spent by this (section 2.3)."""
        grant = self._take(self.refresh, refresh_token)
        return self._mint(grant.user_id) | self._mint_refresh(grant.user_id)

    def user_of(self, authorization: str) -> Row:
        """The user whose token this is. Raises Refusal (401)."""
        scheme, _, token = authorization.partition(" ")
        grant = self.access.get(token.strip()) if scheme.lower() == "bearer" else None
        if grant is None or grant.expires_at <= self.account.clock.seconds():
            raise Refusal(
                HTTPStatus.UNAUTHORIZED,
                "Invalid or expired access token",
                headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
            )
        return self.account.fetch("users", grant.user_id)

    def check_scope(self, user: Row, scope: str) -> None:
        """Raises Refusal (403): scope not granted, or not a Site Admin (section 2.5)."""
        if scope in self.denied_scopes:
            raise forbidden(f"The access token lacks the scope {scope}")
        if not user["site_admin"] or user["deactivated"]:
            raise forbidden("The acting user must be a Site Admin")

    def check_key(self, authorization: str, key: str) -> None:
        """Accept Basic with *key* as user and an empty password. Raises Refusal (401)."""
        name, password = read_basic(authorization) or ("", "")
        if password or not hmac.compare_digest(name.encode(), key.encode()):
            raise Refusal(HTTPStatus.UNAUTHORIZED, "Invalid Basic Auth credentials")

    def _take(self, grants: dict[str, Grant], token: str) -> Grant:
        grant = grants.pop(token, None)
        if grant is None or grant.expires_at <= self.account.clock.seconds():
            raise TokenError("invalid_grant")
        return grant

    def _mint(self, user_id: int) -> dict[str, object]:
        expires_at = self.account.clock.seconds() + self.account.settings.token_lifetime_s
        token = self._token(user_id, expires_at)
        self.access[token] = Grant(user_id, expires_at)
        # An ISO time with an offset, not seconds to live (section 2.2).
        text = moment_text(expires_at).removesuffix("Z") + "+00:00"
        return {"access_token": token, "token_type": "Bearer", "expires_at": text}

    def _mint_refresh(self, user_id: int) -> dict[str, object]:
        lifetime_s = self.account.settings.refresh_token_lifetime_s
        token = secrets.token_urlsafe(32)
        self.refresh[token] = Grant(user_id, self.account.clock.seconds() + lifetime_s)
        return {"refresh_token": token}

    def _token(self, user_id: int, expires_at: float) -> str:
        """A string of a JWT's looks; the simulator itself only looks it up."""
        claims = {"sub": str(user_id), "exp": int(expires_at), "jti": secrets.token_hex(8)}
        parts = [_base64(json.dumps(part).encode()) for part in ({"alg": "HS256"}, claims)]
        content = ".".join(parts)
        key = self.account.settings.admin_token.encode()
        return f"{content}.{_base64(hmac.digest(key, content.encode(), hashlib.sha256))}"


def read_basic(authorization: str) -> tuple[str, str] | None:
    """User and password of a Basic header that has a colon (section 2.6), or None."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    name, colon, password = text.partition(":")
    return (name, password) if colon else None


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
