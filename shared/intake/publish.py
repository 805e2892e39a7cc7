"""
Tell the intake's Table about an integration's secrets and state, so that it needs no database to verify.

A change of secrets goes in three steps, of which any may fail: `announce_rotation` (the row says that newer secrets are
coming), the commit that saves them together with a job `publish_webhook_state`, and that job. Between the first and the
last the intake keeps what it can't verify. Every five minutes `publish_all` writes every row anew.

One clock judges of all this, the database's: what is published leaves a replaced secret out once it has ended, and an
announcement that was never saved. The intake, which may be without a database, goes by the row alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from shared import telemetry
from shared.errors import Conflict
from shared.intake.known import ROW, TABLE, Known, entity_of
from shared.intake.secrets import WebhookSecrets
from shared.security.sealing import SealBroken, Sealer
from shared.store.database import Database
from shared.store.tables import Entity, Tables
from shared.store.webhook_events import Receiver, WebhookEvents

ANNOUNCED_LASTS = timedelta(minutes=10)
"""An announced rotation that was not saved by then never will be."""
TRIES = 5

log = telemetry.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Publishing:
    """What publishing needs. *credentials* opens what the database holds, *copies* seals what the Table holds."""

    database: Database
    tables: Tables
    credentials: Sealer
    copies: Sealer
    events: WebhookEvents


async def publish(parts: Publishing, company_id: UUID, integration_id: UUID) -> None:
    """Write one integration's row as the database has it now. Raises Unavailable."""
    for _ in range(TRIES):
        # The row is read first: whoever writes after us has read the database after us, too.
        before = await parts.tables.find(TABLE, str(integration_id), ROW)
        receiver = await _receiver(parts, company_id, integration_id)
        if receiver is None:
            return await parts.tables.delete(TABLE, str(integration_id), ROW)
        known = known_of(receiver, company_id, parts.credentials, receiver.asked_at)
        if await _write(parts, known, before, receiver.asked_at):
            return None
    raise Conflict("the webhook state was written by others all the time")


async def publish_all(parts: Publishing) -> int:
    """Write every row anew and delete those of integrations that are gone; return how many there are."""
    async with parts.database.dispatch() as tx:
        listed_at = await tx.clock()
        companies = await parts.events.all_integrations(tx)
    for company_id, integration_ids in companies.items():
        for integration_id in integration_ids:
            try:
                await publish(parts, company_id, integration_id)
            except (SealBroken, Conflict) as error:  # one that can't be must not keep the others from being written
                log.error("webhook_state_not_published", integration_id=integration_id, code=error.code)  # noqa: TRY400
    living = {str(one) for ids in companies.values() for one in ids}
    async for entity in parts.tables.every(TABLE):
        if entity["PartitionKey"] not in living and _is_old(entity, listed_at):
            await parts.tables.delete(TABLE, entity["PartitionKey"], ROW)
    return len(living)


async def announce_rotation(tables: Tables, integration_id: UUID, version: int, at: datetime) -> None:
    """
    Say that secrets of *version* are about to be saved. Call it before the transaction that saves them.

    *at* is the database's time. Raises Unavailable; the rotation may go on all the same, because the intake can't read
    the row either.
    """
    announced = {"announced": version, "announced_at": at.isoformat()}
    await tables.merge(TABLE, str(integration_id), ROW, announced)


async def ask_database(parts: Publishing, company_id: UUID, integration_id: UUID) -> Known | None:
    """Return an integration as the database has it; None for one that is gone. Raises Unavailable."""
    receiver = await _receiver(parts, company_id, integration_id)
    return None if receiver is None else known_of(receiver, company_id, parts.credentials, receiver.asked_at)


async def find_in_database(parts: Publishing, integration_id: UUID) -> Known | None:
    """Return an integration of whichever company; None for an unknown or gone one. Raises Unavailable."""
    async with parts.database.dispatch() as tx:
        company_id = await parts.events.company_of(tx, integration_id)
    return None if company_id is None else await ask_database(parts, company_id, integration_id)


async def _receiver(parts: Publishing, company_id: UUID, integration_id: UUID) -> Receiver | None:
    async with parts.database.company(company_id) as tx:
        return (await parts.events.receivers(tx, integration_id)).get(integration_id)


def known_of(receiver: Receiver, company_id: UUID, credentials: Sealer, at: datetime) -> Known:
    """Return what the intake is to know of *receiver*: its secrets opened, those alone that are in force at *at*."""
    sealed, integration_id = receiver.secrets_sealed, receiver.integration_id
    opened = None if sealed is None else credentials.open(sealed, integration_id=integration_id)
    return Known(
        integration_id=integration_id,
        company_id=company_id,
        platform=receiver.platform,
        state="deleted" if receiver.is_deleted else "paused" if receiver.is_paused else "active",
        version=receiver.secrets_version,
        secrets=None if opened is None else WebhookSecrets.from_json(opened).as_of(at),
    )


async def _write(parts: Publishing, known: Known, before: Entity | None, asked_at: datetime) -> bool:
    """Replace the row that was read as *before*; False if somebody else wrote it meanwhile."""
    properties = entity_of(known, parts.copies, asked_at)
    announced = 0 if before is None else int(before.get("announced", 0))
    if before is not None and announced > known.version and _is_recent(before, asked_at):
        properties |= {"announced": announced, "announced_at": before["announced_at"]}
    return await parts.tables.replace(TABLE, str(known.integration_id), ROW, properties, instead_of=before)


def _is_recent(entity: Entity, now: datetime) -> bool:
    announced_at = entity.get("announced_at")
    return announced_at is not None and now - datetime.fromisoformat(announced_at) < ANNOUNCED_LASTS


def _is_old(entity: Entity, listed_at: datetime) -> bool:
    """Whether the row was there before the integrations were listed: a new one may be missing from the list."""
    published_at = entity.get("published_at")
    return published_at is None or listed_at - datetime.fromisoformat(published_at) > ANNOUNCED_LASTS
