"""Jobs as a connected Job Board shows them (docs/vendors/greenhouse.md, 11.1)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.model import EntityType, Record
from tests.contract.greenhouse.conftest import Account, Start

TEXT = "<p>Join us &amp; build <b>things</b>.</p>"


async def with_board(start: Start, version: str = "v3", token: str = "acme", **settings: Any) -> Account:  # noqa: S107 - public
    """Return an account whose board is connected."""
    account = await start(version, **settings)
    address = account.simulator.addresses()["api_base_url"]
    return account.connected_again(version, board_token=token, job_board_url=address)


def live_post(account: Account, place: int = 0) -> dict[str, Any]:
    """Return one of the live posts."""
    return [row for row in account.rows("job_posts") if row["live"]][place]


def board_calls(account: Account) -> int:
    return sum("/boards/" in entry["path"] for entry in account.requests())


def by_id(records: list[Record]) -> dict[str, dict[str, Any]]:
    return {record.external_id: record.visible() for record in records}


@pytest.mark.parametrize("version", ["v3", "v1"])
async def test_a_full_read_shows_public_texts_and_places(start: Start, version: str) -> None:
    account = await with_board(start, version, jobs=30)
    offices = {row["id"]: row for row in account.rows("offices")}
    live = {row["job_id"] for row in account.rows("job_posts") if row["live"]}
    found = by_id(await account.everything(EntityType.JOB))
    jobs = {str(row["id"]): row for row in account.rows("jobs") if not row["is_template"]}
    assert found.keys() == jobs.keys()
    for external_id, row in jobs.items():
        ids = row["office_ids"] or []
        if row["id"] in live:
            place = offices[ids[0]]["location"] if ids else "Remote"
            assert (found[external_id]["description"], found[external_id]["location"]) == (TEXT, place)
        else:
            assert (found[external_id]["description"] is None) is (row["notes"] is None)
            assert found[external_id]["location"] == (", ".join(offices[one]["name"] for one in ids) or None)
    assert 0 < len(live) < len(jobs)
    assert board_calls(account) == 1


@pytest.mark.parametrize("version", ["v3", "v1"])
async def test_a_fetch_shows_what_the_list_shows(start: Start, version: str) -> None:
    account = await with_board(start, version)
    jobs = await account.everything(EntityType.JOB)
    assert jobs
    for listed in jobs[:3]:
        fetched = await account.adapter.fetch(EntityType.JOB, listed.external_id)
        assert fetched.visible() == listed.visible()
        assert account.adapter.to_canonical(EntityType.JOB, listed.raw) == listed


@pytest.mark.parametrize("version", ["v3", "v1"])
@pytest.mark.parametrize(
    ("change", "name", "value"),
    [
        ({"content": "<p>New</p>"}, "description", "<p>New</p>"),
        ({"location": "Oulu"}, "location", "Oulu"),
    ],
)
async def test_a_changed_post_brings_its_job(
    start: Start, version: str, change: dict[str, str], name: str, value: str
) -> None:
    account = await with_board(start, version)
    before = by_id(await account.everything(EntityType.JOB))
    post = live_post(account)
    started_at = datetime.now(UTC)
    await account.control("PATCH", f"/job_posts/{post['id']}", change)
    after = by_id(await account.everything(EntityType.JOB, account.adapter.since(EntityType.JOB, started_at)))
    assert after == {str(post["job_id"]): before[str(post["job_id"])] | {name: value}}


async def test_many_changed_posts_and_stages_are_fifty_jobs_a_call(start: Start) -> None:
    account = await with_board(start, jobs=120)
    started_at = datetime.now(UTC)
    posts = [row for row in account.rows("job_posts") if row["live"]]
    for post in posts:
        await account.control("PATCH", f"/job_posts/{post['id']}", {"content": "New"})
    pages = await account.pages(EntityType.JOB, account.adapter.since(EntityType.JOB, started_at))
    found = [record.external_id for page in pages for record in page.records]
    assert sorted(found) == sorted(str(post["job_id"]) for post in posts)
    assert len(posts) > 50
    resumed = await account.pages(EntityType.JOB, pages[1].following)
    assert [record.external_id for page in resumed for record in page.records] == found[50:]
    told = sum(page.requests for page in pages)
    assert told <= 1 + 1 + 1 + 2 + 2 * (len(posts) // 50 + 1)


async def test_an_unchanged_board_brings_nothing(start: Start) -> None:
    account = await with_board(start)
    cursor = account.adapter.since(EntityType.JOB, datetime.now(UTC) + timedelta(seconds=1))
    assert await account.everything(EntityType.JOB, cursor) == []


@pytest.mark.parametrize("kind", ["error", "not_json", "empty", "truncate"])
async def test_a_board_in_trouble_stops_nothing_and_blanks_nothing(start: Start, kind: str) -> None:
    account = await with_board(start)
    account.fault(kind, path="/v1/boards/acme/jobs", times=None)
    records = await account.everything(EntityType.JOB)
    assert len(records) == sum(not row["is_template"] for row in account.rows("jobs"))
    for record in records:
        assert not {"description", "location"} & record.visible().keys()
        assert any(warning.startswith("job board: ") for warning in record.warnings)
    fetched = await account.adapter.fetch(EntityType.JOB, records[0].external_id)
    assert "description" not in fetched.visible()


async def test_an_unknown_board_is_named_by_the_check(start: Start) -> None:
    account = await with_board(start, token="nobody")
    report = await account.adapter.check()
    assert report.ok, "jobs come in without it"
    (line,) = (check for check in report.checks if not check.ok)
    assert (line.name, "config.board_token" in line.detail) == ("job board", True)


async def test_a_readable_board_has_its_line(start: Start) -> None:
    account = await with_board(start)
    (line,) = (check for check in (await account.adapter.check()).checks if check.name == "job board")
    assert line.ok
    assert line.latency_ms is not None


async def test_without_a_board_none_is_asked(start: Start) -> None:
    account = await start()
    await account.everything(EntityType.JOB)
    assert "job board" not in [check.name for check in (await account.adapter.check()).checks]
    assert board_calls(account) == 0
