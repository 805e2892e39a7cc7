"""
What becomes of an accepted event: jobs for the records it names, or a kept event, or nothing.

An event says which records may differ and is believed in nothing else. Its vendor's id is counted and never a reason to
leave the jobs out: two real changes may come under one id, and a job asked for twice runs once.

    forged or unknown ─► counted, dropped          paused, deleted, entity off ─► kept, within bounds
    can't be read ─► refused, an issue              else ─► jobs and the count in one transaction, then a knock

The events of one batch are settled together, one transaction for each integration.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from uuid import UUID, uuid5

import psycopg

from shared import adapters, telemetry
from shared.adapters.protocol import Change
from shared.errors import LiaisonError, Permanent, Unavailable
from shared.intake import events
from shared.intake.accept import covers
from shared.intake.events import Event, Notice
from shared.intake.publish import known_of
from shared.model import Direction, EntityType, JsonValue
from shared.security.aead import DataSealer
from shared.security.sealing import Sealer
from shared.store.attention import Attention
from shared.store.database import Database, Transaction
from shared.store.ledger import JobRequest, Knock, Ledger
from shared.store.links import Links
from shared.store.queues import MOST_SEEN, Knocker, Queues, queue_for
from shared.store.record_merges import merge_key
from shared.store.webhook_events import EventRow, Receiver, WebhookEvents
from shared.sync.jobs.priorities import RECONCILE, WEBHOOK_SIGNAL

CLOCKS_DIFFER_BY = timedelta(minutes=15)
"""How wrong the clock of a process may be that took an event which the worker verifies later."""
MOST_COMPANIES = 10_000
MOST_KNOCKS = 5
"""For jobs of one integration and batch: so many run at a time by default, and each knock works on job after job."""
MOST_KNOCKS_WAITING = MOST_SEEN
LONGEST_EVENT_ID = 255
"""Characters. No signature covers it, and it is looked up by; the digest of a longer one stands in its place."""
log = telemetry.get_logger(__name__)

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


@dataclass(slots=True)
class _Settling:
    """What one transaction is to write, gathered event by event."""

    changes: list[Change] = field(default_factory=list)
    rows: list[EventRow] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    stopped: list[tuple[Event, Sequence[Change]]] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)


class Processor:
    """The half of the intake that works with the database. *credentials* opens secrets, *sealer* opens events."""

    def __init__(
        self,
        database: Database,
        store: Store,
        *,
        queues: Queues,
        knocker: Knocker,
        credentials: Sealer,
        sealer: DataSealer,
        bounds: Bounds,
        count: Callable[[Outcome, str], None],
    ) -> None:
        self._database = database
        self._store = store
        self._queues = queues
        self._knocker = knocker
        self._credentials = credentials
        self._sealer = sealer
        self._bounds = bounds
        self._count = count
        self._company_by_integration: dict[UUID, UUID] = {}

    async def process(self, notices: Sequence[Notice]) -> None:
        """Settle events. Raises Unavailable; repeating all of it does no harm."""
        by_place: dict[tuple[UUID, UUID], list[Notice]] = {}
        for notice in notices:
            company_id = await self._company(notice.integration_id)
            if company_id is None:
                self._count(Outcome.UNKNOWN, "")
            else:
                by_place.setdefault((company_id, notice.integration_id), []).append(notice)
        for (company_id, integration_id), found in by_place.items():
            await self._settle(company_id, integration_id, found)

    async def bury(self, notices: Sequence[Notice]) -> None:
        """
        Take in the events of a batch that made `process` raise each time; none may stop its neighbours.

        One that still raises is recorded as refused, with an issue; what it named is found by the full comparison that
        is asked for. Raises Unavailable.
        """
        for notice in notices:
            try:
                await self.process([notice])
            except LiaisonError:
                raise
            except Exception:  # whatever poisoned it, nobody foresaw it
                log.exception("webhook_poisoned", integration_id=notice.integration_id)
                await self._give_up(notice)

    async def give_up(self, notices: Sequence[Notice]) -> None:
        """Record events unopened, as `bury` does those that raise. Raises Unavailable."""
        for notice in notices:
            log.error("webhook_given_up", integration_id=notice.integration_id)
            await self._give_up(notice)

    async def _give_up(self, notice: Notice) -> None:
        company_id = await self._company(notice.integration_id)
        if company_id is not None:
            detail = "processing an event failed each time; a full comparison will find what it named"
            await self._record_refused(company_id, notice, POISONED, detail)

    async def _record_refused(self, company_id: UUID, notice: Notice, kind: str, detail: str) -> None:
        """Record an event unopened, and ask for a full comparison in its place."""
        integration_id = notice.integration_id
        async with self._database.company(company_id) as tx:
            if integration_id in await self._store.events.receivers(tx, integration_id):
                await self._store.events.record(tx, integration_id, [_refused(notice)])
                await self.make_up_for(tx, integration_id, kind, detail)

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

    async def _settle(self, company_id: UUID, integration_id: UUID, found: Sequence[Notice]) -> None:
        """Settle events together; one that breaks a statement is found by halves and refused, the others come in."""
        try:
            return await self._settle_together(company_id, integration_id, found)
        except psycopg.DataError as error:
            # Its text may quote what the database could not take.
            cause = type(error).__name__
        if len(found) > 1:
            await self._settle(company_id, integration_id, found[: len(found) // 2])
            return await self._settle(company_id, integration_id, found[len(found) // 2 :])
        log.error("webhook_refused_by_database", integration_id=integration_id, error=cause)
        detail = "the database refuses an event; a full comparison will find what it named"
        await self._record_refused(company_id, found[0], REFUSED, detail)
        return self._count(Outcome.REFUSED, "")

    async def _settle_together(self, company_id: UUID, integration_id: UUID, found: Sequence[Notice]) -> None:
        knocks: list[Knock] = []
        settling, platform = _Settling(), ""
        async with self._database.company(company_id) as tx:
            receiver = (await self._store.events.receivers(tx, integration_id)).get(integration_id)
            if receiver is None:
                settling.outcomes = [Outcome.UNKNOWN] * len(found)
            else:
                platform = receiver.platform
                for notice in found:
                    self._decide(receiver, company_id, notice, settling)
                await self._keep(tx, receiver, settling)
                knocks = await self.enqueue(tx, receiver, settling.changes)
                await self._store.events.record(tx, integration_id, settling.rows)
                for detail in settling.refusals:
                    await self._tell(tx, integration_id, REFUSED, detail)
        await self._knock(knocks, found[0].traceparent)
        for outcome in settling.outcomes:
            self._count(outcome, platform)

    async def _knock(self, knocks: Sequence[Knock], traceparent: str | None) -> None:
        """
        Knock for the jobs, unless so many knocks lie there already that workers are busy for a while with them.

        A backlog that comes in at once would else put a knock for each of its jobs in the workers' way; the sweep
        knocks for what is left.
        """
        if len(knocks) > 1:
            try:
                waiting = await self._queues.visible(queue_for(WEBHOOK_SIGNAL))
            except Unavailable:
                return
            knocks = knocks[: max(0, MOST_KNOCKS_WAITING - waiting)]
        await self._knocker.send(knocks, traceparent=traceparent, most=MOST_KNOCKS)

    def _decide(self, receiver: Receiver, company_id: UUID, notice: Notice, settling: _Settling) -> None:
        """Open, verify and read an event; add to *settling* what follows from it."""
        try:
            event = events.unpack(notice, self._sealer)
            if not event.is_verified and not self._covers(receiver, company_id, event):
                settling.outcomes.append(Outcome.FORGED)
                return
            changes = adapters.get(receiver.platform).read_webhook(event.headers, event.body)
        except Permanent as error:
            settling.rows.append(_refused(notice))
            settling.refusals.append(str(error))
            settling.outcomes.append(Outcome.REFUSED)
            return
        if changes and is_stopped(receiver, changes):
            settling.stopped.append((event, changes))
            return
        settling.changes += changes
        settling.rows.append(_row(event, changes, "processed"))
        settling.outcomes.append(Outcome.ENQUEUED if changes else Outcome.NOTHING_NAMED)

    def _covers(self, receiver: Receiver, company_id: UUID, event: Event) -> bool:
        """
        Whether a secret that was in force when *event* came signed it.

        The moment was told by the clock of the process that took it, which may be wrong by `CLOCKS_DIFFER_BY`.
        """
        came_at = event.received_at - CLOCKS_DIFFER_BY
        return covers(known_of(receiver, company_id, self._credentials, came_at), event)

    async def _keep(self, tx: Transaction, receiver: Receiver, settling: _Settling) -> None:
        """Keep the events that have to wait; beyond the bounds mark the integration for a full comparison instead."""
        if not settling.stopped:
            return
        if not (receiver.is_paused or receiver.is_deleted):  # an entity is off; the others of the event are not
            settling.changes += [change for _, changes in settling.stopped for change in changes]
        kept, size_bytes = await self._store.events.kept_size(tx, receiver.integration_id)
        has_overflowed = receiver.wants_full_comparison
        for event, changes in settling.stopped:
            row = _row(event, changes, "kept")
            has_overflowed = has_overflowed or (
                kept + 1 > self._bounds.events or size_bytes + row.size_bytes > self._bounds.size_bytes
            )
            if has_overflowed:
                settling.outcomes.append(Outcome.OVERFLOWED)
                continue
            headers, body = events.seal_kept(event, row.id, self._sealer)
            settling.rows.append(replace(row, headers_sealed=headers, body_sealed=body))
            settling.outcomes.append(Outcome.KEPT)
            kept, size_bytes = kept + 1, size_bytes + row.size_bytes
        if has_overflowed and await self._store.events.want_full_comparison(tx, receiver.integration_id):
            detail = "more events came than are kept while it stood still; a full comparison will find what they named"
            await self._tell(tx, receiver.integration_id, OVERFLOW, detail)

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

    async def make_up_for(self, tx: Transaction, integration_id: UUID, kind: str, detail: str) -> None:
        """Ask for a full comparison in place of events that nobody could read, and open an issue that says so."""
        await self._store.events.want_full_comparison(tx, integration_id)
        await self._tell(tx, integration_id, kind, detail)

    async def _tell(self, tx: Transaction, integration_id: UUID, kind: str, detail: str) -> None:
        await self._store.attention.raise_issue(tx, integration_id, kind=kind, subject="webhooks", detail=detail)


def is_stopped(receiver: Receiver, changes: Sequence[Change]) -> bool:
    """Whether something that *changes* name can't be looked after now."""
    is_off = any(change.entity not in receiver.entities for change in changes)
    return receiver.is_paused or receiver.is_deleted or is_off


def _request(integration_id: UUID, change: Change, record_key: str) -> JobRequest:
    payload: dict[str, JsonValue] = {"reason": "webhook"}
    if change.merged_into is not None:
        payload[merge_key(change.external_id)] = change.merged_into
    return JobRequest(
        integration_id,
        action=RECONCILE,
        entity=change.entity,
        record_key=record_key,
        direction=Direction.INBOUND,
        priority=WEBHOOK_SIGNAL,
        payload=payload,
    )


def _row(event: Event, changes: Sequence[Change], state: str) -> EventRow:
    """
    Return the row that counts *event*: one for a vendor's event id, else one for each delivery.

    Kept events are told apart by their bodies as well: of two real changes under one id, neither replaces the other.
    """
    event_id = next((_bounded(change.event_id) for change in changes if change.event_id is not None), None)
    if event_id is not None and state == "kept":
        event_id = f"{event_id} sha256:{hashlib.sha256(event.body).hexdigest()}"
    return EventRow(
        id=event.id if event_id is None else uuid5(event.integration_id, event_id),
        event_id=event_id,
        state=state,
        received_at=event.received_at,
        records=len({(change.entity, change.external_id) for change in changes}),
        size_bytes=len(event.body),
    )


def _bounded(event_id: str) -> str:
    if len(event_id) <= LONGEST_EVENT_ID:
        return event_id
    return "sha256:" + hashlib.sha256(event_id.encode()).hexdigest()


def _refused(notice: Notice) -> EventRow:
    return EventRow(notice.id, None, "refused", notice.received_at)
