"""
The brake on deletes: what disappears at a vendor is believed one by one, and in masses by nobody but a person.

A record is gone when a fetch by its id says so. More of them within a day than an integration usually loses
(`config.delete_brake`, 20 or 2 % of its records unless it says otherwise) are no deletes but a lost permission or a
list that lies, as far as a machine can tell: every delete of the integration is then held until somebody has decided.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import floor
from uuid import UUID

from pydantic import JsonValue

from shared.errors import Conflict
from shared.model import Direction, EntityType, LogAction, LogStatus
from shared.store.connections import IntegrationRow
from shared.store.database import Database, Transaction
from shared.store.ledger import JobRequest, Knock
from shared.store.links import Link
from shared.store.logs import LogRow
from shared.store.queues import Knocker
from shared.store.store import Store
from shared.sync.jobs import waiting
from shared.sync.jobs.priorities import FULL_COMPARISON, RECONCILE

ISSUE = "delete_brake"
COUNT, SHARE = 20, 0.02
"""So many records, or this share of them if that is more, may disappear within a day."""
APPROVED, REJECTED, OPEN = "approved", "rejected", "open"


class Verdict(StrEnum):
    """What is to become of a delete."""

    GO = "go"
    HELD = "held"
    """Until a person has decided."""
    KEPT = "kept"
    """A person has decided that it is none."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """How many records of one entity may disappear within a day."""

    count: int = COUNT
    share: float = SHARE

    @classmethod
    def of(cls, config: Mapping[str, JsonValue]) -> Threshold:
        """Return what `config.delete_brake` says, which was judged when it was saved."""
        said = config.get("delete_brake")
        if not isinstance(said, dict):
            return cls()
        count, share = said.get("count"), said.get("share")
        return cls(
            count if isinstance(count, int) else COUNT,
            float(share) if isinstance(share, int | float) else SHARE,
        )

    def allowed(self, records: int) -> int:
        """Return the number for an integration with so many *records*."""
        return max(self.count, floor(self.share * records))


class DeleteBrake:
    """Asked before anything is taken for deleted."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def ask(self, tx: Transaction, integration: IntegrationRow, link: Link, *, under_way: int = 0) -> Verdict:
        """
        Decide about one record that the vendor says it does not have, or that it is to be told to delete.

        *under_way*: deletes of ours that were sent and count as gone. A brake that this pulls is told to people.
        """
        brakes = self._store.delete_brakes
        await brakes.lock(tx, integration.id)
        decision = await brakes.decision(tx, link.id)
        if decision in (APPROVED, REJECTED):
            return Verdict.GO if decision == APPROVED else Verdict.KEPT
        brake = await brakes.open_one(tx, integration.id)
        if brake is not None:
            await brakes.hold(tx, brake.id, link.entity, {link.id: link.internal_id})
            return Verdict.HELD
        live, gone = await brakes.figures(tx, integration.id, link.entity)
        allowed = Threshold.of(integration.config).allowed(live + gone)
        gone += under_way
        if gone < allowed:
            return Verdict.GO
        await self.pull(
            tx, integration, link.entity, {link.id: link.internal_id}, disappeared=gone + 1, allowed=allowed
        )
        return Verdict.HELD

    async def pull(
        self,
        tx: Transaction,
        integration: IntegrationRow,
        entity: EntityType,
        records: Mapping[UUID, UUID],
        *,
        disappeared: int,
        allowed: int,
    ) -> None:
        """Hold *records* (by link) and every delete to come, and tell people. The lock must be held."""
        brakes = self._store.delete_brakes
        brake = await brakes.open_one(tx, integration.id)
        brake_id = (
            brake.id
            if brake is not None
            else await brakes.pull(tx, integration.id, entity, disappeared=disappeared, allowed=allowed)
        )
        await brakes.hold(tx, brake_id, entity, records)
        detail = (
            f"{disappeared} records of {entity.value} have disappeared within a day or were archived here to be deleted"
            f" there, {allowed} may; every delete is held: check the key's permissions and who archived them,"
            " then approve or reject"
        )
        await self._store.attention.raise_issue(tx, integration.id, kind=ISSUE, subject="deletes", detail=detail)


class Deletes:
    """People's decisions about what a brake holds."""

    def __init__(self, database: Database, store: Store, knocker: Knocker) -> None:
        self._database = database
        self._store = store
        self._knocker = knocker

    async def approve(self, company_id: UUID, integration_id: UUID, *, actor: str) -> int:
        """
        Believe what the brake holds; return how many records that are. Each is fetched once more before it goes.

        Raises Conflict when no brake is pulled.
        """
        return await self._decide(company_id, integration_id, APPROVED, actor)

    async def reject(self, company_id: UUID, integration_id: UUID, *, actor: str) -> int:
        """
        Keep what the brake holds, links and all; return how many records that are.

        What was archived here is not deleted there any more, whenever its job runs. What disappeared there is not asked
        about again until it has been seen alive. Raises Conflict when no brake is pulled.
        """
        return await self._decide(company_id, integration_id, REJECTED, actor)

    async def _decide(self, company_id: UUID, integration_id: UUID, state: str, actor: str) -> int:
        async with self._database.company(company_id) as tx:
            await self._store.delete_brakes.lock(tx, integration_id)
            brake_id = await self._store.delete_brakes.decide(tx, integration_id, state=state, by=actor)
            if brake_id is None:
                raise Conflict("no brake is pulled: there is nothing to decide")
            held = await self._store.delete_brakes.held(tx, brake_id)
            knocks = []
            if state == APPROVED:
                knocks = await self._look_again(tx, integration_id, held)
            else:
                await self._keep(tx, integration_id, brake_id)
            knocks += await self._store.ledger.release_held(tx, integration_id, [waiting.brake(integration_id)])
            await self._store.attention.settle_issue(tx, integration_id, kind=ISSUE, subject="deletes")
        await self._knocker.send(knocks)
        return len(held)

    async def _keep(self, tx: Transaction, integration_id: UUID, brake_id: UUID) -> None:
        """No delete that the brake holds is asked of the vendor any more."""
        kept = await self._store.removals.keep_held(tx, brake_id)
        await self._store.logs.write(
            tx,
            [
                LogRow(
                    integration_id,
                    entity,
                    LogAction.SKIPPED,
                    Direction.OUTBOUND,
                    LogStatus.SUCCESS,
                    entity_id=record_id,
                    external_id=external_id,
                    details={"rule": "kept_by_decision"},
                )
                for entity, record_id, external_id in kept
            ],
        )

    async def _look_again(
        self, tx: Transaction, integration_id: UUID, held: list[tuple[EntityType, UUID]]
    ) -> list[Knock]:
        return await self._store.ledger.enqueue(
            tx,
            [
                JobRequest(integration_id, RECONCILE, entity, str(record_id), Direction.INBOUND, FULL_COMPARISON)
                for entity, record_id in held
            ],
        )
