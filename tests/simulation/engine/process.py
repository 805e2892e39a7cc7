"""A process of the world: production's own composition, with stand-ins where the world outside begins."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from shared.adapters.protocol import Adapter
from shared.composition import Services
from shared.security.keys import Keys
from shared.settings import Settings, load_settings
from shared.sync.jobs.priorities import PULL, PUSH_MOVED, RECONCILE
from shared.sync.keeping.held_values import Vault
from shared.sync.reconciling.outbound import OutboundSweep
from tests.simulation.engine.gates import Owner
from tests.simulation.engine.ports import MemoryAdapters, MemoryQueues, OpenVault
from tests.simulation.store.memory import MemoryDatabase, MemoryStore

SLOTS = 2
"""Messages that one worker answers at once."""
LEASE_S = 60


@dataclass(eq=False, slots=True)
class Process:
    """A worker, or the portal's API: what it has in memory dies with it."""

    owner: Owner
    services: Services
    busy: int = 0

    @property
    def is_free(self) -> bool:
        """It can answer another message."""
        return not self.owner.is_dead and self.busy < SLOTS


def start_process(
    name: str, database: MemoryDatabase, queues: MemoryQueues, adapters: Mapping[UUID, Adapter]
) -> Process:
    """Return a process that has just started. All of them share the database and the queues, and nothing else."""
    services = Services(_settings())
    store = MemoryStore(database)
    services.__dict__.update(
        keys=_keys(),
        database=database,
        store=store,
        queues=queues,
        adapters=MemoryAdapters(adapters),
        vault=Vault(store.history, OpenVault(_keys())),
    )
    services.__dict__["handlers"] = {
        PULL: services.puller,
        RECONCILE: services.reconciler,
        PUSH_MOVED: OutboundSweep(database, store),
    }
    return Process(Owner(name), services)


@lru_cache(maxsize=1)
def _settings() -> Settings:
    return load_settings(
        {
            "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
            "AzureWebJobsStorage": "UseDevelopmentStorage=true",
            "ENCRYPTION_SECRET": base64.b64encode(b"k" * 32).decode(),
            "AUTH_JWT_SECRET": "s" * 40,
            "SYNC_LEASE_SECONDS": str(LEASE_S),
        }
    )


@lru_cache(maxsize=1)
def _keys() -> Keys:
    return Keys.from_settings(_settings())
