"""Kept events: replayed when their integration runs again, dropped when they are old."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from shared import adapters
from shared.adapters.protocol import Change
from shared.errors import Permanent
from shared.intake import events
from shared.intake.process import REFUSED, Processor, is_stopped
from shared.security.aead import DataSealer
from shared.store.database import Database, Transaction
from shared.store.ledger import Knock
from shared.store.queues import Knocker
from shared.store.webhook_events import KeptEvent, Receiver, WebhookEvents

EVENTS_LAST_DAYS = 30
"""Of kept events and of the rows that count processed ones."""
BATCH_EVENTS = 100
BATCH_BYTES = 4_000_000
_BEGINNING = (datetime(1970, 1, 1, tzinfo=UTC), UUID(int=0))


@dataclass(frozen=True, slots=True)
class Keeping:
    """What tending kept events needs. *sealer*: keys of `Purpose.EVENTS`."""

    database: Database
    events: WebhookEvents
    processor: Processor
    knocker: Knocker
    sealer: DataSealer


async def replay_kept(parts: Keeping, company_id: UUID, integration_id: UUID) -> int:
    """
    Ask for the jobs of every kept event of an integration that runs again; return how many events that were.

    Events of an entity that is still switched off stay kept. Safe to repeat: what was replayed is no longer kept.
    Raises Unavailable; the rest is then replayed by the next call.
    """
    replayed, after = 0, _BEGINNING
    while True:
        async with parts.database.company(company_id) as tx:
            receiver = (await parts.events.receivers(tx, integration_id)).get(integration_id)
            if receiver is None or receiver.is_paused or receiver.is_deleted:
                return replayed
            batch = await parts.events.kept(
                tx, integration_id, after=after, limit=BATCH_EVENTS, budget_bytes=BATCH_BYTES
            )
            count, knocks = await _replay(parts, tx, receiver, batch)
        await parts.knocker.send(knocks)
        replayed += count
        if not batch:
            return replayed
        after = (batch[-1].received_at, batch[-1].id)


async def _replay(
    parts: Keeping, tx: Transaction, receiver: Receiver, batch: Sequence[KeptEvent]
) -> tuple[int, list[Knock]]:
    count, refused, named = 0, 0, list[Change]()
    for kept in batch:
        try:
            changes = _read(parts, receiver, kept)
        except Permanent:  # sealed under a key that is gone, or kept by a release that read it otherwise
            await parts.events.settle(tx, kept.id, "refused", records=0)
            refused += 1
            continue
        named += changes
        if not is_stopped(receiver, changes):
            await parts.events.settle(tx, kept.id, "processed", records=len(changes))
            count += 1
    if refused:
        detail = f"{refused} kept events could not be read any more; a full comparison will find what they named"
        await parts.processor.make_up_for(tx, receiver.integration_id, REFUSED, detail)
    return count, await parts.processor.enqueue(tx, receiver, named)


def _read(parts: Keeping, receiver: Receiver, kept: KeptEvent) -> Sequence[Change]:
    """Read a kept event; its signature was checked before it was kept. Raises Permanent."""
    sealed = (kept.headers_sealed, kept.body_sealed)
    event = events.open_kept(receiver.integration_id, kept.id, kept.received_at, sealed, parts.sealer)
    return adapters.get(receiver.platform).read_webhook(event.headers, event.body)


async def drop_old(parts: Keeping) -> int:
    """Delete the events of every company that are older than 30 days; return how many. Raises Unavailable."""
    async with parts.database.dispatch() as tx:
        companies = await parts.events.all_integrations(tx)
    dropped = 0
    for company_id in companies:
        async with parts.database.company(company_id) as tx:
            dropped += await parts.events.purge(tx, days=EVENTS_LAST_DAYS)
    return dropped
