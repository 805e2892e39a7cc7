"""
Applications that creates of ours may have made, and that the vendor shows with somebody else.

A vendor that merges two people moves their applications along. Such a one may be seen here before the merge is, while
the answer of its create is still out: nobody knows its id, and it is not the candidate's whom it was submitted for. It
is ours only if that candidate has gone there, so the vendor is asked; until their create has ended it waits.
"""

from __future__ import annotations

from uuid import UUID

from shared.adapters.protocol import Adapter
from shared.errors import InvalidPayload, NotFound
from shared.model import Direction, EntityType, Record
from shared.store.database import Database
from shared.store.ledger import JobRequest, Knock
from shared.store.record_merges import merge_key
from shared.store.store import Store
from shared.sync.candidates.vendor_merges import VendorMerges, is_there
from shared.sync.jobs.priorities import RECONCILE, WEBHOOK_SIGNAL
from shared.sync.merging.work import Work
from shared.sync.submissions.create_attempts import CreateAttempts

CANDIDATE, APPLICATION = EntityType.CANDIDATE, EntityType.APPLICATION


class MovedSubmissions:
    """Tells which creates under way can't have made an application that came in, for its candidate is another one."""

    def __init__(self, database: Database, store: Store, attempts: CreateAttempts, vendor_merges: VendorMerges) -> None:
        self._database = database
        self._store = store
        self._attempts = attempts
        self._vendor_merges = vendor_merges

    async def others(self, work: Work, adapter: Adapter, record: Record) -> tuple[frozenset[UUID], list[Knock]]:
        """
        Return those of our applications under way for the job of *record*, just fetched, that are other ones.

        They are for somebody whom the vendor still has. Where one is not, and who holds *record* shows what came from
        them, the merge is followed, as if its event had come. Raises what the vendor's answers raise.
        """
        holder = record.references.get("candidate_id")
        sought = {} if holder is None else await self._sought(work, record)
        found: set[UUID] = set()
        knocks: list[Knock] = []
        for application_id, external_id in sought.items():
            if external_id is None or await is_there(adapter, external_id):
                found.add(application_id)
            elif holder is not None and external_id != holder.external_id:
                knocks += await self._follow(work, adapter, external_id, holder.external_id)
        return frozenset(found), knocks

    async def _sought(self, work: Work, record: Record) -> dict[UUID, str | None]:
        """Return the vendor's ids of the candidates for whom the job's applications are being created, by ours."""
        job = record.references.get("job_id")
        if work.entity is not APPLICATION or job is None:
            return {}
        integration_id = work.integration.id
        async with self._database.company(work.integration.company_id) as tx:
            if not await self._store.create_intents.any_open(tx, integration_id, APPLICATION):
                return {}
            if await self._store.links.internal_ids(tx, integration_id, APPLICATION, [record.external_id]):
                return {}
            jobs = await self._store.links.internal_ids(tx, integration_id, EntityType.JOB, [job.external_id])
            return await self._attempts.sought(tx, integration_id, sorted(jobs.values()))

    async def _follow(self, work: Work, adapter: Adapter, gone: str, holder: str) -> list[Knock]:
        """Let the candidate *gone* be looked for at *holder*, if that one shows what came from them."""
        integration_id = work.integration.id
        async with self._database.company(work.integration.company_id) as tx:
            link = (await self._store.links.by_external(tx, integration_id, CANDIDATE, [gone])).get(gone)
        try:
            survivor = await adapter.fetch(CANDIDATE, holder)
        except (NotFound, InvalidPayload):
            return []
        if link is None or not await self._vendor_merges.is_shown(work, adapter, link, survivor):
            return []
        async with self._database.company(work.integration.company_id) as tx:
            request = JobRequest(
                integration_id,
                RECONCILE,
                CANDIDATE,
                str(link.internal_id),
                Direction.INBOUND,
                WEBHOOK_SIGNAL,
                {merge_key(gone): holder},
            )
            return await self._store.ledger.enqueue(tx, [request])
