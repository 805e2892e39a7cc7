"""
The composition root: everything that is built once per process and event loop, on first use.

No import builds anything. Pools and clients open inside the loop that uses them; another loop gets its own.
"""

from __future__ import annotations

import asyncio
from functools import cached_property
from typing import TYPE_CHECKING

from shared import telemetry
from shared.composition.requests import Requests
from shared.settings import load_settings

if TYPE_CHECKING:
    from shared.intake.wiring import Intake
    from shared.maintenance import Maintenance
    from shared.sync.comparing.compare import Comparer
    from shared.sync.pulling.pull import Puller
    from shared.sync.reconciling.reconcile import Reconciler
    from shared.sync.runs.run_status import RunStatusBoard
    from shared.sync.workers.poison import PoisonRecorder
    from shared.sync.workers.runner import Handler, Runner
    from shared.sync.workers.sweep import Sweep


class Services(Requests):
    """What functions and commands are given: besides what people ask for, the parts that answer jobs and timers."""

    @cached_property
    def puller(self) -> Puller:
        """Handler of pulls."""
        from shared.sync.pulling.pull import Puller

        return Puller(
            self.database,
            self.store,
            self.adapters,
            self.applier,
            time_budget_s=self.settings.sync_time_budget_seconds,
            is_ending=self.draining.is_asked,
            first_reader=self.first_reader,
        )

    @cached_property
    def run_status(self) -> RunStatusBoard:
        """Status of runs for live views."""
        from shared.sync.runs.run_status import RunStatusBoard

        return RunStatusBoard(self.intake.tables)

    @cached_property
    def reconciler(self) -> Reconciler:
        """Handler of reconciles."""
        from shared.sync.candidates.vendor_merges import VendorMerges
        from shared.sync.creating.create import Creator
        from shared.sync.creating.moved_submissions import MovedSubmissions
        from shared.sync.keeping.chronicle import Chronicle
        from shared.sync.keeping.conflict_items import ConflictItems
        from shared.sync.reconciling.pushing import Pusher
        from shared.sync.reconciling.reconcile import Reconciler
        from shared.sync.removing.gone import Gone
        from shared.sync.removing.on_archive import Remover
        from shared.sync.submissions.create_attempts import CreateAttempts

        items = ConflictItems(self.store.conflicts, self.vault)
        gone = Gone(self.database, self.store, self.applier)
        attempts = CreateAttempts(self.store, self.vault, self.keys)
        vendor_merges = VendorMerges(self.database, self.store, self.keys, self.applier, self.merges, attempts=attempts)
        return Reconciler(
            self.database,
            self.store,
            self.adapters,
            self.applier,
            Pusher(self.database, self.store, items, Chronicle(self.store.history, self.vault)),
            Creator(self.database, self.store, self.applier, attempts),
            gone,
            vendor_merges,
            remover=Remover(self.database, self.store, gone),
            moved=MovedSubmissions(self.database, self.store, attempts, vendor_merges),
        )

    @cached_property
    def comparer(self) -> Comparer:
        """Handler of full comparisons."""
        from shared.sync.comparing.compare import Comparer

        return Comparer(
            self.database,
            self.store,
            self.adapters,
            self.applier,
            self.keys,
            time_budget_s=self.settings.sync_time_budget_seconds,
        )

    @cached_property
    def intake(self) -> Intake:
        """The webhook intake."""
        from shared.intake.wiring import Intake

        return Intake(self)

    @cached_property
    def handlers(self) -> dict[str, Handler]:
        """Job handlers by the name that stands in `sync_queue.action`."""
        from shared.intake.handler import PublishHandler
        from shared.sync.jobs.priorities import COMPARE, PUBLISH, PULL, PUSH_MOVED, RECONCILE, RETEST, REVERT
        from shared.sync.reconciling.outbound import OutboundSweep
        from shared.sync.runs.run_jobs import Redrivable
        from shared.sync.runs.run_status import ShownLive
        from shared.sync.workers.standing import Retest

        return {
            PULL: Redrivable(
                ShownLive(self.puller, self.run_status, self.database, self.store.runs), self.database, self.store
            ),
            RECONCILE: self.reconciler,
            COMPARE: self.comparer,
            PUSH_MOVED: Redrivable(
                OutboundSweep(self.database, self.store, time_budget_s=self.settings.sync_time_budget_seconds),
                self.database,
                self.store,
            ),
            REVERT: Redrivable(self.reverts, self.database, self.store),
            PUBLISH: PublishHandler(self.intake.publishing, self.intake.keeping),
            RETEST: Retest(self.database, self.store, self.adapters, self.syncs.resume),
        }

    @cached_property
    def runner(self) -> Runner:
        """Answers knocks."""
        from shared.sync.jobs.next_step import Backoff
        from shared.sync.workers.faults import fault_from
        from shared.sync.workers.runner import Limits, Runner

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
        from shared.sync.workers.poison import PoisonRecorder

        return PoisonRecorder(self.database, self.store, self.queues)

    @cached_property
    def sweep(self) -> Sweep:
        """Knocks for what is due, starts schedules."""
        from shared.sync.vendors.breakers import BreakerWatch
        from shared.sync.workers.sweep import Sweep
        from shared.sync.workers.vanishing import Watch

        return Sweep(
            self.database,
            self.queues,
            self.knocker,
            self.syncs,
            self.comparisons,
            per_integration=self.settings.sync_max_concurrent,
            watch=Watch(self.database, self.store, self.queues, self.traffic),
            breakers=None if self.limiter_off else BreakerWatch(self.database, self.store, self.limit_tables),
        )

    @cached_property
    def maintenance(self) -> Maintenance:
        """Nightly upkeep."""
        from shared.integrations.leaving import Leaving
        from shared.integrations.switching import Canceller
        from shared.maintenance import Maintenance
        from shared.store.integrations import Integrations

        canceller = Canceller(Integrations(), self.store.ledger, self.store.logs, self.store.runs)
        leaving = Leaving(canceller, self.store.logs)
        return Maintenance(self.database, self.intake.keeping, self.run_status, leaving)

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
