"""Pulls and fetches show what the simulator holds."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.errors import (
    AuthFailed,
    CursorExpired,
    InvalidPayload,
    NeedsHuman,
    NotFound,
    RateLimited,
    Rejected,
    Unavailable,
)
from shared.model import EntityType, Record
from tests.contract.greenhouse import expectation
from tests.contract.greenhouse.conftest import Account, Start

V3_ONLY = {"preferred_name", "time_zone"}


def shown(records: list[Record]) -> dict[str, dict[str, Any]]:
    return {record.external_id: record.visible() for record in records}


def without(fields: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in names}


def dictionaries(account: Account) -> tuple[dict[int, dict[str, Any]], dict[int, str]]:
    reasons = {row["id"]: row for row in account.rows("rejection_reasons")}
    return reasons, {row["id"]: row["name"] for row in account.rows("sources")}


@pytest.mark.parametrize("version", ["v3", "v1"])
async def test_pain_14_a_full_read_of_candidates_equals_the_vendors_state(start: Start, version: str) -> None:
    account = await start(version, people=600)
    hidden = V3_ONLY if version == "v1" else set()
    records = await account.everything(EntityType.CANDIDATE)
    held = {
        str(row["id"]): row
        for row in account.rows("candidates")
        if row["first_name"] != "Anonymized" or row["last_name"] != str(row["id"])
    }
    found = shown([record for record in records if not record.anonymized])
    assert found.keys() == held.keys()
    for external_id, row in held.items():
        assert found[external_id] == without(expectation.candidate(row), hidden)


@pytest.mark.parametrize("version", ["v3", "v1"])
async def test_a_full_read_of_applications_equals_the_vendors_state(start: Start, version: str) -> None:
    account = await start(version, people=200)
    found = shown(await account.everything(EntityType.APPLICATION))
    reasons, sources = dictionaries(account)
    assert found == {
        str(row["id"]): expectation.application(row, reasons, sources) for row in account.rows("applications")
    }


@pytest.mark.parametrize("version", ["v3", "v1"])
async def test_a_full_read_of_jobs_equals_the_vendors_state(start: Start, version: str) -> None:
    account = await start(version)
    found = shown(await account.everything(EntityType.JOB))
    departments = {row["id"]: row["name"] for row in account.rows("departments")}
    offices = {row["id"]: row["name"] for row in account.rows("offices")}
    rows = [row for row in account.rows("jobs") if not row["is_template"]]
    assert found.keys() == {str(row["id"]) for row in rows}
    for row in rows:
        job = found[str(row["id"])]
        stages = [stage for stage in account.rows("job_interview_stages") if stage["job_id"] == row["id"]]
        assert job["title"] == row["name"]
        assert job["status"] == row["status"]
        assert job["requisition_id"] == row["requisition_id"]
        assert job["department"] == departments.get(row["department_id"])
        assert job["location"] == (", ".join(offices[one] for one in row["office_ids"] or []) or None)
        assert job["created_date"] == row["created_at"][:10]
        assert job["stages"] == [
            {"id": str(s["id"]), "name": s["name"], "order": s["sort_order"], "active": s["active"]}
            for s in sorted(stages, key=lambda s: s["sort_order"])
        ]


@pytest.mark.parametrize("version", ["v3", "v1"])
@pytest.mark.parametrize("entity", list(EntityType))
async def test_a_fetch_shows_what_the_list_shows(start: Start, version: str, entity: EntityType) -> None:
    account = await start(version)
    listed = (await account.everything(entity))[0]
    fetched = await account.adapter.fetch(entity, listed.external_id)
    assert fetched.visible() == listed.visible()
    assert fetched.updated_at == listed.updated_at
    assert account.adapter.to_canonical(entity, listed.raw) == listed


async def test_a_note_on_an_application_is_no_change_of_it(start: Start) -> None:
    """v3 says so, v1 shows the note's time alone: which tells only how two answers of v1 follow one another."""
    legacy = await start("v1")
    account = legacy.connected_again("v3")
    row = next(row for row in legacy.rows("applications") if row["status"] == "in_process")
    shown = [await each.adapter.fetch(EntityType.APPLICATION, str(row["id"])) for each in (account, legacy)]
    note = {"application_id": row["id"], "body": "Called back"}
    await account.control("POST", f"/candidates/{row['candidate_id']}/note", note)
    again = [await each.adapter.fetch(EntityType.APPLICATION, str(row["id"])) for each in (account, legacy)]
    assert again[0].updated_at == shown[0].updated_at
    assert (again[1].updated_at, again[0].vendor_version) == (None, None)
    before, after = shown[1].vendor_version, again[1].vendor_version
    assert before is not None
    assert after is not None
    assert before < after


@pytest.mark.parametrize("version", ["v3", "v1"])
async def test_pain_29_unknown_fields_and_null_lists_cost_nothing(start: Start, version: str) -> None:
    account = await start(version, people=60)
    before = shown(await account.everything(EntityType.CANDIDATE))
    account.simulator.settings.change({"extra_fields": True, "null_lists": True})
    account.simulator.simulator.account.version += 1
    after = shown(await account.everything(EntityType.CANDIDATE))
    assert after.keys() == before.keys()
    assert len(after) > 1
    for external_id, fields in after.items():
        for name, value in fields.items():
            assert value == before[external_id][name]


async def test_a_field_that_the_vendor_hides_is_not_visible(start: Start) -> None:
    account = await start(hidden_fields={"candidates": ["title", "email_addresses"], "applications": ["stage_name"]})
    candidates, applications = (
        await account.everything(EntityType.CANDIDATE),
        await account.everything(EntityType.APPLICATION),
    )
    assert any(row["title"] for row in account.rows("candidates"))
    assert candidates
    for record in candidates:
        assert not {"current_title", "email", "further_emails"} & record.visible().keys()
    assert applications
    for record in applications:
        assert "stage" not in record.visible()


def status_without_reasons(row: dict[str, Any]) -> str | None:
    """What is known of a status while nobody can tell a withdrawal from a rejection: of these two, None."""
    if row["status"] == "rejected" and row["rejection_reason_id"] is not None:
        return None
    return "active" if row["status"] == "in_process" else str(row["status"])


async def test_names_without_permission_are_not_visible_and_stop_nothing(start: Start) -> None:
    account = await start()
    account.simulator.simulator.authority.denied_scopes = {
        "harvest:rejection_reasons:list",
        "harvest:sources:list",
        "harvest:departments:list",
        "harvest:job_interview_stages:list",
    }
    rows = {str(row["id"]): row for row in account.rows("applications")}
    applications = await account.everything(EntityType.APPLICATION)
    assert {row["rejection_reason_id"] is None for row in rows.values()} == {True, False}
    assert {record.external_id for record in applications} == rows.keys()
    for record in applications:
        assert ("rejection_reason" in record.visible()) is (rows[record.external_id]["rejection_reason_id"] is None)
        assert ("source" in record.visible()) is (rows[record.external_id]["source_id"] is None)
        assert record.visible().get("status") == status_without_reasons(rows[record.external_id])
    for record in await account.everything(EntityType.JOB):
        assert "stages" not in record.visible()
        assert record.visible().get("department") is None


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


@pytest.mark.parametrize("version", ["v3", "v1"])
async def test_an_unknown_id_is_not_found(start: Start, version: str) -> None:
    account = await start(version)
    for entity in EntityType:
        with pytest.raises(NotFound):
            await account.adapter.fetch(entity, "987654321987")
    with pytest.raises(NotFound):
        await account.adapter.fetch(EntityType.CANDIDATE, "../users")


async def test_a_merged_candidate_is_gone_and_an_anonymised_one_is_marked(start: Start) -> None:
    account = await start()
    winner, loser, other = account.rows("candidates")[:3]
    await account.control("POST", f"/candidates/{winner['id']}/merge", {"secondary_candidate_id": loser["id"]})
    with pytest.raises(NotFound):
        await account.adapter.fetch(EntityType.CANDIDATE, str(loser["id"]))
    await account.control("POST", f"/candidates/{other['id']}/anonymize", {"fields": ["full_name"]})
    record = await account.adapter.fetch(EntityType.CANDIDATE, str(other["id"]))
    assert record.anonymized
    assert record.visible() == {}


async def test_a_private_record_alone_does_not_stop_the_integration(start: Start) -> None:
    account = await start(people=100)
    account.simulator.simulator.authority.sees_private = False
    row = next(row for row in account.rows("candidates") if row["private"])
    with pytest.raises(Rejected, match="keeps this record"):
        await account.adapter.fetch(EntityType.CANDIDATE, str(row["id"]))


@pytest.mark.parametrize("version", ["v3", "v1"])
async def test_candidates_are_found_by_any_of_their_addresses(start: Start, version: str) -> None:
    account = await start(version)
    row = next(row for row in account.rows("candidates") if len(row["email_addresses"]) > 1)
    address = row["email_addresses"][-1]["value"].strip()
    found = await account.adapter.find(EntityType.CANDIDATE, {"email": address.upper()})
    assert str(row["id"]) in [record.external_id for record in found]
    assert await account.adapter.find(EntityType.CANDIDATE, {"email": "nobody@example.org"}) == []


@pytest.mark.parametrize("version", ["v3", "v1"])
async def test_applications_are_found_by_candidate_and_job(start: Start, version: str) -> None:
    account = await start(version)
    row = next(row for row in account.rows("applications") if row["job_id"] is not None)
    fields = {"candidate_id": str(row["candidate_id"]), "job_id": str(row["job_id"])}
    found = await account.adapter.find(EntityType.APPLICATION, fields)
    assert str(row["id"]) in [record.external_id for record in found]
    nothing = await account.adapter.find(EntityType.APPLICATION, {**fields, "job_id": "1"})
    assert nothing == []


async def test_an_expired_token_is_renewed_once_and_the_call_repeated(start: Start) -> None:
    account = await start()
    await account.everything(EntityType.JOB)
    await account.control("POST", "/access/revoke_tokens")
    await account.everything(EntityType.CANDIDATE)
    calls = [entry["path"] for entry in account.requests()]
    assert calls.count("/token") == 2
    assert [entry["status"] for entry in account.requests()].count(401) == 1


async def test_credentials_that_never_work_are_tried_no_further(start: Start) -> None:
    account = await start()
    account.fault("error", path="/v3/candidates", status=401, times=None)
    with pytest.raises(AuthFailed):
        await account.everything(EntityType.CANDIDATE)
    assert [entry["path"] for entry in account.requests()].count("/v3/candidates") == 2


async def test_pain_15_a_missing_scope_is_named(start: Start) -> None:
    account = await start()
    account.simulator.simulator.authority.denied_scopes = {"harvest:candidates:list"}
    with pytest.raises(AuthFailed, match="harvest:candidates:list") as raised:
        await account.everything(EntityType.CANDIDATE)
    assert raised.value.status == 403
    report = await account.adapter.check()
    assert not report.ok
    assert [check.name for check in report.checks if not check.ok] == ["candidates"]


async def test_an_unknown_client_is_told_apart_from_trouble(start: Start) -> None:
    account = await start(config={"client_id": "somebody-else"})
    with pytest.raises(AuthFailed, match="invalid_client"):
        await account.everything(EntityType.CANDIDATE)
    report = await account.adapter.check()
    assert not report.ok
    assert [check.name for check in report.checks] == ["sign in"]


async def test_hidden_reasons_of_rejection_are_a_gap_that_fails_the_test_of_v3(start: Start) -> None:
    account = await start()
    account.simulator.simulator.authority.denied_scopes = {"harvest:rejection_reasons:list"}
    report = await account.adapter.check()
    assert not report.ok
    assert [check.name for check in report.checks if not check.ok] == ["rejection reasons"]


async def test_a_token_service_that_refuses_hides_no_names(start: Start) -> None:
    account = await start()
    account.fault("error", path="/v3/rejection_reasons", status=401, times=None)
    account.fault("error", path="/token", status=403, times=None, after=1)
    with pytest.raises(AuthFailed, match="token service") as refused:
        await account.everything(EntityType.APPLICATION)
    assert not refused.value.lacks_permission


@pytest.mark.parametrize("seconds", [7.0, None])
async def test_a_refusal_for_too_many_calls_tells_when(start: Start, seconds: float | None) -> None:
    account = await start(limiter=True)
    account.fault("throttle", path="/v3/candidates", seconds=seconds)
    with pytest.raises(RateLimited) as raised:
        await account.everything(EntityType.CANDIDATE)
    wait_s = raised.value.wait_s
    assert (6.5 <= wait_s <= 8.5) if seconds else (0.5 <= wait_s <= 32)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_trouble_of_the_vendor_is_worth_another_try(start: Start, status: int) -> None:
    account = await start()
    account.fault("error", path="/v3/candidates", status=status)
    with pytest.raises(Unavailable):
        await account.everything(EntityType.CANDIDATE)
    assert len(await account.everything(EntityType.CANDIDATE)) == 40


@pytest.mark.parametrize("kind", ["truncate", "not_json"])
async def test_half_an_answer_is_no_answer(start: Start, kind: str) -> None:
    account = await start()
    account.fault(kind, path="/v3/candidates")
    with pytest.raises(Unavailable):
        await account.everything(EntityType.CANDIDATE)


@pytest.mark.parametrize("version", ["v3", "v1"])
async def test_half_a_character_costs_its_own_record_alone(start: Start, version: str) -> None:
    """An emoji that somebody cut in two: JSON that no UTF-8 can hold, on a page with healthy records."""
    account = await start(version)
    row = account.rows("candidates")[3]
    await account.control("PATCH", f"/candidates/{row['id']}", {"title": "Baker of fire"})
    account.fault("garble", path=f"/{version}/candidates.*", times=None, old="Baker of fire", new=r"Baker \ud83d")
    pages = await account.pages(EntityType.CANDIDATE)
    records = {record.external_id for page in pages for record in page.records}
    assert records == {str(each["id"]) for each in account.rows("candidates")} - {str(row["id"])}
    (refused,) = [one for page in pages for one in page.refused]
    assert refused.external_id == str(row["id"])
    assert refused.reason.endswith("title: is not valid Unicode")
    with pytest.raises(InvalidPayload, match="title: is not valid Unicode"):
        await account.adapter.fetch(EntityType.CANDIDATE, str(row["id"]))
    account.fault("truncate", path=f"/{version}/candidates.*")
    account.simulator.simulator.faults.rules.reverse()
    with pytest.raises(Unavailable):
        await account.everything(EntityType.CANDIDATE)


async def test_an_answer_that_breaks_off_is_asked_for_once_more(start: Start) -> None:
    account = await start()
    account.fault("cut", path="/v3/candidates")
    assert len(await account.everything(EntityType.CANDIDATE)) == 40
    account.fault("cut", path="/v3/candidates", times=2)
    with pytest.raises(Unavailable):
        await account.everything(EntityType.CANDIDATE)


@pytest.mark.parametrize("status", [404, 410, 401])
async def test_a_removed_v1_needs_a_person(start: Start, status: int) -> None:
    account = await start("v1", legacy="removed", legacy_removed_status=status)
    with pytest.raises(NeedsHuman):
        await account.everything(EntityType.CANDIDATE)
    for entity, table in ((EntityType.CANDIDATE, "candidates"), (EntityType.APPLICATION, "applications")):
        row = account.rows(table)[0]
        with pytest.raises(NeedsHuman):
            await account.adapter.fetch(entity, str(row["id"]))
        with pytest.raises(NeedsHuman):
            await account.adapter.delete(entity, str(row["id"]))
    with pytest.raises(NeedsHuman):
        await account.adapter.find(EntityType.APPLICATION, {"candidate_id": "1", "job_id": "1"})


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize("version", ["v3", "v1"])
async def test_pain_07_an_address_that_knows_nothing_says_nothing_of_a_record(
    start: Start, version: str, status: int
) -> None:
    account = await start(version)
    row = account.rows("candidates")[0]
    account.fault("error", path=f"/{version}/.*", status=status, times=None)
    with pytest.raises(NeedsHuman, match="doesn't offer this API"):
        await account.adapter.fetch(EntityType.CANDIDATE, str(row["id"]))
    with pytest.raises(NeedsHuman, match="doesn't offer this API"):
        await account.adapter.delete(EntityType.CANDIDATE, str(row["id"]))
    assert row in account.rows("candidates")


async def test_a_clock_that_is_off_is_told(start: Start) -> None:
    account = await start(clock_offset_s=600.0)
    skew = (await account.adapter.check()).clock_skew_s
    assert skew is not None
    assert 597 < skew <= 600


async def test_the_report_names_the_account_and_the_clock(start: Start) -> None:
    account = await start()
    report = await account.adapter.check()
    assert report.ok
    assert report.account == f"user:{account.simulator.addresses()['user_id']}"
    assert report.clock_skew_s is not None
    assert abs(report.clock_skew_s) < 2
    assert all(check.latency_ms is not None for check in report.checks)
