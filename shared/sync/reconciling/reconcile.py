"""
Reconcile one record with one integration: fetch, merge, write ours, write theirs.

The job's key says what is known. With our id the link's both sides are brought together, and what the vendor lacks
is pushed. With the vendor's id alone (`ext:…`) the record is brought in; what has to go out then is a job of its own
key, so that no two workers ever write one link side by side.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from uuid import UUID

import psycopg

from shared.adapters.protocol import Adapter
from shared.errors import InvalidPayload, NotFound
from shared.model import Direction, EntityType, LogAction, LogStatus, Record
from shared.store.attention import Quarantined
from shared.store.database import Database, Transaction
from shared.store.ledger import Job, JobRequest, Knock
from shared.store.links import EXTERNAL_KEY, Link, Ticket
from shared.store.removals import REVOKED
from shared.store.store import Store
from shared.sync.applying.apply import Applier
from shared.sync.applying.outcome_log import log_row
from shared.sync.candidates.vendor_merges import VendorMerges
from shared.sync.creating.create import Creator
from shared.sync.creating.moved_submissions import MovedSubmissions
from shared.sync.jobs import waiting
from shared.sync.jobs.endings import Continue, Done, Ending, Hold, together
from shared.sync.jobs.priorities import RECONCILE
from shared.sync.merging.distrust import Distrust
from shared.sync.merging.observations import Observation, observe
from shared.sync.merging.one_record import Merged
from shared.sync.merging.work import Applied, Work
from shared.sync.pulling.quarantine import refused_by_database
from shared.sync.reconciling.older_looks import LOOK_AGAIN_S, OlderLooks
from shared.sync.reconciling.pushing import Pusher
from shared.sync.removing.gone import Gone
from shared.sync.removing.on_archive import Remover
from shared.sync.vendors.adapters import Adapters


class Reconciler:
    """Handler of `reconcile` jobs."""

    def __init__(
        self,
        database: Database,
        store: Store,
        adapters: Adapters,
        applier: Applier,
        pusher: Pusher,
        creator: Creator,
        gone: Gone,
        vendor_merges: VendorMerges,
        *,
        remover: Remover,
        moved: MovedSubmissions,
    ) -> None:
        self._database = database
        self._store = store
        self._adapters = adapters
        self._applier = applier
        self._pusher = pusher
        self._creator = creator
        self._gone = gone
        self._remover = remover
        self._vendor_merges = vendor_merges
        self._moved = moved
        self._older_looks = OlderLooks(database, store)

    async def __call__(self, job: Job) -> Ending:
        """Bring the job's record and its integration together."""
        async with self._database.company(job.company_id) as tx:
            await self._store.ledger.guard(tx, job)
            integration = await self._store.connections.get(tx, job.integration_id)
            links = await self._links(tx, job)
            released = await self._creator.give_way(tx, job, links) if links else []
            handed_over = None if links else await self._hand_over(tx, job)
        if not any(integration.allows(job.entity, direction) for direction in Direction):
            return Done("entity_off")
        if handed_over is not None:
            return handed_over
        async with self._adapters.connected(integration) as adapter:
            work = Work(integration, type(adapter), job.entity, job, job.run_id)
            if job.record_key.startswith(EXTERNAL_KEY):
                return await self._bring_in(work, adapter, job.record_key.removeprefix(EXTERNAL_KEY))
            if not links:
                return await self._creator.create(work, adapter, UUID(job.record_key))
            ending = together([await self._bring_together(work, adapter, link) for link in links])
            return replace(ending, knocks=[*released, *ending.knocks])

    async def _links(self, tx: Transaction, job: Job) -> list[Link]:
        """Return the record's links at the job's integration; more than one only after people were merged."""
        if job.record_key.startswith(EXTERNAL_KEY):
            return []
        record_id = UUID(job.record_key)
        links = (await self._store.links.of_records(tx, [record_id])).get(record_id, [])
        return [link for link in links if link.integration_id == job.integration_id]

    async def _hand_over(self, tx: Transaction, job: Job) -> Done | None:
        """A job that was asked before its record became part of another one is that one's."""
        if job.record_key.startswith(EXTERNAL_KEY) or job.entity is not EntityType.CANDIDATE:
            return None
        record_id = UUID(job.record_key)
        survivor_id = (await self._store.record_merges.survivors(tx, [record_id])).get(record_id)
        if survivor_id is None:
            return None
        request = JobRequest(
            job.integration_id,
            RECONCILE,
            job.entity,
            str(survivor_id),
            job.direction,
            job.priority,
            payload=job.payload,
            run_id=job.run_id,
        )
        return Done("merged", await self._store.ledger.enqueue(tx, [request]))

    async def _bring_in(self, work: Work, adapter: Adapter, external_id: str) -> Ending:
        """Fetch a record that only the vendor's id names, and apply it as a page of one."""
        ticket = await self._ticket()
        try:
            record = await adapter.fetch(work.entity, external_id)
        except NotFound:
            return await self._never_seen(work, external_id)
        except InvalidPayload as error:
            return await self._set_aside(work, Quarantined(external_id, error.code, str(error)))
        others, told = await self._moved.others(work, adapter, record)
        merged, knocks, ending = await self._apply(work, record, ticket, others=others)
        if ending is None:
            ending = Done("created" if any(each.is_new for each in merged) else "brought_in", knocks)
        return replace(ending, knocks=[*told, *ending.knocks])

    async def _bring_together(self, work: Work, adapter: Adapter, link: Link) -> Ending:
        ticket = await self._ticket()
        try:
            record = await adapter.fetch(work.entity, link.external_id)
        except NotFound:
            followed = await self._vendor_merges.follow(work, adapter, link, ticket)
            return followed or await self._gone.settle(work, link, ticket)
        except InvalidPayload as error:
            return await self._set_aside(work, Quarantined(link.external_id, error.code, str(error)))
        merged, knocks, ending = await self._apply(work, record, ticket, with_pushes=True)
        if ending is not None:
            return ending
        if work.job is not None and work.job.payload.get(REVOKED):
            await self._remover.forget(work, link)
        wants_merge = False
        for each in merged:
            if each.outcome.push:
                wants_merge |= await self._pusher.push(work, adapter, each, self._applier.book(work))
            removed = await self._remover.remove(work, adapter, each)
            if removed is not None:
                return together([removed, Done("reconciled", knocks)])
        return Continue(0.0, knocks) if wants_merge else Done("reconciled", knocks)

    async def _ticket(self) -> Ticket:
        """Number the request that follows."""
        async with self._database.dispatch() as tx:
            return await self._store.links.ticket(tx)

    async def _apply(
        self,
        work: Work,
        record: Record,
        ticket: Ticket,
        *,
        with_pushes: bool = False,
        others: Collection[UUID] = (),
    ) -> tuple[Sequence[Merged], list[Knock], Ending | None]:
        """Transaction 1: ours, base, intents, conflicts, log. An ending says that the record has to wait."""
        job = work.job
        if job is None:
            raise AssertionError("a reconcile is a job")
        book = self._applier.book(work)
        (observation,) = observe([record], ticket, context=book.context, is_fresh_fetch=True)
        try:
            async with self._database.company(job.company_id) as tx:
                await self._store.ledger.guard(tx, job)
                applied = await self._applier.apply(
                    tx,
                    work,
                    [observation],
                    book,
                    is_forced=True,
                    with_pushes=with_pushes,
                    distrust=Distrust.read(job.payload),
                    others=others,
                )
        except psycopg.DataError as error:
            return (), [], await self._set_aside(work, refused_by_database(record.external_id, error))
        ending = await self._unfinished(work, job, observation, applied)
        return () if ending is not None else applied.merged, applied.knocks, ending

    async def _unfinished(self, work: Work, job: Job, observation: Observation, applied: Applied) -> Ending | None:
        """Return how the job ends where *observation* did not come in, or not for good; None where it did."""
        if applied.waits:
            return Hold(next(iter(applied.waits.values())), "waits for another record or a person", applied.knocks)
        if applied.left_out:
            return Done("left_out", applied.knocks)
        if applied.counts.suppressed:
            return Done("suppressed", applied.knocks)
        if applied.is_stale:
            return replace(await self._older_looks.wait(work, job, observation), knocks=applied.knocks)
        if any(each.wants_fetch for each in applied.merged):
            return Continue(LOOK_AGAIN_S, applied.knocks)
        return None

    async def _never_seen(self, work: Work, external_id: str) -> Ending:
        """An event or a child named a record that the vendor does not have (any more)."""
        async with self._database.company(work.integration.company_id) as tx:
            await work.guard(tx, self._store.ledger)
            await self._store.logs.write(
                tx,
                [
                    log_row(
                        work,
                        LogAction.SKIPPED,
                        LogStatus.SUCCESS,
                        external_id=external_id,
                        details={"rule": "unknown_at_vendor"},
                    )
                ],
            )
        return Done("unknown_at_vendor")

    async def _set_aside(self, work: Work, row: Quarantined) -> Ending:
        external_id = row.external_id or ""
        async with self._database.company(work.integration.company_id) as tx:
            await work.guard(tx, self._store.ledger)
            if await self._applier.suppression.hidden_ids(tx, work.integration.id, work.entity, [external_id]):
                await self._store.attention.recover(tx, work.integration.id, work.entity, [external_id])
                return Done("suppressed")
            await self._store.attention.quarantine(tx, work.integration.id, work.entity, [row], None)
        return Hold(waiting.quarantine(work.integration.id, work.entity, external_id), row.reason)
