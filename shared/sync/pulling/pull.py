"""
Pulls: every page of one entity, or what changed since the last pull that was complete or partial.

The next page is fetched while this one is merged and written. A page and its cursor commit together, so that a pull cut
short fetches two pages again at most. One that nears its time budget, or whose process ends soon, goes on as the same
job. The next pull starts from the *start* of this one, less the adapter's overlap: what changes meanwhile is seen
again, never missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import psycopg

from shared.adapters.protocol import Cursor, Page
from shared.errors import AuthFailed, Conflict, CursorExpired, NotFound, Permanent
from shared.model import Direction, RunStatus
from shared.store.attention import Quarantined
from shared.store.database import Database, Transaction
from shared.store.ledger import Job, JobRequest, Knock
from shared.store.links import EXTERNAL_KEY
from shared.store.runs import Counts, Run
from shared.store.store import Store
from shared.sync.applying.apply import Applier
from shared.sync.jobs import waiting
from shared.sync.jobs.endings import Continue, Done, Ending
from shared.sync.jobs.priorities import RECONCILE, WEBHOOK_SIGNAL
from shared.sync.jobs.restarting import begun_again
from shared.sync.jobs.wakeups import wake_what_is_over
from shared.sync.merging.observations import Observation
from shared.sync.merging.work import Applied, Work
from shared.sync.pulling import coverage
from shared.sync.pulling.quarantine import refused_by_database
from shared.sync.pulling.reading import PageReader, Read, Reader, Source, collect_seldom, one_ahead
from shared.sync.pulling.run_evidence import evidence_of, missing_records, status_of, tell_of_missing
from shared.sync.runs.run_jobs import end_cancelled_siblings, next_pulls
from shared.sync.vendors.adapters import Adapters

TRIES_PER_PAGE = 3
"""Times that a page is applied again because another worker was faster, before the job is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pull(Source):
    """One execution of a pull's job."""

    job: Job
    run: Run

    @property
    def reads_all(self) -> bool:
        """Whether everything is read, not only what changed: of a pull that has started."""
        capability = type(self.adapter).capabilities.entities[self.job.entity]
        return self.run.mode == "full" or self.is_first or not capability.incremental


class Puller:
    """Handler of `pull` jobs."""

    def __init__(
        self,
        database: Database,
        store: Store,
        adapters: Adapters,
        applier: Applier,
        *,
        time_budget_s: float,
        is_ending: Callable[[], bool],
        first_reader: Reader | None = None,
    ) -> None:
        """
        *is_ending* tells that this process ends soon: a pull then goes on elsewhere from its next page.

        *first_reader* reads the pages of first pulls; without one this process does, as it does all others.
        """
        self._database = database
        self._reader = PageReader(database, store, applier)
        self._first_reader = first_reader or self._reader
        self._store = store
        self._adapters = adapters
        self._applier = applier
        self._time_budget_s = time_budget_s
        self._is_ending = is_ending

    async def __call__(self, job: Job) -> Ending:
        """Pull until the vendor says that there is no more, or the time budget ends."""
        collect_seldom()
        async with self._database.company(job.company_id) as tx:
            await self._store.ledger.guard(tx, job)
            integration = await self._store.connections.get(tx, job.integration_id)
            run = await self._current_run(tx, job)
        if run is None:
            return Done("nothing_to_run")
        if not integration.allows(job.entity, Direction.INBOUND):
            return await self._end(job, run, RunStatus.FAILED, error="this entity may not come in: config.directions")
        async with self._adapters.connected(integration) as adapter:
            work = Work(integration, type(adapter), job.entity, job, run.id)
            pull = _Pull(job=job, run=run, work=work, book=self._applier.book(work), adapter=adapter)
            try:
                return await self._pull(pull)
            except (Permanent, AuthFailed) as error:
                again = begun_again(job) if isinstance(error, CursorExpired) else None
                if again is not None:
                    # Nothing is lost: the run starts over from its own beginning, and known pages cost no writes.
                    # What it has read so far says nothing of the list that begins now.
                    async with self._database.company(job.company_id) as tx:
                        await self._store.ledger.guard(tx, job)
                        await self._store.runs.move_cursor(tx, integration.id, job.entity, run.id, None)
                        await self._store.runs.begin_again(tx, run.id)
                    return again
                if isinstance(error, AuthFailed):  # else the job is given up, and ends its run
                    await self._end(job, run, RunStatus.FAILED, error=f"{error.code}: {error}")
                raise

    async def _current_run(self, tx: Transaction, job: Job) -> Run | None:
        """Return the oldest run that is not over; one that was asked for meanwhile comes after it."""
        running = await self._store.runs.running(tx, job.integration_id, job.entity, Direction.INBOUND)
        return running[0] if running else None

    async def _pull(self, pull: _Pull) -> Ending:
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._time_budget_s
        pull = await self._started(pull)
        knocks: list[Knock] = []
        last_page = False
        reader = self._first_reader if pull.is_first else self._reader
        async with one_ahead(reader.pages(pull)) as reads:
            async for read in reads:
                applied, is_cancelled = await self._take_in(pull, read)
                knocks.extend(applied.knocks)
                knocks.extend(await self._wake(pull, applied))
                if is_cancelled:
                    return await self._end(pull.job, pull.run, RunStatus.CANCELLED, knocks=knocks)
                last_page = read.page.following is None
                if not last_page and (clock() > deadline or self._is_ending()):
                    return Continue(knocks=knocks)
        if not last_page:
            return Continue(knocks=knocks)
        return await self._complete(pull, knocks)

    async def _started(self, pull: _Pull) -> _Pull:
        """Return *pull* with its start: the page where its last execution stopped, else the run's own beginning."""
        entity, integration = pull.job.entity, pull.work.integration
        async with self._database.company(pull.job.company_id) as tx:
            await self._store.ledger.guard(tx, pull.job)
            cursor = await self._store.runs.lock_cursor(tx, integration.id, entity)
            pull = replace(pull, is_first=cursor.watermark is None)
            if cursor.run_id == pull.run.id and cursor.position is not None:
                return replace(pull, start=Cursor(cursor.position))
            await self._store.runs.move_cursor(tx, integration.id, entity, pull.run.id, None)
            await self._store.runs.expect(tx, pull.run, is_whole=pull.reads_all)
        if pull.reads_all or cursor.watermark is None:
            return pull
        overlap = type(pull.adapter).capabilities.entities[entity].overlap
        return replace(pull, start=pull.adapter.since(entity, cursor.watermark - overlap))

    async def _wake(self, pull: _Pull, applied: Applied) -> list[Knock]:
        """Look once more after those who wait: what they wait for may have come in while the page was written."""
        if not applied.waits:
            return []
        async with self._database.company(pull.job.company_id) as tx:
            return await wake_what_is_over(tx, self._store, pull.work.integration.id, list(applied.waits.values()))

    async def _take_in(self, pull: _Pull, read: Read) -> tuple[Applied, bool]:
        for attempt in range(1, TRIES_PER_PAGE + 1):
            try:
                return await self._write_page(pull, read)
            except Conflict as error:
                # A lost lease is a Conflict too, and repeating would only lose it again.
                if attempt == TRIES_PER_PAGE or error.code != Conflict.code:
                    raise
            except psycopg.DataError:
                return await self._bisect(pull, read)
        raise AssertionError("unreachable")

    async def _write_page(self, pull: _Pull, read: Read) -> tuple[Applied, bool]:
        page = read.page
        async with self._database.company(pull.job.company_id) as tx:
            await self._store.ledger.guard(tx, pull.job)
            applied = await self._applier.apply(tx, pull.work, read.observations, pull.book, foreseen=read.foreseen)
            refused = await self._refused(tx, pull, page)
            applied.knocks.extend(await self._quarantine(tx, pull, refused))
            is_cancelled = await self._record_page(tx, pull, read, applied, len(refused))
        return applied, is_cancelled

    async def _record_page(self, tx: Transaction, pull: _Pull, read: Read, applied: Applied, quarantined: int) -> bool:
        listed = len(read.observations) + len(read.page.refused)
        stay_away = listed - applied.counts.read - quarantined
        counts = replace(
            applied.counts,
            pages=1,
            requests=read.page.requests,
            read=listed,
            quarantined=quarantined,
            suppressed=applied.counts.suppressed + stay_away,
        )
        entity, integration_id = pull.job.entity, pull.work.integration.id
        await self._store.runs.move_cursor(tx, integration_id, entity, pull.run.id, read.page.following)
        return await self._store.runs.add(tx, pull.run.id, counts, applied.coverage)

    async def _bisect(self, pull: _Pull, read: Read) -> tuple[Applied, bool]:
        """A row that breaks the statement is found by halves and set aside; the others come in."""
        counts, quarantined, shown, knocks = Counts(), 0, dict[str, int](), list[Knock]()
        halves: list[Sequence[Observation]] = [read.observations]
        while halves:
            half = halves.pop()
            try:
                async with self._database.company(pull.job.company_id) as tx:
                    await self._store.ledger.guard(tx, pull.job)
                    applied = await self._applier.apply(tx, pull.work, half, pull.book)
            except psycopg.DataError as error:
                if len(half) > 1:
                    halves += [half[len(half) // 2 :], half[: len(half) // 2]]
                    continue
                quarantined += 1
                async with self._database.company(pull.job.company_id) as tx:
                    await self._store.ledger.guard(tx, pull.job)
                    row = refused_by_database(half[0].external_id, error)
                    knocks.extend(await self._quarantine(tx, pull, [row]))
                continue
            counts = _added(counts, applied.counts)
            knocks.extend(applied.knocks)
            shown = {name: shown.get(name, 0) + applied.coverage.get(name, 0) for name in {*shown, *applied.coverage}}
        whole = Applied(counts, shown, (), knocks)
        async with self._database.company(pull.job.company_id) as tx:
            await self._store.ledger.guard(tx, pull.job)
            refused = await self._refused(tx, pull, read.page)
            knocks.extend(await self._quarantine(tx, pull, refused))
            is_cancelled = await self._record_page(tx, pull, read, whole, quarantined + len(refused))
        return whole, is_cancelled

    async def _refused(self, tx: Transaction, pull: _Pull, page: Page) -> list[Quarantined]:
        """Return what of *page* could not be read and is to be set aside; of suppressed people nothing is kept."""
        ids = [each.external_id for each in page.refused if each.external_id is not None]
        hidden = await self._applier.suppression.hidden_ids(tx, pull.work.integration.id, pull.job.entity, ids)
        await self._store.attention.recover(tx, pull.work.integration.id, pull.job.entity, sorted(hidden))
        return [
            Quarantined(each.external_id, "invalid_payload", each.reason)
            for each in page.refused
            if each.external_id not in hidden
        ]

    async def _quarantine(self, tx: Transaction, pull: _Pull, rows: Sequence[Quarantined]) -> list[Knock]:
        """Set records aside, and let each be fetched again by its id within the hour."""
        integration_id, entity = pull.work.integration.id, pull.job.entity
        await self._store.attention.quarantine(tx, integration_id, entity, rows, pull.run.id)
        return await self._store.ledger.enqueue(
            tx,
            [
                JobRequest(
                    integration_id,
                    RECONCILE,
                    entity,
                    EXTERNAL_KEY + row.external_id,
                    Direction.INBOUND,
                    WEBHOOK_SIGNAL,
                    hold_reason=waiting.quarantine(integration_id, entity, row.external_id),
                )
                for row in rows
                if row.external_id is not None
            ],
        )

    async def _complete(self, pull: _Pull, knocks: list[Knock]) -> Ending:
        """Every page was read. The run is partial if records wait, are set aside, or are missed; else complete."""
        integration, entity = pull.work.integration, pull.job.entity
        async with self._database.company(pull.job.company_id) as tx:
            await self._store.ledger.guard(tx, pull.job)
            run = await self._store.runs.get(tx, pull.run.id)
            if run is None:
                raise NotFound(f"there is no run {pull.run.id}")
            missing = missing_records(run, integration)
            status = status_of(run, missing)
            await self._store.runs.end(tx, run, status, evidence=evidence_of(run))
            if pull.reads_all:
                await self._store.runs.full_read(tx, integration.id, entity, run.started_at)
            await tell_of_missing(tx, self._store, run, missing)
            if not missing:  # from a list that is not whole nothing follows, the next start least of all
                await self._store.runs.advance(
                    tx, integration.id, entity, run.started_at, is_complete=status is RunStatus.COMPLETE
                )
                await self._store.connections.compared(tx, integration)
            await coverage.compare(tx, self._store, integration, run)
            await coverage.tell_of_custom_fields(tx, self._store, integration, run)
            overdue = await self._applier.left_out.overdue(tx, integration)
            knocks.extend(await self._store.ledger.enqueue(tx, overdue))
            knocks.extend(await self._store.ledger.enqueue(tx, await next_pulls(tx, self._store, run)))
            has_more = await self._current_run(tx, pull.job) is not None
        return Continue(knocks=knocks) if has_more else Done(status.value, knocks)

    async def _end(
        self, job: Job, run: Run, status: RunStatus, *, error: str | None = None, knocks: Sequence[Knock] = ()
    ) -> Ending:
        all_knocks = list(knocks)
        async with self._database.company(job.company_id) as tx:
            await self._store.ledger.guard(tx, job)
            await self._store.runs.end(tx, run, status, error=error)
            await end_cancelled_siblings(tx, self._store, run)
            all_knocks.extend(await self._store.ledger.enqueue(tx, await next_pulls(tx, self._store, run)))
            has_more = await self._current_run(tx, job) is not None
        return Continue(knocks=all_knocks) if has_more else Done(status.value, all_knocks)


def _added(one: Counts, other: Counts) -> Counts:
    return Counts(**{name: getattr(one, name) + getattr(other, name) for name in Counts.__dataclass_fields__})
