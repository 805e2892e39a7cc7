"""Two candidates that are one person, over the API: seen together, made one, made two again."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from shared.composition import Services
from shared.security.identity import Role
from tests.integration.api.calling import Caller
from tests.integration.api.conftest import Company


async def person(call: Caller, **fields: Any) -> dict[str, Any]:
    created = await call("POST", "/api/candidates", fields)
    assert created.status == 201, created.text
    found: dict[str, Any] = created.body
    return found


async def two(call: Caller) -> tuple[dict[str, Any], dict[str, Any]]:
    ada = await person(call, first_name="Ada", last_name="King", email="ada@example.org", current_title="Analyst")
    byron = await person(call, first_name="Ada", last_name="Byron", email="byron@example.org", phone="+442079460018")
    return ada, byron


async def test_a_preview_shows_what_a_merge_then_does(services: Services, admin: Caller) -> None:
    ada, byron = await two(admin)
    path = f"/api/candidates/{ada['id']}/merge"
    body = {"other_id": byron["id"], "keep": {"name": "other"}}
    preview = await admin("POST", path, {**body, "preview": True})
    assert preview.status == 200, preview.text
    assert preview.headers["etag"] == '"1"'
    fields = {field["field"]: field for field in preview.body["fields"]}
    assert {name: field["kept"] for name, field in fields.items()} == {
        "name": "other",
        "email": "survivor",
        "phone": "other",
        "current_title": "survivor",
    }
    assert fields["name"]["survivor"] == {"first_name": "Ada", "last_name": "King"}
    assert fields["name"]["result"] == fields["name"]["other"] == {"first_name": "Ada", "last_name": "Byron"}
    assert (await admin("GET", f"/api/candidates/{ada['id']}")).body["version"] == 1

    done = await admin("POST", path, body, headers={"if-match": '"1"'})
    assert done.status == 200, done.text
    assert done.body["fields"] == preview.body["fields"]
    merged = done.body["candidate"]
    assert (merged["last_name"], merged["phone"]) == ("Byron", "+442079460018")
    assert merged["further_emails"] == [{"value": "byron@example.org"}]
    assert merged["merged_from"] == [byron["id"]]
    assert merged["current_title"] == "Analyst"


async def test_the_merged_one_leads_to_the_survivor_until_they_part(services: Services, admin: Caller) -> None:
    ada, byron = await two(admin)
    await admin("POST", f"/api/candidates/{ada['id']}/merge", {"other_id": byron["id"]})
    other = (await admin("GET", f"/api/candidates/{byron['id']}")).body
    assert other["merged_into"] == ada["id"]
    assert other["archived_at"] is not None
    refused = await admin("PATCH", f"/api/candidates/{byron['id']}", {"phone": None})
    assert (refused.status, refused.body["code"]) == (409, "conflict")
    assert ada["id"] in refused.body["remedy"]
    shown = (await admin("GET", "/api/candidates")).body["data"]
    assert [each["id"] for each in shown] == [ada["id"]]

    parted = await admin("POST", f"/api/candidates/{byron['id']}/unmerge")
    assert parted.status == 200, parted.text
    assert parted.body["stayed"] == {"fields": [], "applications": []}
    names = ("first_name", "last_name", "email", "phone", "further_emails", "current_title", "archived_at")
    for before, after in ((ada, parted.body["survivor"]), (byron, parted.body["other"])):
        assert {name: after[name] for name in names} == {name: before[name] for name in names}
        assert (after["merged_into"], after["merged_from"]) == (None, [])
    again = await admin("POST", f"/api/candidates/{byron['id']}/unmerge")
    assert again.status == 409


async def test_what_is_refused_names_its_field_and_remedy(services: Services, admin: Caller, company: Company) -> None:
    ada, byron = await two(admin)
    path = f"/api/candidates/{ada['id']}/merge"
    cases: list[tuple[dict[str, Any], int, str | None]] = [
        ({}, 422, "other_id"),
        ({"other_id": ada["id"]}, 422, "other_id"),
        ({"other_id": byron["id"], "keep": {"email": "mine"}}, 422, "keep.email"),
        ({"other_id": byron["id"], "keep": {"salary": "other"}}, 422, "keep.salary"),
        ({"other_id": str(uuid4())}, 404, None),
    ]
    for body, status, field in cases:
        reply = await admin("POST", path, body)
        assert (reply.status, reply.body.get("field")) == (status, field), reply.text
    stale = await admin("POST", path, {"other_id": byron["id"]}, headers={"if-match": '"7"'})
    assert (stale.status, stale.body["code"]) == (412, "stale_version")
    recruiter = company.as_(Role.RECRUITER)
    assert (await recruiter("POST", path, {"other_id": byron["id"]})).status == 403
    assert (await recruiter("POST", f"/api/candidates/{ada['id']}/unmerge")).status == 403
