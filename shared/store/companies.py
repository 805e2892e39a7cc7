"""`companies`, and the routes by which a new one's records are created elsewhere."""

from __future__ import annotations

import re
from typing import LiteralString
from uuid import UUID, uuid4

from shared.errors import Conflict, InvalidInput, NotFound
from shared.model import EntityType
from shared.store.database import Transaction

SHIPPED_ROUTES = (EntityType.APPLICATION,)
"""Made in the portal, created at the integration that owns the job; its candidate goes along (S-003)."""

_REGION = re.compile("[A-Z]{2}")
_ADD: LiteralString = "INSERT INTO companies (id, name) VALUES (%(id)s, %(name)s) ON CONFLICT (id) DO NOTHING"
_SET_REGION: LiteralString = "UPDATE companies SET default_region = %(region)s WHERE id = %(id)s"
_REGION_OF: LiteralString = "SELECT default_region FROM companies WHERE id = %(id)s"
_ROUTE: LiteralString = """
INSERT INTO routes (id, company_id, entity_type, from_system, to_system)
VALUES (%(id)s, %(company)s, %(entity)s, 'portal', 'job_owner')
ON CONFLICT (company_id, entity_type, from_system, to_system) DO NOTHING
"""
_OF_INTEGRATION: LiteralString = "SELECT company FROM company_of_integration(%(integration)s)"


class Companies:
    """Statements on `companies` and `routes`."""

    async def create(self, tx: Transaction, name: str) -> None:
        """Add the company that *tx* acts for, with the shipped routes. Raises Conflict if it is there."""
        if await tx.run(_ADD, id=tx.company, name=name) == 0:
            raise Conflict(f"there is a company {tx.company} already")
        for entity in SHIPPED_ROUTES:
            await tx.run(_ROUTE, id=uuid4(), company=tx.company, entity=entity.value)

    async def set_region(self, tx: Transaction, region: str | None) -> None:
        """
        Say where phone numbers without a country belong (ISO 3166, two letters); None = nowhere.

        Raises InvalidInput for anything else, NotFound if there is no such company.
        """
        if region is not None and not _REGION.fullmatch(region):
            raise InvalidInput(
                f"region: {region} is no country", field="region", remedy="give its two letters, like GB or DE"
            )
        if await tx.run(_SET_REGION, id=tx.company, region=region) == 0:
            raise NotFound(f"there is no company {tx.company}")

    async def region(self, tx: Transaction) -> str | None:
        """Return where phone numbers without a country belong (ISO 3166, two letters); None = nowhere."""
        row = await tx.row(_REGION_OF, id=tx.company)
        return row["default_region"] if row else None

    async def of_integration(self, tx: Transaction, integration_id: UUID) -> UUID | None:
        """Return the company of an integration, or None; in a dispatch transaction."""
        row = await tx.row(_OF_INTEGRATION, integration=integration_id)
        return row["company"] if row else None
