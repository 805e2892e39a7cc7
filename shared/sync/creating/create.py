"""
Creating at a vendor what the portal submitted: exactly once in effect.

Creates travel only by an explicit route; shipped is one: an application goes to the integration that owns its job,
and its candidate with it. An intent is committed before the call. A retry starts with a search for the record that a
lost answer may have made, and the link commits with what the vendor answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID, uuid4

from pydantic import JsonValue

from shared import telemetry
from shared.adapters.protocol import Adapter, Written
from shared.errors import LiaisonError, Rejected
from shared.merge.matching import contradict
from shared.model import Direction, EntityType, LogAction, LogStatus, Record, SubmissionState
from shared.store.conflicts import MatchConflict
from shared.store.create_intents import CreateIntent
from shared.store.database import Database, Transaction
from shared.store.ledger import Job, JobRequest, Knock
from shared.store.links import Link, LinkWrite
from shared.store.logs import LogRow
from shared.store.records import StoredRecord
from shared.store.store import Store
from shared.sync.applying.apply import Applier
from shared.sync.candidates.candidate_partings import SAME_ADDRESS
from shared.sync.candidates.vendor_merges import MOST_WAITS, WAIT_S, is_there
from shared.sync.creating.birth import born_link, found_link
from shared.sync.creating.create_plans import APPLIED, MERGED_THERE, URGENT, Create, CreatePlans, hindered
from shared.sync.identity.identify import NEW, application_identity
from shared.sync.jobs import waiting
from shared.sync.jobs.endings import Continue, Done, Ending, Hold
from shared.sync.jobs.priorities import RECONCILE
from shared.sync.merging.work import Work
from shared.sync.submissions.create_attempts import Along, Attempt, CreateAttempts, Sent
from shared.sync.submissions.owed_submissions import closed, tell

log = telemetry.get_logger(__name__)

MERGE_AWAITED = "merge_awaited"
"""Key of a job's payload: how often it has waited for the event of a merge that may have moved what it has made."""


class Creator:
    """Creates records at vendors."""

    def __init__(self, database: Database, store: Store, applier: Applier, attempts: CreateAttempts) -> None:
        self._database = database
        self._store = store
        self._applier = applier
        self._attempts = attempts
        self._plans = CreatePlans(database, store, attempts)

    async def create(self, work: Work, adapter: Adapter, record_id: UUID) -> Ending:
        """Make *record_id* exist at the vendor, if a route says so."""
        job = work.job
        if job is None:
            raise AssertionError("a create is a job")
        plan: Create | Done | Hold
        if work.entity in (shut := closed(work.integration)) or (shut and work.entity is EntityType.CANDIDATE):
            async with self._database.company(job.company_id) as tx:
                await self._store.ledger.guard(tx, job)
                record = await self._store.records.fetch(tx, work.entity, record_id)
                plan = await self._plans.not_outbound(tx, work, adapter, job, record)
        elif work.entity is EntityType.APPLICATION:
            plan = await self._plans.of_application(work, adapter, job, record_id)
        elif work.entity is EntityType.CANDIDATE:
            plan = await self._plans.of_candidate(work, adapter, job, record_id)
        else:
            plan = Done("no_route")
        if not isinstance(plan, Create):
            return plan
        try:
            return await self._create(plan)
        except Rejected as error:
            await self._refused(plan, error)
            raise

    async def give_way(self, tx: Transaction, job: Job, links: Sequence[Link]) -> list[Knock]:
        """
        End a create of the job's record that has sent nothing, now that the record has *links* there by another way.

        A merge here, or a list, was faster than the next attempt, which would have found the record linked. What was
        sent stays open: the call may have made an application as well.
        """
        return await self._attempts.withdraw_unsent(tx, job.integration_id, job.entity, links[0].internal_id)

    async def _create(self, plan: Create) -> Ending:
        async with self._database.company(plan.job.company_id) as tx:
            attempt = await self._attempts.open(tx, plan.job, plan.record, plan.identity, along=plan.application)
        intent = attempt.intent
        capability = plan.work.adapter.capabilities.entities[plan.work.entity]
        lag_s = capability.search_lag.total_seconds()
        if intent.sent_at is not None and intent.age_s < lag_s:
            return Continue(wait_s=lag_s - intent.age_s)
        shown = await self._search(plan, attempt)
        if found := await self._unlinked(plan, shown):
            return await self._take_over(plan, attempt, found)
        if attempt.sent is not None and (wait := await self._wait_for_merge(plan, attempt.sent)) is not None:
            return wait
        if plan.hindrance is not None:
            raise hindered(plan.hindrance)
        if plan.withdrawn is not None:
            return await self._withdraw(plan, plan.withdrawn)
        if ended := await self._ask_whose(plan, attempt, shown) or await self._mark_sent(plan, intent):
            return ended
        written = await plan.adapter.create(plan.work.entity, plan.fields)
        return await self._commit(plan, intent, written, await self._made_along(plan, written))

    async def _mark_sent(self, plan: Create, intent: CreateIntent) -> Done | None:
        """
        Write down that the call is about to be made; an ending if the record was linked meanwhile.

        What the search finds may be linked between its answer and now, by a webhook's reconcile: that is the record,
        and must not be created once more. From this commit on whoever brings it in waits for us (`being_created`).
        """
        async with self._database.company(plan.job.company_id) as tx:
            await self._store.ledger.guard(tx, plan.job)
            await self._store.records.lock_identities(tx, [plan.identity])
            links = (await self._store.links.of_records(tx, [plan.record.id])).get(plan.record.id, [])
            if any(each.integration_id == plan.work.integration.id and each.state == "live" for each in links):
                await self._store.create_intents.end(tx, intent.id, "linked")
                return Done("linked_meanwhile", await self._ask_again(tx, plan))
            await self._attempts.mark_sent(
                tx, intent, plan.record, identity=plan.identity, search=plan.search, along=_along(plan)
            )
        return None

    async def _withdraw(self, plan: Create, why: str) -> Done:
        """The vendor has not made it, and is not to."""
        async with self._database.company(plan.job.company_id) as tx:
            await self._store.ledger.guard(tx, plan.job)
            return await self._plans.withdraw(tx, plan.work, plan.record.id, why)

    async def _search(self, plan: Create, attempt: Attempt) -> list[Record]:
        """Return what the vendor made of an earlier call, as it was sent, and what it has by today's address."""
        wanted = [] if attempt.sent is None else [attempt.sent.search]
        if plan.hindrance is None and plan.withdrawn is None:
            wanted.append(plan.search)
        found: dict[str, Record] = {}
        for search in wanted if wanted[:1] != wanted[1:] else wanted[:1]:
            found |= {each.external_id: each for each in await plan.adapter.find(plan.work.entity, search)}
        return list(found.values())

    async def _wait_for_merge(self, plan: Create, sent: Sent) -> Continue | None:
        """
        Return a wait, at most `MOST_WAITS` in a row, where a search for an application that was sent tells nothing.

        Its candidate is not there any more: they may have been merged, and it with them, and the event of that be on
        its way. A search that finds nothing is believed as long as its candidate is there after it.
        """
        waits = plan.job.payload.get(MERGE_AWAITED, 0)
        if plan.work.entity is not EntityType.APPLICATION or not isinstance(waits, int) or waits >= MOST_WAITS:
            return None
        search = plan.search or sent.search
        if await is_there(plan.adapter, str(search["candidate_id"])):
            return None
        return Continue(WAIT_S, payload={MERGE_AWAITED: waits + 1})

    async def _ask_whose(self, plan: Create, attempt: Attempt, shown: Sequence[Record]) -> Hold | None:
        """
        Return a hold where the address is somebody else's there, who is ours as well: a person says if they are one.

        They came in while the vendor hid addresses, say, and nothing told whom of ours they are. Once a person has
        said that the two are not the same, nobody asks. Raises Rejected where a call was sent: the vendor may have made
        the candidate and merged them with that one since. A second create would double the person either way.
        """
        if plan.work.entity is EntityType.APPLICATION:
            await self._require_unapplied(plan, shown)
        if plan.work.entity is not EntityType.CANDIDATE:
            return None
        holders, pairs = [each.external_id for each in shown], self._store.identity_pairs
        async with self._database.company(plan.job.company_id) as tx:
            await self._store.ledger.guard(tx, plan.job)
            await self._store.record_merges.hold_still(tx)
            linked = await self._store.links.internal_ids(tx, plan.work.integration.id, plan.work.entity, holders)
            for external_id, other_id in sorted(linked.items()):
                if other_id == plan.record.id or await pairs.are_apart(tx, plan.record.id, other_id):
                    continue
                if attempt.sent is not None:
                    raise hindered(MERGED_THERE)
                return await self._ask_of(tx, plan, attempt.intent, external_id, other_id)
        return None

    async def _require_unapplied(self, plan: Create, shown: Sequence[Record]) -> None:
        """Raise Rejected where the vendor has another one: of two people who became one here both had applied."""
        entity, ids = plan.work.entity, [each.external_id for each in shown]
        async with self._database.company(plan.job.company_id) as tx:
            linked = await self._store.links.internal_ids(tx, plan.work.integration.id, entity, ids)
            others = await self._store.records.get(tx, entity, sorted({*linked.values()} - {plan.record.id}))
        ours = application_identity(plan.record.data)
        if any(each.archived_at is None and application_identity(each.data) == ours for each in others.values()):
            raise hindered(APPLIED)

    async def _ask_of(
        self, tx: Transaction, plan: Create, intent: CreateIntent, external_id: str, other_id: UUID
    ) -> Hold:
        """Let a person say if *other_id*, who is *external_id* there, is the one to be created; wait for that."""
        integration_id, entity = plan.work.integration.id, plan.work.entity
        asked = [
            each
            for item in await self._store.record_merges.open_items(tx, [other_id])
            if (item.integration_id, item.external_id) == (integration_id, external_id)
            for each in item.matches
        ]
        item = MatchConflict(
            kind="possible_duplicate",
            entity=entity,
            integration_id=integration_id,
            external_id=external_id,
            matches=list(dict.fromkeys([*asked, plan.record.id])),
            record_id=other_id,
            reason=SAME_ADDRESS,
        )
        await self._store.conflicts.put_matches(tx, [item])
        # Nothing was sent, and with an open intent nobody could make the two one.
        knocks = await self._attempts.end(tx, integration_id, entity, intent, "review")
        reason = waiting.review(integration_id, entity, external_id)
        return Hold(reason, "the vendor has the address with somebody else, who is another one here", knocks)

    async def _unlinked(self, plan: Create, found: Sequence[Record]) -> list[Record]:
        """Return who of *found* may be the record: nobody of ours by now, nor by a person's word another one."""
        ids, work = [each.external_id for each in found], plan.work
        async with self._database.company(plan.job.company_id) as tx:
            linked = await self._store.links.internal_ids(tx, work.integration.id, work.entity, ids)
            decided = await self._store.conflicts.decided_matches(tx, work.integration.id, work.entity, ids)
            named = sorted({UUID(each) for each in decided.values() if each != NEW})
            survivors = await self._store.record_merges.survivors(tx, named)
        ours = {str(each) for each in named if survivors.get(each, each) == plan.record.id}
        left = [each for each in found if each.external_id not in linked and decided.get(each.external_id) != NEW]
        return [each for each in left if decided.get(each.external_id) in ours] or left

    async def _take_over(self, plan: Create, attempt: Attempt, found: Sequence[Record]) -> Ending:
        """The vendor has what was to be created: one is linked, if nothing contradicts; several are a person's."""
        ours = [plan.record.data] if attempt.sent is None else [attempt.sent.data, plan.record.data]
        is_unclear = len(found) > 1 or (
            plan.work.entity is EntityType.CANDIDATE and all(contradict(each, found[0].visible()) for each in ours)
        )
        async with self._database.company(plan.job.company_id) as tx:
            await self._store.ledger.guard(tx, plan.job)
            if is_unclear:
                await self._store.conflicts.put_matches(tx, [_review(plan, found[0].external_id)])
                reason = waiting.review(plan.work.integration.id, plan.work.entity, found[0].external_id)
                return Hold(reason, "the vendor has more than one that it may be")
            await self._store.create_intents.end(tx, attempt.intent.id, "linked")
            link = LinkWrite(uuid4(), plan.record.id, found[0].external_id, None, {})
            if attempt.sent is not None:
                ticket = await self._store.links.ticket(tx)
                sent = replace(plan.record, data=attempt.sent.data)
                link = found_link(sent, found[0], self._applier.book(plan.work), ticket)
            await self._store.links.insert(tx, plan.work.integration.id, plan.work.entity, [link])
            if attempt.sent is not None and attempt.sent.along is not None:
                since = attempt.intent.sent_at
                await self._attempts.keep_looking(tx, plan.job, attempt.sent.along, found[0].external_id, since)
            knocks = await self._linked(tx, plan, found[0].external_id, action=LogAction.UPDATED, request_id=None)
            knocks.extend(await self._ask_again(tx, plan))
        return Done("found_at_vendor", knocks)

    async def _made_along(self, plan: Create, written: Written) -> Written | None:
        """
        Return the application that the same call created, as the vendor shows it.

        The candidate exists whatever comes of this look, so a failure of it is not the create's: the application is
        then linked as it is, and compared by its own reconcile.
        """
        external_id = written.related.get(EntityType.APPLICATION)
        if external_id is None or plan.application is None:
            return None
        try:
            record = await plan.adapter.fetch(EntityType.APPLICATION, external_id)
        except LiaisonError as error:
            log.warning("application_not_shown", code=error.code, external_id=external_id)
            return Written(external_id, None, written.request_id)
        return Written(external_id, record, written.request_id)

    async def _commit(
        self, plan: Create, intent: CreateIntent, written: Written, application: Written | None
    ) -> Ending:
        async with self._database.company(plan.job.company_id) as tx:
            await self._store.ledger.guard(tx, plan.job)
            ticket = await self._store.links.ticket(tx)
            link = born_link(plan.record, written, self._applier.book(plan.work), ticket)
            await self._store.links.insert(tx, plan.work.integration.id, plan.work.entity, [link])
            await self._store.create_intents.end(tx, intent.id, "linked")
            knocks = await self._linked(
                tx, plan, written.external_id, action=LogAction.CREATED, request_id=written.request_id
            )
            knocks.extend(await self._ask_again(tx, plan))
            if application is not None and plan.application is not None:
                knocks.extend(await self._commit_application(tx, plan, plan.application, application))
        return Done("created_at_vendor", knocks)

    async def _commit_application(
        self, tx: Transaction, plan: Create, record: StoredRecord, written: Written
    ) -> list[Knock]:
        """The application that was created along gets its link in the same transaction."""
        work = Work(plan.work.integration, plan.work.adapter, EntityType.APPLICATION, plan.job)
        ticket = await self._store.links.ticket(tx)
        link = born_link(record, written, self._applier.book(work), ticket)
        await self._store.links.insert(tx, plan.work.integration.id, EntityType.APPLICATION, [link])
        application = Create(work, plan.adapter, plan.job, record, {}, {}, "")
        knocks = await self._linked(
            tx, application, written.external_id, action=LogAction.CREATED, request_id=written.request_id
        )
        return [*knocks, *await self._ask_again(tx, application)]

    async def _linked(
        self, tx: Transaction, plan: Create, external_id: str, *, action: LogAction, request_id: str | None
    ) -> list[Knock]:
        """Mark, log and wake what waited for the record to exist at the vendor."""
        entity, integration_id = plan.work.entity, plan.work.integration.id
        if entity is EntityType.APPLICATION:
            at = (await self._store.links.ticket(tx)).at
            await self._store.records.mark_submission(
                tx,
                plan.record.id,
                {
                    "state": SubmissionState.SUBMITTED.value,
                    "integration_id": str(integration_id),
                    "external_id": external_id,
                    "submitted_at": at.isoformat(),
                    "error": None,
                },
            )
            if closed(plan.work.integration):
                await tell(tx, self._store, integration_id)
        row = _log_row(plan, action, LogStatus.SUCCESS, external_id=external_id, request_id=request_id)
        await self._store.logs.write(tx, [row])
        names = [
            *waiting.ended_by_link(integration_id, entity, external_id, plan.record.id),
            waiting.creation(integration_id, entity),
        ]
        return await self._store.ledger.release_held(tx, integration_id, names)

    async def _ask_again(self, tx: Transaction, plan: Create) -> list[Knock]:
        """What a create could not carry (a stage, say) goes out with the record's next reconcile."""
        request = JobRequest(
            plan.work.integration.id, RECONCILE, plan.work.entity, str(plan.record.id), Direction.OUTBOUND, URGENT
        )
        return await self._store.ledger.enqueue(tx, [request])

    async def _refused(self, plan: Create, error: Rejected) -> None:
        """The vendor won't have it: say so on the application, in its own words."""
        application = plan.application or plan.record
        async with self._database.company(plan.job.company_id) as tx:
            await self._store.ledger.guard(tx, plan.job)
            if application.entity is EntityType.APPLICATION:
                await self._store.records.mark_submission(
                    tx, application.id, {"state": SubmissionState.FAILED.value, "error": str(error)}
                )
            entity, integration_id = plan.work.entity, plan.work.integration.id
            intent = await self._store.create_intents.find(tx, integration_id, entity, plan.record.id)
            if intent is not None:
                await self._attempts.end(tx, integration_id, entity, intent, "review")


def _along(plan: Create) -> Along | None:
    job_id = plan.fields.get("job_id")
    if plan.application is None or not isinstance(job_id, str):
        return None
    return Along(plan.application.id, job_id, plan.application.data)


def _review(plan: Create, external_id: str) -> MatchConflict:
    return MatchConflict(
        kind="ambiguous_match",
        entity=plan.work.entity,
        integration_id=plan.work.integration.id,
        external_id=external_id,
        matches=[plan.record.id],
        record_id=plan.record.id,
    )


def _log_row(
    plan: Create, action: LogAction, status: LogStatus, *, external_id: str | None, request_id: str | None
) -> LogRow:
    details: dict[str, JsonValue] = {"rule": "route" if action is LogAction.CREATED else "found_at_vendor"}
    if plan.work.entity is EntityType.APPLICATION:
        details["status"] = plan.record.data.get("status")
    return LogRow(
        integration_id=plan.work.integration.id,
        entity=plan.work.entity,
        action=action,
        direction=Direction.OUTBOUND,
        status=status,
        entity_id=plan.record.id,
        external_id=external_id,
        retry_count=plan.job.retry_count,
        request_id=request_id,
        job_id=plan.job.id,
        details=details,
    )
