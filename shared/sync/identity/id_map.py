"""
Import of a table of ids: a customer who moves in links the records that are on both sides instead of creating them.

Every row is judged against both sides before any is written: the record must be here and free, and the vendor must
show the other one. What is linked then meets as on any first link (docs/merge.md, row 5).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from uuid import UUID, uuid4

from shared.adapters.protocol import Adapter
from shared.errors import Conflict, InvalidPayload, NotFound, Retryable
from shared.model import Direction, EntityType
from shared.store.connections import IntegrationRow
from shared.store.database import Database, Transaction
from shared.store.ledger import JobRequest, Knock
from shared.store.links import LinkWrite
from shared.store.queues import Knocker
from shared.store.store import Store
from shared.sync.identity.id_map_rows import IdPair, RowResult, Verdict, parse
from shared.sync.jobs import waiting
from shared.sync.jobs.priorities import FIRST_SYNC, RECONCILE
from shared.sync.vendors.adapters import Adapters

LOOK_UP_AT_MOST = 50
"""Ids that are looked up one by one; more are looked for in the vendor's list."""
AT_A_TIME = 4
CHECKING_S = 120.0
"""How long the vendor is asked; an answer over HTTP has 230 s."""


class IdMapImport:
    """Judges and writes tables of ids."""

    def __init__(self, database: Database, store: Store, adapters: Adapters, knocker: Knocker) -> None:
        self._database = database
        self._store = store
        self._adapters = adapters
        self._knocker = knocker

    async def run(self, company_id: UUID, integration_id: UUID, text: str, *, is_trial: bool) -> list[RowResult]:
        """
        Return what becomes of each row of the CSV *text*, by line; a trial writes nothing.

        Raises NotFound, InvalidInput for what is no table of ids, Conflict when others linked, merged or archived a
        record meanwhile, and what the vendor's answers raise.
        """
        async with self._database.company(company_id) as tx:
            integration = await self._store.connections.get(tx, integration_id)
            pairs, results = parse(text)
            free, judged = await self._judge_here(tx, integration, pairs)
        results += judged
        async with self._adapters.connected(integration) as adapter:
            found, judged = await self._judge_there(adapter, integration, free)
        results += judged
        if not is_trial and found:
            await self._write(company_id, integration, found)
        results += [RowResult(pair.line, Verdict.LINKED) for pair in found]
        return sorted(results, key=lambda each: each.line)

    async def _judge_here(
        self, tx: Transaction, integration: IntegrationRow, pairs: Sequence[IdPair]
    ) -> tuple[list[IdPair], list[RowResult]]:
        free: list[IdPair] = []
        results: list[RowResult] = []
        for entity, of_entity in _by_entity(pairs).items():
            records = await self._store.records.get(tx, entity, [pair.internal_id for pair in of_entity])
            known = await self._store.links.internal_ids(
                tx, integration.id, entity, [pair.external_id for pair in of_entity]
            )
            links = await self._store.links.of_records(tx, list(records))
            for pair in of_entity:
                record = records.get(pair.internal_id)
                there = {
                    link.external_id
                    for link in links.get(pair.internal_id, [])
                    if link.integration_id == integration.id
                }
                if record is None:
                    results.append(RowResult(pair.line, Verdict.UNKNOWN_HERE, f"there is no such {entity.value}"))
                elif pair.external_id in there:
                    results.append(RowResult(pair.line, Verdict.ALREADY_LINKED))
                elif record.archived_at is not None:
                    results.append(RowResult(pair.line, Verdict.ARCHIVED_HERE, "the record is archived"))
                elif there or pair.external_id in known:
                    holder = known.get(pair.external_id)
                    what = f"record {holder} has this external id" if holder else "the record has another id there"
                    results.append(RowResult(pair.line, Verdict.LINKED_ELSEWHERE, what))
                else:
                    free.append(pair)
        return free, results

    async def _judge_there(
        self, adapter: Adapter, integration: IntegrationRow, pairs: Sequence[IdPair]
    ) -> tuple[list[IdPair], list[RowResult]]:
        until = time.monotonic() + CHECKING_S
        found: list[IdPair] = []
        results: list[RowResult] = []
        for entity, of_entity in _by_entity(pairs).items():
            wanted = {pair.external_id for pair in of_entity}
            if not any(integration.allows(entity, direction) for direction in Direction):
                shown: Mapping[str, bool] = {}
            else:
                listed = await _listed(adapter, entity, wanted, until) if len(wanted) > LOOK_UP_AT_MOST else set()
                shown = dict.fromkeys(listed, True) | await _looked_up(adapter, entity, wanted - listed, until)
            for pair in of_entity:
                match shown.get(pair.external_id):
                    case True:
                        found.append(pair)
                    case False:
                        results.append(RowResult(pair.line, Verdict.UNKNOWN_AT_VENDOR, "the vendor has no such record"))
                    case None:
                        results.append(RowResult(pair.line, Verdict.NOT_CHECKED, "send the row again"))
        return found, results

    async def _write(self, company_id: UUID, integration: IntegrationRow, pairs: Sequence[IdPair]) -> None:
        knocks: list[Knock] = []
        async with self._database.company(company_id) as tx:
            await self._store.record_merges.hold_still(tx)
            for entity, of_entity in _by_entity(pairs).items():
                records = await self._store.records.lock(tx, entity, [pair.internal_id for pair in of_entity])
                if any(record.archived_at is not None for record in records.values()):
                    raise Conflict("a record was archived or merged meanwhile", remedy="send the table again")
                writes = [
                    LinkWrite(
                        id=uuid4(),
                        internal_id=pair.internal_id,
                        external_id=pair.external_id,
                        digest=None,
                        base={},
                        based_on=0,
                        fence=0,
                    )
                    for pair in of_entity
                ]
                await self._store.links.insert(tx, integration.id, entity, writes)
                requests = [
                    JobRequest(integration.id, RECONCILE, entity, str(pair.internal_id), Direction.INBOUND, FIRST_SYNC)
                    for pair in of_entity
                ]
                knocks += await self._store.ledger.enqueue(tx, requests)
                arrived = [
                    name
                    for pair in of_entity
                    for name in waiting.ended_by_link(integration.id, entity, pair.external_id, pair.internal_id)
                ]
                knocks += await self._store.ledger.release_held(tx, integration.id, arrived)
        await self._knocker.send(knocks)


async def _listed(adapter: Adapter, entity: EntityType, wanted: Collection[str], until: float) -> set[str]:
    """Return those of *wanted* that the vendor's list shows, as far as there is time."""
    found: set[str] = set()
    pages = adapter.pages(entity, None)
    async for page in pages:
        found.update(record.external_id for record in page.records if record.external_id in wanted)
        if len(found) == len(wanted) or time.monotonic() > until:
            break
    close = getattr(pages, "aclose", None)
    if close is not None:
        await close()
    return found


async def _looked_up(adapter: Adapter, entity: EntityType, wanted: Collection[str], until: float) -> dict[str, bool]:
    """
    Return of each id that there was time for whether the vendor knows it: lists leave out what is archived.

    Of an id whose answer did not come nothing is said. Raises what else the vendor's answers raise.
    """
    turns = asyncio.Semaphore(AT_A_TIME)

    async def one(external_id: str) -> tuple[str, bool] | None:
        async with turns:
            if time.monotonic() > until:
                return None
            try:
                await adapter.fetch(entity, external_id)
            except NotFound:
                return external_id, False
            except InvalidPayload:
                return external_id, True  # it is there; its reconcile tells people what is wrong with it
            except Retryable:
                return None
            return external_id, True

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(each)) for each in sorted(wanted)]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    return dict(answer for task in tasks if (answer := task.result()) is not None)


def _by_entity(pairs: Sequence[IdPair]) -> dict[EntityType, list[IdPair]]:
    found: dict[EntityType, list[IdPair]] = {}
    for entity in EntityType:  # parents before children
        of_entity = [pair for pair in pairs if pair.entity is entity]
        if of_entity:
            found[entity] = of_entity
    return found
