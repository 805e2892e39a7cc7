"""Runs with their evidence, and cursors."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from shared.errors import Conflict
from shared.model import Direction, EntityType, LogAction, LogStatus, RunStatus
from shared.store.history import HistoryRow, HistorySide
from shared.store.links import LinkWrite
from shared.store.logs import LogRow
from shared.store.records import RecordWrite
from shared.store.run_changes import RunChanges, Window
from shared.store.runs import Counts, CursorState, Run, Shown
from tests.contract.store.ground import APPLICATION, CANDIDATE, JOB, Place

INBOUND = Direction.INBOUND


async def create(place: Place, entity: EntityType | None = CANDIDATE, **how: Any) -> UUID:
    wanted: dict[str, Any] = {"direction": INBOUND, "mode": "incremental", "trigger": "manual", **how}
    async with place.ground.database.company(place.company_id) as tx:
        return await place.ground.store.runs.create(tx, place.integration_id, entity=entity, **wanted)


async def get(place: Place, run_id: UUID) -> Run:
    async with place.ground.database.company(place.company_id) as tx:
        run = await place.ground.store.runs.get(tx, run_id)
    assert run is not None
    return run


async def add(place: Place, run_id: UUID, counts: Counts, **coverage: int) -> bool:
    async with place.ground.database.company(place.company_id) as tx:
        return await place.ground.store.runs.add(tx, run_id, counts, coverage)


async def end(place: Place, run_id: UUID, status: RunStatus, **how: Any) -> None:
    run = await get(place, run_id)
    if status is RunStatus.COMPLETE:
        how.setdefault("evidence", {"cursor": "end"})
    async with place.ground.database.company(place.company_id) as tx:
        await place.ground.store.runs.end(tx, run, status, **how)


async def test_a_run_that_begins_again_has_read_nothing_and_did_what_it_did(place: Place) -> None:
    run_id = await create(place)
    await add(place, run_id, Counts(1, 2, 10, 3, 2, 1, 1, 1, 4, 2), email=9)
    async with place.ground.database.company(place.company_id) as tx:
        await place.ground.store.runs.begin_again(tx, run_id)
    run = await get(place, run_id)
    assert run.counts == Counts(pages=0, requests=2, read=0, created=3, updated=2, held=4)
    assert (run.coverage, run.evidence) == ({}, {"records_done_before": 5})
    await add(place, run_id, Counts(read=7), email=7)
    again = await get(place, run_id)
    assert (again.counts.read, again.coverage) == (7, {"email": 7})


async def test_a_run_as_it_is_read(place: Place) -> None:
    parent_id = await create(place, None)
    run_id = await create(place, parent_id=parent_id, mode="full", trigger="schedule")
    run = await get(place, run_id)
    assert (run.id, run.integration_id, run.parent_id, run.entity) == (
        run_id,
        place.integration_id,
        parent_id,
        CANDIDATE,
    )
    assert (run.direction, run.mode, run.trigger, run.status) == (INBOUND, "full", "schedule", RunStatus.RUNNING)
    assert (run.ended_at, run.counts, run.coverage, run.evidence, run.error) == (None, Counts(), {}, None, None)
    assert not run.is_cancel_requested
    async with place.ground.database.company(place.company_id) as tx:
        assert await place.ground.store.runs.get(tx, uuid4()) is None


async def test_pages_add_up(place: Place) -> None:
    run_id = await create(place)
    page = Counts(pages=1, requests=2, read=3, created=4, updated=5, unchanged=6, skipped=7, quarantined=8, held=9)
    assert await add(place, run_id, page, name=2, email=1) is False
    await add(place, run_id, page, name=3, phone=1)
    run = await get(place, run_id)
    assert run.counts == Counts(2, 4, 6, 8, 10, 12, 14, 16, 18)
    assert run.coverage == {"name": 5, "email": 1, "phone": 1}


async def test_running_and_latest(place: Place) -> None:
    first, second = await create(place), await create(place, mode="full")
    await create(place, JOB)
    await create(place, direction=Direction.OUTBOUND)
    newest = await create(place)
    await end(place, newest, RunStatus.FAILED, error="no")
    runs = place.ground.store.runs
    async with place.ground.database.company(place.company_id) as tx:
        found = await runs.running(tx, place.integration_id, CANDIDATE, INBOUND)
        assert [run.id for run in found] == [first, second]
        latest = await runs.latest(tx, place.integration_id, CANDIDATE)
        assert latest is not None
        assert (latest.id, latest.status, latest.error) == (newest, RunStatus.FAILED, "no")
        assert latest.ended_at is not None
        assert await runs.latest(tx, place.integration_id, APPLICATION) is None
        out = await runs.latest(tx, place.integration_id, CANDIDATE, Direction.OUTBOUND)
        assert out is not None
        assert out.direction is Direction.OUTBOUND
        assert await runs.latest(tx, place.integration_id, JOB, Direction.OUTBOUND) is None


async def left_over(place: Place, entity: EntityType | None = None) -> set[UUID]:
    async with place.ground.database.company(place.company_id) as tx:
        return {run.id for run in await RunChanges().left_over(tx, place.integration_id, entity)}


async def test_a_run_is_left_over_when_neither_its_job_nor_one_before_it_is_there(place: Place) -> None:
    parent = await create(place, None)
    before, after = await create(place, JOB, parent_id=parent), await create(place, parent_id=parent)
    outbound = await create(place, direction=Direction.OUTBOUND)
    over = await create(place)
    await end(place, over, RunStatus.FAILED)
    assert await left_over(place) == {before, after, outbound}
    assert await left_over(place, CANDIDATE) == {after, outbound}
    for entity, action in ((JOB, "pull"), (CANDIDATE, "push_moved")):
        await place.ask("all", action=action, entity=entity)
    assert await left_over(place) == set()
    await end(place, before, RunStatus.PARTIAL)
    assert await left_over(place) == {after}, "whoever comes before it is over, and its own job is not there"
    await place.ask("all", action="pull")
    assert await left_over(place) == set()
    await place.ground.change("sync_queue", {"action": "pull", "entity_type": "candidate"}, status="failed")
    assert await left_over(place, CANDIDATE) == {after}


async def test_a_reverting_run_has_a_job_of_its_own_and_goes_on_after_it_failed(place: Place) -> None:
    ground, changes = place.ground, RunChanges()
    run = await get(place, await create(place))
    await end(place, run.id, RunStatus.PARTIAL)
    async with ground.database.company(place.company_id) as tx:
        parent = await changes.start_reverting(tx, run, entity=None)
        child = await changes.start_reverting(tx, run, entity=CANDIDATE, parent_id=parent)
    assert await left_over(place) == {child}
    await place.ask(str(child), action="revert")
    assert await left_over(place) == set()
    await end(place, child, RunStatus.FAILED, error="no")
    assert (await get(place, parent)).status is RunStatus.FAILED

    async def reopen() -> list[RunStatus]:
        failed = await get(place, child)
        async with ground.database.company(place.company_id) as tx:
            await changes.reopen(tx, failed)
        return [(await get(place, each)).status for each in (child, parent)]

    async with ground.database.company(place.company_id) as tx:
        other = await changes.start_reverting(tx, run, entity=CANDIDATE)
    assert await reopen() == [RunStatus.FAILED] * 2
    await end(place, other, RunStatus.FAILED)
    assert await reopen() == [RunStatus.RUNNING] * 2
    assert ((await get(place, child)).error, (await get(place, child)).ended_at) == (None, None)


async def test_a_run_ends_once(place: Place) -> None:
    run_id = await create(place)
    await end(place, run_id, RunStatus.PARTIAL)
    await end(place, run_id, RunStatus.FAILED)
    assert (await get(place, run_id)).status is RunStatus.PARTIAL


async def test_no_run_is_complete_without_evidence(place: Place) -> None:
    run_id = await create(place)
    with pytest.raises(psycopg.errors.CheckViolation):
        await end(place, run_id, RunStatus.COMPLETE, evidence=None)
    assert (await get(place, run_id)).status is RunStatus.RUNNING


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        (["complete", "complete"], "complete"),
        (["failed", "failed"], "failed"),
        (["complete", "cancelled"], "cancelled"),
        (["complete", "failed"], "partial"),
        (["partial", "complete"], "partial"),
    ],
)
async def test_a_parent_ends_with_its_last_child(place: Place, results: list[str], expected: str) -> None:
    parent_id = await create(place, None)
    children = [await create(place, entity, parent_id=parent_id) for entity in (CANDIDATE, JOB)]
    for number, (run_id, result) in enumerate(zip(children, results, strict=True)):
        assert (await get(place, parent_id)).status is RunStatus.RUNNING
        await add(place, run_id, Counts(pages=1, read=number + 1, held=2))
        await end(place, run_id, RunStatus(result))
    parent = await get(place, parent_id)
    assert parent.status == expected
    assert parent.ended_at is not None
    if expected == "complete":
        assert parent.evidence is not None
        assert sorted(str(each) for each in parent.evidence["runs"]) == sorted(map(str, children))  # type: ignore[union-attr]
    else:
        assert parent.evidence is None
    assert parent.counts == Counts(pages=2, read=3, held=4)
    async with place.ground.database.company(place.company_id) as tx:
        assert [run.id for run in await place.ground.store.runs.children(tx, parent_id)] == children


async def test_a_parent_ends_when_its_last_children_end_at_once(place: Place) -> None:
    """Neither sees that the other has ended before it is committed."""
    parent_id = await create(place, None)
    first, second = [await create(place, entity, parent_id=parent_id) for entity in (CANDIDATE, JOB)]
    run = await get(place, first)
    async with place.ground.database.company(place.company_id) as tx:
        await place.ground.store.runs.end(tx, run, RunStatus.PARTIAL)
        other = await place.ground.blocked(end(place, second, RunStatus.PARTIAL))
    await other
    assert (await get(place, parent_id)).status is RunStatus.PARTIAL


async def test_a_wish_to_stop(place: Place) -> None:
    parent_id = await create(place, None)
    run_id, over = await create(place, parent_id=parent_id), await create(place, JOB, parent_id=parent_id)
    await end(place, over, RunStatus.FAILED)
    async with place.ground.database.company(place.company_id) as tx:
        assert await place.ground.store.runs.request_cancel(tx, parent_id)
        assert not await place.ground.store.runs.request_cancel(tx, over)
    assert await add(place, run_id, Counts())
    assert (await get(place, parent_id)).is_cancel_requested
    assert not (await get(place, over)).is_cancel_requested


async def expected(place: Place, *, is_whole: bool, mode: str = "incremental") -> int | None:
    run_id = await create(place, mode=mode)
    run = await get(place, run_id)
    async with place.ground.database.company(place.company_id) as tx:
        await place.ground.store.runs.expect(tx, run, is_whole=is_whole)
        await place.ground.store.runs.expect(tx, replace(run, mode="full"), is_whole=True)
    found: int | None = (await place.ground.row("runs", id=run_id))["expected_records"]
    await end(place, run_id, RunStatus.FAILED)
    return found


async def test_what_is_expected(place: Place) -> None:
    """As many as there are links; else as many as the last run of its mode, the very first one aside."""
    assert await expected(place, is_whole=False) is None
    for read in (100, 7, 9):
        run_id = await create(place)
        await add(place, run_id, Counts(read=read))
        await end(place, run_id, RunStatus.COMPLETE)
        if read == 100:
            assert await expected(place, is_whole=False) is None
    assert await expected(place, is_whole=False) == 9
    assert await expected(place, is_whole=True) == 9
    links = [LinkWrite(uuid4(), uuid4(), str(number), None, {}) for number in range(3)]
    async with place.ground.database.company(place.company_id) as tx:
        await place.ground.store.links.insert(tx, place.integration_id, CANDIDATE, links)
    await place.ground.change("external_entity_map", {"external_id": "0"}, state="gone")
    assert await expected(place, is_whole=True) == 2
    assert await expected(place, is_whole=False) == 9


async def test_what_the_newest_pulls_were_shown(place: Place) -> None:
    """Of those that read anything; what was written or taken back tells nothing of it."""
    runs = place.ground.store.runs

    async def shown(but: UUID, limit: int = 9) -> list[Shown]:
        async with place.ground.database.company(place.company_id) as tx:
            return await runs.shown(tx, place.integration_id, CANDIDATE, but=but, limit=limit)

    assert await shown(uuid4()) == []
    ids = []
    for read, status, how in (
        (20, RunStatus.COMPLETE, dict[str, Any]()),
        (3, RunStatus.PARTIAL, {}),
        (0, RunStatus.COMPLETE, {}),
        (50, RunStatus.FAILED, {}),
        (60, RunStatus.COMPLETE, {"direction": Direction.OUTBOUND}),
        (70, RunStatus.COMPLETE, {"mode": "revert"}),
        (80, RunStatus.COMPLETE, {"entity": JOB}),
    ):
        ids.append(await create(place, **{"entity": CANDIDATE, **how}))
        await add(place, ids[-1], Counts(read=read), name=read - 1)
        await end(place, ids[-1], status)
    small, large = Shown({"name": 2}, 3), Shown({"name": 19}, 20)
    assert await shown(uuid4()) == [small, large]
    assert (await shown(ids[1]), await shown(uuid4(), 1)) == ([large], [small])
    assert (large.share("name"), large.share("phone")) == (0.95, 0)


async def cursor(place: Place) -> CursorState:
    async with place.ground.database.company(place.company_id) as tx:
        return await place.ground.store.runs.lock_cursor(tx, place.integration_id, CANDIDATE)


async def test_a_cursor_moves_and_ends(place: Place) -> None:
    runs, run_id = place.ground.store.runs, uuid4()
    assert await cursor(place) == CursorState(None, None, None)
    async with place.ground.database.company(place.company_id) as tx:
        await runs.move_cursor(tx, place.integration_id, CANDIDATE, run_id, "page 2")
    assert await cursor(place) == CursorState(None, run_id, "page 2")
    now = await place.ground.now()
    async with place.ground.database.company(place.company_id) as tx:
        await runs.advance(tx, place.integration_id, CANDIDATE, now, is_complete=False)
    assert await cursor(place) == CursorState(now, None, None)
    assert (await place.ground.row("integrations"))["last_synced_at"] is None
    async with place.ground.database.company(place.company_id) as tx:
        await runs.advance(tx, place.integration_id, CANDIDATE, now - timedelta(hours=1), is_complete=True)
    assert await cursor(place) == CursorState(now, None, None)
    assert (await place.ground.row("integrations"))["last_synced_at"] == now - timedelta(hours=1)


async def test_a_cursor_is_held_by_one(place: Place) -> None:
    async with place.ground.database.company(place.company_id) as tx:
        await place.ground.store.runs.lock_cursor(tx, place.integration_id, CANDIDATE)
        await place.ground.store.runs.lock_cursor(tx, place.integration_id, JOB)
        first = await place.ground.blocked(cursor(place))
        await place.ground.store.runs.move_cursor(tx, place.integration_id, CANDIDATE, uuid4(), "p")
    assert (await first).position == "p"
    async with place.ground.database.company(place.company_id) as tx:
        await place.ground.store.runs.lock_cursor(tx, place.integration_id, CANDIDATE)
        second = await place.ground.blocked(cursor(place))
    await asyncio.gather(second)


async def test_a_pull_of_everything_is_owed_until_one_that_began_later_has_read_all(place: Place) -> None:
    runs, early = place.ground.store.runs, await place.ground.now()
    async with place.ground.database.company(place.company_id) as tx:
        await runs.advance(tx, place.integration_id, CANDIDATE, early, is_complete=False)
        await runs.want_full(tx, place.integration_id, [JOB, CANDIDATE])
    first = (await cursor(place)).full_wanted_at
    assert first is not None
    async with place.ground.database.company(place.company_id) as tx:
        await runs.want_full(tx, place.integration_id, [CANDIDATE])
    again = (await cursor(place)).full_wanted_at
    assert again is not None
    assert again > first
    late = await place.ground.now()
    for moment, owed in ((early, again), (again, again), (late, None)):
        async with place.ground.database.company(place.company_id) as tx:
            await runs.full_read(tx, place.integration_id, CANDIDATE, moment)
        assert (await cursor(place)).full_wanted_at == owed
    async with place.ground.database.company(place.company_id) as tx:
        job = await runs.lock_cursor(tx, place.integration_id, JOB)
    assert (job.watermark, job.full_wanted_at is None) == (None, False)


async def test_what_a_run_did_and_what_uses_it(place: Place) -> None:
    ground, changes = place.ground, RunChanges()
    run = await get(place, await create(place))
    made, changed, lost = sorted(uuid4() for _ in range(3))

    def row(record_id: UUID, version: int, run_id: UUID | None, side: HistorySide = HistorySide.OURS) -> HistoryRow:
        return HistoryRow(record_id, CANDIDATE, version, ["name"], b"x", "portal", run_id=run_id, side=side)

    def logged(record_id: UUID, action: LogAction) -> LogRow:
        return LogRow(
            place.integration_id, CANDIDATE, action, INBOUND, LogStatus.SUCCESS, entity_id=record_id, run_id=run.id
        )

    async with ground.database.company(place.company_id) as tx:
        await ground.store.history.append(
            tx, [row(changed, 1, run.id), row(changed, 2, None), row(lost, 1, run.id, HistorySide.LOST)]
        )
        await ground.store.logs.write(tx, [logged(made, LogAction.CREATED), logged(changed, LogAction.UPDATED)])
        assert await changes.changed(tx, run, Window(None, 10)) == [changed]
        assert await changes.changed(tx, run, Window(changed, 10)) == []
        assert await changes.created(tx, run, Window(None, 10)) == [made]
        since = await changes.since(tx, [changed, lost], run.started_at)
        assert {key: [each.version for each in found] for key, found in since.items()} == {changed: [1, 2]}
        application = RecordWrite(uuid4(), APPLICATION, {"candidate_id": str(made), "job_id": str(lost)}, {})
        await ground.store.records.insert(tx, APPLICATION, [application])
        link = LinkWrite(uuid4(), changed, "1", None, {})
        await ground.store.links.insert(tx, place.integration_id, CANDIDATE, [link])
        everybody = [made, changed, lost]
        assert await changes.in_use(tx, place.integration_id, everybody) == {made, lost}
        assert await changes.in_use(tx, uuid4(), everybody) == set(everybody)


async def test_a_run_is_taken_back_by_one_at_a_time(place: Place) -> None:
    ground, changes = place.ground, RunChanges()
    run = await get(place, await create(place))
    async with ground.database.company(place.company_id) as tx:
        parent = await changes.start_reverting(tx, run, entity=None)
        child = await changes.start_reverting(tx, run, entity=CANDIDATE, parent_id=parent)
        assert await changes.reverted_by(tx, child) == run.id
        assert await changes.reverted_by(tx, run.id) is None
        with pytest.raises(Conflict, match="taken back already"):
            await changes.start_reverting(tx, run, entity=CANDIDATE)
        latest = await ground.store.runs.latest(tx, place.integration_id, CANDIDATE)
        assert latest is not None
        assert latest.id == run.id
    await end(place, child, RunStatus.FAILED)
    async with ground.database.company(place.company_id) as tx:
        await changes.start_reverting(tx, run, entity=CANDIDATE)
        outbound = await ground.store.runs.running(tx, place.integration_id, CANDIDATE, Direction.OUTBOUND)
    assert outbound == []
