"""Custom fields against the simulator, both versions: only what is named is taken, and the rest of the set survives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from shared.errors import Rejected
from shared.model import EntityType, JsonValue, Record
from tests.contract.greenhouse.conftest import Account, Start

CANDIDATE, APPLICATION, JOB = EntityType.CANDIDATE, EntityType.APPLICATION, EntityType.JOB
FIELDS = "custom_fields"
VALUES: Mapping[str, JsonValue] = {
    "notice_period": "3 months",
    "languages": ["Deutsch", "日本語"],
    "headline": "Zoë <b>& Söhne</b>",
    "motivation": "x\n" * 500 + "x",
    "willing_to_relocate": False,
    "desired_salary": "62500.5 EUR",
    "salary_range": "40000..50000 GBP",
    "years_of_experience": 12.5,
    "weekly_hours": "20..40",
    "available_from": "2026-09-01",
    "portfolio": "https://x.example/1",
}
"""For each candidate field that can be written, a value in our form."""
UNNAMED = {"internal_sponsor", "portfolio"}
NAMED = sorted(VALUES.keys() - UNNAMED)


def mapping(**keys: list[str]) -> dict[str, Any]:
    """A config whose mapping names *keys* by entity."""
    return {"mapping": {entity: {FIELDS: {key: key.upper() for key in names}} for entity, names in keys.items()}}


def elements(values: Mapping[str, JsonValue]) -> list[JsonValue]:
    return [{"name": name, "value": value} for name, value in sorted(values.items())]


async def written(account: Account, record: Record, value: JsonValue) -> Record:
    """Write *value* and return the record as it is afterwards."""
    steps = [step async for step in account.adapter.update(record.entity, record, {FIELDS: value})]
    assert [set(sent) for sent, _ in steps] == [{FIELDS}]
    after = await account.adapter.fetch(record.entity, record.external_id)
    if steps[0][1].record is not None:
        assert steps[0][1].record.visible()[FIELDS] == after.visible()[FIELDS]
    return after


async def first(account: Account, entity: EntityType = CANDIDATE) -> Record:
    table = {CANDIDATE: "candidates", APPLICATION: "applications"}[entity]
    row = next(
        row
        for row in account.rows(table)
        if not row.get("private") and row.get("first_name") != "Anonymized" and "rating" not in row[FIELDS]
    )
    return await account.adapter.fetch(entity, str(row["id"]))


@pytest.mark.parametrize("version", ["v3", "v1"])
async def test_only_what_a_mapping_names_is_taken(start: Start, version: str) -> None:
    account = await start(version)
    named = account.connected_again(
        version, **mapping(candidate=NAMED, application=["priority"], job=["employment_type", "budget"])
    )
    for entity in EntityType:
        plain = {one.external_id: one for one in await account.everything(entity)}
        rich = {one.external_id: one for one in await named.everything(entity)}
        assert plain.keys() == rich.keys()
        shown = set()
        for external_id, record in rich.items():
            values = record.visible()
            if not record.anonymized:
                shown |= {str(each["name"]) for each in values.pop(FIELDS)}  # type: ignore[call-overload,index,union-attr]
            assert values == plain[external_id].visible()
        assert shown == set({CANDIDATE: NAMED, APPLICATION: ["priority"], JOB: ["employment_type", "budget"]}[entity])


@pytest.mark.parametrize("version", ["v3", "v1"])
async def test_every_type_goes_out_and_comes_back(start: Start, version: str) -> None:
    account = await start(version, config=mapping(candidate=sorted(VALUES)))
    record = await first(account)
    row = account.simulator.simulator.account.fetch("candidates", int(record.external_id))
    sponsor = row[FIELDS]["internal_sponsor"]
    after = await written(account, record, elements(VALUES))
    assert after.visible()[FIELDS] == elements(VALUES)
    again = account.simulator.simulator.account.fetch("candidates", int(record.external_id))
    assert again[FIELDS]["internal_sponsor"] == sponsor
    emptied = await written(account, after, [])
    assert emptied.visible()[FIELDS] == []


@pytest.mark.parametrize("version", ["v3", "v1"])
async def test_a_change_of_one_leaves_all_others_as_they_are(start: Start, version: str) -> None:
    account = await start(version, config=mapping(candidate=["headline", "notice_period"]))
    base = account.simulator.simulator.account
    changed = 0
    for number, row in enumerate(account.rows("candidates")):
        if row["private"] or row["first_name"] == "Anonymized":
            continue
        record = await account.adapter.fetch(CANDIDATE, str(row["id"]))
        kept = [each for each in record.visible()[FIELDS] if each["name"] != "headline"]  # type: ignore[index,union-attr,call-overload]
        if "rating" in row[FIELDS] and version == "v3":
            continue
        await written(account, record, [{"name": "headline", "value": f"Baker {number}"}, *kept])
        after = base.fetch("candidates", row["id"])[FIELDS]
        expected = {key: field["value"] for key, field in row[FIELDS].items()} | {"headline": f"Baker {number}"}
        assert same({key: field["value"] for key, field in after.items()}) == same(expected)
        changed += 1
    assert changed > 1


def same(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values with amounts as numbers: Greenhouse shows them as texts, in a spelling of its own."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found[key] = float(value) if key == "years_of_experience" and value is not None else value
        if isinstance(value, dict):
            found[key] = {name: float(one) if one and "amount" in name else one for name, one in value.items()}
    return found


@pytest.mark.parametrize("version", ["v3", "v1"])
async def test_applications_have_their_own(start: Start, version: str) -> None:
    account = await start(version, config=mapping(application=["interview_format", "priority"]))
    record = await first(account, APPLICATION)
    after = await written(account, record, elements({"interview_format": "On site", "priority": 0}))
    assert after.visible()[FIELDS] == elements({"interview_format": "On site", "priority": 0})
    assert {k: v for k, v in after.visible().items() if k != FIELDS} == {
        k: v for k, v in record.visible().items() if k != FIELDS
    }


@pytest.mark.parametrize("version", ["v3", "v1"])
@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("notice_period", "9 years", "has no such option in Greenhouse"),
        ("languages", ["Deutsch", "Klingon"], "has no such option in Greenhouse"),
        ("available_from", "soon", "must be a day like 2026-09-01"),
        ("internal_sponsor", "ann@example.org", "is of the type user, which is only read"),
        ("shirt_size", "L", "Greenhouse has none of this key"),
        ("headline", "x" * 256, "headline: is not a short_text"),
    ],
)
async def test_what_greenhouse_does_not_take_is_refused_by_name(
    start: Start, version: str, key: str, value: JsonValue, reason: str
) -> None:
    account = await start(version)
    record = await first(account)
    account = account.connected_again(version, **mapping(candidate=[key]))
    before = account.simulator.simulator.account.fetch("candidates", int(record.external_id))
    record = await account.adapter.fetch(CANDIDATE, record.external_id)
    with pytest.raises(Rejected, match=reason) as raised:
        await written(account, record, [{"name": key, "value": value}])
    assert raised.value.field == FIELDS
    assert key in str(raised.value)
    assert account.simulator.simulator.account.fetch("candidates", int(record.external_id)) == before


@pytest.mark.parametrize("version", ["v3", "v1"])
@pytest.mark.parametrize(("key", "bad"), [("notice_period", "9 years"), ("headline", "x" * 256)])
async def test_what_is_refused_takes_nothing_else_along(start: Start, version: str, key: str, bad: str) -> None:
    """Whether we know it beforehand or Greenhouse says so: the other fields and the rest of the person are written."""
    keys = ["headline", "motivation", "notice_period", "willing_to_relocate"]
    account = await start(version, config=mapping(candidate=keys))
    record = await first(account)
    before = record.visible()
    good: dict[str, JsonValue] = {
        "headline": "Baker",
        "motivation": "Bread",
        "notice_period": "3 months",
        "willing_to_relocate": True,
    }
    changes: dict[str, JsonValue] = {"current_title": "Chief", FIELDS: elements(good | {key: bad})}
    sent: list[frozenset[str]] = []

    async def update() -> None:
        async for names, _ in account.adapter.update(CANDIDATE, record, changes):
            sent.append(names)

    with pytest.raises(Rejected, match=key) as raised:
        await update()
    assert (sent, raised.value.field) == ([frozenset({"current_title"})], FIELDS)
    after = (await account.adapter.fetch(CANDIDATE, record.external_id)).visible()
    held = [each for each in before[FIELDS] if each["name"] == key]  # type: ignore[index,union-attr,call-overload]
    wanted = [*elements({name: value for name, value in good.items() if name != key}), *held]
    assert sorted(after[FIELDS], key=str) == sorted(wanted, key=str)  # type: ignore[arg-type]
    assert after["current_title"] == "Chief"


async def test_what_is_not_named_is_not_written(start: Start) -> None:
    account = await start(config=mapping(candidate=["headline"]))
    record = await first(account)
    own = record.visible()[FIELDS]
    since = len(account.requests())
    assert isinstance(own, list)
    steps = [
        step
        async for step in account.adapter.update(
            CANDIDATE, record, {FIELDS: [*own, {"name": "portfolio", "value": "x"}, {"name": "ELSEWHERE", "value": 1}]}
        )
    ]
    assert [sent for sent, _ in steps] == [frozenset({FIELDS})]
    assert {entry["method"] for entry in account.requests()[since:]} == {"GET"}


async def test_v3_says_the_whole_set_or_nothing(start: Start) -> None:
    account = await start(config=mapping(candidate=["headline"]))
    record = await first(account)
    base = account.simulator.simulator.account
    row = base.fetch("candidates", int(record.external_id))
    row[FIELDS]["passport"] = {"name": "Passport", "type": "short_text_hris", "value": "****"}
    base.save("candidates", row)
    record = await account.adapter.fetch(CANDIDATE, record.external_id)
    with pytest.raises(Rejected, match="passport: is of the type short_text_hris, so a write"):
        await written(account, record, [{"name": "headline", "value": "Baker"}])
    assert base.fetch("candidates", int(record.external_id)) == row


async def test_hidden_definitions_refuse_these_fields_alone_and_name_the_permission(start: Start) -> None:
    account = await start(config=mapping(candidate=["headline"]))
    await account.control("PATCH", "/access", {"denied_scopes": ["harvest:custom_fields:list"]})
    record = await first(account)
    with pytest.raises(Rejected, match="grant harvest:custom_fields:list") as raised:
        await written(account, record, [{"name": "headline", "value": "Baker"}])
    assert raised.value.field == FIELDS
    report = await account.adapter.check()
    assert report.ok
    assert [check.name for check in report.checks if not check.ok] == ["custom fields"]
    made = await account.adapter.create(
        CANDIDATE, {"first_name": "Zoe", "email": "z@example.org", FIELDS: elements({"headline": "Baker"})}
    )
    assert made.external_id


@pytest.mark.parametrize(
    ("version", "names"), [("v3", {"custom fields", "custom field options"}), ("v1", {"custom fields/application"})]
)
async def test_the_report_asks_for_definitions_where_some_are_written(
    start: Start, version: str, names: set[str]
) -> None:
    account = await start(version)
    plain = {check.name for check in (await account.adapter.check()).checks}
    of_jobs = account.connected_again(version, **mapping(job=["budget"]))
    assert {check.name for check in (await of_jobs.adapter.check()).checks} == plain
    named = account.connected_again(version, **mapping(candidate=["headline"], application=["priority"]))
    checks = (await named.adapter.check()).checks
    assert {check.name for check in checks} - plain == names
    assert all(check.ok for check in checks)


async def test_a_field_that_is_taken_away_blanks_nothing(start: Start) -> None:
    account = await start(config=mapping(candidate=["headline", "portfolio"]))
    record = await first(account)
    field = next(row for row in account.rows(FIELDS) if row["name_key"] == "portfolio")
    await account.control("PATCH", f"/custom_fields/{field['id']}", {"active": False})
    after = await account.adapter.fetch(CANDIDATE, record.external_id)
    before = record.visible()[FIELDS]
    assert isinstance(before, list)
    rest = [each for each in before if isinstance(each, dict) and each["name"] != "portfolio"]
    assert (after.visible()[FIELDS], after.unseen_custom_fields) == (rest, ("portfolio",))
    assert after.warnings[-1] == "custom_fields.portfolio: is not shown"


@pytest.mark.parametrize("version", ["v3", "v1"])
async def test_a_create_says_what_it_can_and_leaves_the_rest(start: Start, version: str) -> None:
    account = await start(version, config=mapping(candidate=["headline", "notice_period", "languages"]))
    job = next(row for row in account.rows("jobs") if row["status"] == "open")
    given: dict[str, JsonValue] = {
        "headline": "Baker",
        "notice_period": "9 years",
        "languages": ["Deutsch"],
        "elsewhere": "x",
    }
    fields = {"first_name": "Zoe", "last_name": "New", "email": "zoe.new@example.org", "job_id": str(job["id"])}
    made = await account.adapter.create(CANDIDATE, {**fields, FIELDS: elements(given)})
    shown = await account.adapter.fetch(CANDIDATE, made.external_id)
    assert shown.visible()[FIELDS] == elements({"headline": "Baker", "languages": ["Deutsch"]})


async def test_an_option_that_was_just_added_is_found_after_a_minute(start: Start) -> None:
    account = await start(config=mapping(candidate=["notice_period"]))
    record = await first(account)
    record = await written(account, record, elements({"notice_period": "3 months"}))
    field = next(row for row in account.rows(FIELDS) if row["name_key"] == "notice_period")
    added = {"custom_field_id": field["id"], "name": "6 months", "external_id": None, "sort_order": 9, "active": True}
    await account.control("POST", "/custom_field_options", added)
    with pytest.raises(Rejected):
        await written(account, record, elements({"notice_period": "6 months"}))
    again = account.connected_again("v3", **mapping(candidate=["notice_period"]))
    after = await written(again, record, elements({"notice_period": "6 months"}))
    assert after.visible()[FIELDS] == elements({"notice_period": "6 months"})
