"""Who calls: the authenticator of the settings, which asks our list of revoked tokens last."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from shared.security.identity import Authenticator, Principal, SharedSecret, TokenKeys
from shared.store.tokens import Tokens

if TYPE_CHECKING:
    from shared.composition import Services

_known: tuple[object, Authenticator] | None = None


def authenticator_of(services: Services) -> Authenticator:
    """Return the authenticator of *services*; made once, so that an identity provider's keys are kept."""
    global _known  # noqa: PLW0603  # lives and dies with the services it belongs to
    if _known is None or _known[0] is not services:
        _known = (services, _build(services))
    return _known[1]


def _build(services: Services) -> Authenticator:
    settings = services.settings

    async def is_revoked(principal: Principal) -> bool:
        try:
            token_id = UUID(principal.token_id)
        except ValueError:
            return False  # made by an identity provider, which revokes in its own way
        async with services.database.company(principal.company_id) as tx:
            return await Tokens().is_revoked(tx, token_id)

    return Authenticator(
        _keys(services), issuer=settings.auth_issuer, audience=settings.auth_audience, is_revoked=is_revoked
    )


def _keys(services: Services) -> TokenKeys:
    settings = services.settings
    if settings.auth_jwt_secret is not None:
        return SharedSecret(settings.auth_jwt_secret.get_secret_value())
    from shared.security.jwks import JwksKeys

    return JwksKeys(str(settings.auth_jwks_url))
