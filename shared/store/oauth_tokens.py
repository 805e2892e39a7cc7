"""
Access tokens of connections, one refresher at a time.

The refresher holds a row lease, no lock: nothing is held over HTTP, and a worker that dies leaves a lease that runs
out. A token is committed before its first use.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

import orjson

from shared.store.database import Database

_LOAD: LiteralString = "SELECT sealed FROM oauth_tokens WHERE integration_id = %(id)s"
_LEASE: LiteralString = """
INSERT INTO oauth_tokens AS t (integration_id, company_id, lease_until, lease_token)
VALUES (%(id)s, %(company)s, clock_timestamp() + %(seconds)s * interval '1 s', nextval('lease_seq'))
ON CONFLICT (integration_id) DO UPDATE SET lease_until = excluded.lease_until, lease_token = excluded.lease_token
    WHERE t.lease_until IS NULL OR t.lease_until < clock_timestamp()
RETURNING lease_token
"""
_SAVE: LiteralString = """
UPDATE oauth_tokens SET sealed = %(sealed)s, version = version + 1, expires_at = %(expires_at)s, lease_until = NULL,
    lease_token = NULL, updated_at = clock_timestamp()
WHERE integration_id = %(id)s AND lease_token = %(lease)s
"""
_RELEASE: LiteralString = """
UPDATE oauth_tokens SET lease_until = NULL, lease_token = NULL
WHERE integration_id = %(id)s AND lease_token = %(lease)s
"""


@dataclass(frozen=True, slots=True)
class SealedToken:
    """What a token's row holds, opened: `access_token`, `expires_at`, `refresh_token`, `version`, and its `key`."""

    key: str
    access_token: str
    expires_at: datetime
    refresh_token: str | None
    version: int


class OAuthTokens:
    """The token of one integration. *seal* and *open_* bind it to the integration."""

    def __init__(
        self,
        database: Database,
        company_id: UUID,
        integration_id: UUID,
        *,
        seal: Callable[[str], str],
        open_: Callable[[str], str],
    ) -> None:
        self._database = database
        self._company_id = company_id
        self._id = integration_id
        self._seal = seal
        self._open = open_

    async def load(self, key: str) -> SealedToken | None:
        """Return the token that was made for *key* (client and user), or None."""
        async with self._database.company(self._company_id) as tx:
            row = await tx.row(_LOAD, id=self._id)
        if row is None or row["sealed"] is None:
            return None
        content = orjson.loads(self._open(row["sealed"]))
        if content["key"] != key:
            return None
        return SealedToken(
            content["key"],
            content["access_token"],
            datetime.fromisoformat(content["expires_at"]),
            content["refresh_token"],
            content["version"],
        )

    async def lease(self, *, seconds: float) -> int | None:
        """Become the one refresher for *seconds*; None while somebody else is."""
        async with self._database.company(self._company_id) as tx:
            row = await tx.row(_LEASE, id=self._id, company=self._company_id, seconds=seconds)
        return row["lease_token"] if row else None

    async def save(self, token: SealedToken, *, lease: int) -> bool:
        """Keep *token* and end the lease; False when the lease was lost, and nothing is kept."""
        content = {
            "key": token.key,
            "access_token": token.access_token,
            "expires_at": token.expires_at,
            "refresh_token": token.refresh_token,
            "version": token.version,
        }
        sealed = self._seal(orjson.dumps(content).decode())
        async with self._database.company(self._company_id) as tx:
            return await tx.run(_SAVE, id=self._id, lease=lease, sealed=sealed, expires_at=token.expires_at) > 0

    async def release(self, *, lease: int) -> None:
        """End the lease without a new token."""
        async with self._database.company(self._company_id) as tx:
            await tx.run(_RELEASE, id=self._id, lease=lease)
