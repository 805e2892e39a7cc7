"""A decision on one conflict that becomes the policy of its field: always prefer this side."""

from __future__ import annotations

from uuid import UUID

from shared.errors import Conflict, InvalidInput
from shared.integrations.authorities import check_authorities
from shared.integrations.lifecycle import Integrations
from shared.integrations.requests import Config, PatchIntegration
from shared.merge.policies import POLICIES
from shared.model import EntityType, JsonObject, Party, Policy
from shared.store.database import Database
from shared.store.integrations import Integrations as IntegrationStore

TRIES = 3
"""Times that a change is planned again because somebody else changed the integration meanwhile."""


async def check_preference(
    database: Database, company_id: UUID, entity: EntityType, unit: str, *, sides: list[UUID], winner: UUID | None
) -> None:
    """Raise what `prefer_always` would raise because an integration that is no side has the last word on *unit*."""
    if winner is not None:
        config: JsonObject = {POLICIES: {entity.value: {unit: _said(Party.INTEGRATION)}}}
        async with database.company(company_id) as tx:
            await check_authorities(tx, IntegrationStore(), winner, config, released=sides)


async def prefer_always(
    integrations: Integrations,
    company_id: UUID,
    entity: EntityType,
    unit: str,
    *,
    sides: list[UUID],
    winner: UUID | None,
) -> dict[UUID, Party]:
    """
    Let *winner* (an integration; None = the portal) have the last word on *unit* at every integration of *sides*.

    What came from the winner is ours by then, so at the others the portal has it. Return who has it where. Raises
    NotFound, InvalidInput (also where an integration that is no side has the last word already), and Conflict when an
    integration is changed by others again and again.
    """
    if winner is not None and winner not in sides:
        raise InvalidInput("integration_id: is no side of the conflict", field="integration_id")
    chosen = {each: Party.INTEGRATION if each == winner else Party.PORTAL for each in sides}
    for integration_id in sorted(chosen, key=lambda each: each == winner):  # two at a time can't have it
        await _write(integrations, company_id, integration_id, entity, unit, chosen[integration_id])
    return chosen


async def _write(
    integrations: Integrations, company_id: UUID, integration_id: UUID, entity: EntityType, unit: str, party: Party
) -> None:
    for attempt in range(1, TRIES + 1):
        view = await integrations.get(company_id, integration_id)
        known = view["config"].get(POLICIES) or {}
        policies = {**known, entity.value: {**known.get(entity.value, {}), unit: _said(party)}}
        request = PatchIntegration(config=Config.model_validate({POLICIES: policies}))
        try:
            await integrations.change(company_id, integration_id, request, expected_version=view["version"])
        except Conflict:
            if attempt == TRIES:
                raise
        else:
            return


def _said(party: Party) -> JsonObject:
    return {"policy": Policy.AUTHORITY.value, "authority": party.value, "loosen": True}
