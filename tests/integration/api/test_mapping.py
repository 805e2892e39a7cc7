"""A mapping over the API: tried on a record first, judged when it is saved."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.api.calling import Caller
from tests.integration.api.conftest import Company


@pytest.fixture
async def path(admin: Caller, company: Company, connection: dict[str, Any]) -> str:
    made = await admin("POST", f"/api/companies/{company.id}/integrations", connection)
    return f"/api/integrations/{made.body['id']}"


async def test_it_is_tried_on_an_example_both_ways(admin: Caller, path: str) -> None:
    mapping = {
        "values": {"stage": {"Telefon": "Phone screen"}},
        "where": "status == 'active'",
        "read_only": ["source"],
    }
    example = {"stage": "Telefon", "status": "active", "source": "Agency"}
    tried = await admin(
        "POST", f"{path}/mapping/try", {"entity": "application", "mapping": mapping, "example": example}
    )
    assert tried.status == 200
    assert tried.body == {
        "entity": "application",
        "problems": [],
        "external_id": None,
        "theirs": example,
        "ours": {**example, "stage": "Phone screen"},
        "is_brought_in": True,
        "written": {"stage": "Telefon", "status": "active"},
        "never_written": ["source"],
        "custom_fields": None,
    }


async def test_without_an_example_it_is_tried_on_the_vendors_first_record(admin: Caller, path: str) -> None:
    body = {"entity": "candidate", "mapping": {"exclude": ["phone"], "where": "False"}}
    tried = (await admin("POST", f"{path}/mapping/try", body)).body
    assert tried["problems"] == []
    assert tried["external_id"]
    assert "phone" in tried["theirs"]
    assert "phone" not in tried["ours"]
    assert "phone" not in tried["written"]
    assert tried["is_brought_in"] is False


async def test_s_136_it_tells_which_custom_fields_there_are_and_which_are_not(admin: Caller, path: str) -> None:
    named = {"notice_period": "Notice", "languages": "Languages", "headline": "Headline", "shoe_size": "Shoe size"}
    body = {"entity": "candidate", "mapping": {"custom_fields": named}}
    tried = (await admin("POST", f"{path}/mapping/try", body)).body
    assert {"notice_period", "internal_sponsor", "weekly_hours"} <= set(tried["custom_fields"])
    ((problem),) = tried["problems"]
    assert problem["path"] == "config.mapping.candidate.custom_fields.shoe_size"
    assert "notice_period" in problem["remedy"]
    theirs = {each["name"]: each["value"] for each in tried["theirs"]["custom_fields"]}
    ours = {each["name"]: each["value"] for each in tried["ours"]["custom_fields"]}
    assert theirs.keys() <= set(tried["custom_fields"])
    assert ours == {named[key]: value for key, value in theirs.items() if key in named}
    written = {each["name"]: each["value"] for each in tried["written"]["custom_fields"]}
    assert written == theirs


@pytest.mark.parametrize(
    ("body", "path_of_it"),
    [
        ({"mapping": {"where": "salary > 3"}, "example": {}}, "config.mapping.candidate.where"),
        ({"mapping": [], "example": {}}, "config.mapping.candidate"),
        (
            {"mapping": {"set": {"tags": "last_name"}}, "example": {"last_name": "x"}},
            "config.mapping.candidate.set.tags",
        ),
        ({"mapping": {"set": {"email": "last_name + 1"}}, "example": {}}, "config.mapping.candidate.set.email"),
        (
            {
                "mapping": {"set": {"experience_years": "number(current_title)"}},
                "example": {"current_title": "9" * 30},
            },
            "config.mapping.candidate.set.experience_years",
        ),
        ({"mapping": {}, "example": {"tags": "x"}}, "example.tags"),
        ({"mapping": {}, "example": {"salary": 3}}, "example.salary"),
        ({"mapping": {}, "example": {"external_id": "7"}}, "example.external_id"),
    ],
)
async def test_each_problem_has_its_path_and_a_remedy(
    admin: Caller, path: str, body: dict[str, Any], path_of_it: str
) -> None:
    tried = await admin("POST", f"{path}/mapping/try", {"entity": "candidate", **body})
    assert tried.status == 200
    assert [each["path"] for each in tried.body["problems"]] == [path_of_it]
    assert tried.body["problems"][0]["detail"]
    assert tried.body["problems"][0]["remedy"]
    assert tried.body["written"] is None


async def test_s_135_what_can_not_be_is_not_saved(admin: Caller, path: str, company: Company) -> None:
    wrong = {"config": {"mapping": {"application": {"values": {"stage": {"a": "c", "b": "c"}}}}}}
    refused = await admin("PATCH", path, wrong)
    assert (refused.status, refused.body["field"]) == (422, "config.mapping.application.values.stage")
    assert "read_only" in refused.body["remedy"]
    right = {"config": {"mapping": {"application": {"values": {"stage": {"a": "c"}}}}}}
    saved = await admin("PATCH", path, right)
    assert (saved.status, saved.body["config"]["mapping"]) == (200, right["config"]["mapping"])
    assert (await admin("PATCH", path, {"config": {"mapping": None}})).body["config"].get("mapping") is None
    created = await admin("POST", f"/api/companies/{company.id}/integrations", {"platform": "greenhouse", **wrong})
    assert (created.status, created.body["field"]) == (422, "config.mapping.application.values.stage")


async def test_a_preview_of_a_mapping_opens_nothing_and_keeps_nothing(admin: Caller, path: str) -> None:
    body = {"records": 20, "mapping": {"candidate": {"where": "False"}}}
    shown = await admin("POST", f"{path}/preview", body)
    assert shown.status == 200
    assert shown.body["may_be_outbound"] == []
    assert shown.body["entities"]["candidate"]["records"].keys() == {"left_out"}
    assert "left_out" not in shown.body["entities"]["candidate"]["samples"]
    assert shown.body["entities"]["job"]["records"].keys() != {"left_out"}
    after = (await admin("GET", path)).body
    assert (after["previewed_at"], after["config"].get("mapping")) == (None, None)
    wrong = await admin("POST", f"{path}/preview", {"mapping": {"candidate": {"where": "nope"}}})
    assert (wrong.status, wrong.body["field"]) == (422, "config.mapping.candidate.where")
