"""
Who calls: bearer tokens in, a `Principal` out, or a typed refusal.

A token is checked in exactly one way, chosen by the settings and never by the token: HS256 with the shared secret,
or RS256/ES256 with the identity provider's public keys. `none`, and one way's algorithm under the other's key, are
refused before a signature is computed. Who may do what stands in shared/security/permissions.py.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID, uuid4

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OctKey, RSAKey

from shared.errors import LiaisonError

CLOCK_SKEW_S = 60
MAX_TOKEN_LENGTH = 8192
SHARED_SECRET_ALGORITHM = "HS256"  # noqa: S105  # an algorithm's name

VerificationKey = OctKey | RSAKey | ECKey


class Unauthenticated(LiaisonError):
    """The bearer token is missing, not ours, out of date or revoked."""

    code = "unauthenticated"


class Forbidden(LiaisonError):
    """The role does not allow this."""

    code = "forbidden"


class Role(StrEnum):
    """What a caller may do; permissions name the roles, and no role contains another."""

    VIEWER = "viewer"
    RECRUITER = "recruiter"
    DATA_MANAGER = "data_manager"
    HR = "hr"
    ADMIN = "admin"
    OPS = "ops"


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller whose token was checked."""

    subject: str
    company_id: UUID
    role: Role
    token_id: str
    """The token's `jti`: what is revoked."""


@dataclass(frozen=True, slots=True)
class MintedToken:
    """A token as it is shown, once, to whoever asked for it."""

    token: str
    token_id: str
    expires_at: datetime


class TokenKeys(Protocol):
    """Where the key that a token names comes from."""

    algorithms: tuple[str, ...]

    async def find(self, kid: str | None) -> VerificationKey | None:
        """Give the key *kid*; None when there is none. Raises Unavailable when that can't be told now."""
        ...


class SharedSecret:
    """The one secret of local settings, whatever key id a token carries."""

    algorithms: tuple[str, ...] = (SHARED_SECRET_ALGORITHM,)

    def __init__(self, secret: str) -> None:
        self._key = OctKey.import_key(secret)

    async def find(self, kid: str | None) -> OctKey:  # noqa: ARG002  # the protocol's argument
        """Give the shared secret."""
        return self._key


def _utc_now() -> datetime:
    return datetime.now(UTC)


async def never_revoked(_: Principal) -> bool:
    """Answer for a place that keeps no list of revoked tokens."""
    return False


class Authenticator:
    """Turns an `Authorization` header into a `Principal`."""

    def __init__(
        self,
        keys: TokenKeys,
        *,
        issuer: str,
        audience: str,
        is_revoked: Callable[[Principal], Awaitable[bool]] = never_revoked,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._is_revoked = is_revoked
        self._now = now

    async def authenticate(self, authorization: str | None) -> Principal:
        """
        Check `Bearer <token>`: signature, issuer, audience, times (60 s of skew), claims, and last its revocation.

        Raises: Unauthenticated, without telling which check failed; Unavailable when the identity provider's keys
        or the list of revoked tokens can't be read.
        """
        scheme, _, token = (authorization or "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or len(token) > MAX_TOKEN_LENGTH:
            raise Unauthenticated
        principal = self._principal(await self._claims(token))
        if await self._is_revoked(principal):
            raise Unauthenticated
        return principal

    async def _claims(self, token: str) -> dict[str, Any]:
        header = _unverified_header(token)
        if header.get("alg") not in self._keys.algorithms:
            raise Unauthenticated
        kid = header.get("kid")
        key = await self._keys.find(kid if isinstance(kid, str) else None)
        if key is None:
            raise Unauthenticated
        expected = jwt.JWTClaimsRegistry(
            now=int(self._now().timestamp()),
            leeway=CLOCK_SKEW_S,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": self._audience},
            exp={"essential": True},
            iat={"essential": True},
        )
        try:
            claims = jwt.decode(token, key, algorithms=self._keys.algorithms).claims
            expected.validate(claims)
        except (JoseError, ValueError, TypeError, RecursionError):
            raise Unauthenticated from None
        return claims

    @staticmethod
    def _principal(claims: dict[str, Any]) -> Principal:
        subject, token_id = claims.get("sub"), claims.get("jti")
        if not isinstance(subject, str) or not isinstance(token_id, str) or not subject or not token_id:
            raise Unauthenticated
        try:
            return Principal(
                subject=subject,
                company_id=UUID(str(claims.get("company"))),
                role=Role(str(claims.get("role"))),
                token_id=token_id,
            )
        except ValueError:
            raise Unauthenticated from None


def mint_token(
    secret: str,
    *,
    subject: str,
    company_id: UUID,
    role: Role,
    issuer: str,
    audience: str,
    lifetime: timedelta,
    now: datetime | None = None,
) -> MintedToken:
    """Make a bearer token signed with the shared secret. Store its `token_id`; the token itself is not kept."""
    issued_at = now or _utc_now()
    expires_at = (issued_at + lifetime).replace(microsecond=0)
    token_id = uuid4().hex
    claims = {
        "sub": subject,
        "company": str(company_id),
        "role": role.value,
        "jti": token_id,
        "iat": int(issued_at.timestamp()),
        "exp": int(expires_at.timestamp()),
        "iss": issuer,
        "aud": audience,
    }
    token = jwt.encode({"alg": SHARED_SECRET_ALGORITHM}, claims, OctKey.import_key(secret))
    return MintedToken(token=token, token_id=token_id, expires_at=expires_at)


def _unverified_header(token: str) -> dict[str, Any]:
    """Read what a token says of itself: it only chooses the key, and the algorithm must be an expected one."""
    segment = token.partition(".")[0]
    try:
        header = json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    except (ValueError, RecursionError):  # anybody may send what is nested too deeply to be read
        raise Unauthenticated from None
    if not isinstance(header, dict):
        raise Unauthenticated
    return header
