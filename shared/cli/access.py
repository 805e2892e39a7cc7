"""Companies and the tokens of those who call for them."""

from __future__ import annotations

import argparse
from datetime import timedelta
from uuid import UUID, uuid4

from shared.cli.output import result
from shared.cli.session import opened
from shared.errors import InvalidInput, SettingsError
from shared.security.identity import Role, mint_token
from shared.store.companies import Companies
from shared.store.tokens import Tokens


async def create_company(asked: argparse.Namespace) -> int:
    """Make a company."""
    company_id = asked.id or uuid4()
    async with opened() as session, session.database.company(company_id) as tx:
        await Companies().create(tx, asked.name)
    result({"company_id": company_id, "name": asked.name})
    return 0


async def set_region(asked: argparse.Namespace) -> int:
    """Say where a company's phone numbers without a country belong."""
    region = None if asked.region == "none" else asked.region
    async with opened() as session, session.database.company(asked.company) as tx:
        await Companies().set_region(tx, region)
    result({"company_id": asked.company, "default_region": region})
    return 0


async def create_token(asked: argparse.Namespace) -> int:
    """Make a bearer token and remember its id, so that it can be taken back."""
    if asked.days < 1:
        raise InvalidInput("--days: must be at least 1", field="days")
    async with opened() as session:
        secret = session.settings.auth_jwt_secret
        if secret is None:
            raise SettingsError("AUTH_JWT_SECRET is not set", remedy="tokens are made by your identity provider")
        minted = mint_token(
            secret.get_secret_value(),
            subject=asked.subject,
            company_id=asked.company,
            role=Role(asked.role),
            issuer=session.settings.auth_issuer,
            audience=session.settings.auth_audience,
            lifetime=timedelta(days=asked.days),
        )
        async with session.database.company(asked.company) as tx:
            await Tokens().add(
                tx, UUID(minted.token_id), role=asked.role, subject=asked.subject, expires_at=minted.expires_at
            )
    result({"token": minted.token, "token_id": UUID(minted.token_id), "expires_at": minted.expires_at})
    return 0


async def revoke_token(asked: argparse.Namespace) -> int:
    """Take a token back."""
    async with opened() as session, session.database.company(asked.company) as tx:
        token = await Tokens().revoke(tx, asked.token_id)
    result({"token_id": token.id, "revoked_at": token.revoked_at})
    return 0
