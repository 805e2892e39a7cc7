"""
Attempts to create a record at a vendor: what is written down before the call, and what a later look goes by.

While nobody knows what became of a call, people go on editing: the record that it may have made has the name and the
address that were sent, not those of today. So what was sent is kept, sealed under the person's own key, until the
attempt ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from pydantic import JsonValue

from shared.errors import Conflict
from shared.model import EntityType, JsonObject
from shared.security.aead import DataUnreadable
from shared.security.keys import Keys
from shared.store.create_intents import CreateIntent
from shared.store.database import Transaction
from shared.store.history import PersonKey
from shared.store.ledger import Job, Knock
from shared.store.records import StoredRecord
from shared.store.store import Store
from shared.sync.identity.identify import application_identity, identity_hash
from shared.sync.jobs import waiting
from shared.sync.keeping.held_values import Vault

TABLE = "create_intents"


@dataclass(frozen=True, slots=True)
class Along:
    """The application that a call for a candidate makes as well."""

    record_id: UUID
    job_id: str
    """The vendor's id of its job."""
    data: JsonObject
    """Our record as it was."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What a call was made of that may have taken effect."""

    search: Mapping[str, JsonValue]
    """What the vendor is searched by to find its record."""
    data: JsonObject
    """Our record as it was."""
    along: Along | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """An open intent, and what an earlier call under it was made of; None where none was made."""

    intent: CreateIntent
    sent: Sent | None


@dataclass(frozen=True, slots=True)
class CreateAttempts:
    """Begins and ends attempts."""

    store: Store
    vault: Vault
    keys: Keys

    async def open(
        self, tx: Transaction, job: Job, record: StoredRecord, identity: str, *, along: StoredRecord | None = None
    ) -> Attempt:
        """
        Open an attempt, or take over the one that lost its worker or its answer.

        *along* is the application that the same call makes. From now on nobody archives or merges the two. Raises
        Conflict when *record* is part of another one by now, an application is another candidate's, or one is archived.
        """
        await self.store.ledger.guard(tx, job)
        await self.store.record_merges.hold_still(tx)
        await self.store.records.lock_identities(tx, [identity])
        if await self.store.record_merges.survivors(tx, [record.id]):
            raise Conflict("the record has been merged into another one meanwhile")
        for planned in (record,) if along is None else (record, along):
            current = await self._living(tx, planned)
            if current.data.get("candidate_id") != planned.data.get("candidate_id"):
                raise Conflict("the application has moved to another candidate meanwhile")
        key = identity_hash(self.keys, record.entity, identity)
        intent = await self.store.create_intents.open(
            tx, job.integration_id, record.entity, record.id, identity_key=key, lease_token=job.token
        )
        return Attempt(intent, (await self._sent(tx, {record.id: intent}))[record.id])

    async def _living(self, tx: Transaction, planned: StoredRecord) -> StoredRecord:
        """Lock the record that a plan was made of and return it as it is; Conflict if it has been archived since."""
        current = (await self.store.records.lock(tx, planned.entity, [planned.id])).get(planned.id)
        if current is None or current.archived_at is not None:
            raise Conflict(f"the {planned.entity.value} has been archived meanwhile")
        return current

    async def mark_sent(
        self,
        tx: Transaction,
        intent: CreateIntent,
        record: StoredRecord,
        *,
        identity: str,
        search: Mapping[str, JsonValue],
        along: Along | None = None,
        since: datetime | None = None,
    ) -> None:
        """Write down that the call is about to be made of *record*, or was *since*, and by what its own is found."""
        key = (await self.vault.keys(tx, [record.id]))[record.id]
        content: JsonObject = {"search": dict(search), "data": record.data}
        if along is not None:
            content["along"] = {"id": str(along.record_id), "job_id": along.job_id, "data": along.data}
        sealed = self.vault.seal(tx.company, key, TABLE, str(intent.id), content)
        identity_key = identity_hash(self.keys, record.entity, identity)
        await self.store.create_intents.mark_sent(tx, intent.id, identity_key=identity_key, sealed=sealed, since=since)

    async def keep_looking(
        self, tx: Transaction, job: Job, along: Along, candidate: str, since: datetime | None
    ) -> None:
        """
        Look for the application that went *along*, now that its candidate is found at the vendor as *candidate*.

        The lost answer was of both. As for every create that may have happened, nobody archives or merges the
        application, or brings the vendor's in beside it, until a search has told.
        """
        entity = EntityType.APPLICATION
        record = (await self.store.records.get(tx, entity, [along.record_id])).get(along.record_id)
        identity = None if record is None else application_identity(record.data)
        if record is None or identity is None or record.archived_at is not None:
            return
        await self.store.records.lock_identities(tx, [identity])
        links = (await self.store.links.of_records(tx, [record.id])).get(record.id, [])
        if any(each.integration_id == job.integration_id for each in links):
            return
        key = identity_hash(self.keys, entity, identity)
        intent = await self.store.create_intents.open(
            tx, job.integration_id, entity, record.id, identity_key=key, lease_token=job.token
        )
        if intent.sent_at is None:
            search: dict[str, JsonValue] = {"candidate_id": candidate, "job_id": along.job_id}
            sent = replace(record, data=along.data)
            await self.mark_sent(tx, intent, sent, identity=identity, search=search, since=since)

    async def withdraw(self, tx: Transaction, integration_id: UUID, entity: EntityType, record_id: UUID) -> list[Knock]:
        """
        End what is open of a record that is not to be created any more; return what waited for that end.

        If the vendor has made it nevertheless, it comes in from there like everything else.
        """
        intent = await self.store.create_intents.find(tx, integration_id, entity, record_id)
        if intent is None:
            return []
        return await self.end(tx, integration_id, entity, intent, "withdrawn")

    async def withdraw_unsent(
        self, tx: Transaction, integration_id: UUID, entity: EntityType, record_id: UUID
    ) -> list[Knock]:
        """End what is open of a record if nothing was sent yet; return what waited for that end."""
        intent = await self.store.create_intents.find(tx, integration_id, entity, record_id)
        if intent is None or intent.sent_at is not None:
            return []
        return await self.end(tx, integration_id, entity, intent, "withdrawn")

    async def end(
        self, tx: Transaction, integration_id: UUID, entity: EntityType, intent: CreateIntent, state: str
    ) -> list[Knock]:
        """End *intent*, of which nothing was linked; return what waited for that end."""
        await self.store.create_intents.end(tx, intent.id, state)
        return await self.store.ledger.release_held(tx, integration_id, [waiting.creation(integration_id, entity)])

    async def was_sent(self, tx: Transaction, integration_id: UUID, record: StoredRecord) -> bool:
        """Whether a call may have made *record* at the vendor, and nobody knows yet."""
        intent = await self.store.create_intents.find(tx, integration_id, record.entity, record.id)
        return intent is not None and intent.sent_at is not None

    async def sought(self, tx: Transaction, integration_id: UUID, job_ids: Sequence[UUID]) -> dict[UUID, str | None]:
        """
        Return of each application of ours for the jobs that may have been made under which candidate it is looked for.

        By our ids, the vendor's ids; None of an erased person's, of which nobody can tell any more.
        """
        applications = await self.store.create_intents.sent_applications(tx, integration_id, job_ids)
        sent = await self._sent(tx, {each.id: each.intent for each in applications})
        return {each: None if known is None else str(known.search["candidate_id"]) for each, known in sent.items()}

    async def follow(
        self, tx: Transaction, integration_id: UUID, merged_id: UUID, into: str, survivor_id: UUID
    ) -> None:
        """
        Look under *into* for applications of *merged_id* whose create has lost its answer: the vendor has moved them.

        *into* is the vendor's id of the record of ours *survivor_id*. Whoever brings one in as the survivor's waits.
        """
        entity = EntityType.APPLICATION
        ids = await self.store.records.applications_of(tx, merged_id)
        for record in (await self.store.records.get(tx, entity, ids)).values():
            intent = await self.store.create_intents.find(tx, integration_id, entity, record.id)
            sent = None if intent is None else (await self._sent(tx, {record.id: intent}))[record.id]
            identity = application_identity({**record.data, "candidate_id": str(survivor_id)})
            if intent is None or sent is None or identity is None:
                continue
            search = {**sent.search, "candidate_id": into}
            sent_record = replace(record, data=sent.data)
            await self.mark_sent(tx, intent, sent_record, identity=identity, search=search)

    async def _sent(self, tx: Transaction, intents: Mapping[UUID, CreateIntent]) -> dict[UUID, Sent | None]:
        """Return what was sent of each record; None where nothing was, or the person was erased since."""
        keys = await self.vault.keys(tx, [each for each, intent in intents.items() if intent.sent_sealed is not None])
        return {each: self._opened(tx.company, keys.get(each), intent) for each, intent in intents.items()}

    def _opened(self, company_id: UUID, key: PersonKey | None, intent: CreateIntent) -> Sent | None:
        if key is None or intent.sent_sealed is None:
            return None
        try:
            content = self.vault.open(company_id, key, TABLE, str(intent.id), intent.sent_sealed)
        except DataUnreadable:  # the person was erased meanwhile
            return None
        search, data = content["search"], content["data"]
        return Sent(search, data, _along(content)) if isinstance(search, dict) and isinstance(data, dict) else None


def _along(content: JsonObject) -> Along | None:
    match content.get("along"):
        case {"id": str(record_id), "job_id": str(job_id), "data": dict(data)}:
            return Along(UUID(record_id), job_id, data)
        case _:
            return None
