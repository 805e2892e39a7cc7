"""
What the portal changes: the record, its history, and the jobs that carry it to the vendors, in one transaction.

A person's edit is acknowledged when it is committed; from then on the ledger owes it to every linked system.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID, uuid4

from pydantic import JsonValue

from shared.errors import Conflict, InvalidInput, NotFound, StaleVersion
from shared.merge.state import Stamp
from shared.model import UNITS, ApplicationStatus, Direction, EntityType, SubmissionState
from shared.store.database import Database, Transaction
from shared.store.ledger import JobRequest
from shared.store.queues import Knocker
from shared.store.records import RecordWrite, StoredRecord
from shared.store.store import Store
from shared.sync.editing.contact_check import check_contacts
from shared.sync.editing.length_check import check_lengths
from shared.sync.identity.identify import candidate_identity
from shared.sync.identity.suppression import Suppression
from shared.sync.jobs.priorities import RECONCILE, priority_of
from shared.sync.keeping.chronicle import Chronicle
from shared.sync.keeping.held_values import Vault
from shared.sync.keeping.pinning import Pinner
from shared.sync.merging.one_record import without_empty
from shared.sync.merging.stamps import decode_stamps, encode_stamps

PORTAL = "portal"
SUBMISSION_PRIORITY = 2


class Edits:
    """Writes on behalf of people at the portal."""

    def __init__(
        self,
        database: Database,
        store: Store,
        vault: Vault,
        pinner: Pinner,
        suppression: Suppression,
        knocker: Knocker,
    ) -> None:
        self._database = database
        self._store = store
        self._suppression = suppression
        self._pinner = pinner
        self._chronicle = Chronicle(store.history, vault)
        self._knocker = knocker

    async def create_candidate(
        self, company_id: UUID, fields: Mapping[str, JsonValue], *, actor: str, has_consent: bool = False
    ) -> StoredRecord:
        """
        Add a candidate. Raises Conflict when somebody holds the same e-mail already.

        One who was erased comes back by their own registration alone, with *has_consent*; else Conflict as well. Raises
        InvalidInput for what is no address or number, or too long to be looked up by.
        """
        data = without_empty(fields)
        if not data:
            raise InvalidInput("a candidate needs a name, an e-mail or a phone", field="email")
        check_contacts(data)
        check_lengths(EntityType.CANDIDATE, data)
        async with self._database.company(company_id) as tx:
            await self._refuse_double(tx, data)
            if has_consent:
                await self._suppression.lift(tx, data)
            elif field := await self._suppression.field_held(tx, data):
                raise suppressed(field, remedy="send consent: true when they have registered themselves")
            record_id = uuid4()
            stamps = await self._stamps(tx, EntityType.CANDIDATE, data, {}, "create")
            await self._store.records.insert(
                tx,
                EntityType.CANDIDATE,
                [RecordWrite(record_id, EntityType.CANDIDATE, data, encode_stamps(_by(stamps, actor)))],
            )
            return await self._store.records.fetch(tx, EntityType.CANDIDATE, record_id)

    async def _refuse_double(self, tx: Transaction, data: Mapping[str, JsonValue]) -> None:
        identity = candidate_identity(data)
        if identity is None:
            return
        await self._store.records.lock_identities(tx, [identity])
        known = await self._store.records.find_by_email(tx, uuid4(), [identity])
        if known:
            holder = known[identity][0].id
            raise Conflict(
                f"candidate {holder} holds this e-mail address already",
                remedy=f"edit candidate {holder}, or use another address",
            )

    async def edit(
        self,
        company_id: UUID,
        entity: EntityType,
        record_id: UUID,
        changes: Mapping[str, JsonValue],
        *,
        actor: str,
        expected_version: int | None = None,
    ) -> StoredRecord:
        """
        Write *changes* (a null clears) and ask every linked system to be brought in step.

        What is already so changes nothing. Raises NotFound, InvalidInput for what is new to it and can be no address or
        number, or is too long to be looked up by, Conflict when it is no longer at *expected_version* or an address or
        number is new to it and suppressed.
        """
        async with self._database.company(company_id) as tx:
            record = (await self._store.records.lock(tx, entity, [record_id])).get(record_id)
            if record is None:
                raise NotFound(f"there is no {entity.value} {record_id}")
            if expected_version is not None and record.version != expected_version:
                raise StaleVersion(f"the record is at version {record.version} by now", remedy="read it again")
            await self._require_whole(tx, record)
            changed = {name: value for name, value in changes.items() if not _same(record.data.get(name), value)}
            if not changed:
                return record
            check_lengths(entity, changed)
            if entity is EntityType.CANDIDATE:
                check_contacts(changed, record.data)
            await self._refuse_suppressed(tx, record, changed)
            requests = await self._write(tx, record, changed, actor)
            knocks = await self._store.ledger.enqueue(tx, requests)
            after = await self._store.records.fetch(tx, entity, record_id)
        await self._knocker.send(knocks)
        return after

    async def _refuse_suppressed(self, tx: Transaction, record: StoredRecord, changed: Mapping[str, JsonValue]) -> None:
        """Raise Conflict if *changed* would give a candidate an address or number of somebody who was erased."""
        if record.entity is not EntityType.CANDIDATE:
            return
        field = await self._suppression.field_held(tx, changed, known=record.data)
        if field is not None:
            raise suppressed(
                field,
                remedy="use another one; who registers themselves again is added by POST /api/candidates with consent",
            )

    async def take_back(
        self, tx: Transaction, record: StoredRecord, changed: Mapping[str, JsonValue], run_id: UUID
    ) -> list[JobRequest]:
        """
        Write older values into the locked *record*, on behalf of the run that takes another one back.

        What is suppressed is not refused here: the plan leaves it out (`Reverts`), so that the rest goes back.
        """
        return await self._write(tx, record, changed, str(run_id), rule="revert", run_id=run_id)

    async def _require_whole(self, tx: Transaction, record: StoredRecord) -> None:
        """Raise Conflict for a record that is part of another one: what is written to it would be seen by nobody."""
        if record.archived_at is None:
            return
        for survivor in (await self._store.record_merges.survivors(tx, [record.id])).values():
            raise Conflict(
                f"{record.entity.value} {record.id} is part of {record.entity.value} {survivor}",
                remedy=f"use {survivor} instead",
            )

    async def _write(
        self,
        tx: Transaction,
        record: StoredRecord,
        changed: Mapping[str, JsonValue],
        actor: str,
        *,
        rule: str = "edit",
        run_id: UUID | None = None,
    ) -> list[JobRequest]:
        before = decode_stamps(record.stamps)
        stamps = await self._stamps(tx, record.entity, changed, before, rule)
        units = units_touched(record.entity, changed)
        await self._chronicle.after_edit(tx, record, changed, units, source=PORTAL, run_id=run_id)
        write = RecordWrite(
            record.id,
            record.entity,
            without_empty({**record.data, **changed}),
            encode_stamps({**before, **_by(stamps, actor)}),
            based_on=record.version,
            is_archived=record.archived_at is not None,
        )
        await self._store.records.update(tx, record.entity, [write])
        at = max(stamp.at for stamp in stamps.values())
        await self._pinner.replace(tx, record.entity, record.id, record.data, write.data, at=at, by=actor)
        return await self.requests_for_links(tx, record, units)

    async def decide(
        self,
        tx: Transaction,
        record: StoredRecord,
        unit: str,
        values: Mapping[str, JsonValue],
        stamp: Stamp,
        shown: Sequence[tuple[UUID, Mapping[str, JsonValue]]],
        actor: str,
    ) -> None:
        """
        Write a person's decision on *unit* into the locked *record*, pinned against what vendors had *shown*.

        *shown*: the integration and the values of each side. What the decision rejects of them is told from now on,
        whether or when a write of ours replaces it. Raises Conflict for an address or number that is new to the record
        and suppressed.
        """
        await self._refuse_suppressed(tx, record, values)
        before = decode_stamps(record.stamps)
        await self._chronicle.after_edit(tx, record, values, [unit], source=PORTAL)
        write = RecordWrite(
            record.id,
            record.entity,
            without_empty({**record.data, **values}),
            encode_stamps({**before, **_by({unit: stamp}, actor)}),
            based_on=record.version,
            is_archived=record.archived_at is not None,
        )
        await self._store.records.update(tx, record.entity, [write])
        members = UNITS[record.entity][unit].members
        decision, ours = ({name: side.get(name) for name in members} for side in (write.data, record.data))
        await self._chronicle.after_decision(tx, record, unit, decision, shown)
        sides = [ours, *(values for _, values in shown)]
        await self._pinner.decide(tx, record.entity, record.id, unit, decision, sides, at=stamp.at, by=actor)

    async def requests_for_links(self, tx: Transaction, record: StoredRecord, units: Sequence[str]) -> list[JobRequest]:
        """Return a job for each live link of *record* whose integration takes what the portal says."""
        requests = []
        for link in (await self._store.links.of_records(tx, [record.id])).get(record.id, []):
            integration = await self._store.connections.get(tx, link.integration_id)
            if link.state == "live" and integration.allows(record.entity, Direction.OUTBOUND):
                requests.append(
                    JobRequest(
                        link.integration_id,
                        RECONCILE,
                        record.entity,
                        str(record.id),
                        Direction.OUTBOUND,
                        priority_of(record.entity, units),
                    )
                )
        return requests

    async def submit_application(
        self,
        company_id: UUID,
        *,
        candidate_id: UUID,
        job_id: UUID,
        fields: Mapping[str, JsonValue],
        actor: str,
    ) -> StoredRecord:
        """
        Submit a candidate to a job: the application, and the job that takes it to the job's own system.

        Raises InvalidInput for an unknown candidate or job and a stage too long to be looked up by, Conflict for a
        second application (one that was archived here and lives on elsewhere counts), or when the job's system does not
        take what the portal submits.
        """
        check_lengths(EntityType.APPLICATION, fields)
        async with self._database.company(company_id) as tx:
            await self._store.record_merges.hold_still(tx)
            await self._require_parents(tx, candidate_id, job_id)
            await self._store.records.lock_identities(tx, [f"{candidate_id} {job_id}"])
            if await self._store.records.application_of(tx, candidate_id, job_id) is not None:
                raise Conflict("this candidate has an application for this job already")
            archived = await self._store.records.archived_application_of(tx, candidate_id, job_id)
            if archived is not None:
                raise Conflict(
                    "this candidate's application for this job is archived here, and its system has it still",
                    remedy=f"POST /api/applications/{archived}/restore",
                )
            owner = await self._owner(tx, job_id)
            at = (await self._store.links.ticket(tx)).at
            data = without_empty(
                {
                    "status": ApplicationStatus.ACTIVE.value,
                    "applied_at": at.isoformat(),
                    **fields,
                    "candidate_id": str(candidate_id),
                    "job_id": str(job_id),
                }
            )
            stamps = await self._stamps(tx, EntityType.APPLICATION, data, {}, "create")
            record_id = uuid4()
            submission = None if owner is None else _queued(owner)
            write = RecordWrite(
                record_id,
                EntityType.APPLICATION,
                data,
                encode_stamps(_by(stamps, actor)),
                submission=submission,
            )
            await self._store.records.insert(tx, EntityType.APPLICATION, [write])
            knocks = await self._store.ledger.enqueue(
                tx, [] if owner is None else [submission_request(owner, record_id)]
            )
            record = await self._store.records.fetch(tx, EntityType.APPLICATION, record_id)
        await self._knocker.send(knocks)
        return record

    async def _require_parents(self, tx: Transaction, candidate_id: UUID, job_id: UUID) -> None:
        for field, entity, record_id in (
            ("candidate_id", EntityType.CANDIDATE, candidate_id),
            ("job_id", EntityType.JOB, job_id),
        ):
            found = await self._store.records.get(tx, entity, [record_id])
            if record_id not in found:
                raise InvalidInput(f"{field}: there is no such {entity.value}", field=field)
            await self._require_whole(tx, found[record_id])

    async def _owner(self, tx: Transaction, job_id: UUID) -> UUID | None:
        """Return the integration that owns the job, if the shipped route is on; None: the application stays here."""
        if not await self._store.connections.routes_to_job_owner(tx, EntityType.APPLICATION):
            return None
        known = (await self._store.links.of_records(tx, [job_id])).get(job_id, [])
        # Whoever deletes the integration meanwhile buries its links: before this, or after our commit.
        locked = await self._store.links.lock(tx, [link.id for link in known if link.state == "live"])
        for link in (locked[each.id] for each in known if each.id in locked):
            integration = await self._store.connections.get(tx, link.integration_id)
            if link.state != "live" or integration.deleted_at is not None:
                continue
            for entity in (EntityType.APPLICATION, EntityType.CANDIDATE):
                if not integration.allows(entity, Direction.OUTBOUND):
                    raise Conflict(
                        f"integration {integration.id} takes no {entity.value}s from the portal",
                        remedy=f'set config.directions.{entity.value} of the integration to "both"',
                    )
            return integration.id
        return None

    async def _stamps(
        self,
        tx: Transaction,
        entity: EntityType,
        changed: Mapping[str, JsonValue],
        before: Mapping[str, Stamp],
        rule: str,
    ) -> dict[str, Stamp]:
        now = (await self._store.links.ticket(tx)).at
        stamps = {}
        for unit in units_touched(entity, changed):
            # Never behind what it replaces: an edit that was made while looking at a value is newer than it.
            known = before.get(unit)
            at = now if known is None else max(now, known.at)
            stamps[unit] = Stamp(at, 0, PORTAL, rule)
        return stamps


def suppressed(field: str, *, remedy: str) -> Conflict:
    """Return the refusal of an address or number of somebody who was erased; it tells no more than the field."""
    return Conflict(f"{field}: is suppressed: whoever holds it was erased", field=field, remedy=remedy)


def units_touched(entity: EntityType, names: Mapping[str, JsonValue]) -> list[str]:
    """Return the units that the fields *names* belong to."""
    return [unit.name for unit in UNITS[entity].values() if any(name in names for name in unit.members)]


def _same(one: JsonValue, other: JsonValue) -> bool:
    empty: tuple[JsonValue, ...] = (None, "", [])
    return one == other or (one in empty and other in empty)


def _by(stamps: Mapping[str, Stamp], actor: str) -> dict[str, Stamp]:
    return {unit: replace(stamp, rule=f"{stamp.rule}:{actor}") for unit, stamp in stamps.items()}


def _queued(owner: UUID) -> dict[str, JsonValue]:
    return {
        "state": SubmissionState.QUEUED.value,
        "integration_id": str(owner),
        "external_id": None,
        "submitted_at": None,
        "error": None,
    }


def queued_for(application: StoredRecord) -> UUID | None:
    """Return the integration that *application* was submitted to and has not come to yet, if so."""
    said = application.submission or {}
    return UUID(str(said["integration_id"])) if said.get("state") == SubmissionState.QUEUED.value else None


def submission_request(owner: UUID, record_id: UUID) -> JobRequest:
    """Return the job that takes an application to the integration that owns its job."""
    return JobRequest(owner, RECONCILE, EntityType.APPLICATION, str(record_id), Direction.OUTBOUND, SUBMISSION_PRIORITY)
