"""
Taking back what a run did: shown first, then done by a run of its own, in batches that a worker may die between.

What is taken back here travels to the vendors as any edit does. Each batch is planned again under the records' locks,
and a change that the reverting run made itself is not made twice, so that a worker may start over. After the time
budget the job goes on in another invocation, behind the last batch.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pydantic import JsonValue

from shared.errors import Conflict, NotFound
from shared.model import Direction, EntityType, LogAction, LogStatus, RunStatus
from shared.past.changes import opened
from shared.past.revert_plan import Obstacle, RecordPlan, plan_changed, plan_created
from shared.store.database import Database, Transaction
from shared.store.ledger import Job, JobRequest, Knock
from shared.store.logs import LogRow
from shared.store.queues import Knocker
from shared.store.records import RecordWrite
from shared.store.run_changes import RunChanges, Window
from shared.store.runs import Counts, Run
from shared.store.store import Store
from shared.sync.editing.edits import Edits
from shared.sync.identity.suppression import Suppression
from shared.sync.jobs.endings import Continue, Done, Ending
from shared.sync.jobs.priorities import OTHER_EDIT, REVERT
from shared.sync.keeping.held_values import Vault

FORGOTTEN = "forgotten"
"""Counts records that the run brought in and that the log, whose months leave it, no longer names: these stay."""
BATCH = 50
"""Records that are taken back in one transaction."""
LOOKING_S = 60.0
"""How long a preview counts; an answer over HTTP has 230 s."""
SAMPLES = 50
"""Rows of a preview."""
POSITION = "position"
"""Where a reverting run that was cut off goes on, in its job's payload."""


@dataclass(frozen=True, slots=True)
class _Position:
    """Behind which record a run goes on, and what it has come to so far."""

    is_created: bool = False
    """Among the records that the reverted run brought in; these come last."""
    after: UUID | None = None
    counts: Counter[str] = field(default_factory=Counter)

    @classmethod
    def read(cls, payload: Mapping[str, JsonValue]) -> _Position:
        said = payload.get(POSITION)
        if not isinstance(said, dict):
            return cls()
        counts = said["counts"]
        return cls(
            bool(said["is_created"]),
            UUID(str(said["after"])),
            Counter({name: int(str(count)) for name, count in counts.items()} if isinstance(counts, dict) else {}),
        )

    def payload(self) -> dict[str, JsonValue]:
        return {POSITION: {"is_created": self.is_created, "after": str(self.after), "counts": dict(self.counts)}}


_BEGINNING = _Position()


class Reverts:
    """Previews, starts and performs the taking back of runs."""

    def __init__(
        self,
        database: Database,
        store: Store,
        vault: Vault,
        edits: Edits,
        suppression: Suppression,
        knocker: Knocker,
        *,
        time_budget_s: float = 240.0,
    ) -> None:
        self._database = database
        self._store = store
        self._vault = vault
        self._edits = edits
        self._suppression = suppression
        self._knocker = knocker
        self._time_budget_s = time_budget_s
        self._changes = RunChanges()

    async def preview(self, company_id: UUID, run_id: UUID) -> dict[str, Any]:
        """
        Return what taking the run back would do: counts, and samples with diffs. Nothing is written.

        `is_whole` is false where there was no time to look at everything. What nobody knows any more is counted as
        `forgotten`.
        """
        until = time.monotonic() + LOOKING_S
        counts: Counter[str] = Counter()
        samples: list[dict[str, Any]] = []
        is_whole = True
        for run in await self._runs(company_id, run_id):
            counts.update(await self._forgotten(company_id, run))
            async for plans in self._planned(company_id, run):
                for plan in plans:
                    _count(counts, plan)
                    samples.extend(_samples(plan)[: SAMPLES - len(samples)])
                if time.monotonic() > until:
                    is_whole = False
                    break
        return {"run_id": run_id, "is_whole": is_whole, "counts": dict(counts), "samples": samples}

    async def forgotten(self, company_id: UUID, run_id: UUID) -> int:
        """Return of how many records that the run brought in nobody knows any more which they are. Raises NotFound."""
        runs = await self._runs(company_id, run_id)
        return sum([(await self._forgotten(company_id, run)).get(FORGOTTEN, 0) for run in runs])

    async def start(self, company_id: UUID, run_id: UUID) -> UUID:
        """Start the run that takes *run_id* back; return its id. Raises NotFound, Conflict."""
        runs = await self._runs(company_id, run_id)
        async with self._database.company(company_id) as tx:
            parent_id = None
            if len(runs) > 1:
                asked = await self._run(tx, run_id)
                parent_id = await self._changes.start_reverting(tx, asked, entity=None)
            started, requests = [], []
            for run in runs:
                reverting = await self._changes.start_reverting(tx, run, entity=run.entity, parent_id=parent_id)
                started.append(reverting)
                requests.append(_request(run, reverting))
            knocks = await self._store.ledger.enqueue(tx, requests)
        await self._knocker.send(knocks)
        return parent_id or started[0]

    async def __call__(self, job: Job) -> Ending:
        """Perform a reverting run: the handler of `revert` jobs."""
        until = time.monotonic() + self._time_budget_s
        reverting_id = UUID(job.record_key)
        async with self._database.company(job.company_id) as tx:
            reverting = await self._run(tx, reverting_id)
            reverted_id = await self._changes.reverted_by(tx, reverting_id)
            if reverted_id is None or reverting.status is not RunStatus.RUNNING:
                return Done("nothing_to_take_back")
            reverted = await self._run(tx, reverted_id)
        start = _Position.read(job.payload)
        counts = Counter(start.counts)
        knocks: list[Knock] = []
        async for ids, is_created in self._batches(job.company_id, reverted, start):
            async with self._database.company(job.company_id) as tx:
                await self._store.ledger.guard(tx, job)
                plans = await self._plan(tx, reverted, ids, is_created=is_created, reverting=reverting_id, lock=True)
                done, batch_knocks = await self._take_back(tx, reverting, plans)
                knocks.extend(batch_knocks)
                is_cancelled = await self._store.runs.add(tx, reverting_id, done, {})
            for plan in plans:
                _count(counts, plan)
            if is_cancelled:
                return await self._end(job, reverting, RunStatus.CANCELLED, counts, knocks)
            if time.monotonic() >= until:
                return Continue(knocks=knocks, payload=_Position(is_created, ids[-1], counts).payload())
        counts.update(await self._forgotten(job.company_id, reverted))
        left = any(counts[each] for each in (*Obstacle, FORGOTTEN))
        status = RunStatus.PARTIAL if left else RunStatus.COMPLETE
        return await self._end(job, reverting, status, counts, knocks)

    async def _end(
        self, job: Job, reverting: Run, status: RunStatus, counts: Counter[str], knocks: Sequence[Knock]
    ) -> Ending:
        evidence: dict[str, JsonValue] = {"taken_back": dict(counts)}
        async with self._database.company(job.company_id) as tx:
            await self._store.ledger.guard(tx, job)
            await self._store.runs.end(tx, reverting, status, evidence=evidence)
        return Done(status.value, knocks)

    async def _runs(self, company_id: UUID, run_id: UUID) -> list[Run]:
        """Return the run, or the runs under it. Raises NotFound; Conflict while one of them goes on."""
        async with self._database.company(company_id) as tx:
            asked = await self._run(tx, run_id)
            runs = await self._store.runs.children(tx, run_id) if asked.entity is None else [asked]
        if any(each.status is RunStatus.RUNNING for each in runs):
            raise Conflict("the run is not over yet", remedy="cancel it, or wait for its end")
        return runs

    async def _forgotten(self, company_id: UUID, run: Run) -> dict[str, int]:
        async with self._database.company(company_id) as tx:
            records = await self._changes.forgotten(tx, run)
        return {FORGOTTEN: records} if records else {}

    async def _run(self, tx: Transaction, run_id: UUID) -> Run:
        run = await self._store.runs.get(tx, run_id)
        if run is None:
            raise NotFound(f"there is no run {run_id}")
        return run

    async def _planned(self, company_id: UUID, run: Run) -> AsyncIterator[list[RecordPlan]]:
        async for ids, is_created in self._batches(company_id, run):
            async with self._database.company(company_id) as tx:
                plans = await self._plan(tx, run, ids, is_created=is_created, reverting=None, lock=False)
            yield plans

    async def _batches(
        self, company_id: UUID, run: Run, start: _Position = _BEGINNING
    ) -> AsyncIterator[tuple[list[UUID], bool]]:
        """Yield ids of records that the run changed, then of those that it brought in, from *start* on."""
        for is_created, listed in ((False, self._changes.changed), (True, self._changes.created)):
            if start.is_created and not is_created:
                continue
            after = start.after if is_created == start.is_created else None
            while True:
                async with self._database.company(company_id) as tx:
                    ids = await listed(tx, run, Window(after, BATCH))
                if ids:
                    yield ids, is_created
                if len(ids) < BATCH:
                    break
                after = ids[-1]

    async def _plan(
        self,
        tx: Transaction,
        run: Run,
        ids: Sequence[UUID],
        *,
        is_created: bool,
        reverting: UUID | None,
        lock: bool,
    ) -> list[RecordPlan]:
        if run.entity is None:
            raise AssertionError("a run over several entities does nothing itself")
        if lock:  # before the records' own locks, as whoever merges two does
            await self._store.record_merges.hold_still(tx)
        read = self._store.records.lock if lock else self._store.records.get
        records = await read(tx, run.entity, ids)
        merged = await self._store.record_merges.survivors(tx, ids)
        changes = await self._changes.since(tx, ids, run.started_at)
        held: dict[UUID, set[str]] = {}
        for record_id, unit in await self._store.conflicts.open_of(tx, ids):
            held.setdefault(record_id, set()).add(unit)
        if is_created:
            in_use = await self._changes.in_use(tx, run.integration_id, ids)
            return [
                plan_created(
                    record,
                    [each.run_id for each in changes.get(record.id, ())],
                    run_id=run.id,
                    is_merged=record.id in merged,
                    is_in_use=record.id in in_use,
                    has_conflict=record.id in held,
                )
                for record in records.values()
                if record.archived_at is None or record.id in merged
            ]
        keys = await self._vault.keys(tx, sorted(records))
        plans = []
        for record in records.values():
            rows = changes.get(record.id, [])
            known = opened(tx, self._vault, keys[record.id], rows)
            if len(known) < len(rows):
                plans.append(RecordPlan(record, obstacle=Obstacle.ERASED))
                continue
            plan = plan_changed(record, known, run_id=run.id, reverting=reverting, held=held.get(record.id, ()))
            if record.id in merged:
                plan = plan.as_merged()
            if run.entity is EntityType.CANDIDATE:
                plan = plan.without(await self._suppression.fields_held(tx, plan.after, known=record.data))
            plans.append(plan)
        return plans

    async def _take_back(
        self, tx: Transaction, reverting: Run, plans: Sequence[RecordPlan]
    ) -> tuple[Counts, list[Knock]]:
        requests: list[JobRequest] = []
        changed = [plan for plan in plans if plan.changes]
        for plan in changed:
            requests.extend(await self._edits.take_back(tx, plan.record, plan.changes, reverting.id))
        archived = [plan.record for plan in plans if plan.archive]
        for record in archived:
            write = RecordWrite(
                record.id, record.entity, record.data, record.stamps, based_on=record.version, is_archived=True
            )
            await self._store.records.update(tx, record.entity, [write])
        await self._store.logs.write(
            tx,
            [
                *(_log(reverting, plan.record.id, LogAction.UPDATED, plan) for plan in changed),
                *(_log(reverting, record.id, LogAction.DELETED, None) for record in archived),
            ],
        )
        knocks = await self._store.ledger.enqueue(tx, requests)
        skipped = sum(plan.obstacle is not None for plan in plans)
        counts = Counts(pages=1, read=len(plans), updated=len(changed) + len(archived), skipped=skipped)
        return counts, knocks


def _request(run: Run, reverting_id: UUID) -> JobRequest:
    if run.entity is None:
        raise AssertionError("a run over several entities has no job of its own")
    return JobRequest(
        run.integration_id, REVERT, run.entity, str(reverting_id), Direction.OUTBOUND, OTHER_EDIT, run_id=reverting_id
    )


def _log(reverting: Run, record_id: UUID, action: LogAction, plan: RecordPlan | None) -> LogRow:
    fields: list[JsonValue] = [] if plan is None else [each.unit for each in plan.units if each.obstacle is None]
    return LogRow(
        integration_id=reverting.integration_id,
        entity=reverting.entity or EntityType.CANDIDATE,
        action=action,
        direction=Direction.INBOUND,
        status=LogStatus.SUCCESS,
        entity_id=record_id,
        run_id=reverting.id,
        details={"rule": "revert", "fields": fields},
    )


def _count(counts: Counter[str], plan: RecordPlan) -> None:
    counts["records"] += bool(plan.changes)
    counts["archived"] += plan.archive
    if plan.obstacle is not None:
        counts[plan.obstacle.value] += 1
    for unit in plan.units:
        counts["fields" if unit.obstacle is None else unit.obstacle.value] += 1


def _samples(plan: RecordPlan) -> list[dict[str, Any]]:
    shown: dict[str, Any] = {"record_id": plan.record.id, "entity": plan.record.entity.value}
    if plan.archive or plan.obstacle is not None:
        return [{**shown, "action": "archive", "obstacle": plan.obstacle}]
    return [
        {
            **shown,
            "action": "field",
            "field": unit.unit,
            "from": unit.before,
            "to": unit.after,
            "obstacle": unit.obstacle,
        }
        for unit in plan.units
    ]
