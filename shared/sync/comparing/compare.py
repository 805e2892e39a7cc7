"""
Full comparison: every record that the vendor lists against its link and record here, streamed page by page.

The merge is the judge of each pair (`examining`). What differs is written down with what explains it; what nothing
explains is drift, and repaired by the way of every change: a reconcile of that record. What the vendor did not list is
fetched by its id before it is believed, and in masses not at all (`brake`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from pydantic import JsonValue

from shared.adapters.protocol import Adapter, Cursor, Page
from shared.errors import AuthFailed, CursorExpired, Permanent
from shared.merge.state import Pin
from shared.model import Direction, EntityType, Reference
from shared.security.keys import Keys
from shared.store.comparison import Circumstances, Comparison, Sides, Standing
from shared.store.connections import IntegrationRow
from shared.store.database import Database, Transaction
from shared.store.ledger import Job, JobRequest, Knock
from shared.store.links import EXTERNAL_KEY, Ticket
from shared.store.parity import DifferenceRow, PageFigures, Parity, ParityRun
from shared.store.store import Store
from shared.sync.applying.absent_parents import less
from shared.sync.applying.apply import Applier
from shared.sync.comparing.closing import Closing
from shared.sync.comparing.remembering import AS_THEY_SHOULD_BE, Remembering
from shared.sync.identity.suppression import Suppression
from shared.sync.identity.true_records import TrueRecords
from shared.sync.jobs import waiting
from shared.sync.jobs.endings import Continue, Done, Ending
from shared.sync.jobs.priorities import FULL_COMPARISON, RECONCILE
from shared.sync.jobs.restarting import begun_again
from shared.sync.keeping.pinning import Pinner
from shared.sync.merging.examining import Finding, Kind, examine
from shared.sync.merging.observations import Observation, RuleBook, observe, references_of, resolved
from shared.sync.merging.work import Work
from shared.sync.vendors.adapters import Adapters

BY_NATURE: Mapping[Kind, str] = {Kind.DIVERGED: "diverged", Kind.ONE_WAY: "one_way", Kind.ARCHIVED: "archived"}
"""Kinds that explain themselves: the two sides differ, knowingly."""
RECONCILED = "reconcile"
EXAMINED_AT_ONCE = 10
"""Records between two turns of the event loop, some 5 ms."""


class _Ended(Exception):
    """Somebody has ended the comparison meanwhile: nothing of this page is kept."""


@dataclass(frozen=True, slots=True)
class _Page:
    """What a page showed, and what became of it so far."""

    ticket: Ticket
    observations: Sequence[Observation]
    refused: Sequence[str]
    """External ids of what can't be read."""
    unnamed: int
    """What can't be read and has no id."""
    requests: int
    following: Cursor | None


@dataclass(frozen=True, slots=True)
class _Execution:
    """One execution of a comparison's job."""

    job: Job
    run: ParityRun
    integration: IntegrationRow
    book: RuleBook
    adapter: Adapter

    @property
    def entity(self) -> EntityType:
        return self.job.entity

    @property
    def work(self) -> Work:
        return Work(self.integration, type(self.adapter), self.entity, self.job)


@dataclass(frozen=True, slots=True)
class _Looked:
    """A page beside what stands here."""

    doubtful: Sequence[Observation]
    """Those that have to be examined."""
    shown: Mapping[str, tuple[Mapping[str, JsonValue], Sequence[Reference]]]
    """Values with references resolved, and those that could not be, by external id."""
    sides: Mapping[str, Sides]
    pins: Mapping[UUID, Mapping[str, Pin]]
    standings: Mapping[str, Standing]
    in_step: Sequence[Standing]
    """Those that stand as they did when they were last found in step."""


class Comparer:
    """Handler of `compare` jobs."""

    def __init__(
        self,
        database: Database,
        store: Store,
        adapters: Adapters,
        applier: Applier,
        keys: Keys,
        *,
        time_budget_s: float,
    ) -> None:
        self._database = database
        self._store = store
        self._adapters = adapters
        self._applier = applier
        self._parity = Parity()
        self._comparison = Comparison()
        self._pinner = Pinner(store.pins, keys)
        self._suppression = Suppression(store, keys)
        self._true_records = TrueRecords()
        self._closing = Closing(database, store)
        self._remembering = Remembering(database, store, applier)
        self._time_budget_s = time_budget_s

    async def __call__(self, job: Job) -> Ending:
        """Compare until the vendor says that there is no more, or the time budget ends."""
        async with self._database.company(job.company_id) as tx:
            await self._store.ledger.guard(tx, job)
            integration = await self._store.connections.get(tx, job.integration_id)
            run = await self._parity.running(tx, job.integration_id, job.entity)
            if run is None:
                return Done("nothing_to_compare")
            if not integration.allows(job.entity, Direction.INBOUND):
                await self._parity.end(tx, run, "failed", error="this entity may not come in: config.directions")
                return Done("entity_off")
        async with self._adapters.connected(integration) as adapter:
            book = self._applier.book(Work(integration, type(adapter), job.entity, job))
            try:
                return await self._compare(_Execution(job, run, integration, book, adapter))
            except _Ended:
                return Done("comparison_ended")
            except (Permanent, AuthFailed) as error:
                again = begun_again(job) if isinstance(error, CursorExpired) else None
                if again is not None:
                    async with self._database.company(job.company_id) as tx:
                        await self._store.ledger.guard(tx, job)
                        await self._parity.restart(tx, run.id)
                    return again
                async with self._database.company(job.company_id) as tx:
                    await self._store.ledger.guard(tx, job)
                    await self._parity.end(tx, run, "failed", error=f"{error.code}: {error}")
                raise

    async def _compare(self, comparison: _Execution) -> Ending:
        if comparison.run.is_listed:  # its closing failed, or its worker died in it
            return await self._close(comparison, [])
        deadline = asyncio.get_running_loop().time() + self._time_budget_s
        position = comparison.run.position
        pages = comparison.adapter.pages(comparison.entity, None if position is None else Cursor(position))
        knocks: list[Knock] = []
        is_whole = False
        try:
            while (page := await self._read(comparison, pages)) is not None:
                knocks.extend(await self._take_in(comparison, page))
                is_whole = page.following is None
                if is_whole or asyncio.get_running_loop().time() > deadline:
                    break
        finally:
            close = getattr(pages, "aclose", None)
            if close is not None:
                await close()
        if not is_whole:
            return Continue(knocks=knocks)
        return await self._close(comparison, knocks)

    async def _close(self, comparison: _Execution, knocks: Sequence[Knock]) -> Done:
        run, integration = comparison.run, comparison.integration
        closing = await self._closing.close(comparison.job, run, integration, comparison.adapter)
        return Done("compared", [*knocks, *closing])

    async def _read(self, comparison: _Execution, pages: AsyncIterator[Page]) -> _Page | None:
        async with self._database.dispatch() as tx:
            ticket = await self._store.links.ticket(tx)
        page = await anext(pages, None)
        if page is None:
            return None
        observations = observe(page.records, ticket, context=comparison.book.context)
        refused = [each.external_id for each in page.refused if each.external_id is not None]
        unnamed = len(page.refused) - len(refused)
        return _Page(ticket, observations, refused, unnamed, page.requests, page.following)

    async def _take_in(self, comparison: _Execution, page: _Page) -> list[Knock]:
        """Examine one page; write down what differs and ask for repairs in the transaction that moves the position."""
        company_id, run = comparison.job.company_id, comparison.run
        async with self._database.company(company_id) as tx:
            looked = await self._look(tx, comparison, page)
        findings = await _examined(comparison, looked)
        async with self._database.company(company_id) as tx:
            await self._store.ledger.guard(tx, comparison.job)
            await self._settle(tx, comparison, page, looked, findings)
            digests = {each.external_id: each.digest for each in (*page.observations, *looked.doubtful)}
            seen = digests | dict.fromkeys(page.refused, b"")
            await self._parity.see(tx, run.id, seen)
            rows, requests = await self._judge(tx, comparison, page, findings)
            await self._parity.note(tx, run.id, rows)
            await self._remembering.seal(tx, findings, looked.standings, digests)
            knocks = await self._store.ledger.enqueue(tx, requests)
            figures = PageFigures(
                page.requests,
                len(seen) + page.unnamed,
                page.unnamed,
                sum(each.compared for each in findings) + sum(each.fields_compared for each in looked.in_step),
                sum(each.hidden for each in findings) + sum(each.fields_hidden for each in looked.in_step),
            )
            if not await self._parity.turn(tx, run.id, page.following, figures):
                raise _Ended
        if run.repairs:
            again = _to_merge_again(page, looked, findings, rows)
            knocks += await self._remembering.merge_again(comparison.work, comparison.book, again, findings)
        return knocks

    async def _look(self, tx: Transaction, comparison: _Execution, page: _Page) -> _Looked:
        """Read what stands here. What stands as it did when it was in step ends here, and so do suppressed people."""
        integration_id, entity = comparison.integration.id, comparison.entity
        standings = await self._comparison.standings(
            tx,
            integration_id,
            entity,
            [each.external_id for each in page.observations],
            context=comparison.book.context.hex(),
        )
        strangers = [each for each in page.observations if each.external_id not in standings]
        hidden = await self._suppression.hidden(tx, integration_id, entity, strangers)
        in_step, doubtful = [], []
        for each in page.observations:
            standing = standings.get(each.external_id)
            if standing is not None and standing.is_unmoved(each.digest):
                in_step.append(standing)
            elif each.external_id not in hidden and (standing is not None or not each.record.left_out):
                doubtful.append(each)
        sides = await self._comparison.sides(tx, integration_id, entity, [each.external_id for each in doubtful])
        ids = {
            kind: await self._store.links.internal_ids(tx, integration_id, kind, sorted(external_ids))
            for kind, external_ids in references_of(doubtful).items()
        }
        pins = await self._pinner.of_records(tx, {each.link.internal_id for each in sides.values()})
        shown = {each.external_id: resolved(each, ids) for each in doubtful}
        lacking = {name: missing for name, (_, missing) in shown.items() if missing}
        without = await self._applier.absent_parents.sort(tx, comparison.integration, lacking, standings)
        for name in without.going_on:
            shown[name] = shown[name][0], []
        doubtful = [
            less(each, lacking[each.external_id]) if each.external_id in without.going_on else each
            for each in doubtful
            if each.external_id not in without.left_out
        ]
        return _Looked(doubtful, shown, sides, pins, standings, in_step)

    async def _settle(
        self,
        tx: Transaction,
        comparison: _Execution,
        page: _Page,
        looked: _Looked,
        findings: Sequence[Finding],
    ) -> None:
        """Give each finding its kind. What was looked at after the page was asked for is not judged by the page."""
        sides = looked.sides
        doubted = [each for each in findings if each.untrusted]
        since = {sides[each.external_id].link.internal_id: sides[each.external_id].last_synced_at for each in doubted}
        touched = await self._comparison.touched(tx, since)
        # Who was merged differs from the links of either side without any change since (docs/identity.md).
        merged = await self._store.record_merges.merged_into(tx, list(since))
        around = await self._comparison.circumstances(
            tx, comparison.integration.id, comparison.entity, {each.external_id: each.record_id for each in doubted}
        )
        for each in findings:
            record_id = each.record_id
            is_ours = record_id in merged or (each.external_id in around and around[each.external_id].has_failed)
            each.settle(each.untrusted if is_ours else touched.get(record_id, ()) if record_id else ())
            known = sides.get(each.external_id)
            if each.kind is not None and known is not None and known.last_synced_at > page.ticket.at:
                each.is_in_flight = True
        shown = {external_id: values for external_id, (values, _) in looked.shown.items()}
        await self._true_records.find(tx, comparison.entity, findings, shown)

    async def _judge(
        self, tx: Transaction, comparison: _Execution, page: _Page, findings: Sequence[Finding]
    ) -> tuple[list[DifferenceRow], list[JobRequest]]:
        """Return what is to be written down, and what is to be asked for."""
        differing = [each for each in findings if each.kind is not None]
        # Of suppressed people nothing is kept, not even that they can't be read.
        hidden = await self._suppression.hidden_ids(tx, comparison.integration.id, comparison.entity, page.refused)
        differing += [Finding(each, Kind.UNREADABLE) for each in page.refused if each not in hidden]
        if not differing:
            return [], []
        around = await self._comparison.circumstances(
            tx, comparison.integration.id, comparison.entity, {each.external_id: each.record_id for each in differing}
        )
        rows, requests = [], []
        for each in differing:
            row = _row(each, _cause(each, around[each.external_id]))
            # A link that may point at the wrong record is put right, or looked at again, when all has been seen.
            if row.cause is None and comparison.run.repairs and row.other_record_id is None:
                row = replace(row, repair=RECONCILED)
                requests.append(repair_of(comparison.integration.id, comparison.entity, each))
            rows.append(row)
        return rows, requests


async def _examined(comparison: _Execution, looked: _Looked) -> list[Finding]:
    findings = []
    for index, each in enumerate(looked.doubtful, 1):
        values, missing = looked.shown[each.external_id]
        known = looked.sides.get(each.external_id)
        pins = looked.pins.get(known.link.internal_id, {}) if known is not None else {}
        finding = examine(each, values, known, comparison.book, comparison.entity, pins)
        if missing and known is not None and finding.kind is None:
            finding.kind, finding.units = Kind.REFERENCE_LOST, {}
        findings.append(finding)
        if index % EXAMINED_AT_ONCE == 0:
            await asyncio.sleep(0)
    return findings


def _to_merge_again(
    page: _Page, looked: _Looked, findings: Sequence[Finding], rows: Sequence[DifferenceRow]
) -> list[Observation]:
    """Return what is as it should be and was last merged as something else, or not since its digest went."""
    causes = {each.external_id: each.cause for each in rows}
    examined = {
        each.external_id
        for each in findings
        if (each.kind is None or causes[each.external_id] is not None)
        and causes.get(each.external_id) in AS_THEY_SHOULD_BE
        and (side := looked.sides.get(each.external_id)) is not None
        and side.record is not None
        and not side.record.is_erased
    }
    return [
        each
        for each in page.observations
        if each.external_id in examined
        and looked.standings[each.external_id].digest != each.digest
        and not each.record.anonymized
    ]


def repair_of(integration_id: UUID, entity: EntityType, finding: Finding) -> JobRequest:
    """Return the reconcile that repairs *finding*."""
    distrust = finding.distrust()
    payload: dict[str, JsonValue] = {"reason": "parity"}
    key = EXTERNAL_KEY + finding.external_id if finding.record_id is None else str(finding.record_id)
    return JobRequest(
        integration_id,
        RECONCILE,
        entity,
        key,
        Direction.INBOUND,
        FULL_COMPARISON,
        payload=payload if distrust is None else payload | distrust.payload(),
    )


def _row(finding: Finding, cause: str | None) -> DifferenceRow:
    if finding.kind is None:
        raise ValueError("what is in step is no difference")
    return DifferenceRow(
        external_id=finding.external_id,
        kind=finding.kind.value,
        record_id=finding.record_id,
        link_id=finding.link_id,
        units=sorted(finding.units),
        cause=cause,
        repair=None,
        other_record_id=finding.other_record_id,
    )


def _cause(finding: Finding, around: Circumstances) -> str | None:
    """Return what explains the difference; None: nothing does."""
    if around.is_quarantined:
        return "quarantined"
    if around.has_review:
        return "review"
    if around.has_job:
        return "in_flight" if around.hold_reason is None else f"waiting:{waiting.parts(around.hold_reason)[0]}"
    if finding.is_in_flight:
        return "in_flight"
    held = {unit for unit, kind in finding.units.items() if kind is Kind.CONFLICT}
    if finding.kind is Kind.CONFLICT and held <= around.conflict_units:
        return "open_conflict"
    return BY_NATURE.get(finding.kind) if finding.kind is not None else None
