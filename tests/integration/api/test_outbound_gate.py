"""Nothing is written at a vendor before somebody has seen a preview of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.api.calling import Caller, Reply
from tests.integration.api.conftest import Company

BOTH = {"candidate": "both", "application": "both"}


@pytest.fixture
def needs_preview() -> bool:
    """As in production."""
    return True


async def made(admin: Caller, company: Company, connection: dict[str, Any], **config: Any) -> Reply:
    body = {**connection, "config": {**connection["config"], **config}}
    return await admin("POST", f"/api/companies/{company.id}/integrations", body)


async def connected(admin: Caller, company: Company, connection: dict[str, Any]) -> str:
    return f"/api/integrations/{(await made(admin, company, connection)).body['id']}"


def outward(**directions: str) -> dict[str, Any]:
    return {"config": {"directions": directions}}


async def test_outbound_is_refused_until_a_preview_was_seen(
    admin: Caller, company: Company, connection: dict[str, Any]
) -> None:
    path = await connected(admin, company, connection)
    refused = await admin("PATCH", path, outward(**BOTH))
    assert (refused.status, refused.body["code"]) == (409, "preview_needed")
    assert refused.headers["content-type"].startswith("application/problem+json")
    assert refused.body["field"] == "config.directions.candidate"
    assert refused.body["remedy"].startswith(f"POST {path}/preview")
    assert (await admin("GET", path)).body["previewed_at"] is None
    seen = await company.as_("data_manager")("POST", f"{path}/preview", {"records": 5})
    assert seen.body["may_be_outbound"] == ["job", "candidate", "application"]
    kept = (await admin("GET", path)).body
    assert (kept["previewed_by"], kept["previewed_entities"], kept["version"]) == (
        "jo",
        seen.body["may_be_outbound"],
        1,
    )
    opened = await admin("PATCH", path, outward(**BOTH))
    assert (opened.status, opened.body["config"]["directions"]) == (200, {"job": "inbound", **BOTH})


async def test_with_an_etag_it_is_told_as_what_it_is(
    admin: Caller, company: Company, connection: dict[str, Any]
) -> None:
    path = await connected(admin, company, connection)
    refused = await admin("PATCH", path, outward(candidate="outbound"), headers={"If-Match": '"1"'})
    assert (refused.status, refused.body["code"]) == (409, "preview_needed")


async def test_nobody_can_have_seen_a_preview_of_what_does_not_exist_yet(
    admin: Caller, company: Company, connection: dict[str, Any]
) -> None:
    refused = await made(admin, company, connection, directions={"application": "outbound"})
    assert (refused.status, refused.body["field"]) == (409, "config.directions.application")
    assert "/preview" in refused.body["remedy"]
    assert (await admin("GET", f"/api/companies/{company.id}/integrations")).body["data"] == []


async def test_off_and_on_again_needs_no_second_preview(
    admin: Caller, company: Company, connection: dict[str, Any]
) -> None:
    path = await connected(admin, company, connection)
    await admin("POST", f"{path}/preview", {"records": 1})
    for direction in ("both", "inbound", "outbound"):
        assert (await admin("PATCH", path, outward(candidate=direction))).status == 200


async def test_a_preview_of_other_credentials_does_not_count_and_what_is_open_stays_open(
    admin: Caller, company: Company, connection: dict[str, Any]
) -> None:
    path = await connected(admin, company, connection)
    await admin("POST", f"{path}/preview", {"records": 1})
    assert (await admin("PATCH", path, outward(candidate="both"))).status == 200
    changed = await admin("PATCH", path, {"api_key": "another"})
    assert (changed.status, changed.body["previewed_at"]) == (200, None)
    assert changed.body["config"]["directions"]["candidate"] == "both"
    assert (await admin("PATCH", path, outward(candidate="outbound"))).status == 200
    assert (await admin("PATCH", path, outward(application="both"))).status == 409


async def test_what_was_not_read_was_not_seen(admin: Caller, company: Company, connection: dict[str, Any]) -> None:
    path = await connected(admin, company, connection)
    assert (await admin("PATCH", path, {"sync_applications": False})).status == 200
    seen = await admin("POST", f"{path}/preview", {"records": 1})
    assert seen.body["may_be_outbound"] == ["job", "candidate"]
    assert (await admin("PATCH", path, outward(candidate="both"))).status == 200
    assert (await admin("PATCH", path, outward(application="both"))).status == 409


async def test_another_company_can_neither_look_nor_have_looked(
    admin: Caller, company: Company, stranger: Company, connection: dict[str, Any]
) -> None:
    path = await connected(admin, company, connection)
    assert (await stranger.as_("admin")("POST", f"{path}/preview", {"records": 1})).status == 404
    assert (await admin("GET", path)).body["previewed_at"] is None
