"""Pulls go page by page, on from where they stopped, and bring what has changed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.errors import CursorExpired, InvalidPayload
from shared.model import EntityType
from tests.contract.greenhouse.conftest import Start, shown


async def test_lists_are_read_in_pages_and_never_one_call_per_record(start: Start) -> None:
    account = await start(people=1200, jobs=120)
    pages = await account.pages(EntityType.CANDIDATE)
    assert [len(page.records) + len(page.refused) for page in pages][:2] == [500, 500]
    assert [page.requests for page in pages] == [1] * len(pages)
    assert all(page.size_bytes > 0 for page in pages)
    jobs = await account.pages(EntityType.JOB)
    assert sum(page.requests for page in jobs) <= 2 + 1 + 2 * (len(account.rows("jobs")) // 50 + 1)
    applications = await account.pages(EntityType.APPLICATION)
    assert sum(page.requests for page in applications) == len(applications) + 2


@pytest.mark.parametrize("version", ["v3", "v1"])
async def test_a_pull_goes_on_at_any_page(start: Start, version: str) -> None:
    account = await start(version, people=1100)
    whole = await account.pages(EntityType.CANDIDATE)
    rest = await account.pages(EntityType.CANDIDATE, whole[0].following)
    assert [record.external_id for page in rest for record in page.records] == [
        record.external_id for page in whole[1:] for record in page.records
    ]


@pytest.mark.parametrize(
    ("table", "entity", "change", "field"),
    [
        ("candidates", EntityType.CANDIDATE, {"title": "Chief"}, "current_title"),
        ("candidates", EntityType.CANDIDATE, {"first_name": "Ada"}, "first_name"),
        ("candidates", EntityType.CANDIDATE, {"private": True}, "restricted"),
        ("jobs", EntityType.JOB, {"name": "New name"}, "title"),
        ("applications", EntityType.APPLICATION, {"stage_name": "Elsewhere"}, "stage"),
    ],
)
async def test_an_incremental_pull_brings_what_changed_and_nothing_else(
    start: Start, table: str, entity: EntityType, change: dict[str, Any], field: str
) -> None:
    account = await start()
    before = shown(await account.everything(entity))
    row = next(r for r in account.rows(table) if not r.get("is_template") and r.get("private") is not True)
    started_at = datetime.now(UTC)
    await account.control("PATCH", f"/{table}/{row['id']}", change)
    after = shown(await account.everything(entity, account.adapter.since(entity, started_at)))
    assert after.keys() == {str(row["id"])}
    fields = after[str(row["id"])]
    assert {name for name in fields if fields[name] != before[str(row["id"])][name]} == {field}


async def test_a_changed_stage_brings_its_job(start: Start) -> None:
    account = await start()
    stage = account.rows("job_interview_stages")[8]
    started_at = datetime.now(UTC)
    await account.control("PATCH", f"/job_interview_stages/{stage['id']}", {"name": "Renamed"})
    found = await account.everything(EntityType.JOB, account.adapter.since(EntityType.JOB, started_at))
    assert [record.external_id for record in found] == [str(stage["job_id"])]
    assert '"Renamed"' in json.dumps(found[0].visible()["stages"])


async def test_an_unchanged_account_has_an_empty_incremental_pull(start: Start) -> None:
    account = await start()
    for entity in EntityType:
        cursor = account.adapter.since(entity, datetime.now(UTC) + timedelta(seconds=1))
        assert await account.everything(entity, cursor) == []


async def test_an_expired_cursor_says_so(start: Start) -> None:
    account = await start(people=600)
    first = (await account.pages(EntityType.CANDIDATE))[0]
    account.simulator.settings.change({"cursor_lifetime_s": -1.0})
    stale = (await account.adapter.pages(EntityType.CANDIDATE, None).__anext__()).following
    assert first.following is not None
    with pytest.raises(CursorExpired):
        await account.pages(EntityType.CANDIDATE, stale)


async def test_a_stuck_cursor_is_noticed(start: Start) -> None:
    account = await start(people=1100)
    account.fault("stuck_cursor", path="/v3/candidates", times=None)
    with pytest.raises(InvalidPayload, match="did not advance"):
        await account.pages(EntityType.CANDIDATE)
