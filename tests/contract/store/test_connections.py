"""Integrations as the engine knows them, and their tokens."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.errors import NotFound
from shared.model import Direction
from shared.store.connections import IntegrationRow
from shared.store.oauth_tokens import OAuthTokens, SealedToken
from shared.store.webhook_events import WebhookEvents
from tests.contract.store.ground import APPLICATION, CANDIDATE, HOUR, JOB, Ground, Place


async def get(place: Place) -> IntegrationRow:
    async with place.ground.database.company(place.company_id) as tx:
        return await place.ground.store.connections.get(tx, place.integration_id)


async def test_an_integration_as_the_engine_reads_it(ground: Ground) -> None:
    place = await ground.place(config={"a": [1]}, sync_roles=False, max_retries=5, clock_skew_ms=7)
    row = await get(place)
    assert (row.id, row.company_id, row.platform) == (place.integration_id, place.company_id, "greenhouse")
    assert (row.config, row.max_retries, row.clock_skew_ms, row.rank, row.version) == ({"a": [1]}, 5, 7, 1, 1)
    assert row.switches == {JOB: False, CANDIDATE: True, APPLICATION: True}
    assert not row.wants_full_comparison
    elsewhere = await ground.company()
    with pytest.raises(NotFound):
        await get(Place(ground, elsewhere, place.integration_id))
    async with ground.database.company(place.company_id) as tx:
        assert await ground.store.connections.platforms(tx) == {place.integration_id: "greenhouse"}


async def test_a_block_is_never_shortened(place: Place) -> None:
    for hours, expected in ((2, 2), (1, 2), (3, 3)):
        before = await place.ground.now()
        async with place.ground.database.company(place.company_id) as tx:
            await place.ground.store.connections.block(tx, place.integration_id, wait_s=hours * 3600.0)
        until = (await place.ground.row("integrations"))["blocked_until"]
        assert abs(until - before - expected * HOUR) < HOUR / 2
    for reason, ends in (("breaker_open", False), ("rate_limited", True)):
        async with place.ground.database.company(place.company_id) as tx:
            await place.ground.store.connections.unblock(tx, place.integration_id, reason=reason)
        row = await place.ground.row("integrations")
        assert (row["blocked_until"] is None, row["blocked_reason"] is None) == (ends, ends)


async def test_people_are_needed_once_and_not_for_settings_that_changed_since(place: Place) -> None:
    ground = place.ground
    job_id = await place.ask()

    async def needed(code: str = "auth_failed", job: UUID = job_id) -> bool:
        async with ground.database.company(place.company_id) as tx:
            return await ground.store.connections.needs_people(
                tx, place.integration_id, job_id=job, code=code, detail="d"
            )

    assert not await needed(), "nobody has claimed the job"
    await ground.claimed(job_id)
    assert not await needed(job=uuid4())
    assert await needed()
    assert not await needed(), "that is known"
    assert not await needed("another"), "the settings are newer than the claim"
    row = await ground.row("integrations")
    assert (row["attention"], row["attention_detail"], row["version"]) == ("auth_failed", "d", 1)

    async def lifted(version: int) -> bool:
        async with ground.database.company(place.company_id) as tx:
            return await ground.store.connections.lift_attention(tx, place.integration_id, version=version)

    assert not await lifted(2), "it was changed since it was looked at"
    assert await lifted(1)
    assert not await lifted(1), "nobody is needed"
    assert (await ground.row("integrations"))["attention"] is None


async def test_a_full_comparison_is_over_once_every_entity_was_read(place: Place) -> None:
    ground, runs = place.ground, place.ground.store.runs
    directions = {"candidate": "both", "job": "inbound", "application": "outbound"}
    await ground.change("integrations", {"id": place.integration_id}, config={"directions": directions})

    async def read(mode: str, *entities: Any) -> None:
        for entity in entities:
            async with ground.database.company(place.company_id) as tx:
                run_id = await runs.create(
                    tx, place.integration_id, entity=entity, direction=Direction.INBOUND, mode=mode, trigger="cli"
                )
            await ground.change("runs", {"id": run_id}, status="partial")

    async def is_wanted() -> bool:
        row = await get(place)
        async with ground.database.company(place.company_id) as tx:
            await ground.store.connections.compared(tx, row)
        return (await get(place)).wants_full_comparison

    await read("full", CANDIDATE, JOB)
    async with ground.database.company(place.company_id) as tx:
        assert await WebhookEvents().want_full_comparison(tx, place.integration_id)
        assert not await WebhookEvents().want_full_comparison(tx, place.integration_id)
    assert await is_wanted(), "those were read before"
    await read("incremental", CANDIDATE, JOB)
    await read("full", CANDIDATE)
    assert await is_wanted()
    await read("full", JOB)
    assert not await is_wanted()


async def test_one_refresher_at_a_time(place: Place) -> None:
    ground = place.ground
    tokens = OAuthTokens(ground.database, place.company_id, place.integration_id, seal=str.upper, open_=str.lower)
    assert await tokens.load("k") is None
    lease = await tokens.lease(seconds=60)
    assert lease is not None
    assert await tokens.lease(seconds=60) is None
    token = SealedToken("k", "t", datetime(2030, 1, 1, tzinfo=UTC), None, 1)
    assert not await tokens.save(token, lease=lease + 1)
    assert await tokens.save(token, lease=lease)
    assert await tokens.load("k") == token
    assert await tokens.load("other") is None
    second = await tokens.lease(seconds=60)
    assert second is not None
    await ground.pass_time(61)
    third = await tokens.lease(seconds=60)
    assert third is not None
    assert not await tokens.save(token, lease=second)
    await tokens.release(lease=second)
    assert await tokens.lease(seconds=60) is None
    await tokens.release(lease=third)
    assert await tokens.lease(seconds=60) is not None
    assert (await ground.row("oauth_tokens"))["version"] == 1
