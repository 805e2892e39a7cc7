"""`access_tokens`: bearer tokens that were given out here, so that one can be taken back before it runs out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from shared.errors import NotFound
from shared.store.database import Transaction


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A row of `access_tokens`; the token itself is kept nowhere."""

    id: UUID
    role: str
    subject: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


_ADD: LiteralString = """
INSERT INTO access_tokens (id, company_id, role, subject, expires_at)
VALUES (%(id)s, %(company)s, %(role)s, %(subject)s, %(expires_at)s)
"""
_REVOKE: LiteralString = """
UPDATE access_tokens SET revoked_at = coalesce(revoked_at, clock_timestamp()) WHERE id = %(id)s
RETURNING id, role, subject, created_at, expires_at, revoked_at
"""
_IS_REVOKED: LiteralString = "SELECT revoked_at IS NOT NULL AS is_revoked FROM access_tokens WHERE id = %(id)s"


class Tokens:
    """Statements on `access_tokens`."""

    async def add(self, tx: Transaction, token_id: UUID, *, role: str, subject: str, expires_at: datetime) -> None:
        """Remember a token that was given out."""
        await tx.run(_ADD, id=token_id, company=tx.company, role=role, subject=subject, expires_at=expires_at)

    async def revoke(self, tx: Transaction, token_id: UUID) -> AccessToken:
        """Take a token back; twice does no harm. Raises NotFound."""
        row = await tx.row(_REVOKE, id=token_id)
        if row is None:
            raise NotFound(f"there is no token {token_id}")
        return _token(row)

    async def is_revoked(self, tx: Transaction, token_id: UUID) -> bool:
        """Tell whether a token was taken back; one that an identity provider made is not on our list."""
        row = await tx.row(_IS_REVOKED, id=token_id)
        return row is not None and bool(row["is_revoked"])


def _token(row: Mapping[str, Any]) -> AccessToken:
    return AccessToken(**{name: row[name] for name in AccessToken.__dataclass_fields__})
