"""
Taking a merge of two candidates back (docs/identity.md).

Both become what they were. What changed since goes to the one whose system gave it; what people changed in the portal
stays with the survivor and is told. Bases stay as they are, so the vendors' next reconciles see restored values as
edits here and take them over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from shared.errors import Conflict
from shared.merge.joining import Keep, Parted, part
from shared.model import Direction, EntityType
from shared.security.aead import DataUnreadable
from shared.store.conflicts import MatchConflict
from shared.store.database import Database, Transaction
from shared.store.ledger import JobRequest, Knock
from shared.store.queues import Knocker
from shared.store.record_merges import LinkPlace, RecordMerge
from shared.store.records import StoredRecord
from shared.store.store import Store
from shared.sync.candidates.candidate_merges import CANDIDATE, of_candidate, reconciles, wake
from shared.sync.candidates.merge_snapshots import TABLE, Content, Snapshot, read_snapshot
from shared.sync.editing.edits import units_touched
from shared.sync.editing.record_changes import RecordChange, RecordChanges
from shared.sync.identity.identify import candidate_identity
from shared.sync.jobs.priorities import MANUAL_RECORD, RECONCILE
from shared.sync.keeping.held_values import Vault
from shared.sync.merging.one_record import ours_of
from shared.sync.merging.stamps import encode_stamps
from shared.sync.removing.restoring import follow_restored

PARTED = "parted"
"""How an open item ends whose sides belong to two records now."""

SAME_ADDRESS = "same_address"
"""Reason of the item that asks about somebody who has taken an address that another one has back."""


@dataclass(frozen=True, slots=True)
class Parting:
    """What became of a merge that was taken back."""

    survivor_id: UUID
    other_id: UUID
    reapplied: Mapping[str, Sequence[str]]
    """Fields that changed since the merge, by the record that keeps the change: `survivor` or `other`."""
    stayed: Sequence[str]
    """Those of the survivor's that no system of one side alone gave: a person may want them on the other."""
    applications_stayed: Sequence[UUID]
    """Made since the merge, and still the survivor's."""


@dataclass(frozen=True, slots=True)
class _Merged:
    """A merge with both rows locked."""

    merge: RecordMerge
    survivor: StoredRecord
    other: StoredRecord
    mine: Snapshot
    theirs: Snapshot
    places: Sequence[LinkPlace]


@dataclass(frozen=True, slots=True)
class CandidatePartings:
    """Takes merges back, the last one first."""

    database: Database
    store: Store
    vault: Vault
    changes: RecordChanges
    knocker: Knocker

    async def part(self, company_id: UUID, candidate_id: UUID, *, actor: str) -> Parting:
        """
        Take the last merge back of which *candidate_id* is either side.

        The two count as different people from then on. Raises NotFound, and Conflict when there is no such merge, a
        later one is in the way, one of the two was erased since, or one of their records is being created at a vendor.
        """
        async with self.database.company(company_id) as tx:
            await self.store.record_merges.alone(tx)
            found = await self._load(tx, candidate_id)
            await self._require_no_create(tx, found.survivor.id)
            parted = self._parted(found)
            await self._write(tx, found, parted, actor)
            await self._move_links(tx, found)
            asked, stayed = await self._part_applications(tx, found)
            await self._end_items(tx, found, actor)
            await self.store.record_merges.end(tx, found.merge.id, by=actor)
            await self.store.identity_pairs.put(tx, found.survivor.id, [found.other.id], by=actor)
            await self._ask_of_namesakes(tx, found)
            knocks = [*await self._ask(tx, found, asked), *await self._follow_restored(tx, found.other.id)]
        await self.knocker.send(knocks)
        return Parting(
            found.survivor.id,
            found.other.id,
            {side.value: units for side, units in parted.changed.items()},
            parted.stayed,
            stayed,
        )

    async def _load(self, tx: Transaction, candidate_id: UUID) -> _Merged:
        await self.store.records.fetch(tx, CANDIDATE, candidate_id)
        merge = await self.store.record_merges.last(tx, candidate_id)
        if merge is None:
            raise Conflict(f"candidate {candidate_id} is not merged with anybody")
        last = await self.store.record_merges.last(tx, merge.survivor_id)
        if last is not None and last.id != merge.id:
            later = last.merged_id if last.survivor_id == merge.survivor_id else last.survivor_id
            raise Conflict(
                f"candidate {merge.survivor_id} was merged with candidate {later} afterwards",
                remedy=f"take that merge back first: unmerge {last.merged_id}",
            )
        ids = [merge.survivor_id, merge.merged_id]
        records = await self.store.records.lock(tx, CANDIDATE, ids)
        keys = await self.vault.keys(tx, ids)
        try:
            mine, theirs = (
                read_snapshot(self.vault.open(tx.company, keys[record_id], TABLE, f"{merge.id}/{row}", sealed))
                for record_id, row, sealed in (
                    (merge.survivor_id, "survivor", merge.survivor_sealed),
                    (merge.merged_id, "merged", merge.merged_sealed),
                )
            )
        except DataUnreadable:
            raise Conflict("one of the two was erased since: nobody can tell any more who was who") from None
        places = await self.store.record_merges.places(tx, ids)
        return _Merged(merge, records[merge.survivor_id], records[merge.merged_id], mine, theirs, places)

    async def _require_no_create(self, tx: Transaction, survivor_id: UUID) -> None:
        """An application whose create has lost its answer is searched by its candidate's id: until then it stays."""
        ids = [survivor_id, *await self.store.records.applications_of(tx, survivor_id)]
        if await self.store.record_merges.is_being_created(tx, ids):
            raise Conflict("one of their records is being created at a vendor", remedy="try again in a minute")

    def _parted(self, found: _Merged) -> Parted:
        joined = found.mine.joined or found.mine.content
        return part(
            CANDIDATE,
            survivor=found.mine.content.ours,
            other=found.theirs.content.ours,
            joined=joined.ours,
            now=ours_of(found.survivor),
            owners=_owners(found),
        )

    async def _write(self, tx: Transaction, found: _Merged, parted: Parted, actor: str) -> None:
        """Write both; what they get back counts as a person's edit, made while looking at the merged values."""
        changes = []
        for side, record, snapshot, ours in (
            (Keep.SURVIVOR, found.survivor, found.mine, parted.survivor),
            (Keep.OTHER, found.other, found.theirs, parted.other),
        ):
            restored = snapshot.content
            if parted.changed[side]:
                restored = Content(dict(ours.values), encode_stamps(ours.stamps))
            is_archived = snapshot.is_archived if side is Keep.OTHER else record.archived_at is not None
            changes.append(RecordChange(record, restored.data, restored.stamps, is_archived=is_archived))
        await self.changes.write(tx, CANDIDATE, changes)
        at = (await self.store.links.ticket(tx)).at
        merged = found.survivor.data
        for each in changes:
            differing = {name: each.data.get(name) for name in {*merged, *each.data}}
            names = {name: value for name, value in differing.items() if value != merged.get(name)}
            units = units_touched(CANDIDATE, names)
            await self.changes.pin(tx, each, units, [merged], at=at, by=actor)

    async def _move_links(self, tx: Transaction, found: _Merged) -> None:
        links = found.theirs.links
        back = [
            replace(each, internal_id=found.other.id, is_primary=links[each.id])
            for each in found.places
            if each.id in links
        ]
        await self.store.record_merges.move(tx, back)

    async def _part_applications(self, tx: Transaction, found: _Merged) -> tuple[list[JobRequest], list[UUID]]:
        """
        Give back what came with the other; return jobs for that and what came since from its systems, and what stays.

        What a system holds that has of the two only the one whose it was not is left where it is, and asked about at
        most: the vendor has merged them by itself, or got it as the other one's while they were one here.
        """
        entity = EntityType.APPLICATION
        ids = await self.store.records.applications_of(tx, found.survivor.id)
        records = await self.store.records.lock(tx, entity, ids)
        at = found.merge.merged_at
        links = await self.store.links.of_records(tx, ids)
        without = _systems_without(found)
        owners = {each: Keep.OTHER if each in found.theirs.applications else Keep.SURVIVOR for each in ids}
        later = [
            each.id
            for each in records.values()
            if each.created_at > at
            or _is_submitted_since(each, at)
            or any(
                link.state == "live" and link.integration_id in without[owners[each.id]]
                for link in links.get(each.id, ())
            )
        ]
        returning = set(found.theirs.applications) - set(later)
        back = [_given_back(each, found) for each in records.values() if each.id in returning]
        await self.changes.write(tx, entity, back)
        systems = {each.integration_id for each in found.places if each.id in found.theirs.links}
        # Whose an application is, only its vendor knows: its record names the candidate. What is given back may be the
        # survivor's there already, by a merge that nobody has told of yet.
        asked = {
            record_id: [each.integration_id for each in links.get(record_id, ()) if each.integration_id in systems]
            for record_id in (*later, *sorted(returning))
        }
        requests = [
            JobRequest(each, RECONCILE, entity, str(record_id), Direction.INBOUND, MANUAL_RECORD)
            for record_id, integrations in asked.items()
            for each in integrations
        ]
        return requests, [each for each in later if not asked[each]]

    async def _follow_restored(self, tx: Transaction, other_id: UUID) -> list[Knock]:
        """What lives of the other has left the archive with this, if the survivor took it there."""
        candidate = await self.store.records.get(tx, CANDIDATE, [other_id])
        ids = await self.store.records.applications_of(tx, other_id)
        applications = await self.store.records.get(tx, EntityType.APPLICATION, ids)
        alive = [each for each in (*candidate.values(), *applications.values()) if each.archived_at is None]
        links = await self.store.links.of_records(tx, [each.id for each in alive])
        return await follow_restored(tx, self.store, alive, [link for each in links.values() for link in each])

    async def _end_items(self, tx: Transaction, found: _Merged, actor: str) -> None:
        """
        Close field items that list a link which has left, and give back what was asked of the other.

        Reconciles open anew what differs on either record. Who was taken for the merged one may be either of the two.
        """
        left = {str(link) for link in found.theirs.links}
        survivor_id, other_id = found.survivor.id, found.other.id
        links = (await self.store.links.of_records(tx, [other_id])).get(other_id, [])
        places = {(each.integration_id, each.external_id) for each in links}
        for item in await self.store.record_merges.open_items(tx, [survivor_id]):
            if item.kind in ("field", "refused"):
                if not left.isdisjoint(item.inputs):
                    await self.store.conflicts.end(tx, item.id, "closed", by=actor, decision=PARTED)
                continue
            is_others = item.record_id == survivor_id and (item.integration_id, item.external_id) in places
            record_id = other_id if is_others else item.record_id
            both = [*item.matches, *([other_id] if survivor_id in item.matches else [])]
            await self.store.record_merges.rename(
                tx, item.id, record_id, [each for each in dict.fromkeys(both) if each != record_id]
            )

    async def _ask_of_namesakes(self, tx: Transaction, found: _Merged) -> None:
        """
        Ask whether somebody who took an address while it was nobody's is the one who has it back.

        While the two were one, a system may have brought the other one anew.
        """
        pair, had = [found.survivor.id, found.other.id], candidate_identity(found.survivor.data)
        records = await self.store.records.get(tx, CANDIDATE, pair)
        back = {
            each.id: address
            for each in records.values()
            if each.archived_at is None
            and (address := candidate_identity(each.data)) is not None
            and (each.id == found.other.id or address != had)
        }
        # Who registers somebody in the portal holds no other lock than this one.
        await self.store.records.lock_identities(tx, sorted(back.values()))
        known = await self.store.records.find_by_email(tx, found.other.id, sorted(set(back.values())))
        for record_id, address in back.items():
            items = await self.store.record_merges.open_items(tx, [record_id])
            asked = {*pair, *(each for item in items for each in (item.record_id, *item.matches))}
            others = [each.id for each in known.get(address, ()) if each.id not in asked]
            if holders := [
                each for each in others if not await self.store.identity_pairs.are_apart(tx, record_id, each)
            ]:
                item = MatchConflict("possible_duplicate", CANDIDATE, None, None, holders, record_id, SAME_ADDRESS)
                await self.store.conflicts.put_matches(tx, [item])

    async def _ask(self, tx: Transaction, found: _Merged, applications: Sequence[JobRequest]) -> list[Knock]:
        theirs = [each for each in found.places if each.id in found.theirs.links]
        mine = [each for each in found.places if each.id not in found.theirs.links]
        requests = [
            *await reconciles(tx, self.store, mine, found.survivor.id),
            *await reconciles(tx, self.store, theirs, found.other.id),
            *applications,
        ]
        woken = await wake(tx, self.store, [found.survivor.id, found.other.id])
        return [*woken, *await self.store.ledger.enqueue(tx, requests)]


def _given_back(application: StoredRecord, found: _Merged) -> RecordChange:
    """Return *application* as the other's. One that went into the archive with the survivor lived when it came."""
    change = of_candidate(application, found.other.id)
    return replace(change, is_archived=False) if application.archived_by == str(found.survivor.id) else change


def _is_submitted_since(application: StoredRecord, moment: datetime) -> bool:
    """Whether a vendor has had it only since then, and so as the survivor's."""
    at = (application.submission or {}).get("submitted_at")
    return isinstance(at, str) and datetime.fromisoformat(at) > moment


def _systems_without(found: _Merged) -> dict[Keep, set[UUID]]:
    """Return by side the integrations that have the other side, by a link that lives, and not this one."""
    live = [(each.id in found.theirs.links, each.integration_id) for each in found.places if each.state == "live"]
    theirs = {integration_id for is_theirs, integration_id in live if is_theirs}
    mine = {integration_id for is_theirs, integration_id in live if not is_theirs}
    return {Keep.SURVIVOR: theirs - mine, Keep.OTHER: mine - theirs}


def _owners(found: _Merged) -> dict[str, Keep]:
    """Return by integration whose links alone it holds; one that holds links of both owns nothing for sure."""
    theirs = {each.integration_id for each in found.places if each.id in found.theirs.links}
    mine = {each.integration_id for each in found.places if each.id not in found.theirs.links}
    return {
        **{str(each): Keep.OTHER for each in theirs - mine},
        **{str(each): Keep.SURVIVOR for each in mine - theirs},
    }
