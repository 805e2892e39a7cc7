"""
Two candidates become one, and two again (docs/identity.md).

One transaction moves everything: fields, links, applications, what waits for people. Links move under an exclusive
lock that every worker holds shared while it applies what it saw, so that nobody writes to a record that has just been
merged. What was agreed with the vendors stays as it is: their next reconciles bring them in step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

from shared.errors import Conflict, InvalidInput, NotFound, StaleVersion
from shared.merge.joining import Joined, Keep, join
from shared.merge.state import Stamp
from shared.model import UNITS, Direction, EntityType
from shared.store.database import Database, Transaction
from shared.store.ledger import JobRequest, Knock
from shared.store.queues import Knocker
from shared.store.record_merges import LinkPlace
from shared.store.records import StoredRecord
from shared.store.store import Store
from shared.sync.candidates.merge_snapshots import TABLE, Content, snapshot_of
from shared.sync.editing.edits import PORTAL
from shared.sync.editing.record_changes import RecordChange, RecordChanges
from shared.sync.jobs import waiting
from shared.sync.jobs.priorities import MANUAL_RECORD, RECONCILE
from shared.sync.keeping.held_values import Vault
from shared.sync.merging.one_record import ours_of
from shared.sync.merging.stamps import encode_stamps

CANDIDATE = EntityType.CANDIDATE
MERGED = "merged"
"""How an open item ends that a merge has made pointless."""


@dataclass(frozen=True, slots=True)
class MergePlan:
    """What a merge does, the rows locked."""

    survivor: StoredRecord
    other: StoredRecord
    choices: Mapping[str, Keep]
    decided: Stamp
    joined: Joined
    places: Sequence[LinkPlace]
    """Links of both, as they are before."""
    applications: Sequence[StoredRecord]
    """Of the other: they move to the survivor."""
    doubled_jobs: Sequence[UUID]
    """Jobs for which both have an application; both stay, as at the vendors."""


@dataclass(frozen=True, slots=True)
class CandidateMerges:
    """Merges candidates."""

    database: Database
    store: Store
    vault: Vault
    changes: RecordChanges
    knocker: Knocker

    async def preview(
        self, company_id: UUID, survivor_id: UUID, other_id: UUID, choices: Mapping[str, Keep], *, actor: str
    ) -> MergePlan:
        """Return what `merge` would do. Raises what it would raise."""
        async with self.database.company(company_id) as tx:
            await self.store.record_merges.hold_still(tx)
            return await self._plan(tx, survivor_id, other_id, choices, actor)

    async def merge(
        self,
        company_id: UUID,
        survivor_id: UUID,
        other_id: UUID,
        choices: Mapping[str, Keep],
        *,
        actor: str,
        expected_version: int | None = None,
    ) -> MergePlan:
        """
        Make *other_id* part of *survivor_id*, which keeps its id.

        *choices* by unit outrank the rules. Raises NotFound, InvalidInput, and Conflict when one of the two is part of
        another already, is being created at a vendor, or is no longer at *expected_version* (the survivor's).
        """
        async with self.database.company(company_id) as tx:
            plan, knocks = await self.merge_within(
                tx, survivor_id, other_id, choices, actor=actor, expected_version=expected_version
            )
        await self.knocker.send(knocks)
        return plan

    async def merge_within(
        self,
        tx: Transaction,
        survivor_id: UUID,
        other_id: UUID,
        choices: Mapping[str, Keep],
        *,
        actor: str,
        expected_version: int | None = None,
    ) -> tuple[MergePlan, list[Knock]]:
        """
        Merge in the caller's transaction; return what to knock for.

        It holds no lock yet on records or links: those are taken after `RecordMerges.alone`.
        """
        await self.store.record_merges.alone(tx)
        plan = await self._plan(tx, survivor_id, other_id, choices, actor)
        if expected_version is not None and plan.survivor.version != expected_version:
            raise StaleVersion(f"the record is at version {plan.survivor.version} by now", remedy="read it again")
        if await self.is_being_created(tx, survivor_id, other_id):
            raise Conflict("one of the two is being created at a vendor", remedy="try again in a minute")
        await self._remember(tx, plan, actor)
        await self._write(tx, plan, actor)
        knocks = await self._end_items(tx, plan, actor)
        await self.store.identity_pairs.drop(tx, survivor_id, other_id)
        knocks += await wake(tx, self.store, [survivor_id, other_id])
        knocks += await self.store.ledger.enqueue(tx, await reconciles(tx, self.store, plan.places, survivor_id))
        return plan, knocks

    async def is_being_created(self, tx: Transaction, survivor_id: UUID, other_id: UUID) -> bool:
        """
        Whether a create of one of the two, or of an application that would move with the other, may be under way.

        One whose answer was lost is searched by its candidate's id there, and would not be found under the survivor's.
        """
        moving = await self.store.records.applications_of(tx, other_id)
        return await self.store.record_merges.is_being_created(tx, [survivor_id, other_id, *moving])

    async def _plan(
        self, tx: Transaction, survivor_id: UUID, other_id: UUID, choices: Mapping[str, Keep], actor: str
    ) -> MergePlan:
        survivor, other = await self._both(tx, survivor_id, other_id)
        for name in choices:
            if name not in UNITS[CANDIDATE]:
                known = ", ".join(sorted(UNITS[CANDIDATE]))
                raise InvalidInput(f"keep.{name}: is no field", field=f"keep.{name}", remedy=f"use one of: {known}")
        mine, theirs = ours_of(survivor), ours_of(other)
        now = (await self.store.links.ticket(tx)).at
        # Never behind what it replaces: the person has looked at it.
        at = max([now, *(stamp.at for side in (mine, theirs) for stamp in side.stamps.values())])
        decided = Stamp(at, 0, PORTAL, f"merge:{actor}")
        applications = await self._applications(tx, other_id)
        own_jobs = {each.data.get("job_id") for each in await self._applications(tx, survivor_id)}
        return MergePlan(
            survivor,
            other,
            choices,
            decided,
            join(CANDIDATE, mine, theirs, choices, decided=decided),
            await self.store.record_merges.places(tx, [survivor_id, other_id]),
            applications,
            [UUID(str(each.data["job_id"])) for each in applications if each.data.get("job_id") in own_jobs],
        )

    async def _both(self, tx: Transaction, survivor_id: UUID, other_id: UUID) -> tuple[StoredRecord, StoredRecord]:
        if survivor_id == other_id:
            raise InvalidInput("other_id: is the same candidate", field="other_id", remedy="name another one")
        found = await self.store.records.lock(tx, CANDIDATE, [survivor_id, other_id])
        for record_id in (survivor_id, other_id):
            if record_id not in found:
                raise NotFound(f"there is no candidate {record_id}")
        for record_id, part_of in (await self.store.record_merges.survivors(tx, [survivor_id, other_id])).items():
            raise Conflict(f"candidate {record_id} is part of candidate {part_of}", remedy=f"merge {part_of} instead")
        if found[survivor_id].archived_at is not None:
            raise Conflict("an archived candidate can't take another one in", remedy="let the other one take it in")
        return found[survivor_id], found[other_id]

    async def _applications(self, tx: Transaction, candidate_id: UUID) -> list[StoredRecord]:
        ids = await self.store.records.applications_of(tx, candidate_id)
        return list((await self.store.records.lock(tx, EntityType.APPLICATION, ids)).values())

    async def _remember(self, tx: Transaction, plan: MergePlan, actor: str) -> None:
        """Seal what parting needs, each side under its own key: whoever of the two is erased can't be restored."""
        survivor, other, merge_id = plan.survivor, plan.other, uuid4()
        keys = await self.vault.keys(tx, [survivor.id, other.id])
        joined = Content(plan.joined.values, encode_stamps(plan.joined.stamps))
        mine = snapshot_of(survivor, plan.places, joined=joined)
        theirs = snapshot_of(other, plan.places, applications=[each.id for each in plan.applications])
        seal = self.vault.seal
        await self.store.record_merges.put(
            tx,
            CANDIDATE,
            merge_id,
            survivor=(survivor.id, seal(tx.company, keys[survivor.id], TABLE, f"{merge_id}/survivor", mine)),
            merged=(other.id, seal(tx.company, keys[other.id], TABLE, f"{merge_id}/merged", theirs)),
            by=actor,
        )

    async def _write(self, tx: Transaction, plan: MergePlan, actor: str) -> None:
        survivor, other = plan.survivor, plan.other
        joined = RecordChange(survivor, plan.joined.values, encode_stamps(plan.joined.stamps), is_archived=False)
        archived = RecordChange(other, other.data, other.stamps, is_archived=True)
        await self.changes.write(tx, CANDIDATE, [joined, archived])
        moved = [of_candidate(each, survivor.id) for each in plan.applications]
        await self.changes.write(tx, EntityType.APPLICATION, moved)
        # A decision of earlier holds for as long as its value stays; what the person chose now is one too.
        at, by = plan.decided.at, actor
        values = joined.data
        await self.changes.pinner.replace(tx, CANDIDATE, survivor.id, survivor.data, values, at=at, by=by)
        await self.changes.pin(tx, joined, plan.choices, [survivor.data, other.data], at=at, by=by)
        taken = {each.integration_id for each in plan.places if each.internal_id == survivor.id and each.is_primary}
        await self.store.record_merges.move(
            tx,
            [
                replace(each, internal_id=survivor.id, is_primary=each.is_primary and each.integration_id not in taken)
                for each in plan.places
                if each.internal_id == other.id
            ],
        )

    async def _end_items(self, tx: Transaction, plan: MergePlan, actor: str) -> list[Knock]:
        """Close what waited on the other: reconciles open anew what still differs, and matches are looked for again."""
        survivor_id, other_id = plan.survivor.id, plan.other.id
        knocks: list[Knock] = []
        for item in await self.store.record_merges.open_items(tx, [survivor_id, other_id]):
            if item.kind in ("field", "refused"):
                if item.record_id == other_id:
                    await self.store.conflicts.end(tx, item.id, "closed", by=actor, decision=MERGED)
                continue
            record_id = survivor_id if item.record_id == other_id else item.record_id
            named = dict.fromkeys(survivor_id if each == other_id else each for each in item.matches)
            matches = [each for each in named if each != record_id]
            if item.kind == "possible_duplicate" and matches:
                await self.store.record_merges.rename(tx, item.id, record_id, matches)
                continue
            await self.store.conflicts.end(tx, item.id, "closed", by=actor, decision=MERGED)
            if item.integration_id is not None and item.external_id is not None:
                reason = waiting.review(item.integration_id, item.entity, item.external_id)
                knocks += await self.store.ledger.release_held(tx, item.integration_id, [reason])
        return knocks


def of_candidate(application: StoredRecord, candidate_id: UUID) -> RecordChange:
    """Return *application* as another candidate's; its stamps stay, since no system has said anything new."""
    return RecordChange(
        application,
        {**application.data, "candidate_id": str(candidate_id)},
        application.stamps,
        is_archived=application.archived_at is not None,
    )


async def wake(tx: Transaction, store: Store, candidates: Sequence[UUID]) -> list[Knock]:
    """
    Let look again who waits for one of two *candidates* to exist at a vendor, now that they became one, or two.

    It may be the other one who is there, or who can be made.
    """
    reasons = [
        each for record_id in candidates for each in await store.record_merges.waiting_for(tx, CANDIDATE, record_id)
    ]
    return [
        knock
        for integration_id, reason in reasons
        for knock in await store.ledger.release_held(tx, integration_id, [reason])
    ]


async def reconciles(tx: Transaction, store: Store, places: Sequence[LinkPlace], record_id: UUID) -> list[JobRequest]:
    """Return a job of *record_id* for each integration at which one of *places* is live."""
    requests = []
    for integration_id in sorted({each.integration_id for each in places if each.state == "live"}):
        integration = await store.connections.get(tx, integration_id)
        ways = [way for way in (Direction.OUTBOUND, Direction.INBOUND) if integration.allows(CANDIDATE, way)]
        if ways:
            requests.append(JobRequest(integration_id, RECONCILE, CANDIDATE, str(record_id), ways[0], MANUAL_RECORD))
    return requests
