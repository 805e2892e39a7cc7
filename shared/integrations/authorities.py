"""Who has the last word on a unit: at most one integration of a company."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

from shared.errors import InvalidInput
from shared.merge.policies import POLICIES, overrides_of
from shared.model import EntityType, JsonValue, Party
from shared.store.database import Transaction
from shared.store.integrations import Integrations


async def check_authorities(
    tx: Transaction,
    integrations: Integrations,
    integration_id: UUID,
    config: Mapping[str, JsonValue],
    *,
    released: Collection[UUID] = (),
) -> None:
    """
    Judge *config*, about to be saved for *integration_id*, beside the company's other integrations.

    Two systems that each have the last word would overwrite each other through us, and the end would hang on who was
    reconciled last. Raises InvalidInput that names the unit, the other integration and the remedy. Until the
    transaction ends nobody else saves another. *released*: those that are about to give it up.
    """
    claimed = _claimed(config)
    if not claimed:
        return
    for other in await integrations.with_policies(tx, besides=integration_id):
        if other.id in released:
            continue
        for entity, unit in sorted(claimed & _claimed(other.config)):
            path = f"config.{POLICIES}.{entity.value}.{unit}"
            raise InvalidInput(
                f"{path}: the integration {other.name!r} ({other.id}) has the last word on it already",
                field=path,
                remedy='give it "authority": "portal" here, or take the policy authority away there first',
            )


def _claimed(config: Mapping[str, JsonValue]) -> set[tuple[EntityType, str]]:
    return {
        (entity, unit)
        for entity, overrides in overrides_of(config).items()
        for unit, party in overrides.authorities.items()
        if party is Party.INTEGRATION
    }
