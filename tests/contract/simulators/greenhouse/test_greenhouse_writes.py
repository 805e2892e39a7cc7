"""What v3's writes do and refuse (docs/vendors/greenhouse.md, sections 6 and 7)."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest

from sandbox.vendors.greenhouse import GreenhouseSimulator
from sandbox.vendors.greenhouse.account import Account
from sandbox.vendors.greenhouse.webhooks import tls
from tests.fixtures.waiting import until


def open_job(account: Account, *, openings: int | None = None) -> dict[str, Any]:
    """An open job that is no template, with that many open openings if told."""
    return next(
        job
        for job in account["jobs"]
        if job["status"] == "open"
        and not job["is_template"]
        and openings in {None, len(account["openings"].rows("job_id", job["id"]))}
    )


def new_person(account: Account, **changes: Any) -> dict[str, Any]:
    """The body of a create that works."""
    return {
        "first_name": "Zoë",
        "last_name": "Ñandú",
        "email_addresses": [{"value": "zoe@example.org", "type": "personal"}],
        "tags": ["Python", "brand new"],
        "custom_fields": [{"name_key": "notice_period", "value": "1 month"}],
        "applications": [{"job_id": open_job(account)["id"]}],
    } | changes


async def create(v3: httpx.AsyncClient, account: Account, **changes: Any) -> dict[str, Any]:
    answer = await v3.post("/candidates", json=new_person(account, **changes))
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


async def application_of(v3: httpx.AsyncClient, candidate_id: int) -> dict[str, Any]:
    rows = (await v3.get("/applications", params={"candidate_ids": candidate_id})).json()
    newest: dict[str, Any] = rows[0]
    return newest


@pytest.fixture
def account(greenhouse: GreenhouseSimulator) -> Account:
    return greenhouse.simulator.account


async def test_a_new_candidate_stands_on_the_first_stage(v3: httpx.AsyncClient, account: Account) -> None:  # 6.1, 6.4
    created = await create(v3, account)
    assert created["custom_fields"]["notice_period"]["value"] == "1 month"
    assert created["custom_fields"]["headline"]["value"] is None
    assert (await v3.get(f"/candidates/{created['id']}")).json() == created
    application = await application_of(v3, created["id"])
    assert application["status"] == "in_process"
    assert application["stage_name"] == "Application Review"
    visits = await v3.get("/application_stages", params={"application_ids": application["id"]})
    assert [(v["id"], v["current"]) for v in visits.json()] == [(application["stage_id"], True)]
    applied = await v3.get("/applied_candidate_tags", params={"candidate_ids": created["id"]})
    assert len(applied.json()) == 2


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"first_name": None, "last_name": ""}, "first_name"),
        ({"applications": []}, "applications"),
        ({"applications": [{"job_id": 1}]}, "job_id"),
        ({"email_addresses": [{"value": "a@b.c", "type": "school"}]}, "email_addresses.type"),
        ({"email_addresses": [{"value": "nowhere", "type": "work"}]}, "email_addresses"),
        ({"email_addresses": "a@b.c"}, "email_addresses"),
        ({"phone_numbers": [{"value": "1", "type": "pager"}]}, "phone_numbers.type"),
        ({"custom_fields": {"notice_period": "None"}}, "custom_fields"),
        ({"custom_fields": [{"name_key": "nope", "value": 1}]}, "custom_fields"),
        ({"custom_fields": [{"name_key": "notice_period", "value": "9 years"}]}, "custom_fields"),
        ({"last_name": "x" * 256}, "last_name"),
        ({"is_private": "yes"}, "is_private"),
    ],
)
async def test_a_bad_candidate_is_refused_and_not_made(
    lasting: GreenhouseSimulator,
    lasting_v3: httpx.AsyncClient,
    changes: dict[str, Any],
    field: str,
) -> None:  # 5, 6.1
    account = lasting.simulator.account
    before = len(account["candidates"])
    answer = await lasting_v3.post("/candidates", json=new_person(account, **changes))
    assert answer.status_code == 422
    assert answer.json()["message"] == "Validation error"
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert len(account["candidates"]) == before


async def test_malformed_json_is_a_bad_request(v3: httpx.AsyncClient) -> None:  # 5
    assert (await v3.post("/candidates", content=b'{"first_name":')).status_code == 400
    assert (await v3.post("/candidates", content=b"[]")).status_code == 400


async def test_a_create_may_only_be_promised(
    greenhouse: GreenhouseSimulator, v3: httpx.AsyncClient, account: Account
) -> None:  # 6.1
    greenhouse.settings.async_create = True
    answer = await v3.post("/candidates", json=new_person(account))
    assert answer.status_code == 202
    assert set(answer.json()) == {"message"}

    async def is_there() -> bool:
        found = await v3.get("/candidates", params={"email": "ZOE@example.org"})
        return len(found.json()) == 1

    assert not await is_there()
    await until(is_there)


async def test_a_patch_replaces_arrays_and_the_set_of_custom_fields(
    v3: httpx.AsyncClient, account: Account
) -> None:  # 6.2
    phones = [{"value": "+1 415 555 0000", "type": "mobile"}]
    created = await create(v3, account, phone_numbers=phones, company="Old")
    option = next(row["id"] for row in account["custom_field_options"] if row["name"] == "Deutsch")
    body = {
        "email_addresses": [{"value": "new@example.org", "type": "work"}],
        "tags": [],
        "company": "",
        "custom_fields": [{"name_key": "languages", "value": [option]}],
        "is_private": True,
        "private": False,
    }
    changed = (await v3.patch(f"/candidates/{created['id']}", json=body)).json()
    assert changed["email_addresses"] == body["email_addresses"]
    assert changed["phone_numbers"] == phones
    assert changed["tags"] == []
    assert changed["company"] is None
    assert changed["private"] is True
    assert changed["custom_fields"]["languages"]["value"] == ["Deutsch"]
    assert changed["custom_fields"]["notice_period"]["value"] is None
    assert changed["updated_at"] > created["updated_at"]
    applied = await v3.get("/applied_candidate_tags", params={"candidate_ids": created["id"]})
    assert applied.json() == []


async def test_a_move_needs_the_current_stage_row(v3: httpx.AsyncClient, account: Account) -> None:  # 6.5
    created = await create(v3, account)
    before = await application_of(v3, created["id"])
    stages = account.stages_of(before["job_id"])
    path = f"/applications/{before['id']}/move"
    to = {"to_stage_id": stages[2]["id"]}
    assert (await v3.post(path, json=to)).status_code == 422
    definition = {"from_stage_id": before["job_interview_stage_id"]}
    assert (await v3.post(path, json=to | definition)).status_code == 422
    moved = await v3.post(path, json=to | {"from_stage_id": before["stage_id"]})
    assert (moved.status_code, moved.content) == (204, b"")
    after = await application_of(v3, created["id"])
    assert after["job_interview_stage_id"] == stages[2]["id"]
    assert after["stage_name"] == stages[2]["name"]
    stale = await v3.post(path, json=to | {"from_stage_id": before["stage_id"]})
    assert stale.json()["errors"][0]["field"] == "from_stage_id"
    advanced = await v3.post(path, json={"from_stage_id": after["stage_id"]})
    assert advanced.status_code == 204
    assert (await application_of(v3, created["id"]))["stage_name"] == stages[3]["name"]
    foreign = next(s for s in account["job_interview_stages"] if s["job_id"] != before["job_id"])
    here = (await application_of(v3, created["id"]))["stage_id"]
    refused = await v3.post(path, json={"from_stage_id": here, "to_stage_id": foreign["id"]})
    assert refused.status_code == 422


async def test_a_stage_change_leaves_the_candidates_updated_at(v3: httpx.AsyncClient, account: Account) -> None:  # 3.6
    created = await create(v3, account)
    before = await application_of(v3, created["id"])
    person = (await v3.get(f"/candidates/{created['id']}")).json()
    body = {"from_stage_id": before["stage_id"]}
    await v3.post(f"/applications/{before['id']}/move", json=body)
    after = (await v3.get(f"/candidates/{created['id']}")).json()
    assert after["updated_at"] == person["updated_at"]
    assert after["last_activity_at"] > person["last_activity_at"]
    assert (await application_of(v3, created["id"]))["updated_at"] > before["updated_at"]


async def test_a_rejection_may_get_another_reason(v3: httpx.AsyncClient, account: Account) -> None:  # 6.6
    created = await create(v3, account)
    row = await application_of(v3, created["id"])
    first, second = account["rejection_reasons"].ids()[:2]
    await v3.post(f"/applications/{row['id']}/reject", json={"rejection_reason_id": first, "notes": "No"})
    (detail,) = (await v3.get(f"/rejection_details?application_ids={row['id']}")).json()
    path = f"/rejection_details/{detail['id']}"
    assert (await v3.patch(path, json={})).status_code == 422
    assert (await v3.patch(path, json={"rejection_reason_id": 999})).status_code == 422
    assert (await v3.patch("/rejection_details/999", json={"rejection_reason_id": second})).status_code == 404
    told: list[str] = []
    account.tell = lambda action, _: told.append(action)
    changed = await v3.patch(path, json={"rejection_reason_id": second})
    same = {name: detail[name] for name in detail.keys() - {"updated_at"}}
    assert changed.status_code == 200
    assert same | {"rejection_reason_id": second} == {name: changed.json()[name] for name in same}
    after = (await v3.get(f"/applications/{row['id']}")).json()
    assert (after["status"], after["rejection_reason_id"]) == ("rejected", second)
    assert after["updated_at"] > row["updated_at"]
    assert told == ["application_updated"]


async def test_rejecting_needs_a_reason_and_can_be_undone(v3: httpx.AsyncClient, account: Account) -> None:  # 6.6
    created = await create(v3, account)
    before = await application_of(v3, created["id"])
    path = f"/applications/{before['id']}"
    assert (await v3.post(f"{path}/reject", json={})).status_code == 422
    reason = account["rejection_reasons"].ids()[2]
    body = {"rejection_reason_id": reason, "notes": "Went elsewhere"}
    assert (await v3.post(f"{path}/reject", json=body)).status_code == 204
    rejected = (await v3.get(path)).json()
    assert (rejected["status"], rejected["rejection_reason_id"]) == ("rejected", reason)
    assert rejected["rejected_at"]
    stage_columns = ("stage_id", "job_interview_stage_id", "stage_name")
    assert [rejected[name] for name in stage_columns] == [None, None, None]
    details = (await v3.get(f"/rejection_details?application_ids={before['id']}")).json()
    assert account.fetch("notes", details[0]["rejection_note_id"])["body"] == "Went elsewhere"
    assert (await v3.post(f"{path}/reject", json=body)).status_code == 422
    assert (await v3.post(f"{path}/unreject", json={})).status_code == 204
    again = (await v3.get(path)).json()
    for name in (*stage_columns, "status", "rejection_reason_id", "rejected_at"):
        assert again[name] == before[name]
    assert (await v3.get(f"/rejection_details?application_ids={before['id']}")).json() == []


async def test_a_hire_fills_an_opening_and_the_last_closes_the_job(
    v3: httpx.AsyncClient, account: Account
) -> None:  # 6.7
    job = open_job(account, openings=2)
    first = await create(v3, account, applications=[{"job_id": job["id"]}])
    second = await create(v3, account, applications=[{"job_id": job["id"]}])
    openings = account["openings"].rows("job_id", job["id"])
    path = f"/applications/{(await application_of(v3, first['id']))['id']}/hire"
    assert (await v3.post(path, json={})).status_code == 422
    named = await v3.post(path, json={"opening_id": openings[0]["id"]})
    assert named.status_code == 204
    assert (await v3.get(f"/jobs/{job['id']}")).json()["status"] == "open"
    path = f"/applications/{(await application_of(v3, second['id']))['id']}/hire"
    assert (await v3.post(path, json={})).status_code == 204
    assert (await v3.get(f"/jobs/{job['id']}")).json()["status"] == "closed"
    hired = await application_of(v3, second["id"])
    assert (hired["status"], hired["stage_id"]) == ("hired", None)
    assert account["openings"].rows("job_id", job["id"])[1]["application_id"] == hired["id"]


async def test_one_open_application_per_job(v3: httpx.AsyncClient, account: Account) -> None:  # 6.4
    created = await create(v3, account)
    job = open_job(account)
    body = {"candidate_id": created["id"], "job_id": job["id"]}
    assert (await v3.post("/applications", json=body)).status_code == 422
    other = next(j for j in account["jobs"] if j["status"] == "open" and j["id"] != job["id"])
    stage = account.stages_of(other["id"])[1]
    placed = body | {"job_id": other["id"], "initial_stage_id": stage["id"]}
    answer = await v3.post("/applications", json=placed)
    assert answer.status_code == 201
    assert answer.json()["stage_name"] == stage["name"]
    assert (await v3.delete(f"/applications/{answer.json()['id']}")).status_code == 204
    assert (await v3.get(f"/applications/{answer.json()['id']}")).status_code == 404


async def test_a_prospect_is_converted_into_a_new_application(v3: httpx.AsyncClient, account: Account) -> None:  # 6.10
    job = open_job(account)
    prospect = {"prospect": True, "job_ids": [job["id"]]}
    created = await create(v3, account, applications=[prospect])
    before = await application_of(v3, created["id"])
    assert (before["job_id"], before["prospective_job_ids"]) == (None, [job["id"]])
    path = f"/applications/{before['id']}/convert_to_candidate"
    answer = await v3.post(path, json={"job_id": job["id"]})
    assert answer.json()["id"] != before["id"]
    assert (await v3.get(f"/applications/{before['id']}")).json()["status"] == "converted"


async def test_a_merge_moves_everything_and_leaves_a_404(v3: httpx.AsyncClient, account: Account) -> None:  # 6.3
    winner = await create(v3, account)
    loser = await create(v3, account, email_addresses=[{"value": "l@example.org", "type": "work"}])
    application = await application_of(v3, loser["id"])
    await v3.post("/notes", json={"candidate_id": loser["id"], "body": "Kept"})
    path = f"/candidates/{winner['id']}/merge"
    assert (await v3.post(path, json={})).status_code == 422
    merged = await v3.post(path, json={"secondary_candidate_id": loser["id"]})
    assert {"value": "l@example.org", "type": "work"} in merged.json()["email_addresses"]
    assert (await v3.get(f"/candidates/{loser['id']}")).status_code == 404
    moved = (await v3.get(f"/applications/{application['id']}")).json()
    assert moved["candidate_id"] == winner["id"]
    notes = (await v3.get("/notes", params={"candidate_ids": winner["id"]})).json()
    assert [note["body"] for note in notes] == ["Kept"]


async def test_deleting_takes_everything_along(v3: httpx.AsyncClient, account: Account) -> None:  # 6.3
    created = await create(v3, account)
    application = await application_of(v3, created["id"])
    assert (await v3.delete(f"/candidates/{created['id']}")).status_code == 204
    assert (await v3.get(f"/candidates/{created['id']}")).status_code == 404
    assert (await v3.get(f"/applications/{application['id']}")).status_code == 404
    visits = await v3.get(f"/application_stages?application_ids={application['id']}")
    assert visits.json() == []
    assert (await v3.delete(f"/candidates/{created['id']}")).status_code == 404


async def test_anonymising_destroys_what_is_named(v3: httpx.AsyncClient, account: Account) -> None:  # 6.3
    created = await create(v3, account, company="Kept Ltd")
    path = f"/candidates/{created['id']}/anonymize"
    assert (await v3.patch(path, json={"fields": ["shoe_size"]})).status_code == 422
    names = ["full_name", "email_addresses", "tags", "source"]
    left = (await v3.patch(path, json={"fields": names})).json()
    assert (left["first_name"], left["last_name"]) == ("Anonymized", str(created["id"]))
    assert (left["email_addresses"], left["tags"]) == ([], [])
    assert left["company"] == "Kept Ltd"


async def test_a_notes_visibility_reads_otherwise_than_it_is_written(
    v3: httpx.AsyncClient, account: Account
) -> None:  # 6.8
    candidate_id = account["candidates"].ids()[0]
    body = {"candidate_id": candidate_id, "body": "<b>x</b>"}
    assert (await v3.post("/notes", json=body)).json()["visibility"] == "admin_only_visible"
    public = await v3.post("/notes", json=body | {"visibility": "public", "type": "EMAIL"})
    assert (public.json()["visibility"], public.json()["type"]) == ("publicly_visible", "EMAIL")
    wrong = await v3.post("/notes", json=body | {"visibility": "publicly_visible"})
    assert wrong.status_code == 422


async def test_a_new_resume_turns_the_old_one_into_other(
    greenhouse: GreenhouseSimulator, v3: httpx.AsyncClient, account: Account
) -> None:  # 6.9, 7.1
    application = await application_of(v3, (await create(v3, account))["id"])

    async def upload(filename: str, content: bytes | str, **more: str) -> httpx.Response:
        encoded = content if isinstance(content, str) else base64.b64encode(content).decode()
        body = {
            "application_id": application["id"],
            "filename": filename,
            "type": "resume",
            "content": encoded,
        }
        return await v3.post("/attachments", json=body | more)

    assert (await upload("cv.html", b"x")).status_code == 422
    assert (await upload("cv.pdf", b"x", url="http://127.0.0.1/x")).status_code == 422
    assert (await upload("cv.pdf", "%%%")).status_code == 422
    assert (await upload("first.pdf", b"%PDF-1")).status_code == 201
    second = (await upload("zweites_Ü 二.pdf", b"%PDF-2")).json()
    rows = (await v3.get(f"/attachments?application_ids={application['id']}")).json()
    assert [(r["filename"], r["type"]) for r in rows] == [
        ("zweites_Ü 二.pdf", "resume"),
        ("first.pdf", "other"),
    ]
    async with httpx.AsyncClient(trust_env=False, verify=tls()) as plain:
        hop = await plain.get(second["url"])
        assert hop.status_code == 302
        assert (await plain.get(hop.headers["location"])).content == b"%PDF-2"
    assert (await v3.get(hop.headers["location"])).status_code == 400
    greenhouse.settings.clock_offset_s = 7 * 24 * 3600 + 1
    async with httpx.AsyncClient(trust_env=False, verify=tls()) as plain:
        assert (await plain.get(second["url"])).status_code == 403


async def test_an_upload_may_be_fetched_from_an_address(
    greenhouse: GreenhouseSimulator, v3: httpx.AsyncClient, account: Account
) -> None:  # 6.9
    earlier = (await v3.get("/attachments")).json()[0]
    body = {
        "application_id": earlier["application_id"],
        "filename": "copy.pdf",
        "type": "other",
        "url": earlier["url"],
    }
    copied = (await v3.post("/attachments", json=body)).json()
    async with httpx.AsyncClient(trust_env=False, verify=tls(), follow_redirects=True) as plain:
        original = await plain.get(earlier["url"])
        assert original.content
        assert (await plain.get(copied["url"])).content == original.content
    gone = body | {"url": f"{greenhouse.base_url}/files/none"}
    assert (await v3.post("/attachments", json=gone)).status_code == 422


async def test_education_and_employment_are_created_and_deleted(
    v3: httpx.AsyncClient, account: Account
) -> None:  # 6.11
    candidate_id = (await create(v3, account))["id"]
    for path, body in (
        ("/candidate_employments", {"company_name": "Initech"}),
        ("/candidate_educations", {"start_at": "2001-09-01T00:00:00.000Z"}),
    ):
        first = (await v3.post(path, json={"candidate_id": candidate_id} | body)).json()
        await v3.post(path, json={"candidate_id": candidate_id} | body)
        rows = (await v3.get(path, params={"candidate_ids": candidate_id})).json()
        assert [row["latest"] for row in rows] == [True, False]
        assert (await v3.patch(f"{path}/{first['id']}", json=body)).status_code == 405
        assert (await v3.delete(f"{path}/{first['id']}")).status_code == 204


async def test_v3_knows_no_on_behalf_of(v3: httpx.AsyncClient) -> None:  # 2.5
    assert (await v3.get("/users", headers={"On-Behalf-Of": "1201"})).status_code == 422
