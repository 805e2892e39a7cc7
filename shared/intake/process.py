"""
What becomes of an accepted event: jobs for the records it names, or a kept event, or nothing.

An event says which records may differ and is believed in nothing else. Its vendor's id is counted and never a reason to
leave the jobs out: two real changes may come under one id, and a job asked for twice runs once.

    forged or unknown ─► counted, dropped          paused, deleted, entity off ─► kept, within bounds
    can't be read ─► refused, an issue              else ─► jobs and the count in one transaction, then a knock
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID, uuid5

from shared import adapters
from shared.adapters.protocol import Change
from shared.errors import Permanent, SignatureError
from shared.intake import events
from shared.intake.events import Event, Notice
from shared.intake.publish import known_of
from shared.model import Direction, EntityType
from shared.security.aead import DataSealer
from shared.security.sealing import Sealer
from shared.store.attention import Attention
from shared.store.blobs import Blobs
from shared.store.database import Database, Transaction
from shared.store.ledger import JobRequest, Knock, Ledger
from shared.store.links import Links
from shared.store.queues import Knocker
from shared.store.webhook_events import EventRow, Receiver, WebhookEvents
from shared.sync.priorities import RECONCILE, WEBHOOK_SIGNAL

MOST_COMPANIES = 10_000
OVERFLOW = "webhook_overflow"
REFUSED = "webhook_refused"
POISONED = "webhook_poisoned"


class Outcome(StrEnum):
    """What became of an event; the word it is counted under."""

    ENQUEUED = "enqueued"
    NOTHING_NAMED = "nothing_named"
    KEPT = "kept"
    OVERFLOWED = "overflowed"
    REFUSED = "refused"
    FORGED = "forged"
    UNKNOWN = "unknown"
    GONE = "gone"
    """Its content was processed before, under another delivery of the same message."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is kept of one integration (WEBHOOK_KEPT_EVENTS, WEBHOOK_KEPT_BYTES)."""

    events: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Store:
    """The statements that processing runs."""

    events: WebhookEvents
    ledger: Ledger
    links: Links
    attention: Attention


@dataclass(frozen=True, slots=True)
class _Settled:
    """What a transaction settled about an event."""

    outcome: Outcome
    knocks: Sequence[Knock] = ()


class Processor:
    """The half of the intake that works with the database. *credentials* opens secrets, *sealer* opens events."""

    def __init__(
        self,
        database: Database,
        store: Store,
        blobs: Blobs,
        knocker: Knocker,
        credentials: Sealer,
        sealer: DataSealer,
        bounds: Bounds,
        count: Callable[[Outcome, str], None],
    ) -> None:
        self._database = database
        self._store = store
        self._blobs = blobs
        self._knocker = knocker
        self._credentials = credentials
        self._sealer = sealer
        self._bounds = bounds
        self._count = count
        self._company_by_integration: dict[UUID, UUID] = {}

    async def process(self, notice: Notice) -> Outcome:
        """Settle one event and let go of its blob. Raises Unavailable; it is then as if nothing had happened."""
        sealed = notice.sealed
        if notice.blob is not None:
            sealed = await self._blobs.find(events.CONTAINER, notice.blob)
        if sealed is None:
            return self._counted(Outcome.GONE, "")
        company_id = await self._company(notice.integration_id)
        if company_id is None:
            outcome = self._counted(Outcome.UNKNOWN, "")
        else:
            outcome = await self._settle(company_id, notice, sealed)
        if notice.blob is not None:
            await self._blobs.delete(events.CONTAINER, notice.blob)
        return outcome

    async def bury(self, notice: Notice) -> None:
        """
        Take in an event that made `process` raise each time: recorded as refused, an issue raised.

        What it named is found by the full comparison that is asked for. Raises Unavailable.
        """
        company_id = await self._company(notice.integration_id)
        if company_id is not None:
            async with self._database.company(company_id) as tx:
                if notice.integration_id in await self._store.events.receivers(tx, notice.integration_id):
                    await self._refuse(tx, notice, POISONED, "processing it failed each time; see the log")
                    await self._store.events.want_full_comparison(tx, notice.integration_id)
        if notice.blob is not None:
            await self._blobs.delete(events.CONTAINER, notice.blob)

    async def _company(self, integration_id: UUID) -> UUID | None:
        """Return the company of an integration, which never changes."""
        known = self._company_by_integration.get(integration_id)
        if known is not None:
            return known
        async with self._database.dispatch() as tx:
            company_id = await self._store.events.company_of(tx, integration_id)
        if company_id is not None and len(self._company_by_integration) < MOST_COMPANIES:
            self._company_by_integration[integration_id] = company_id
        return company_id

    async def _settle(self, company_id: UUID, notice: Notice, sealed: bytes) -> Outcome:
        async with self._database.company(company_id) as tx:
            receiver = (await self._store.events.receivers(tx, notice.integration_id)).get(notice.integration_id)
            if receiver is None:
                settled, platform = _Settled(Outcome.UNKNOWN), ""
            else:
                settled, platform = await self._decide(tx, receiver, notice, sealed), receiver.platform
        await self._knocker.send(settled.knocks, traceparent=notice.traceparent)
        return self._counted(settled.outcome, platform)

    async def _decide(self, tx: Transaction, receiver: Receiver, notice: Notice, sealed: bytes) -> _Settled:
        try:
            event = events.unpack(notice, sealed, self._sealer)
            if not event.is_verified:
                self._verify(receiver, tx.company, event)
            changes = adapters.get(receiver.platform).read_webhook(event.headers, event.body)
        except SignatureError:
            return _Settled(Outcome.FORGED)
        except Permanent as error:
            await self._refuse(tx, notice, REFUSED, str(error))
            return _Settled(Outcome.REFUSED)
        if is_stopped(receiver, changes):
            return await self._keep(tx, receiver, event, changes)
        return await self._enqueue(tx, receiver, event, changes)

    def _verify(self, receiver: Receiver, company_id: UUID, event: Event) -> None:
        """Check the signature with what was valid on receipt. Raises SignatureError."""
        known = known_of(receiver, company_id, self._credentials)
        if known.secrets is None:
            raise SignatureError("the integration has no secrets any more")
        secrets = known.secrets.valid_at(event.received_at)
        adapters.get(receiver.platform).verify_webhook(event.headers, event.body, secrets)

    async def _enqueue(self, tx: Transaction, receiver: Receiver, event: Event, changes: Sequence[Change]) -> _Settled:
        knocks = await self.enqueue(tx, receiver, changes)
        await self._store.events.record(tx, _row(event, changes), "processed")
        return _Settled(Outcome.ENQUEUED if changes else Outcome.NOTHING_NAMED, knocks)

    async def enqueue(self, tx: Transaction, receiver: Receiver, changes: Sequence[Change]) -> list[Knock]:
        """Ask for a reconcile of every record of *changes* that is kept in step; return what to knock for."""
        requests = []
        for entity in EntityType:
            named = [change for change in changes if change.entity is entity]
            if not named or entity not in receiver.entities:
                continue
            ids = {change.external_id for change in named}
            keys = await self._store.links.record_keys(tx, receiver.integration_id, entity, sorted(ids))
            requests += [_request(receiver.integration_id, change, keys[change.external_id]) for change in named]
        return await self._store.ledger.enqueue(tx, requests)

    async def _keep(self, tx: Transaction, receiver: Receiver, event: Event, changes: Sequence[Change]) -> _Settled:
        """Keep an event that names something; beyond the bounds mark the integration for a full comparison instead."""
        row = _row(event, changes)
        if not changes:
            await self._store.events.record(tx, row, "processed")
            return _Settled(Outcome.NOTHING_NAMED)
        on = await self.enqueue(tx, receiver, changes) if not (receiver.is_paused or receiver.is_deleted) else []
        if receiver.wants_full_comparison:
            return _Settled(Outcome.OVERFLOWED, on)
        has_room = await self._store.events.has_room(
            tx, row, most_events=self._bounds.events, most_bytes=self._bounds.size_bytes
        )
        if has_room:
            await self._store.events.record(tx, row, "kept", events.seal_kept(_as_row(event, row), self._sealer))
            return _Settled(Outcome.KEPT, on)
        await self._overflow(tx, receiver.integration_id)
        return _Settled(Outcome.OVERFLOWED, on)

    async def _overflow(self, tx: Transaction, integration_id: UUID) -> None:
        if await self._store.events.want_full_comparison(tx, integration_id):
            await self._store.attention.raise_issue(
                tx,
                integration_id,
                kind=OVERFLOW,
                subject="webhooks",
                detail="more events came than are kept while the integration stood still; "
                "a full comparison will find what they named",
            )

    async def _refuse(self, tx: Transaction, notice: Notice, kind: str, reason: str) -> None:
        """Record an event that can't be read. *reason* names path and rule, never a value."""
        row = EventRow(notice.id, notice.integration_id, None, notice.received_at)
        await self._store.events.record(tx, row, "refused")
        await self._store.attention.raise_issue(tx, notice.integration_id, kind=kind, subject="webhooks", detail=reason)

    def _counted(self, outcome: Outcome, platform: str) -> Outcome:
        self._count(outcome, platform)
        return outcome


def is_stopped(receiver: Receiver, changes: Sequence[Change]) -> bool:
    """Whether something that *changes* name can't be looked after now."""
    is_off = any(change.entity not in receiver.entities for change in changes)
    return receiver.is_paused or receiver.is_deleted or is_off


def _request(integration_id: UUID, change: Change, record_key: str) -> JobRequest:
    payload = {"reason": "webhook"}
    if change.merged_into is not None:
        payload["merged_into"] = change.merged_into
    return JobRequest(
        integration_id,
        action=RECONCILE,
        entity=change.entity,
        record_key=record_key,
        direction=Direction.INBOUND,
        priority=WEBHOOK_SIGNAL,
        payload=payload,
    )


def row_id(event: Event, event_id: str | None) -> UUID:
    """Return the id of the row that counts *event*: one a vendor's event id, else one a delivery."""
    return event.id if event_id is None else uuid5(event.integration_id, event_id)


def _row(event: Event, changes: Sequence[Change]) -> EventRow:
    event_id = next((change.event_id for change in changes if change.event_id is not None), None)
    return EventRow(
        id=row_id(event, event_id),
        integration_id=event.integration_id,
        event_id=event_id,
        received_at=event.received_at,
        records=len({(change.entity, change.external_id) for change in changes}),
        size_bytes=len(event.body),
    )


def _as_row(event: Event, row: EventRow) -> Event:
    """Return *event* under the id of its row, which its seal names."""
    return Event(
        id=row.id,
        integration_id=event.integration_id,
        received_at=event.received_at,
        is_verified=True,
        headers=event.headers,
        body=event.body,
    )
