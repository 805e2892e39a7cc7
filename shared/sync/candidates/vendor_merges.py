"""
People that a vendor merged: the link goes on to the record that is left (docs/identity.md).

An event only says where to look. It is believed when the merged id answers 404 and the other one shows what was merged
into it: an address of the person, or an application of theirs. Where the other one was merged in its turn, it is
followed to the end. Whether two of our records become one by that is said by `config.on_vendor_merge`: `review` (unless
it says otherwise) asks a person, `merge` does it. What nothing shows is asked of a person in any case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID, uuid4

from pydantic import JsonValue

from shared.adapters.protocol import Adapter
from shared.errors import InvalidPayload, NotFound
from shared.merge.matching import Ambiguous, Matched, NewButPossibleDuplicate
from shared.merge.normal_forms import form_of
from shared.model import Direction, EntityType, LogAction, LogStatus, Record
from shared.model.fields import NormalForm
from shared.security.keys import Keys
from shared.store.conflicts import MatchConflict
from shared.store.database import Database, Transaction
from shared.store.ledger import JobRequest, Knock
from shared.store.links import EXTERNAL_KEY, Link, LinkWrite, Ticket
from shared.store.record_merges import LinkPlace, merge_key
from shared.store.store import Store
from shared.sync.applying.apply import Applier
from shared.sync.applying.outcome_log import log_row
from shared.sync.candidates.candidate_merges import CANDIDATE, CandidateMerges
from shared.sync.identity.identify import Identified, identify
from shared.sync.jobs import waiting
from shared.sync.jobs.endings import Continue, Done
from shared.sync.jobs.priorities import RECONCILE, WEBHOOK_SIGNAL
from shared.sync.merging.observations import observe
from shared.sync.merging.work import Work
from shared.sync.removing.gone import as_gone
from shared.sync.submissions.create_attempts import CreateAttempts

MERGE, REVIEW = "merge", "review"
"""What `config.on_vendor_merge` may say (`shared.integrations.requests`)."""

ASKED = "merge_asked"
"""Key of a job's payload: how often it has waited for the event of the next merge."""

MERGED, UNPROVEN = "merged_at_vendor", "merge_unproven"
"""Reasons of the items that people are asked with."""

MOST_MERGES = 10
"""In a row, one into the next."""
WAIT_S = 60.0
MOST_WAITS = 5
"""An event of a later merge may arrive after the one of an earlier merge was worked on."""
MOST_ASKED = 5
"""Applications that are fetched to see whose they are now; one that has moved is enough."""


class VendorMerges:
    """Follows people whom a vendor merged."""

    def __init__(
        self,
        database: Database,
        store: Store,
        keys: Keys,
        applier: Applier,
        merges: CandidateMerges,
        *,
        attempts: CreateAttempts,
    ) -> None:
        self._database = database
        self._store = store
        self._keys = keys
        self._applier = applier
        self._merges = merges
        self._attempts = attempts

    async def follow(self, work: Work, adapter: Adapter, link: Link, ticket: Ticket) -> Done | Continue | None:
        """
        Let *link*, whose id the vendor no longer knows (as of *ticket*), go on to the record that it was merged into.

        That says the job, or of a link that lives an earlier one.

        None: no merge is spoken of, or nothing shows it; then the record is gone, and a person is asked about the rest.
        """
        payload = work.job.payload if work.job is not None else {}
        into = payload.get(merge_key(link.external_id))
        if into is None and link.state == "live" and link.entity is CANDIDATE:
            # The event may have come before the record did, by a list that still showed it.
            async with self._database.company(work.integration.company_id) as tx:
                into = await self._told(tx, work.integration.id, link.external_id)
        if not isinstance(into, str) or link.entity is not CANDIDATE or into == link.external_id:
            return None
        last, survivor = await self._last(work, adapter, link, into)
        if survivor is None or not await self.is_shown(work, adapter, link, survivor):
            waits = payload.get(ASKED, 0)
            if survivor is None and isinstance(waits, int) and waits < MOST_WAITS:
                return Continue(WAIT_S, payload={ASKED: waits + 1})
            await self._ask(work, link, last, survivor)
            return None
        async with self._database.company(work.integration.company_id) as tx:
            await work.guard(tx, self._store.ledger)
            await self._store.record_merges.alone(tx)
            knocks = await self._settle(tx, work, link, survivor, ticket)
        return None if knocks is None else Done("merged_at_vendor", knocks)

    async def _last(self, work: Work, adapter: Adapter, link: Link, into: str) -> tuple[str, Record | None]:
        """Return where the merges end that begin with *into*, and the record there if the vendor has it."""
        passed = {link.external_id}
        while True:
            passed.add(into)
            try:
                return into, await adapter.fetch(CANDIDATE, into)
            except InvalidPayload:
                return into, None
            except NotFound:
                following = await self._next(work, into)
            if following is None or following in passed or len(passed) > MOST_MERGES:
                return into, None
            into = following

    async def _next(self, work: Work, external_id: str) -> str | None:
        """Return the id that *external_id* was merged into: as its own event said, or as we have followed it."""
        integration_id = work.integration.id
        async with self._database.company(work.integration.company_id) as tx:
            told = await self._told(tx, integration_id, external_id)
            record_id = await self._record_behind(tx, integration_id, external_id)
            if told is not None or record_id is None:
                return told
            links = (await self._store.links.of_records(tx, [record_id])).get(record_id, [])
        living = [each for each in links if each.integration_id == integration_id and each.state == "live"]
        living.sort(key=lambda each: not each.is_primary)
        return next((each.external_id for each in living if each.external_id != external_id), None)

    async def _told(self, tx: Transaction, integration_id: UUID, external_id: str) -> str | None:
        """Return the id that an event has lately said *external_id* was merged into."""
        key = (await self._store.links.record_keys(tx, integration_id, CANDIDATE, [external_id]))[external_id]
        keys = sorted({key, EXTERNAL_KEY + external_id})
        return await self._store.record_merges.told_into(tx, integration_id, external_id, keys)

    async def _record_behind(self, tx: Transaction, integration_id: UUID, external_id: str) -> UUID | None:
        """Return the record of ours that *external_id* stands for, or the one that it has become part of."""
        known = (await self._store.links.internal_ids(tx, integration_id, CANDIDATE, [external_id])).get(external_id)
        if known is None:
            return None
        return (await self._store.record_merges.survivors(tx, [known])).get(known, known)

    async def _ask(self, work: Work, link: Link, into: str, survivor: Record | None) -> None:
        """
        Ask a person about a merge that nothing shows, before the link ends as any other whose id is not known.

        Of one that has ended, only where it may be somebody of ours: its event comes late, or once more.
        """
        async with self._database.company(work.integration.company_id) as tx:
            await work.guard(tx, self._store.ledger)
            await self._store.record_merges.hold_still(tx)
            # Whose the link was before the vendor was asked is old news: somebody may have made the two one since.
            ours = await self._record_behind(tx, work.integration.id, link.external_id)
            other_id = await self._record_behind(tx, work.integration.id, into)
            if ours is None or ours == other_id:
                return
            others = [] if other_id is None else [other_id]
            if other_id is None and survivor is not None:  # not linked there yet: this look is before any list
                others = await self._may_be(tx, work, survivor)
            pairs, others = self._store.identity_pairs, [each for each in others if each != ours]
            matches = [each for each in others if not await pairs.are_apart(tx, ours, each)]
            if not matches and (others or link.state != "live"):
                return
            await self._store.conflicts.put_matches(tx, [_item(work, link, ours, matches, UNPROVEN)])

    async def is_shown(self, work: Work, adapter: Adapter, link: Link, survivor: Record) -> bool:
        """Whether *survivor* shows what came to it from the record of *link*: an address, or an application."""
        async with self._database.company(work.integration.company_id) as tx:
            record = await self._store.records.fetch(tx, CANDIDATE, link.internal_id)
            children = await self._store.records.applications_of(tx, link.internal_id)
            linked = await self._store.links.of_records(tx, children)
        if addresses(record.data) & addresses(survivor.visible()):
            return True
        there = [each for links in linked.values() for each in links if each.integration_id == work.integration.id]
        for each in there[:MOST_ASKED]:
            try:
                application = await adapter.fetch(EntityType.APPLICATION, each.external_id)
            except (NotFound, InvalidPayload):
                continue
            holder = application.references.get("candidate_id")
            if holder is not None and holder.external_id == survivor.external_id:
                return True
        return False

    async def _settle(
        self, tx: Transaction, work: Work, link: Link, survivor: Record, ticket: Ticket
    ) -> Sequence[Knock] | None:
        """Write what follows; None where it was settled before."""
        store, integration_id, into = self._store, work.integration.id, survivor.external_id
        knocks = await self._let_in(tx, work, link, survivor)
        there = (await store.links.by_external(tx, integration_id, CANDIDATE, [into])).get(into)
        record_ids = sorted({link.internal_id, *([there.internal_id] if there is not None else [])})
        await store.records.lock(tx, CANDIDATE, record_ids)
        places = {each.id: each for each in await store.record_merges.places(tx, record_ids)}
        place = places.get(link.id)
        if place is None or (there is not None and there.id == link.id):
            return None  # another worker has followed it meanwhile
        if place.state == "gone" and there is not None and there.internal_id == place.internal_id:
            return None  # the event of a merge that was followed comes again
        # Who was archived here is somebody else there by now: nobody has asked for that person's deletion.
        merged_ids = [link.id, *([there.id] if there is not None else [])]
        kept = await store.removals.keep(tx, merged_ids, detail="the vendor has merged it since it was archived here")
        outcome = "link_moved"
        if there is None:
            await self._move(tx, work, link, into)
        else:
            await self._end(tx, place, ticket, is_primary=place.is_primary and there.internal_id != place.internal_id)
            if there.internal_id == place.internal_id:
                # Of three links of one record the primary one may be neither of these two.
                is_primary = place.is_primary or places[there.id].is_primary
                await store.record_merges.move(tx, [replace(places[there.id], is_primary=is_primary)])
            else:
                await self._attempts.follow(tx, integration_id, place.internal_id, into, there.internal_id)
                outcome, more = await self._two_records(tx, work, place.internal_id, there.internal_id, link)
                knocks += more
        details: dict[str, JsonValue] = {"rule": "merged_at_vendor", "into": into, "outcome": outcome}
        if kept:
            details["removals_kept"] = kept
        row = log_row(
            work,
            LogAction.UPDATED,
            LogStatus.SUCCESS,
            external_id=link.external_id,
            entity_id=place.internal_id,
            details=details,
        )
        await store.logs.write(tx, [row])
        keys = await store.links.record_keys(tx, integration_id, CANDIDATE, [into])
        requests = [JobRequest(integration_id, RECONCILE, CANDIDATE, keys[into], Direction.INBOUND, WEBHOOK_SIGNAL)]
        return [*knocks, *await store.ledger.enqueue(tx, requests)]

    async def _let_in(self, tx: Transaction, work: Work, link: Link, survivor: Record) -> list[Knock]:
        """Link whom the merge has left, if that is another one of ours who was not known to be there yet."""
        integration_id, into = work.integration.id, survivor.external_id
        if await self._store.links.internal_ids(tx, integration_id, CANDIDATE, [into]):
            return []
        owner_id = await self._recognised(tx, work, survivor)
        if owner_id is None or owner_id == link.internal_id:
            return []
        met = LinkWrite(uuid4(), owner_id, into, None, {})
        await self._store.links.insert(tx, integration_id, CANDIDATE, [met])
        reasons = waiting.ended_by_link(integration_id, CANDIDATE, into, owner_id)
        return await self._store.ledger.release_held(tx, integration_id, list(reasons))

    async def _recognised(self, tx: Transaction, work: Work, record: Record) -> UUID | None:
        """Return who of ours *record*, just fetched, is by its identity; None if that is nobody, or not for sure."""
        found = await self._identified(tx, work, record)
        match = found.matches.get(record.external_id)
        if not isinstance(match, Matched) or record.external_id in found.being_created:
            return None
        return UUID(match.record_id)

    async def _may_be(self, tx: Transaction, work: Work, record: Record) -> list[UUID]:
        """Return who of ours *record*, just fetched, may be by its identity."""
        match (await self._identified(tx, work, record)).matches.get(record.external_id):
            case Matched(record_id):
                return [UUID(record_id)]
            case Ambiguous(record_ids) | NewButPossibleDuplicate(record_ids):
                return [UUID(each) for each in record_ids]
            case _:
                return []

    async def _identified(self, tx: Transaction, work: Work, record: Record) -> Identified:
        ticket = await self._store.links.ticket(tx)
        context = self._applier.book(work).context
        arrivals = [(each, each.values) for each in observe([record], ticket, context=context, is_fresh_fetch=True)]
        return await identify(tx, self._store, self._keys, work.integration.id, CANDIDATE, arrivals)

    async def _move(self, tx: Transaction, work: Work, link: Link, into: str) -> None:
        """The link goes on under the other id; a late list that still shows the old one finds an ended link."""
        ticket = await self._store.links.ticket(tx)
        await self._store.record_merges.rename_link(tx, link.id, into, fence=ticket.number)
        old = LinkWrite(uuid4(), link.internal_id, link.external_id, None, {}, fence=ticket.number, is_primary=False)
        await self._store.links.insert(tx, work.integration.id, CANDIDATE, [old])
        await self._store.links.update(tx, [replace(old, based_on=1, state="gone")])

    async def _end(self, tx: Transaction, place: LinkPlace, ticket: Ticket, *, is_primary: bool) -> None:
        ended = (await self._store.links.lock(tx, [place.id]))[place.id]
        await self._store.links.update(tx, [replace(as_gone(ended, ticket), is_primary=is_primary)])
        await self._applier.part(tx, ended)

    async def _two_records(
        self, tx: Transaction, work: Work, loser_id: UUID, survivor_id: UUID, link: Link
    ) -> tuple[str, list[Knock]]:
        """The vendor's one person is two of ours: merge them, or ask, unless a person said that they are two."""
        if await self._store.identity_pairs.are_apart(tx, loser_id, survivor_id):
            return "kept_apart", []
        survivor = await self._store.records.fetch(tx, CANDIDATE, survivor_id)
        may_merge = work.integration.config.get("on_vendor_merge", REVIEW) == MERGE and survivor.archived_at is None
        if may_merge and not await self._merges.is_being_created(tx, survivor_id, loser_id):
            actor = f"vendor:{work.integration.platform}"
            _, knocks = await self._merges.merge_within(tx, survivor_id, loser_id, {}, actor=actor)
            return "records_merged", knocks
        await self._store.conflicts.put_matches(tx, [_item(work, link, loser_id, [survivor_id], MERGED)])
        return "asked", []


async def is_there(adapter: Adapter, external_id: str) -> bool:
    """Whether the vendor has the candidate still; one that can't be read is there. Raises what its answers raise."""
    try:
        await adapter.fetch(CANDIDATE, external_id)
    except NotFound:
        return False
    except InvalidPayload:
        return True
    return True


def _item(work: Work, link: Link, record_id: UUID, matches: Sequence[UUID], reason: str) -> MatchConflict:
    return MatchConflict(
        "possible_duplicate", CANDIDATE, work.integration.id, link.external_id, matches, record_id, reason
    )


def addresses(values: Mapping[str, JsonValue]) -> set[str]:
    """Return every e-mail address of a candidate, as compared."""
    further = values.get("further_emails")
    listed = [each.get("value") for each in further if isinstance(each, dict)] if isinstance(further, list) else []
    form = form_of(NormalForm.EMAIL)
    return {form(each) for each in (values.get("email"), *listed) if isinstance(each, str) and each.strip()}
