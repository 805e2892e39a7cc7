"""What v3 does and refuses in writes of candidates and what hangs on them (docs/vendors/greenhouse.md, 6 and 7)."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest

from sandbox.vendors.greenhouse import GreenhouseSimulator
from sandbox.vendors.greenhouse.account import Account
from sandbox.vendors.greenhouse.webhooks import tls
from tests.contract.simulators.greenhouse.people import application_of, create, new_person
from tests.fixtures.waiting import until


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
