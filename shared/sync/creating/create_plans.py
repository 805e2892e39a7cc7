"""
What is to be created at a vendor, if anything: a submitted application, and before it its candidate.

A plan says what is sent and by what the record is searched. Where there is none, an ending says why: nothing is to be
created any more, something has to exist there first, or it can't go there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from pydantic import JsonValue

from shared.adapters.protocol import Adapter
from shared.errors import Rejected
from shared.model import Direction, EntityType, SubmissionState
from shared.store.database import Database, Transaction
from shared.store.ledger import Job, JobRequest
from shared.store.records import StoredRecord
from shared.store.store import Store
from shared.sync.editing.edits import queued_for
from shared.sync.identity.identify import application_identity, candidate_identity
from shared.sync.jobs import waiting
from shared.sync.jobs.endings import Done, Hold
from shared.sync.jobs.priorities import RECONCILE
from shared.sync.merging.work import Work
from shared.sync.submissions.create_attempts import CreateAttempts
from shared.sync.submissions.owed_submissions import closed, tell

CREATE_WITH = "create_with"
"""Key of a candidate job's payload: our id of the application that takes the candidate to the vendor."""

LEFT = "the candidate was deleted at the vendor"
ARCHIVED = "the candidate is archived"
JOB_GONE = "the job is not at the vendor any more"
NAMELESS = "a candidate without a valid e-mail can't be found again after a lost answer"
MERGED_THERE = "the vendor has the address with somebody else: it may have made the candidate and merged the two"
APPLIED = "the candidate has another application of ours for this job there"
"""Why an application can't go there; told on the application."""

URGENT = 2
"""A submission: somebody waits for it."""


@dataclass(frozen=True, slots=True)
class Create:
    """One record that is to exist at the vendor."""

    work: Work
    adapter: Adapter
    job: Job
    record: StoredRecord
    fields: Mapping[str, JsonValue]
    """As they are sent: references are the vendor's ids."""
    search: Mapping[str, JsonValue]
    """What the vendor is searched by."""
    identity: str
    application: StoredRecord | None = None
    """For a candidate: the application that is created along."""
    hindrance: str | None = None
    """Why it can't be created; what an earlier call may have made is looked for all the same."""
    withdrawn: str | None = None
    """Why it is not to be created, now or any more: as with a hindrance, but nobody is told that it failed."""


class CreatePlans:
    """Plans what is created."""

    def __init__(self, database: Database, store: Store, attempts: CreateAttempts) -> None:
        self._database = database
        self._store = store
        self._attempts = attempts

    async def of_application(self, work: Work, adapter: Adapter, job: Job, record_id: UUID) -> Create | Done | Hold:
        """
        Return the create, or a hold until the candidate exists at the vendor.

        Raises Rejected when they will not, and no earlier call may have made it.
        """
        async with self._database.company(job.company_id) as tx:
            await self._store.ledger.guard(tx, job)
            record = await self._store.records.fetch(tx, EntityType.APPLICATION, record_id)
            parents = await self._parents(tx, work, record)
            identity = application_identity(record.data)
            has_route = EntityType.JOB in parents or queued_for(record) == work.integration.id
            if identity is None or record.submission is None or not has_route:
                return await self.give_up(tx, work, adapter, job, record, "no_route")
            if record.archived_at is not None:
                return await self.give_up(tx, work, adapter, job, record, "archived")
            hindrance = await self._hindrance(tx, work, record, parents)
            if hindrance is None and EntityType.CANDIDATE not in parents:
                if closed(work.integration):
                    return await self.not_outbound(tx, work, adapter, job, record)
                return await self._send_candidate_first(tx, work, record)
            if hindrance is not None:
                if await self._attempts.was_sent(tx, work.integration.id, record):
                    return Create(work, adapter, job, record, {}, {}, identity, hindrance=hindrance)
                await self._store.records.mark_submission(
                    tx, record.id, {"state": SubmissionState.FAILED.value, "error": hindrance}
                )
        if hindrance is not None:
            raise hindered(hindrance)
        search: dict[str, JsonValue] = {
            "candidate_id": parents[EntityType.CANDIDATE],
            "job_id": parents[EntityType.JOB],
        }
        fields = {**{name: value for name, value in record.data.items() if name not in search}, **search}
        return Create(work, adapter, job, record, fields, search, identity)

    async def _hindrance(
        self, tx: Transaction, work: Work, application: StoredRecord, parents: Mapping[EntityType, str]
    ) -> str | None:
        """Return why its parents will not exist there, if so: automation makes nobody anew who was deleted there."""
        if EntityType.JOB not in parents:
            return JOB_GONE
        if EntityType.CANDIDATE in parents:
            return None
        candidate_id = UUID(str(application.data["candidate_id"]))
        candidate = await self._store.records.fetch(tx, EntityType.CANDIDATE, candidate_id)
        links = (await self._store.links.of_records(tx, [candidate_id])).get(candidate_id, [])
        if any(each.integration_id == work.integration.id and each.state != "live" for each in links):
            return LEFT
        return ARCHIVED if candidate.archived_at is not None else None

    async def _send_candidate_first(self, tx: Transaction, work: Work, record: StoredRecord) -> Hold:
        candidate_id = str(record.data["candidate_id"])
        request = JobRequest(
            work.integration.id,
            RECONCILE,
            EntityType.CANDIDATE,
            candidate_id,
            Direction.OUTBOUND,
            URGENT,
            payload={CREATE_WITH: str(record.id)},
        )
        knocks = await self._store.ledger.enqueue(tx, [request])
        reason = waiting.link(work.integration.id, EntityType.CANDIDATE, candidate_id)
        return Hold(reason, "waits for its candidate to exist at the vendor", knocks)

    async def of_candidate(self, work: Work, adapter: Adapter, job: Job, record_id: UUID) -> Create | Done:
        """Return the create along with an application; Rejected when nobody could find it again."""
        application_id = job.payload.get(CREATE_WITH)
        async with self._database.company(job.company_id) as tx:
            await self._store.ledger.guard(tx, job)
            record = await self._store.records.fetch(tx, EntityType.CANDIDATE, record_id)
            if record.archived_at is not None:
                return await self.give_up(tx, work, adapter, job, record, "archived")
            named = UUID(application_id) if isinstance(application_id, str) else None
            bearer = None if named is None else await self._bearer(tx, work, record_id, named)
            if bearer is None:
                return await self.give_up(tx, work, adapter, job, record, "no_route")
            if (identity := candidate_identity(record.data)) is None:
                if await self._attempts.was_sent(tx, work.integration.id, record):
                    return Create(work, adapter, job, record, {}, {}, str(record_id), bearer[0], hindrance=NAMELESS)
                await self._store.records.mark_submission(
                    tx, bearer[0].id, {"state": SubmissionState.FAILED.value, "error": NAMELESS}
                )
        application, job_id = bearer
        if identity is None:
            raise hindered(NAMELESS)
        fields = {**record.data, "job_id": job_id, "source": application.data.get("source")}
        search: dict[str, JsonValue] = {"email": record.data["email"]}
        return Create(work, adapter, job, record, fields, search, identity, application)

    async def not_outbound(
        self, tx: Transaction, work: Work, adapter: Adapter, job: Job, record: StoredRecord
    ) -> Create | Done:
        """Nothing of the kind goes out: people are told that an application waits for that; it stays queued."""
        if work.entity is EntityType.APPLICATION:
            await tell(tx, self._store, work.integration.id)
        return await self.give_up(tx, work, adapter, job, record, "not_outbound")

    async def give_up(
        self, tx: Transaction, work: Work, adapter: Adapter, job: Job, record: StoredRecord, why: str
    ) -> Create | Done:
        """
        Return how it ends that *record* is not created, now or any more.

        What an earlier call may have made is looked for first, by what was sent. Else it would come in beside ours,
        and ours would go out once more when it may. Whose record is archived here has nothing that it could be.
        """
        if record.archived_at is None and await self._attempts.was_sent(tx, work.integration.id, record):
            # What was sent keeps its own identity: today's may be gone.
            return Create(work, adapter, job, record, {}, {}, str(record.id), withdrawn=why)
        return await self.withdraw(tx, work, record.id, why)

    async def withdraw(self, tx: Transaction, work: Work, record_id: UUID, why: str) -> Done:
        """Nothing was created; of a candidate, applications that wait for them look again, and say so."""
        knocks = await self._attempts.withdraw(tx, work.integration.id, work.entity, record_id)
        if work.entity is EntityType.CANDIDATE:
            reason = waiting.link(work.integration.id, work.entity, record_id)
            knocks += await self._store.ledger.release_held(tx, work.integration.id, [reason])
        return Done(why, knocks)

    async def _bearer(
        self, tx: Transaction, work: Work, candidate_id: UUID, named: UUID
    ) -> tuple[StoredRecord, str] | None:
        """
        Return the application that takes the candidate to the vendor, and the vendor's id of its job.

        That is *named*, or another one that waits for the candidate to exist there. Not one that was archived since,
        nor what a merge or its end has made another one's, or what the vendor has already: it would be made once more.
        """
        others = sorted(await self._store.records.applications_of(tx, candidate_id))
        known = await self._store.records.get(tx, EntityType.APPLICATION, [named, *others])
        links = await self._store.links.of_records(tx, list(known))
        for application in (known[each] for each in (named, *others) if each in known):
            if application.archived_at is not None or application.data.get("candidate_id") != str(candidate_id):
                continue
            if any(each.integration_id == work.integration.id for each in links.get(application.id, ())):
                continue
            if application.id != named and queued_for(application) != work.integration.id:
                continue
            job_id = (await self._parents(tx, work, application)).get(EntityType.JOB)
            if job_id is not None:
                return application, job_id
        return None

    async def _parents(self, tx: Transaction, work: Work, application: StoredRecord) -> dict[EntityType, str]:
        """
        Return the vendor's ids of an application's candidate and job, where they are linked there.

        Of two of one person there, that is the primary one, unless only the other is left.
        """
        wanted = {
            UUID(str(application.data[name])): entity
            for name, entity in (("candidate_id", EntityType.CANDIDATE), ("job_id", EntityType.JOB))
            if application.data.get(name)
        }
        links = await self._store.links.of_records(tx, list(wanted))
        return {
            wanted[record_id]: link.external_id
            for record_id, record_links in links.items()
            for link in sorted(record_links, key=lambda each: each.is_primary)
            if link.integration_id == work.integration.id and link.state == "live"
        }


def hindered(hindrance: str) -> Rejected:
    """Return the refusal of what can not be created at the vendor as things are."""
    if hindrance == JOB_GONE:
        return Rejected(hindrance, field="job_id", remedy="submit the candidate to another job, or archive it")
    if hindrance == APPLIED:
        return Rejected(
            hindrance, field="job_id", remedy="archive the one that is not wanted; to keep this, redrive then"
        )
    if hindrance == NAMELESS:
        return Rejected(hindrance, field="email", remedy="give the candidate an e-mail address, then redrive the job")
    if hindrance == MERGED_THERE:
        remedy = "look for the application there; if it is missing, redrive the job, else archive this one"
        return Rejected(hindrance, field="email", remedy=remedy)
    return Rejected(hindrance, field="candidate_id", remedy="restore the candidate, then redrive the job")
