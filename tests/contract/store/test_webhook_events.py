"""Webhook events: who receives them, and those that are kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from shared.store.webhook_events import EventRow, WebhookEvents
from tests.contract.store.ground import HOUR, JOB, Place


async def test_receivers(place: Place) -> None:
    ground, events = place.ground, WebhookEvents()
    other = await ground.integration(place.company_id, sync_enabled=False, sync_roles=False)
    forgotten = await ground.integration(place.company_id, deleted_at=await ground.now() - 31 * 24 * HOUR)
    deleted = await ground.integration(place.company_id, deleted_at=await ground.now() - 29 * 24 * HOUR)
    async with ground.database.company(place.company_id) as tx:
        found = await events.receivers(tx)
        assert set(found) == {place.integration_id, other, deleted}
        assert (found[other].is_paused, JOB in found[other].entities) == (True, False)
        assert found[deleted].is_deleted
        assert set(await events.receivers(tx, other)) == {other}
        assert await events.receivers(tx, forgotten) == {}
    async with ground.database.dispatch() as tx:
        assert forgotten not in (await events.all_integrations(tx))[place.company_id]


async def test_kept_events(place: Place) -> None:
    ground, events, now = place.ground, WebhookEvents(), await place.ground.now()

    def kept(number: int, **how: Any) -> EventRow:
        given: dict[str, Any] = {"size_bytes": 10, "headers_sealed": "h", "body_sealed": f"b{number}", **how}
        return EventRow(UUID(int=number), f"e{number}", "kept", now + number * timedelta(seconds=1), **given)

    async with ground.database.company(place.company_id) as tx:
        await events.record(tx, place.integration_id, [kept(2), kept(1), kept(3), kept(3)])
        assert await events.kept_size(tx, place.integration_id) == (3, 30)
        assert await events.kept_size(tx, uuid4()) == (0, 0)

        async def page(after: tuple[Any, UUID], limit: int = 9, budget: int = 1000) -> list[int]:
            found = await events.kept(tx, place.integration_id, after=after, limit=limit, budget_bytes=budget)
            assert all(each.body_sealed == f"b{each.id.int}" for each in found)
            return [each.id.int for each in found]

        assert await page((now, UUID(int=0))) == [1, 2, 3]
        assert await page((now + timedelta(seconds=1), UUID(int=1))) == [2, 3]
        assert await page((now, UUID(int=0)), limit=2) == [1, 2]
        assert await page((now, UUID(int=0)), budget=11) == [1, 2]
        assert await page((now, UUID(int=0)), budget=1) == [1]
        await events.settle(tx, UUID(int=1), "processed", records=2)
        await events.settle(tx, UUID(int=1), "refused", records=0)
        again = replace(kept(2), state="processed", headers_sealed=None, body_sealed=None, records=4)
        await events.record(tx, place.integration_id, [again, again])
        await events.record(tx, place.integration_id, [kept(3, size_bytes=17)])
        assert await events.kept_size(tx, place.integration_id) == (1, 17), "what lies there now"
    rows = {row["id"].int: row for row in await ground.rows("webhook_events")}
    shown = ("state", "times", "records", "body_sealed")
    assert [rows[1][name] for name in shown] == ["processed", 1, 2, None]
    assert [rows[2][name] for name in shown] == ["processed", 3, 4, None]
    assert [rows[3][name] for name in shown] == ["kept", 3, 0, "b3"]
    assert rows[3]["processed_at"] is None
    assert rows[1]["processed_at"] is not None
    await ground.pass_time(5 * 86_400)
    async with ground.database.company(place.company_id) as tx:
        assert await events.purge(tx, days=6) == 0
    assert (await ground.row("integrations", id=place.integration_id))["full_compare_wanted_at"] is None
    async with ground.database.company(place.company_id) as tx:
        assert await events.purge(tx, days=4) == 3
    wanted = await ground.row("integrations", id=place.integration_id)
    assert wanted["full_compare_wanted_at"] is not None, "one of them was still kept"


async def test_the_same_event_under_another_id_is_refused(place: Place) -> None:
    ground, now = place.ground, await place.ground.now()
    rows = [EventRow(uuid4(), "e", "processed", now) for _ in range(3)]
    async with ground.database.company(place.company_id) as tx:
        await WebhookEvents().record(tx, place.integration_id, rows[:1])
        await WebhookEvents().record(tx, place.integration_id, [replace(rows[1], event_id=None)])
        with pytest.raises(psycopg.errors.UniqueViolation):
            await WebhookEvents().record(tx, place.integration_id, rows[2:])


async def test_keeping_is_counted_by_one_at_a_time(place: Place) -> None:
    ground, events = place.ground, WebhookEvents()

    async def count() -> tuple[int, int]:
        async with ground.database.company(place.company_id) as tx:
            return await events.kept_size(tx, place.integration_id)

    async with ground.database.company(place.company_id) as tx:
        await events.kept_size(tx, place.integration_id)
        other = await ground.blocked(count())
        kept = EventRow(uuid4(), None, "kept", await ground.now(), size_bytes=7, headers_sealed="h", body_sealed="b")
        await events.record(tx, place.integration_id, [kept])
    assert await other == (1, 7)
