"""Reads show what the simulator holds, field by field, and what may not be seen as not visible."""

from __future__ import annotations

from typing import Any

import pytest

from shared.errors import NotFound, Rejected
from shared.model import EntityType
from tests.contract.greenhouse import expectation
from tests.contract.greenhouse.conftest import Account, Start, shown

V3_ONLY = {"preferred_name", "time_zone"}


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
