"""Candidates, applications and jobs by the API, after a sync."""

from __future__ import annotations

from secrets import randbelow, token_hex
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import JsonValue

from shared.composition import Services
from shared.model import FIELDS, EntityType
from shared.store.records import RecordWrite
from shared.sync.editing.length_check import LONGEST
from tests.integration.api.calling import Caller
from tests.integration.api.conftest import Company, Query, drain

PERSON = {"first_name": "Zoë", "last_name": "Quandt", "email": "zoe.quandt@example.org", "phone": "+49 30 901820"}


async def everyone(caller: Caller, url: str) -> list[dict[str, Any]]:
    """Return all pages of a list."""
    rows: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = await caller("GET", url + cursor)
        assert page.status == 200, page.text
        rows += page.body["data"]
        if page.body["next_cursor"] is None:
            return rows
        cursor = f"&cursor={page.body['next_cursor']}"


async def test_a_list_shows_each_candidate_once_page_by_page_newest_first(
    admin: Caller, synced: dict[str, Any], query: Query
) -> None:
    rows = await everyone(admin, "/api/candidates?limit=5")
    ((count,),) = query("SELECT count(*) FROM records WHERE entity_type = 'candidate'")
    assert len(rows) == count == len({row["id"] for row in rows})
    assert [row["created_at"] for row in rows] == sorted((row["created_at"] for row in rows), reverse=True)
    assert synced["id"] in {each["integration_id"] for row in rows for each in row["external_ids"]}


async def test_a_candidate_shows_every_field_and_where_they_stand(admin: Caller, synced: dict[str, Any]) -> None:
    listed = await everyone(admin, "/api/candidates?limit=100")
    submitted = [row for row in listed if row["applications"]]
    one = next(row for row in submitted if row["applied_for_job_id"])
    read = await admin("GET", f"/api/candidates/{one['id']}")
    assert read.status == 200
    assert read.body.keys() >= {*FIELDS[EntityType.CANDIDATE], "candidate_id", "conflicts", "external_ids", "as_of"}
    newest = read.body["applications"][0]
    assert read.body["current_stage"] == newest["stage"]
    assert read.body["applied_for_job_id"] == newest["job_id"]
    titles = {job["id"]: job["title"] for job in await everyone(admin, "/api/jobs?limit=100")}
    applications = [each for row in listed for each in row["applications"]]
    # A prospect has applied for no job yet: such an application shows neither a key nor a title.
    assert {each["job_id"] is None for each in applications} == {True, False}
    assert [each["job_title"] for each in applications] == [titles.get(each["job_id"]) for each in applications]
    assert all(titles.values())
    for row in submitted:
        assert row["applied_for_job_title"] == row["applications"][0]["job_title"]
    assert read.headers["etag"] == f'"{read.body["version"]}"'
    assert read.body["as_of"] is not None
    assert read.body["sources"][0]["integration_id"] == synced["id"]
    assert read.body["sources"][0]["last_result"] == "complete"


async def test_jobs_have_their_pipeline_and_are_roles_as_well(admin: Caller, synced: dict[str, Any]) -> None:
    jobs = await everyone(admin, "/api/jobs?limit=100")
    roles = await everyone(admin, "/api/roles?limit=100")
    assert jobs == roles
    assert jobs
    assert jobs[0]["external_ids"][0]["integration_id"] == synced["id"]
    one = await admin("GET", f"/api/jobs/{jobs[0]['id']}")
    assert (await admin("GET", f"/api/roles/{jobs[0]['id']}")).body == one.body
    assert [stage["name"] for stage in one.body["stages"]]
    open_ones = await everyone(admin, "/api/jobs?limit=100&status=open")
    assert {job["status"] for job in open_ones} <= {"open"}


async def test_search_finds_by_name_beginning_e_mail_and_phone(admin: Caller, company: Company) -> None:
    created = await admin("POST", "/api/candidates", PERSON)
    assert created.status == 201, created.text
    assert created.headers["location"] == f"/api/candidates/{created.body['id']}"
    other = await admin("POST", "/api/candidates", {"first_name": "Anna", "last_name": "Zoll"})
    assert other.status == 201
    for found_by in (
        "search=zo%C3%AB",
        "search=Quan",
        "search=zoe%20quandt".replace("zoe", "zo%C3%AB"),
        "search=ZOE.quandt@example.org",
        "q=%2B49%2030%20901820",
        "name=quandt%20zo%C3%AB",
        "search=quandt&name=zo%C3%AB",
        "search=zo%C3%AB&name=zo%C3%AB",
        "email=Zoe.Quandt@Example.org",
        "phone=4930901820",
    ):
        rows = (await admin("GET", f"/api/candidates?{found_by}")).body["data"]
        assert [row["id"] for row in rows] == [created.body["id"]], found_by
    for nobody in ("search=nobody", "search=anna&name=quandt", "search=quandt&name=anna"):
        assert (await admin("GET", f"/api/candidates?{nobody}")).body["data"] == [], nobody


@pytest.mark.parametrize(
    ("url", "field"),
    [
        ("/api/candidates?limit=0", "limit"),
        ("/api/candidates?limit=501", "limit"),
        ("/api/candidates?cursor=mine", "cursor"),
        ("/api/candidates?serch=x", "serch"),
        ("/api/candidates?archived=maybe", "archived"),
        ("/api/candidates?external_id=7", "integration_id"),
        ("/api/candidates?search=ada&q=grace", "q"),
        ("/api/applications?job_id=7", "job_id"),
    ],
)
async def test_a_query_that_can_not_be_meant_is_refused_by_name(
    admin: Caller, company: Company, url: str, field: str
) -> None:
    reply = await admin("GET", url)
    assert (reply.status, reply.body["field"]) == (422, field)


async def test_a_candidate_is_found_by_the_vendors_id(admin: Caller, synced: dict[str, Any]) -> None:
    some = (await admin("GET", "/api/candidates?limit=1")).body["data"][0]
    external_id = some["external_ids"][0]["external_id"]
    found = await admin("GET", f"/api/candidates?integration_id={synced['id']}&external_id={external_id}")
    assert [row["id"] for row in found.body["data"]] == [some["id"]]


async def test_an_edit_names_its_version_and_a_stale_one_is_refused(admin: Caller, company: Company) -> None:
    created = (await admin("POST", "/api/candidates", PERSON)).body
    path = f"/api/candidates/{created['id']}"
    changed = await admin("PATCH", path, {"current_title": "Lead"}, headers={"if-match": f'"{created["version"]}"'})
    assert changed.status == 200, changed.text
    assert changed.body["current_title"] == "Lead"
    assert changed.body["first_name"] == PERSON["first_name"]
    stale = await admin("PATCH", path, {"current_title": "Head"}, headers={"if-match": f'"{created["version"]}"'})
    assert (stale.status, stale.body["code"]) == (412, "stale_version")
    cleared = await admin("PATCH", path, {"current_title": None})
    assert cleared.body["current_title"] is None


async def test_custom_fields_are_shown_and_replaced_whole(
    admin: Caller, company: Company, synced: dict[str, Any]
) -> None:
    fields = [{"name": "Level", "value": 3}, {"name": "Remote", "value": False}, {"name": "Skills", "value": ["Go"]}]
    created = (await admin("POST", "/api/candidates", {**PERSON, "custom_fields": fields})).body
    path = f"/api/candidates/{created['id']}"
    assert (await admin("GET", path)).body["custom_fields"] == fields
    changed = await admin("PATCH", path, {"custom_fields": fields[1:]})
    assert (changed.status, changed.body["custom_fields"]) == (200, fields[1:])
    assert (await admin("PATCH", path, {"custom_fields": None})).body["custom_fields"] is None
    application = (await admin("GET", "/api/applications?limit=1")).body["data"][0]
    assert application["custom_fields"] is None
    moved = await admin("PATCH", f"/api/applications/{application['id']}", {"custom_fields": fields})
    assert (moved.status, moved.body["custom_fields"]) == (200, fields)
    job = (await admin("GET", "/api/jobs?limit=1")).body["data"][0]
    assert job["custom_fields"] is None


@pytest.mark.parametrize(
    "fields", [[{"name": " ", "value": 1}], [{"name": "a", "value": 1}, {"name": "A", "value": 2}], [{"name": "a"}]]
)
@pytest.mark.parametrize("entity", ["candidates", "applications"])
async def test_a_custom_field_that_can_not_be_told_apart_is_refused(
    admin: Caller, synced: dict[str, Any], entity: str, fields: list[dict[str, Any]]
) -> None:
    one = (await admin("GET", f"/api/{entity}?limit=1")).body["data"][0]
    reply = await admin("PATCH", f"/api/{entity}/{one['id']}", {"custom_fields": fields})
    assert reply.status == 422
    assert reply.body["field"].startswith("custom_fields")


@pytest.mark.parametrize(
    ("body", "field"),
    [({"surprise": 1}, "surprise"), ({"email": 7}, "email"), ({"tags": "x"}, "tags"), ({}, "body")],
)
async def test_an_edit_that_can_not_be_meant_is_refused_by_field(
    admin: Caller, company: Company, body: dict[str, Any], field: str
) -> None:
    created = (await admin("POST", "/api/candidates", PERSON)).body
    reply = await admin("PATCH", f"/api/candidates/{created['id']}", body)
    assert (reply.status, reply.body["field"]) == (422, field)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"email": "not an email"}, "email"),
        ({"phone": "abc"}, "phone"),
        ({"further_emails": [{"value": "a.b"}]}, "further_emails.0.value"),
        ({"further_phones": [{"value": "+1 202"}, {"value": "none"}]}, "further_phones.1.value"),
    ],
)
async def test_what_is_no_address_or_number_is_refused_by_field(
    admin: Caller, company: Company, body: dict[str, Any], field: str
) -> None:
    """It was taken, and the candidate could then not be submitted to any job."""
    added = await admin("POST", "/api/candidates", {"last_name": "Hopper", **body})
    assert (added.status, added.body["field"]) == (422, field)
    assert added.body["remedy"]
    created = (await admin("POST", "/api/candidates", PERSON)).body
    reply = await admin("PATCH", f"/api/candidates/{created['id']}", body)
    assert (reply.status, reply.body["field"]) == (422, field)


@pytest.mark.parametrize("field", ["first_name", "last_name", "email", "phone"])
async def test_what_is_too_long_to_be_looked_up_by_is_refused_by_field(
    admin: Caller, company: Company, field: str
) -> None:
    """It was told as an outage of the database, with the advice to try again."""
    digits = "".join(str(number) for number in range(4_000))[:4_000]
    value = {"email": f"{token_hex(2_000)}@example.org", "phone": digits}.get(field, token_hex(2_000))
    added = await admin("POST", "/api/candidates", {**PERSON, field: value})
    assert (added.status, added.body["field"]) == (422, field)
    created = (await admin("POST", "/api/candidates", PERSON)).body
    path = f"/api/candidates/{created['id']}"
    reply = await admin("PATCH", path, {field: value})
    assert (reply.status, reply.body["field"]) == (422, field)
    assert "255 characters" in reply.body["remedy"]
    if field.endswith("_name"):
        widest = "".join(chr(0x20000 + randbelow(40_000)) for _ in range(LONGEST))
        reply = await admin("PATCH", path, {"first_name": widest, "last_name": widest})
        assert reply.status == 200, reply.text


async def test_a_stage_too_long_to_be_looked_up_by_is_refused_by_field(admin: Caller, synced: dict[str, Any]) -> None:
    one = (await admin("GET", "/api/applications?limit=1")).body["data"][0]
    for field in ("stage", "status"):
        reply = await admin("PATCH", f"/api/applications/{one['id']}", {field: token_hex(500)})
        assert (reply.status, reply.body["field"]) == (422, field)
        assert reply.body["remedy"]
    job = next(row for row in await everyone(admin, "/api/jobs?limit=100") if row["status"] == "open")
    person = (await admin("POST", "/api/candidates", PERSON)).body
    submission = {"candidate_id": person["id"], "job_id": job["id"], "stage": token_hex(500)}
    reply = await admin("POST", "/api/applications", submission)
    assert (reply.status, reply.body["field"]) == (422, "stage")


async def test_what_a_vendor_holds_for_an_address_bars_no_other_edit(
    services: Services, admin: Caller, company: Company
) -> None:
    created = (await admin("POST", "/api/candidates", PERSON)).body
    async with services.database.company(company.id) as tx:
        (record,) = (await services.store.records.get(tx, EntityType.CANDIDATE, [UUID(created["id"])])).values()
        data = {**record.data, "email": "n/a", "phone": "unknown"}
        write = RecordWrite(record.id, EntityType.CANDIDATE, data, record.stamps, record.version)
        await services.store.records.update(tx, EntityType.CANDIDATE, [write])
    path = f"/api/candidates/{created['id']}"
    whole = {"email": "n/a", "phone": "unknown", "current_title": "Lead", "further_emails": [{"value": "n/a"}]}
    reply = await admin("PATCH", path, whole)
    assert (reply.status, reply.body.get("current_title")) == (200, "Lead"), reply.text
    assert (await admin("PATCH", path, {"email": "用户@例子.公司"})).status == 200


@pytest.mark.parametrize("with_etag", [False, True])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "Gone@Example.org"),
        ("further_emails", [{"value": "gone@example.org"}]),
        ("phone", "+49 30 555555"),
        ("further_phones", [{"value": "+4930555555"}]),
    ],
)
async def test_the_address_of_somebody_who_was_erased_is_refused_by_field(
    services: Services, admin: Caller, company: Company, field: str, value: object, with_etag: bool
) -> None:
    erased: dict[str, JsonValue] = {"email": "gone@example.org", "phone": "+49 30 555555"}
    created = await admin("POST", "/api/candidates", PERSON)
    path = f"/api/candidates/{created.body['id']}"
    async with services.database.company(company.id) as tx:
        await services.suppression.suppress_identity(tx, erased, reason="erasure")
    headers = {"If-Match": created.headers["etag"]} if with_etag else {}
    reply = await admin("PATCH", path, {field: value, "current_title": "Baker"}, headers=headers)
    assert (reply.status, reply.body["code"], reply.body["field"]) == (409, "conflict", field)
    assert reply.body["remedy"]
    assert not [part for part in ("gone@", "555555") if part in reply.text.lower()]
    assert (await admin("GET", path)).body["version"] == created.body["version"]
    added = await admin("POST", "/api/candidates", {"last_name": "New", field: value})
    assert (added.status, added.body["field"]) == (409, field)
    assert "consent" in added.body["remedy"]


async def test_who_was_suppressed_after_they_came_can_still_be_edited(
    services: Services, admin: Caller, company: Company
) -> None:
    created = (await admin("POST", "/api/candidates", PERSON)).body
    async with services.database.company(company.id) as tx:
        await services.suppression.suppress_identity(tx, {"email": PERSON["email"]}, reason="request")
    further = [{"value": "zoe@example.org"}, {"value": PERSON["email"], "type": "work"}]
    reply = await admin("PATCH", f"/api/candidates/{created['id']}", {"further_emails": further})
    assert reply.status == 200, reply.text


async def test_a_candidate_is_submitted_to_a_job_and_moved(
    services: Services, admin: Caller, synced: dict[str, Any]
) -> None:
    job = next(job for job in await everyone(admin, "/api/jobs?limit=100&status=open") if job["stages"])
    person = (await admin("POST", "/api/candidates", PERSON)).body
    submitted = await admin("POST", "/api/applications", {"candidate_id": person["id"], "job_id": job["id"]})
    assert submitted.status == 201, submitted.text
    assert submitted.body["submission"]["state"] == "queued"
    path = f"/api/applications/{submitted.body['id']}"
    await drain(services)
    arrived = await admin("GET", path)
    assert arrived.body["submission"]["state"] == "submitted", arrived.body["submission"]
    assert arrived.body["submission"]["external_id"]
    shown = await admin("GET", f"/api/candidates/{person['id']}")
    assert shown.body["submission"]["state"] == "submitted"
    names = [stage["name"] for stage in sorted(job["stages"], key=lambda stage: stage["order"]) if stage["active"]]
    moved = await admin("PATCH", path, {"stage": names[1]})
    assert (moved.status, moved.body["stage"]) == (200, names[1])
    assert (await admin("PATCH", path, {"candidate_id": str(uuid4())})).status == 422
    listed = await admin("GET", f"/api/applications?candidate_id={person['id']}")
    assert [row["id"] for row in listed.body["data"]] == [submitted.body["id"]]
    assert (await admin("GET", f"/api/applications?job_id={job['id']}&stage=nowhere")).body["data"] == []


async def test_a_submission_names_people_and_jobs_that_exist(admin: Caller, company: Company) -> None:
    reply = await admin("POST", "/api/applications", {"candidate_id": str(uuid4()), "job_id": str(uuid4())})
    assert (reply.status, reply.body["field"]) == (422, "candidate_id")
    reply = await admin("POST", "/api/applications", {"candidate_id": "7"})
    assert reply.status == 422
    assert {fault["field"] for fault in reply.body["errors"]} == {"candidate_id", "job_id"}


async def test_what_is_not_there_is_404_whatever_its_id_looks_like(admin: Caller, company: Company) -> None:
    for path in ("candidates", "applications", "jobs", "roles", "runs", "integrations"):
        for record_id in (str(uuid4()), "7", "not-an-id"):
            reply = await admin("GET", f"/api/{path}/{record_id}")
            assert (reply.status, reply.body["code"]) == (404, "not_found"), path


async def test_archived_records_are_shown_on_request(admin: Caller, company: Company, query: Query) -> None:
    person = (await admin("POST", "/api/candidates", PERSON)).body
    query("UPDATE records SET archived_at = now() WHERE id = %s", UUID(person["id"]))
    assert (await admin("GET", "/api/candidates")).body["data"] == []
    for choice in ("true", "all"):
        rows = (await admin("GET", f"/api/candidates?archived={choice}")).body["data"]
        assert [row["id"] for row in rows] == [person["id"]]
