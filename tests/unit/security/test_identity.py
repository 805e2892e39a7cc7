"""Which tokens make a principal."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from shared.security.identity import (
    Authenticator,
    Principal,
    Role,
    SharedSecret,
    Unauthenticated,
    mint_token,
)
from shared.security.jwks import JwksKeys

SECRET = "a shared secret of thirty-two characters"
COMPANY = UUID("6f0e1c1e-5d0c-4a0e-9a52-0000000000c1")
NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
CLAIMS: dict[str, Any] = {
    "sub": "jo",
    "company": str(COMPANY),
    "role": "recruiter",
    "jti": "token-1",
    "iat": int(NOW.timestamp()),
    "exp": int(NOW.timestamp()) + 3600,
    "iss": "liaison",
    "aud": "liaison",
}


def segment(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def signed(claims: dict[str, Any], *, secret: str = SECRET) -> str:
    return jwt.encode({"alg": "HS256"}, dict(claims), OctKey.import_key(secret))


def authenticator(at: datetime = NOW) -> Authenticator:
    return Authenticator(SharedSecret(SECRET), issuer="liaison", audience="liaison", now=lambda: at)


async def refused(token: str, at: datetime = NOW) -> None:
    with pytest.raises(Unauthenticated) as caught:
        await authenticator(at).authenticate(f"Bearer {token}")
    assert str(caught.value) == "The bearer token is missing, not ours, out of date or revoked."


async def test_a_minted_token_is_its_principal() -> None:
    minted = mint_token(
        SECRET,
        subject="jo",
        company_id=COMPANY,
        role=Role.DATA_MANAGER,
        issuer="liaison",
        audience="liaison",
        lifetime=timedelta(hours=1),
        now=NOW,
    )
    assert minted.expires_at == NOW + timedelta(hours=1)
    principal = await authenticator().authenticate(f"bearer {minted.token}")
    assert principal == Principal("jo", COMPANY, Role.DATA_MANAGER, minted.token_id)


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic am86am8=", "Bearer é", "Bearer a.b.c"])
async def test_what_is_no_bearer_token_is_refused(header: str | None) -> None:
    with pytest.raises(Unauthenticated):
        await authenticator().authenticate(header)


async def test_a_header_nested_too_deeply_to_be_read_is_refused_like_any_other() -> None:
    """It was a 500 and a logged trace, for anybody who sent it."""
    await refused(base64.urlsafe_b64encode(b"[" * 3_000).decode() + ".a.b")


@pytest.mark.parametrize("claim", sorted(CLAIMS))
async def test_every_claim_is_required(claim: str) -> None:
    await refused(signed({name: value for name, value in CLAIMS.items() if name != claim}))


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("sub", ""),
        ("sub", 7),
        ("jti", ""),
        ("company", "another"),
        ("role", "owner"),
        ("role", ["admin"]),
        ("iss", "somebody"),
        ("aud", "another-api"),
        ("exp", "tomorrow"),
        ("exp", None),
        ("nbf", int(NOW.timestamp()) + 3600),
        ("iat", int(NOW.timestamp()) + 3600),
    ],
)
async def test_no_claim_may_hold_something_else(claim: str, value: object) -> None:
    await refused(signed({**CLAIMS, claim: value}))


async def test_a_token_lives_until_its_end_and_a_minute_of_skew() -> None:
    token = signed(CLAIMS)
    end = NOW + timedelta(hours=1)
    assert (await authenticator(end + timedelta(seconds=59)).authenticate(f"Bearer {token}")).subject == "jo"
    await refused(token, at=end + timedelta(seconds=62))


async def test_another_secret_signs_nothing_here() -> None:
    await refused(signed(CLAIMS, secret="another secret of thirty-two characters"))


async def test_an_unsigned_token_is_refused() -> None:
    for algorithm in ("none", "None", "NONE", None, "HS512"):
        await refused(f"{segment({'alg': algorithm})}.{segment(CLAIMS)}.")


async def test_a_changed_claim_is_refused() -> None:
    header, _, signature = signed(CLAIMS).split(".")
    await refused(f"{header}.{segment({**CLAIMS, 'role': 'admin'})}.{signature}")


async def test_a_revoked_token_is_refused() -> None:
    async def is_revoked(principal: Principal) -> bool:
        return principal.token_id == "token-1"

    checks = Authenticator(
        SharedSecret(SECRET), issuer="liaison", audience="liaison", now=lambda: NOW, is_revoked=is_revoked
    )
    with pytest.raises(Unauthenticated):
        await checks.authenticate(f"Bearer {signed(CLAIMS)}")
    assert (await checks.authenticate(f"Bearer {signed({**CLAIMS, 'jti': 'token-2'})}")).token_id == "token-2"


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
async def test_the_providers_keys_check_its_tokens(algorithm: str) -> None:
    key = provider_key(algorithm)
    token = jwt.encode({"alg": algorithm, "kid": "k1"}, dict(CLAIMS), key)
    principal = await by_provider(key).authenticate(f"Bearer {token}")
    assert principal.role is Role.RECRUITER


async def test_a_public_key_is_no_shared_secret() -> None:
    """The classic confusion: HS256 computed with the provider's public key, which everybody has."""
    key = provider_key("RS256")
    content = f"{segment({'alg': 'HS256', 'kid': 'k1'})}.{segment(CLAIMS)}"
    signature = hmac.digest(key.as_pem(private=False), content.encode(), "sha256")
    token = f"{content}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"
    with pytest.raises(Unauthenticated):
        await by_provider(key).authenticate(f"Bearer {token}")


async def test_a_token_of_the_provider_names_its_key() -> None:
    key = provider_key("ES256")
    for header in ({"alg": "ES256"}, {"alg": "ES256", "kid": "k2"}):
        token = jwt.encode(header, dict(CLAIMS), key)
        with pytest.raises(Unauthenticated):
            await by_provider(key).authenticate(f"Bearer {token}")


def provider_key(algorithm: str) -> RSAKey | ECKey:
    if algorithm == "RS256":
        return RSAKey.generate_key(2048, {"kid": "k1"})
    return ECKey.generate_key("P-256", {"kid": "k1"})


def by_provider(key: RSAKey | ECKey) -> Authenticator:
    async def fetch(_: str) -> bytes:
        return json.dumps({"keys": [{**key.as_dict(private=False), "kid": "k1"}]}).encode()

    keys = JwksKeys("https://login.example.com/keys", fetch=fetch)
    return Authenticator(keys, issuer="liaison", audience="liaison", now=lambda: NOW)
