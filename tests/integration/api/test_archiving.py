"""Archiving and restoring, by the API."""

from __future__ import annotations

from typing import Any

import pytest

from shared.composition import Services
from tests.integration.api.calling import Caller
from tests.integration.api.conftest import Company, drain


async def somebody(admin: Caller) -> dict[str, Any]:
    people = (await admin("GET", "/api/candidates?limit=100")).body["data"]
    return next(each for each in people if each["applications"] and each["email"])


async def test_a_recruiter_archives_and_restores_a_candidate_with_their_applications(
    company: Company, admin: Caller, synced: dict[str, Any]
) -> None:
    recruiter = company.as_("recruiter")
    person = await somebody(admin)
    path = f"/api/candidates/{person['id']}"
    archived = await recruiter("DELETE", path)
    assert (archived.status, archived.body["archived_by"], archived.body["version"]) == (
        200,
        "jo",
        person["version"] + 1,
    )
    assert archived.headers["etag"] == f'"{person["version"] + 1}"'
    assert (await recruiter("DELETE", path)).body == archived.body  # once more changes nothing
    application = (await recruiter("GET", f"/api/applications/{person['applications'][0]['id']}")).body
    assert application["archived_by"] == person["id"]
    listed = await recruiter("GET", "/api/candidates?limit=100")
    assert person["id"] not in {each["id"] for each in listed.body["data"]}
    restored = await recruiter("POST", f"{path}/restore")
    assert (restored.status, restored.body["archived_at"], restored.body["archived_by"]) == (200, None, None)
    assert [each["id"] for each in restored.body["applications"]] == [each["id"] for each in person["applications"]]


async def test_an_application_alone(
    company: Company, admin: Caller, services: Services, synced: dict[str, Any]
) -> None:
    application_id = (await somebody(admin))["applications"][0]["id"]
    path = f"/api/applications/{application_id}"
    assert (await admin("DELETE", path)).body["archived_by"] == "jo"
    assert (await admin("POST", f"{path}/restore")).body["archived_at"] is None
    await drain(services)


async def test_a_version_that_is_not_the_last_one_is_refused(admin: Caller, synced: dict[str, Any]) -> None:
    path = f"/api/candidates/{(await somebody(admin))['id']}"
    assert (await admin("DELETE", path, headers={"If-Match": '"99"'})).status == 412
    assert (await admin("POST", f"{path}/restore", headers={"If-Match": '"99"'})).status == 412


async def test_what_is_in_the_way_at_any_version_is_no_stale_one(admin: Caller, company: Company) -> None:
    """Who is told 412 reads again and sends the new ETag: for ever, where the ETag was right all along."""
    ada, byron = [
        (await admin("POST", "/api/candidates", {"last_name": name, "email": f"{name}@example.org"})).body
        for name in ("ada", "byron")
    ]
    merged = await admin("POST", f"/api/candidates/{ada['id']}/merge", {"other_id": byron["id"]})
    assert merged.status == 200, merged.text
    path = f"/api/candidates/{byron['id']}"
    newest = (await admin("GET", path)).headers["etag"]
    for method, call, body in (
        ("DELETE", path, None),
        ("POST", f"{path}/restore", None),
        ("PATCH", path, {"phone": None}),
    ):
        reply = await admin(method, call, body, headers={"If-Match": newest})
        assert (reply.status, reply.body["code"]) == (409, "conflict"), call
        assert ada["id"] in reply.body["remedy"]
    other = (await admin("POST", "/api/candidates", {"last_name": "Lovelace", "email": "l@example.org"})).body
    again = {"other_id": byron["id"]}
    reply = await admin("POST", f"/api/candidates/{other['id']}/merge", again, headers={"If-Match": '"1"'})
    assert (reply.status, reply.body["code"]) == (409, "conflict")


async def test_those_who_may_not_edit_may_not_archive(company: Company, admin: Caller, synced: dict[str, Any]) -> None:
    path = f"/api/candidates/{(await somebody(admin))['id']}"
    for role in ("viewer", "ops"):
        assert (await company.as_(role)("DELETE", path)).status == 403
        assert (await company.as_(role)("POST", f"{path}/restore")).status == 403


async def test_what_was_never_there_can_not_be_archived(admin: Caller, synced: dict[str, Any]) -> None:
    for call in (("DELETE", ""), ("POST", "/restore")):
        made_up = f"/api/candidates/00000000-0000-0000-0000-000000000001{call[1]}"
        assert (await admin(call[0], made_up)).status == 404


@pytest.mark.parametrize(
    ("policy", "field"),
    [({"candidate": "purge"}, "config.on_archive.candidate"), ({"role": "delete"}, "config.on_archive.job")],
)
async def test_a_policy_that_can_not_be_followed_is_refused(
    admin: Caller, synced: dict[str, Any], policy: dict[str, str], field: str
) -> None:
    path = f"/api/integrations/{synced['id']}"
    refused = await admin("PATCH", path, {"config": {"on_archive": policy}})
    assert (refused.status, refused.body["field"]) == (422, field)


async def test_by_policy_the_vendor_deletes_what_a_recruiter_archives(
    company: Company, admin: Caller, services: Services, synced: dict[str, Any]
) -> None:
    path = f"/api/integrations/{synced['id']}"
    kept = await admin("PATCH", path, {"config": {"on_archive": {"candidate": "delete"}}})
    assert kept.body["config"]["on_archive"] == {"candidate": "delete"}
    person = await somebody(admin)
    archived = await company.as_("recruiter")("DELETE", f"/api/candidates/{person['id']}")
    assert [each["removal"] for each in archived.body["external_ids"]] == ["wanted"]
    await drain(services)
    shown = await admin("GET", f"/api/candidates/{person['id']}")
    assert [(each["removal"], each["state"]) for each in shown.body["external_ids"]] == [("done", "gone")]
    rows = (await admin("GET", f"{path}/logs?action=deleted&direction=outbound")).body["data"]
    assert [(row["entity_id"], row["status"]) for row in rows] == [(person["id"], "success")]
