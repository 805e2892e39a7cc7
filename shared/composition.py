"""
The composition root: everything that is built once per process and event loop, on first use.

No import builds anything. Pools and clients open inside the loop that uses them; another loop gets its own.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from shared import telemetry
from shared.draining import Draining
from shared.security.keys import Keys
from shared.security.sealing import Sealer
from shared.settings import Settings, load_settings
from shared.store.database import Database
from shared.store.queues import Knocker, Queues

if TYPE_CHECKING:
    from shared.adapters.windows import Windows
    from shared.intake.wiring import Intake
    from shared.maintenance import Maintenance
    from shared.past.chronicles import Chronicles
    from shared.past.reverting import Reverts
    from shared.store.store import Store
    from shared.store.tables import Tables
    from shared.sync.adapters import Adapters
    from shared.sync.applying import Applier
    from shared.sync.brake import Deletes
    from shared.sync.candidate_merges import CandidateMerges
    from shared.sync.candidate_partings import CandidatePartings
    from shared.sync.comparing import Comparer
    from shared.sync.edits import Edits
    from shared.sync.held_values import Vault
    from shared.sync.id_map import IdMapImport
    from shared.sync.parity import Comparisons
    from shared.sync.poison import PoisonRecorder
    from shared.sync.preview import Previews
    from shared.sync.pull import Puller
    from shared.sync.quarantine import Quarantine
    from shared.sync.reconcile import Reconciler
    from shared.sync.record_changes import RecordChanges
    from shared.sync.reminders import Reminders
    from shared.sync.resolutions import Resolutions
    from shared.sync.run_status import RunStatusBoard
    from shared.sync.runner import Handler, Runner
    from shared.sync.runs import Syncs
    from shared.sync.suppression import Suppression
    from shared.sync.sweep import Sweep
    from shared.sync.traffic import Traffic


LIMITS_WAIT_S = 1.5
"""How long a call waits for the shared limits before it goes by this process's own."""


@dataclass(frozen=True)
class Services:
    """
    What functions and commands are given. Parts are made when first asked for.

    Imports stand where they are needed: the webhook path pays for queue, tables and keys alone.
    """

    settings: Settings
    limiter_off: bool = False
    draining: Draining = field(default_factory=Draining)

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
        from shared.sync.traffic import Traffic

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
        from shared.sync.window_table import WindowTable

        return Windows(WindowTable(self.limit_tables))

    @cached_property
    def adapters(self) -> Adapters:
        """Adapters of this process."""
        from shared.sync.adapters import Adapters

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
        from shared.sync.held_values import Vault

        return Vault(self.store.history, PersonalData(self.keys))

    @cached_property
    def chronicles(self) -> Chronicles:
        """Tells of the past of records."""
        from shared.past.chronicles import Chronicles

        return Chronicles(self.store, self.vault)

    @cached_property
    def reverts(self) -> Reverts:
        """Takes runs back."""
        from shared.past.reverting import Reverts

        return Reverts(self.database, self.store, self.vault, self.edits, self.knocker)

    @cached_property
    def applier(self) -> Applier:
        """Applies observations."""
        from shared.sync.applying import Applier

        return Applier(self.store, self.keys, self.vault)

    @cached_property
    def id_maps(self) -> IdMapImport:
        """Imports tables of ids."""
        from shared.sync.id_map import IdMapImport

        return IdMapImport(self.database, self.store, self.adapters, self.knocker)

    @cached_property
    def previews(self) -> Previews:
        """Rehearses first syncs."""
        from shared.sync.preview import Previews

        return Previews(self.database, self.store, self.adapters, self.applier)

    @cached_property
    def syncs(self) -> Syncs:
        """Starts and cancels runs."""
        from shared.sync.runs import Syncs

        return Syncs(self.database, self.store, self.knocker)

    @cached_property
    def edits(self) -> Edits:
        """Writes on behalf of people."""
        from shared.sync.edits import Edits
        from shared.sync.pinning import Pinner

        return Edits(
            self.database,
            self.store,
            self.vault,
            Pinner(self.store.pins, self.keys),
            self.suppression,
            self.knocker,
        )

    @cached_property
    def _record_changes(self) -> RecordChanges:
        from shared.sync.chronicle import Chronicle
        from shared.sync.pinning import Pinner
        from shared.sync.record_changes import RecordChanges

        chronicle = Chronicle(self.store.history, self.vault)
        return RecordChanges(self.store, chronicle, Pinner(self.store.pins, self.keys))

    @cached_property
    def merges(self) -> CandidateMerges:
        """Makes two candidates one."""
        from shared.sync.candidate_merges import CandidateMerges

        return CandidateMerges(self.database, self.store, self.vault, self._record_changes, self.knocker)

    @cached_property
    def partings(self) -> CandidatePartings:
        """Makes them two again."""
        from shared.sync.candidate_partings import CandidatePartings

        return CandidatePartings(self.database, self.store, self.vault, self._record_changes, self.knocker)

    @cached_property
    def resolutions(self) -> Resolutions:
        """Performs people's decisions."""
        from shared.sync.resolutions import Resolutions

        return Resolutions(self.database, self.store, self.adapters, self.edits, self.merges, self.keys, self.knocker)

    @cached_property
    def puller(self) -> Puller:
        """Handler of pulls."""
        from shared.sync.pull import Puller

        return Puller(
            self.database,
            self.store,
            self.adapters,
            self.applier,
            time_budget_s=self.settings.sync_time_budget_seconds,
            is_ending=self.draining.is_asked,
        )

    @cached_property
    def run_status(self) -> RunStatusBoard:
        """Status of runs for live views."""
        from shared.sync.run_status import RunStatusBoard

        return RunStatusBoard(self.intake.tables)

    @cached_property
    def reconciler(self) -> Reconciler:
        """Handler of reconciles."""
        from shared.sync.chronicle import Chronicle
        from shared.sync.conflict_items import ConflictItems
        from shared.sync.creating import Creator
        from shared.sync.gone import Gone
        from shared.sync.pushing import Pusher
        from shared.sync.reconcile import Reconciler
        from shared.sync.vendor_merges import VendorMerges

        items = ConflictItems(self.store.conflicts, self.vault)
        return Reconciler(
            self.database,
            self.store,
            self.adapters,
            self.applier,
            Pusher(self.database, self.store, items, Chronicle(self.store.history, self.vault)),
            Creator(self.database, self.store, self.applier, self.keys),
            Gone(self.database, self.store, self.applier),
            VendorMerges(self.database, self.store, self.merges),
        )

    @cached_property
    def comparer(self) -> Comparer:
        """Handler of full comparisons."""
        from shared.sync.comparing import Comparer

        return Comparer(
            self.database,
            self.store,
            self.adapters,
            self.applier,
            self.keys,
            time_budget_s=self.settings.sync_time_budget_seconds,
        )

    @cached_property
    def comparisons(self) -> Comparisons:
        """Starts full comparisons and shows them."""
        from shared.sync.parity import Comparisons

        return Comparisons(self.database, self.store, self.knocker)

    @cached_property
    def deletes(self) -> Deletes:
        """Performs people's decisions about what the delete brake holds."""
        from shared.sync.brake import Deletes

        return Deletes(self.database, self.store, self.knocker)

    @cached_property
    def quarantine(self) -> Quarantine:
        """Redrives what could not be taken in."""
        from shared.sync.quarantine import Quarantine

        return Quarantine(self.database, self.store, self.knocker)

    @cached_property
    def suppression(self) -> Suppression:
        """Tells which people stay away."""
        from shared.sync.suppression import Suppression

        return Suppression(self.store, self.keys)

    @cached_property
    def intake(self) -> Intake:
        """The webhook intake."""
        from shared.intake.wiring import Intake

        return Intake(self)

    @cached_property
    def handlers(self) -> dict[str, Handler]:
        """Job handlers by the name that stands in `sync_queue.action`."""
        from shared.intake.handler import PublishHandler
        from shared.sync.outbound import OutboundSweep
        from shared.sync.priorities import COMPARE, PUBLISH, PULL, PUSH_MOVED, RECONCILE, RETEST, REVERT
        from shared.sync.run_status import ShownLive
        from shared.sync.standing import Retest

        return {
            PULL: ShownLive(self.puller, self.run_status, self.database, self.store.runs),
            RECONCILE: self.reconciler,
            COMPARE: self.comparer,
            PUSH_MOVED: OutboundSweep(self.database, self.store, time_budget_s=self.settings.sync_time_budget_seconds),
            REVERT: self.reverts,
            PUBLISH: PublishHandler(self.intake.publishing, self.intake.keeping),
            RETEST: Retest(self.database, self.store, self.adapters, self.syncs.resume),
        }

    @cached_property
    def runner(self) -> Runner:
        """Answers knocks."""
        from shared.sync.faults import fault_from
        from shared.sync.next_step import Backoff
        from shared.sync.runner import Limits, Runner

        settings = self.settings
        limits = Limits(
            lease_s=settings.sync_lease_seconds,
            at_once=settings.sync_batch_size,
            per_integration=settings.sync_max_concurrent,
            per_company=settings.sync_max_concurrent_company,
            visibility_s=settings.sync_visibility_seconds,
        )
        fault = fault_from(settings.sandbox_fault_file)
        return Runner(
            self.database,
            self.store,
            self.knocker,
            self.handlers,
            limits,
            backoff=Backoff(settings.sync_retry_jitter),
            fault=fault,
            is_ending=self.draining.is_asked,
        )

    @cached_property
    def poison(self) -> PoisonRecorder:
        """Records what poisoned a queue."""
        from shared.sync.poison import PoisonRecorder

        return PoisonRecorder(self.database, self.store, self.queues)

    @cached_property
    def sweep(self) -> Sweep:
        """Knocks for what is due, starts schedules."""
        from shared.sync.sweep import Sweep
        from shared.sync.vanishing import Watch

        return Sweep(
            self.database,
            self.queues,
            self.knocker,
            self.syncs,
            self.comparisons,
            per_integration=self.settings.sync_max_concurrent,
            watch=Watch(self.database, self.store, self.queues, self.traffic),
        )

    @cached_property
    def reminders(self) -> Reminders:
        """Tells people of what waits too long."""
        from shared.sync.reminders import Reminders

        return Reminders(self.database, due=timedelta(hours=self.settings.conflict_due_h))

    @cached_property
    def maintenance(self) -> Maintenance:
        """Nightly upkeep."""
        from shared.maintenance import Maintenance

        return Maintenance(self.database, self.intake.keeping, self.run_status)

    async def aclose(self) -> None:
        """Close what was opened."""
        opened = self.__dict__
        if "intake" in opened:
            await self.intake.aclose()
        if "adapters" in opened:
            await self.adapters.aclose()
        if "limit_tables" in opened:
            await self.limit_tables.aclose()
        if "queues" in opened:
            await self.queues.aclose()
        if "database" in opened:
            await self.database.aclose()


_current: tuple[asyncio.AbstractEventLoop, Services] | None = None


def services() -> Services:
    """Return this process's services for the running event loop. Raises SettingsError with every fault named."""
    global _current  # noqa: PLW0603 - the one cache of the process
    loop = asyncio.get_running_loop()
    if _current is None or _current[0] is not loop:
        settings = load_settings()
        telemetry.configure(settings)
        _current = (loop, Services(settings))
        _current[1].draining.watch()
    return _current[1]
