"""Capabilities built from the composition root's parts; each is a shell round them and costs nothing to make."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.integrations import Integrations, Parts
from shared.store.integrations import Integrations as IntegrationStore
from shared.store.schedules import Schedules

if TYPE_CHECKING:
    from shared.composition import Services


def integrations_of(services: Services) -> Integrations:
    """Return the life of integrations."""
    return Integrations(
        Parts(
            settings=services.settings,
            keys=services.keys,
            sealer=services.sealer,
            database=services.database,
            integrations=IntegrationStore(),
            schedules=Schedules(),
            ledger=services.store.ledger,
            logs=services.store.logs,
            runs=services.store.runs,
            knocker=services.knocker,
            connector=services.adapters,
            syncs=services.syncs,
        )
    )
