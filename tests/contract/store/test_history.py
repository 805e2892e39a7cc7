"""What has happened to a record: its history, the key that opens it, and the log."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

from shared.model import Direction, LogAction, LogStatus
from shared.store.history import HistoryRow, HistorySide
from shared.store.logs import LogRow
from shared.store.run_changes import RunChanges
from tests.contract.store.ground import CANDIDATE, Place


async def test_a_record_keeps_its_first_key(place: Place) -> None:
    ground, history, one, two = place.ground, place.ground.store.history, uuid4(), uuid4()
    async with ground.database.company(place.company_id) as tx:
        assert await history.ensure_keys(tx, [], "k") == {}
        first = await history.ensure_keys(tx, [one], "k1")
        both = await history.ensure_keys(tx, [two, one, two], "k2")
    assert (set(both), both[one], both[two].kid, len(both[two].salt)) == ({one, two}, first[one], "k2", 32)
    async with ground.database.company(place.company_id) as tx:
        await history.forget(tx, [one, uuid4()])
        assert (await history.ensure_keys(tx, [one], "k3"))[one].salt != first[one].salt


async def test_two_who_need_a_key_at_once_get_one(place: Place) -> None:
    ground, history, record_id = place.ground, place.ground.store.history, uuid4()

    async def key() -> bytes:
        async with ground.database.company(place.company_id) as tx:
            return (await history.ensure_keys(tx, [record_id], "k"))[record_id].salt

    async with ground.database.company(place.company_id) as tx:
        mine = (await history.ensure_keys(tx, [record_id], "k"))[record_id].salt
        theirs = await ground.blocked(key())
    assert await theirs == mine


async def test_history_newest_first(place: Place) -> None:
    ground, history, record_id, other = place.ground, place.ground.store.history, uuid4(), uuid4()
    job_id, run_id = uuid4(), uuid4()

    def row(version: int, *units: str, **how: Any) -> HistoryRow:
        return HistoryRow(how.pop("of", record_id), CANDIDATE, version, units, b"s", how.pop("source", "portal"), **how)

    async with ground.database.company(place.company_id) as tx:
        await history.append(tx, [row(1, "a"), row(2, "a", "b", job_id=job_id, run_id=run_id, source="x")])
        await history.append(tx, [row(2, "a", side=HistorySide.LOST), row(1, "b", of=other), row(3)])
        found = await history.of(tx, record_id, limit=3)
        assert [(each.version, list(each.units), each.side) for each in found] == [
            (3, [], HistorySide.OURS),
            (2, ["a"], HistorySide.LOST),
            (2, ["a", "b"], HistorySide.OURS),
        ]
        assert (found[2].source, found[2].job_id, found[2].run_id, found[2].sealed) == ("x", job_id, run_id, b"s")
        assert found[0].at <= await ground.now()
        units = await history.of_units(tx, [record_id, other, uuid4()], ["a"])
        assert {key: [each.version for each in rows] for key, rows in units.items()} == {record_id: [2, 1]}
        units = await history.of_units(tx, [record_id, other], ["a", "b"], limit=1)
        assert {key: [each.version for each in rows] for key, rows in units.items()} == {record_id: [2], other: [1]}


async def test_two_rows_of_one_version_may_have_one_moment(place: Place) -> None:
    """Writes to two vendors end at once, or a clock steps back: neither row is lost, and they have their order."""
    ground, record_id, at = place.ground, uuid4(), await place.ground.now()
    for source in "abc":
        await ground.put(
            "record_history", company_id=place.company_id, record_id=record_id, entity_type="candidate", version=1,
            at=at, units=["email"], sealed=b"s", source=source,
        )  # fmt: skip
    async with ground.database.company(place.company_id) as tx:
        assert [row.source for row in await ground.store.history.of(tx, record_id)] == ["c", "b", "a"]
        newest = await ground.store.history.of_units(tx, [record_id], ["email"], limit=2)
        assert [row.source for row in newest[record_id]] == ["c", "b"]
        since = await RunChanges().since(tx, [record_id], at)
    assert [row.source for row in since[record_id]] == ["a", "b", "c"]


async def test_log_rows(place: Place) -> None:
    ground = place.ground
    row = LogRow(
        place.integration_id, CANDIDATE, LogAction.UPDATED, Direction.INBOUND, LogStatus.SUCCESS, entity_id=uuid4(),
        external_id="1", error_message="x" * 2000, retry_count=2, duration_ms=5, request_id="r", run_id=uuid4(),
        job_id=uuid4(), details={"fields": ["a"]},
    )  # fmt: skip
    async with ground.database.company(place.company_id) as tx:
        await ground.store.logs.write(tx, [row, replace(row, status=LogStatus.FAILED, run_id=None, job_id=None)])
    first = await ground.row("sync_logs", status="success")
    shown = ("entity_type", "entity_id", "external_id", "action", "direction", "retry_count", "duration_ms", "run_id")
    assert [first[name] for name in shown] == [
        "candidate", row.entity_id, "1", "updated", "inbound", 2, 5, row.run_id,
    ]  # fmt: skip
    assert (len(first["error_message"]), first["details"], first["company_id"]) == (
        1000,
        {"fields": ["a"]},
        place.company_id,
    )
    assert (await ground.row("sync_logs", status="failed"))["job_id"] is None
