"""Who of ours has a vendor's phone number or name: what matching looks at after the e-mail address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from shared.store.database import Transaction


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """A living candidate, with what tells people apart."""

    id: UUID
    first_name: str | None
    last_name: str | None
    email: str | None
    phone: str | None
    current_company: str | None
    is_linked: bool
    """They have a live link in the integration that asks."""


# Looked up key by key, like the e-mail addresses in `records.py`: each LATERAL with OFFSET 0 keeps its index.
_LINKED: LiteralString = """
CROSS JOIN LATERAL (
    SELECT count(*) > 0 AS is_linked FROM (
        SELECT integration_id, entity_type, state FROM external_entity_map WHERE internal_id = r.id OFFSET 0) l
    WHERE l.integration_id = %(integration)s AND l.entity_type = 'candidate' AND l.state = 'live') linked"""

BY_PHONE: LiteralString = f"""
SELECT r.*, linked.is_linked FROM unnest(%(digits)s::text[]) AS k (digits)
CROSS JOIN LATERAL (
    SELECT id, data ->> 'first_name' AS first_name, data ->> 'last_name' AS last_name, data ->> 'email' AS email,
        data ->> 'phone' AS phone, data ->> 'current_company' AS current_company FROM records
    WHERE company_id = %(company)s AND entity_type = 'candidate' AND phone_key = k.digits AND archived_at IS NULL
    LIMIT %(most)s OFFSET 0) r
{_LINKED}
"""

# One walk over at most so many of a name tells how common it is; links are read of those at the employer alone.
BY_NAME: LiteralString = f"""
SELECT r.id, r.data ->> 'first_name' AS first_name, r.data ->> 'last_name' AS last_name, r.data ->> 'email' AS email,
    r.data ->> 'phone' AS phone, r.data ->> 'current_company' AS current_company, linked.is_linked
FROM (
    SELECT DISTINCT lower(btrim(u.last || ' ' || u.first)) AS name, lower(btrim(u.employer)) AS employer
    FROM unnest(%(lasts)s::text[], %(firsts)s::text[], %(employers)s::text[]) AS u (last, first, employer) OFFSET 0) k
CROSS JOIN LATERAL (
    SELECT id, data FROM (
        SELECT id, data, count(*) OVER () AS people FROM (
            SELECT id, data FROM records
            WHERE company_id = %(company)s AND entity_type = 'candidate' AND name_key = k.name AND archived_at IS NULL
            LIMIT %(below)s OFFSET 0) walked) counted
    WHERE people < %(below)s AND lower(btrim(data ->> 'current_company')) = k.employer OFFSET 0) r
{_LINKED}
"""


class Namesakes:
    """Queries of matching on `records`. None locks."""

    async def by_phone(
        self, tx: Transaction, integration_id: UUID, digits: Sequence[str], *, most: int
    ) -> list[KnownPerson]:
        """Return candidates whose phone number has just these *digits*; of one number no more than *most*."""
        if not digits:
            return []
        rows = await tx.rows(
            BY_PHONE, company=tx.company, integration=integration_id, digits=sorted(set(digits)), most=most
        )
        return [KnownPerson(**row) for row in rows]

    async def by_name(
        self, tx: Transaction, integration_id: UUID, names: Sequence[tuple[str, str, str]], *, below: int
    ) -> list[KnownPerson]:
        """
        Return candidates of one of *names* (last, first, employer; case aside).

        A name that *below* people or more have finds nobody.
        """
        if not names:
            return []
        rows = await tx.rows(
            BY_NAME,
            company=tx.company,
            integration=integration_id,
            lasts=[last for last, _, _ in names],
            firsts=[first for _, first, _ in names],
            employers=[employer for _, _, employer in names],
            below=below,
        )
        return [KnownPerson(**row) for row in rows]
