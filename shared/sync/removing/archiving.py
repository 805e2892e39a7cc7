"""
What people archive and restore: the record, what goes with it, and the jobs that carry it to the vendors.

A record that somebody archived stays so until somebody restores it: no pull, no event and no return at a vendor brings
it back (`records.archived_by`). A candidate takes their applications along, and brings back those that went with them.
What becomes of it at the vendors is `config.on_archive`'s to say (`removing.py`), as it stands when it is archived: a
policy that is changed later deletes nothing that was archived before.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from shared.errors import Conflict, NotFound, StaleVersion
from shared.model import Direction, EntityType
from shared.store.database import Database, Transaction
from shared.store.ledger import Knock
from shared.store.links import Link
from shared.store.queues import Knocker
from shared.store.records import RecordWrite, StoredRecord
from shared.store.store import Store
from shared.sync.editing.edits import queued_for
from shared.sync.identity.identify import application_identity, candidate_identity
from shared.sync.identity.suppression import Suppression
from shared.sync.removing.restoring import follow_restored, reconcile_request
from shared.sync.submissions.owed_submissions import closed, tell

CANDIDATE, APPLICATION = EntityType.CANDIDATE, EntityType.APPLICATION


class Archives:
    """Archives and restores candidates and applications on behalf of people."""

    def __init__(self, database: Database, store: Store, suppression: Suppression, knocker: Knocker) -> None:
        self._database = database
        self._store = store
        self._suppression = suppression
        self._knocker = knocker

    async def archive(
        self, company_id: UUID, entity: EntityType, record_id: UUID, *, actor: str, expected_version: int | None = None
    ) -> None:
        """
        Archive a record, a candidate with all applications, and ask the vendors for what their policies say.

        One that somebody archived before stays as it is; one that was archived because a vendor deleted it is archived
        by *actor* from now on. Raises NotFound, and Conflict when it is part of another record, is being created at a
        vendor, or is no longer at *expected_version*.
        """
        async with self._database.company(company_id) as tx:
            record = await self._locked(tx, entity, record_id, expected_version)
            if record.archived_by is not None:
                return
            children = await self._children(tx, record)
            going = [each for each in children if each.archived_at is None]
            # An application may be on its way along with its candidate, by one call.
            candidate_id = [] if entity is CANDIDATE else [UUID(str(record.data["candidate_id"]))]
            concerned = [record.id, *candidate_id, *(each.id for each in going)]
            if await self._store.record_merges.is_being_created(tx, concerned):
                raise Conflict("it is being created at a vendor just now", remedy="try again in a minute")
            await self._store.records.update(tx, entity, [_archived(record, actor)])
            await self._store.records.update(tx, APPLICATION, [_archived(each, str(record.id)) for each in going])
            knocks = await self._ask_vendors(tx, record, going, actor)
            for owner_id in sorted({each for one in (record, *going) if (each := queued_for(one)) is not None}):
                if closed(await self._store.connections.get(tx, owner_id)):
                    await tell(tx, self._store, owner_id)
        await self._knocker.send(knocks)

    async def restore(
        self, company_id: UUID, entity: EntityType, record_id: UUID, *, expected_version: int | None = None
    ) -> None:
        """
        Take a record out of the archive, a candidate with the applications that went with them.

        What was still to be deleted at vendors is not; what was deleted there stays deleted there, and its link comes
        back if the vendor's id is seen alive. What was submitted and had not come to its vendor is asked for anew.
        What is not archived stays as it is. Raises NotFound, and Conflict when nothing is left of it, somebody else has
        taken its place, or it is no longer at *expected_version*.
        """
        async with self._database.company(company_id) as tx:
            await self._hold_place(tx, entity, record_id)
            record = await self._locked(tx, entity, record_id, expected_version)
            if record.archived_at is None:
                return
            await self._require_place(tx, record)
            children = [each for each in await self._children(tx, record) if each.archived_by == str(record.id)]
            back = [record, *children]
            links = await self._links(tx, back)
            await self._store.records.update(tx, entity, [_restored(record)])
            await self._store.records.update(tx, APPLICATION, [_restored(each) for each in children])
            knocks = await follow_restored(tx, self._store, back, links)
        await self._knocker.send(knocks)

    async def _hold_place(self, tx: Transaction, entity: EntityType, record_id: UUID) -> None:
        """Let nobody take the record's address or place meanwhile. As in a pull, before any record is locked."""
        await self._store.record_merges.hold_still(tx)
        known = (await self._store.records.get(tx, entity, [record_id])).get(record_id)
        identity = None if known is None else _identity(known)
        if identity is not None:
            await self._store.records.lock_identities(tx, [identity])

    async def _locked(
        self, tx: Transaction, entity: EntityType, record_id: UUID, expected_version: int | None
    ) -> StoredRecord:
        await self._store.record_merges.hold_still(tx)
        record = (await self._store.records.lock(tx, entity, [record_id])).get(record_id)
        if record is None:
            raise NotFound(f"there is no {entity.value} {record_id}")
        if expected_version is not None and record.version != expected_version:
            raise StaleVersion(f"the record is at version {record.version} by now", remedy="read it again")
        for survivor in (await self._store.record_merges.survivors(tx, [record_id])).values():
            raise Conflict(f"{entity.value} {record_id} is part of {survivor}", remedy=f"use {survivor} instead")
        return record

    async def _children(self, tx: Transaction, record: StoredRecord) -> list[StoredRecord]:
        if record.entity is not CANDIDATE:
            return []
        ids = await self._store.records.applications_of(tx, record.id)
        return list((await self._store.records.lock(tx, APPLICATION, ids)).values())

    async def _require_place(self, tx: Transaction, record: StoredRecord) -> None:
        """Raise Conflict where the record can't live any more."""
        if not record.data:
            raise Conflict("nothing is left of it: the person was erased")
        if record.entity is CANDIDATE:
            if await self._suppression.holds(tx, record.data):
                raise Conflict("its e-mail address or phone is suppressed: whoever holds it was erased")
            await self._require_no_namesake(tx, record)
            return
        candidate_id = UUID(str(record.data["candidate_id"]))
        candidate = await self._store.records.fetch(tx, CANDIDATE, candidate_id)
        if candidate.archived_at is not None:
            raise Conflict(
                "its candidate is archived", remedy=f"POST /api/candidates/{candidate_id}/restore, then this again"
            )
        if record.data.get("job_id") is None:
            return  # a prospect's: there may be several
        other = await self._store.records.application_of(tx, candidate_id, UUID(str(record.data["job_id"])))
        if other is not None:
            raise Conflict(f"application {other} has taken its place: same candidate, same job")

    async def _require_no_namesake(self, tx: Transaction, record: StoredRecord) -> None:
        identity = candidate_identity(record.data)
        if identity is None:
            return
        for holder in (await self._store.records.find_by_email(tx, record.id, [identity])).get(identity, []):
            raise Conflict(
                f"candidate {holder.id} holds this e-mail address by now",
                remedy=f"let it take this one in: POST /api/candidates/{holder.id}/merge",
            )

    async def _ask_vendors(
        self, tx: Transaction, record: StoredRecord, children: Sequence[StoredRecord], actor: str
    ) -> list[Knock]:
        """Ask for deletes by policy. Who is deleted with their applications has none of these asked for twice."""
        # What was asked for before is of another time: links may have come from a record that was merged into this one.
        await self._store.removals.revoke(tx, [link.id for link in await self._links(tx, [record, *children])])
        wanted = await self._to_go(tx, [record])
        take_along = {link.integration_id for link in wanted}
        wanted += [link for link in await self._to_go(tx, children) if link.integration_id not in take_along]
        await self._store.removals.want(tx, [link.id for link in wanted], by=actor)
        return await self._store.ledger.enqueue(tx, [reconcile_request(link, Direction.OUTBOUND) for link in wanted])

    async def _to_go(self, tx: Transaction, records: Sequence[StoredRecord]) -> list[Link]:
        """Return the live links of *records* whose vendors are to delete what is archived here."""
        links = [link for link in await self._links(tx, records) if link.state == "live"]
        integrations = {
            each: await self._store.connections.get(tx, each) for each in {link.integration_id for link in links}
        }
        return [link for link in links if integrations[link.integration_id].deletes(link.entity)]

    async def _links(self, tx: Transaction, records: Sequence[StoredRecord]) -> list[Link]:
        found = await self._store.links.of_records(tx, [each.id for each in records])
        return [link for record_links in found.values() for link in record_links]


def _identity(record: StoredRecord) -> str | None:
    return candidate_identity(record.data) if record.entity is CANDIDATE else application_identity(record.data)


def _archived(record: StoredRecord, by: str) -> RecordWrite:
    return RecordWrite(
        record.id, record.entity, record.data, record.stamps, record.version, is_archived=True, archived_by=by
    )


def _restored(record: StoredRecord) -> RecordWrite:
    return RecordWrite(record.id, record.entity, record.data, record.stamps, record.version)
