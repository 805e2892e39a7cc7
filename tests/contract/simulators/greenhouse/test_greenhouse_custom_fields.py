"""Fields that the customer has defined: definitions, every type, refusals, both versions, webhooks."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from sandbox.vendors.greenhouse import GreenhouseSimulator
from sandbox.vendors.greenhouse.account import Account
from sandbox.vendors.greenhouse.payloads import candidate_event


def option(account: Account, name: str) -> int:
    """The id of the option called *name*."""
    return next(int(row["id"]) for row in account["custom_field_options"] if row["name"] == name)


def value_for(account: Account, kind: str) -> Any:
    """A value that v3 takes for a field of the type *kind* (section 6.12)."""
    return {
        "short_text": "a <b>",
        "long_text": "x" * 1000,
        "url": "just a text",
        "yes_no": False,
        "number": 0,
        "date": "2026-02-28",
        "currency": {"amount": 62500.5, "currency_code": "EUR"},
        "currency_range": {"min_amount": 1, "max_amount": 2.5, "currency_code": "GBP"},
        "number_range": {"min_value": 20, "max_value": None},
        "single_select": option(account, "1 month"),
        "multi_select": [option(account, "日本語"), option(account, "English")],
        "user": account["users"].ids()[0],
    }[kind]


SHOWN: dict[str, Any] = {
    "short_text": "a <b>",
    "long_text": "x" * 1000,
    "url": "just a text",
    "yes_no": False,
    "number": 0,
    "date": "2026-02-28",
    "currency": {"amount": "62500.5", "currency_code": "EUR"},
    "currency_range": {"min_amount": "1.0", "max_amount": "2.5", "currency_code": "GBP"},
    "number_range": {"min_value": 20, "max_value": None},
    "single_select": "1 month",
    "multi_select": ["日本語", "English"],
}
LEGACY: dict[str, Any] = SHOWN | {
    "currency": {"amount": "62500.5", "unit": "EUR"},
    "currency_range": {"min_value": "1.0", "max_value": "2.5", "unit": "GBP"},
}


def definitions(account: Account) -> dict[str, dict[str, Any]]:
    """The candidates' fields by key."""
    return {row["name_key"]: row for row in account["custom_fields"] if row["field_type"] == "candidate"}


async def test_every_type_is_written_and_shown_in_both_versions_and_in_events(
    v3: httpx.AsyncClient, v1: httpx.AsyncClient, account: Account
) -> None:  # 6.12, 8.6, 9.5, 10.4
    known = definitions(account)
    candidate_id = account["candidates"].ids()[0]
    entries = [{"name_key": key, "value": value_for(account, row["value_type"])} for key, row in known.items()]
    changed = (await v3.patch(f"/candidates/{candidate_id}", json={"custom_fields": entries})).json()
    legacy = (await v1.get(f"/candidates/{candidate_id}")).json()
    event = candidate_event(account, account.fetch("candidates", candidate_id))["candidate"]
    for key, row in known.items():
        kind = row["value_type"]
        if kind == "user":
            assert changed["custom_fields"][key]["value"].keys() == {"user_id", "name", "email", "employee_id"}
            continue
        told = "boolean" if kind == "yes_no" else kind
        assert changed["custom_fields"][key] == {"name": row["name"], "type": kind, "value": SHOWN[kind]}
        assert legacy["keyed_custom_fields"][key] == {"name": row["name"], "type": told, "value": LEGACY[kind]}
        assert legacy["custom_fields"][key] == LEGACY[kind]
        assert event["custom_fields"][key] == legacy["keyed_custom_fields"][key]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("headline", "x" * 256),
        ("headline", 7),
        ("willing_to_relocate", "yes"),
        ("years_of_experience", "three"),
        ("years_of_experience", True),
        ("available_from", "01/02/2026"),
        ("desired_salary", 45000),
        ("desired_salary", {"amount": 45000}),
        ("desired_salary", {"amount": 45000, "currency_code": "Euro"}),
        ("desired_salary", {"amount": "much", "currency_code": "EUR"}),
        ("salary_range", {"min_amount": 2, "max_amount": 1, "currency_code": "EUR"}),
        ("weekly_hours", {"min_value": None, "max_value": None}),
        ("notice_period", "1 MONTH"),
        ("notice_period", 999),
        ("languages", ["English"]),
        ("languages", [999]),
        ("internal_sponsor", "ann@example.org"),
    ],
)
async def test_what_does_not_fit_its_type_is_refused(
    lasting: GreenhouseSimulator, lasting_v3: httpx.AsyncClient, key: str, value: Any
) -> None:  # 6.12
    account = lasting.simulator.account
    candidate_id = account["candidates"].ids()[0]
    before = account.fetch("candidates", candidate_id)
    answer = await lasting_v3.patch(
        f"/candidates/{candidate_id}", json={"custom_fields": [{"name_key": key, "value": value}]}
    )
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["field"], error["message"].split(":")[0]) == ("custom_fields", key)
    assert account.fetch("candidates", candidate_id) == before


async def test_an_option_that_is_offered_no_more_stays_and_is_not_chosen_again(
    greenhouse: GreenhouseSimulator, v3: httpx.AsyncClient, v1: httpx.AsyncClient, account: Account
) -> None:  # 6.12, 10.6
    candidate_id, chosen = account["candidates"].ids()[0], option(account, "3 months")
    body = {"custom_fields": [{"name_key": "notice_period", "value": chosen}]}
    assert (await v3.patch(f"/candidates/{candidate_id}", json=body)).status_code == 200
    account.save("custom_field_options", account.fetch("custom_field_options", chosen) | {"active": False})
    shown = (await v3.get(f"/candidates/{candidate_id}")).json()
    assert shown["custom_fields"]["notice_period"]["value"] == "3 months"
    again = {"custom_fields": [{"name_key": "notice_period", "value": "3 months"}]}
    assert (await v3.patch(f"/candidates/{candidate_id}", json=again)).status_code == 200
    other_id = account["candidates"].ids()[1]
    account.save("candidates", account.fetch("candidates", other_id) | {"custom_fields": {}})
    for entries in (body, again):
        assert (await v3.patch(f"/candidates/{other_id}", json=entries)).status_code == 422
    listed = (await v1.get("/custom_fields/candidate")).json()
    options = next(row["custom_field_options"] for row in listed if row["name_key"] == "notice_period")
    assert [one["name"] for one in options] == ["None", "1 month"]


async def test_records_show_the_fields_that_are_active(
    greenhouse: GreenhouseSimulator, v3: httpx.AsyncClient, v1: httpx.AsyncClient, account: Account
) -> None:  # 8.6
    candidate_id = account["candidates"].ids()[0]
    stamp = account.fetch("candidates", candidate_id)["updated_at"]
    async with greenhouse.control() as control:
        made = (await control.post("/custom_fields", json={"name": "Shirt size", "required": False})).json()
        shown = (await v3.get(f"/candidates/{candidate_id}")).json()
        assert shown["custom_fields"]["shirt_size"] == {"name": "Shirt size", "type": "short_text", "value": None}
        assert shown["updated_at"] == stamp
        await control.patch(f"/custom_fields/{made['id']}", json={"active": False})
    shown = (await v3.get(f"/candidates/{candidate_id}")).json()
    assert "shirt_size" not in shown["custom_fields"]
    body = {"custom_fields": [{"name_key": "shirt_size", "value": "L"}]}
    assert (await v3.patch(f"/candidates/{candidate_id}", json=body)).status_code == 422
    keys = [row["name_key"] for row in (await v1.get("/custom_fields/candidate")).json()]
    assert "shirt_size" not in keys
    every = (await v1.get("/custom_fields/candidate", params={"include_inactive": "true"})).json()
    assert "shirt_size" in [row["name_key"] for row in every]


async def test_v1_changes_one_field_and_wants_a_word_to_empty_it(
    v1: httpx.AsyncClient, account: Account
) -> None:  # 10.5
    candidate_id = account["candidates"].ids()[0]
    path = f"/candidates/{candidate_id}"

    async def patch(*entries: dict[str, Any]) -> httpx.Response:
        return await v1.patch(path, json={"custom_fields": list(entries)})

    salary = {"name_key": "desired_salary", "value": 45000, "unit": "EUR"}
    span = {"name_key": "salary_range", "min_value": 1, "max_value": 2, "unit": "EUR"}
    hours = {"name_key": "weekly_hours", "min_value": 20, "max_value": 40}
    first = (await patch(salary, span, hours)).json()["custom_fields"]
    assert first["desired_salary"] == {"amount": "45000", "unit": "EUR"}
    assert first["salary_range"] == {"min_value": "1.0", "max_value": "2.0", "unit": "EUR"}
    assert first["weekly_hours"] == {"min_value": 20, "max_value": 40}
    assert (await patch()).json()["custom_fields"] == first
    for blank in (None, ""):
        assert (await patch({"name_key": "weekly_hours", "value": blank})).status_code == 422
    second = (await patch({"name_key": "weekly_hours", "delete_value": "true"})).json()["custom_fields"]
    assert second == first | {"weekly_hours": None}


async def test_a_required_field_can_t_be_emptied(
    v3: httpx.AsyncClient, v1: httpx.AsyncClient, account: Account
) -> None:  # 6.12
    field = definitions(account)["headline"]
    account.save("custom_fields", field | {"required": True})
    path = f"/candidates/{account['candidates'].ids()[0]}"
    kept = [{"name_key": "headline", "value": "Baker"}]
    assert (await v3.patch(path, json={"custom_fields": kept})).status_code == 200
    for client, entries in ((v3, []), (v1, [{"name_key": "headline", "delete_value": "true"}])):
        refused = await client.patch(path, json={"custom_fields": entries})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "custom_fields")


async def test_applications_have_fields_of_their_own(v3: httpx.AsyncClient, account: Account) -> None:  # 6.12
    application_id = account["applications"].ids()[0]
    body = {"custom_fields": [{"name_key": "interview_format", "value": "On site"}]}
    shown = (await v3.patch(f"/applications/{application_id}", json=body)).json()["custom_fields"]
    assert (shown["interview_format"]["value"], shown["priority"]["value"]) == ("On site", None)
    strange = {"custom_fields": [{"name_key": "headline", "value": "x"}]}
    assert (await v3.patch(f"/applications/{application_id}", json=strange)).status_code == 422


async def test_some_people_s_values_are_awkward(account: Account) -> None:  # 8.6
    rows = [row["custom_fields"] for row in account["candidates"]]
    assert any(row["years_of_experience"]["value"] == "12.0" for row in rows)
    assert any(
        row["headline"]["value"] and row["headline"]["value"] != row["headline"]["value"].strip() for row in rows
    )
    assert any("Latein" in row["languages"]["value"] for row in rows)
    assert any(row.get("rating", {}).get("type") == "star_rating" for row in rows)
