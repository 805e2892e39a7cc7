"""What everything else stands on: keys, database, queues, adapters, statements, and how observations are applied."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from shared import telemetry
from shared.draining import Draining
from shared.security.keys import Keys
from shared.security.sealing import Sealer
from shared.settings import Settings
from shared.store.database import Database
from shared.store.queues import Knocker, Queues

if TYPE_CHECKING:
    from shared.adapters.windows import Windows
    from shared.store.store import Store
    from shared.store.tables import Tables
    from shared.sync.applying.apply import Applier
    from shared.sync.keeping.held_values import Vault
    from shared.sync.pulling.reading import Reader
    from shared.sync.vendors.adapters import Adapters
    from shared.sync.workers.traffic import Traffic

LIMITS_WAIT_S = 1.5
"""How long a call waits for the shared limits before it goes by this process's own."""


@dataclass(frozen=True)
class Ground:
    """
    Parts are made when first asked for.

    Imports stand where they are needed: the webhook path pays for queue, tables and keys alone.
    """

    settings: Settings
    limiter_off: bool = False
    draining: Draining = field(default_factory=Draining)
    first_reader: Reader | None = None
    """Reads the pages of first pulls; None: this process does."""

    @cached_property
    def keys(self) -> Keys:
        """Keys by purpose."""
        return Keys.from_settings(self.settings)

    @cached_property
    def sealer(self) -> Sealer:
        """Seals credentials."""
        return Sealer(self.keys)

    @cached_property
    def database(self) -> Database:
        """PostgreSQL as the app's role."""
        return Database(
            self.settings.database_url.get_secret_value(),
            pool_max=self.settings.database_pool_max,
            prepared=self.settings.database_prepared_statements,
        )

    @cached_property
    def queues(self) -> Queues:
        """Storage queues."""
        return Queues(self.settings.storage_connection.get_secret_value())

    @cached_property
    def knocker(self) -> Knocker:
        """Sends knocks after commits."""
        return Knocker(self.queues, telemetry.get_logger("shared.knocker"), was_sent=self.traffic.was_sent)

    @cached_property
    def traffic(self) -> Traffic:
        """Knocks sent and answered by this process."""
        from shared.sync.workers.traffic import Traffic

        return Traffic(self.database)

    @cached_property
    def store(self) -> Store:
        """Every group of statements."""
        from shared.store.store import Store

        return Store()

    @cached_property
    def limit_tables(self) -> Tables:
        """Tables of limits and breakers: asked before calls, so they answer soon or are done without."""
        from shared.store.tables import Tables

        return Tables(self.settings.storage_connection.get_secret_value(), timeout_s=LIMITS_WAIT_S, retries=0)

    @cached_property
    def windows(self) -> Windows:
        """Vendors' windows, as all workers share them."""
        from shared.adapters.windows import Windows
        from shared.sync.vendors.window_table import WindowTable

        return Windows(WindowTable(self.limit_tables))

    @cached_property
    def adapters(self) -> Adapters:
        """Adapters of this process."""
        from shared.sync.vendors.adapters import Adapters

        return Adapters(
            self.database,
            self.sealer,
            # A measurement shares no limits with anybody; what speaks to Azure's tables would take 60 MB of its memory.
            windows=None if self.limiter_off else self.windows,
            rate_share=self.settings.rate_share,
            breaker_table=None if self.limiter_off else self.limit_tables,
            allow_loopback=self.settings.outgoing_allow_loopback,
            limiter_off=self.limiter_off,
        )

    @cached_property
    def vault(self) -> Vault:
        """Seals what is kept of people."""
        from shared.security.person_keys import PersonalData
        from shared.sync.keeping.held_values import Vault

        return Vault(self.store.history, PersonalData(self.keys))

    @cached_property
    def applier(self) -> Applier:
        """Applies observations."""
        from shared.sync.applying.apply import Applier

        return Applier(self.store, self.keys, self.vault)
