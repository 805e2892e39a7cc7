"""Words for types of contacts that no document names (docs/vendors/greenhouse.md, 6.13), at the simulator."""

from __future__ import annotations

from typing import Any

import pytest

from shared.errors import Rejected
from shared.model import EntityType, JsonValue, Record
from tests.contract.greenhouse.conftest import Account, Start

CANDIDATE = EntityType.CANDIDATE
HELD: dict[str, Any] = {
    "email_addresses": [{"value": "a@example.org", "type": "personal"}, {"value": "b@example.org", "type": "school"}],
    "phone_numbers": [
        {"value": "+44 20 7946 0001", "type": "mobile"},
        {"value": "+44 20 7946 0002", "type": "pager"},
        {"value": "+44 20 7946 0002", "type": "home"},
        {"value": "live:z", "type": "Skype"},
    ],
    "addresses": [{"value": "1 Mill Lane", "type": "summer"}],
    "website_addresses": [
        {"value": "https://a.example", "type": "github"},
        {"value": "https://b.example", "type": None},
    ],
    "social_media_addresses": [{"value": "@z"}],
    "tags": [" C++ ", "Python"],
}
NEW: dict[str, tuple[str, dict[str, JsonValue]]] = {
    "further_emails": ("email_addresses", {"value": "c@example.org", "type": "work"}),
    "further_phones": ("phone_numbers", {"value": "+44 20 7946 0003", "type": "work"}),
    "addresses": ("addresses", {"value": "2 Mill Lane", "type": "work"}),
    "links": ("website_addresses", {"value": "https://c.example", "type": "blog"}),
}


async def a_candidate(account: Account) -> Record:
    row = account.rows("candidates")[3]
    await account.control("PATCH", f"/candidates/{row['id']}", HELD | {"private": False})
    return await account.adapter.fetch(CANDIDATE, str(row["id"]))


def row_of(account: Account, record: Record) -> dict[str, Any]:
    return next(row for row in account.rows("candidates") if str(row["id"]) == record.external_id)


async def write(account: Account, record: Record, **changes: JsonValue) -> Record:
    [(_, answer)] = [step async for step in account.adapter.update(CANDIDATE, record, changes)]
    assert answer.record is not None
    return answer.record


def patches(account: Account) -> list[int]:
    return [
        each["status"] for each in account.requests() if each["method"] == "PATCH" and "/_control" not in each["path"]
    ]


def with_one_more(record: Record, name: str) -> JsonValue:
    value = record.visible()[name]
    assert isinstance(value, list)
    return [*value, NEW[name][1]]


@pytest.mark.parametrize("version", ["v3", "v1"])
async def test_an_entry_beside_one_of_an_undocumented_type_changes_alone(start: Start, version: str) -> None:
    account = await start(version, people=5)
    record = await a_candidate(account)
    changes = {name: with_one_more(record, name) for name in NEW} | {"tags": ["C++", "Python", "Go"]}
    answer = await write(account, record, **changes)
    assert patches(account) == [200]
    row = row_of(account, record)
    for key, entries in HELD.items():
        added: list[Any] = [entry for name, (at, entry) in NEW.items() if at == key] or (
            ["Go"] if key == "tags" else []
        )
        assert sorted(row[key], key=str) == sorted([*entries, *added], key=str), key
    for name in NEW:
        assert sorted(answer.visible()[name], key=str) == sorted(changes[name], key=str), name  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NEW)
async def test_where_it_is_refused_the_rest_is_written_all_the_same(start: Start, name: str) -> None:
    account = await start(people=5, keeps_type_words=False)
    record = await a_candidate(account)
    answer = await write(account, record, **{name: with_one_more(record, name), "current_title": "Baker"})
    assert patches(account) == [422, 200]
    row = row_of(account, record)
    assert NEW[name][1] in row[NEW[name][0]]
    assert row["title"] == "Baker"
    if name == "further_phones":
        assert {"value": "live:z", "type": "skype"} in row["phone_numbers"]
    documented = account.adapter.expected(CANDIDATE, name, with_one_more(record, name))
    assert sorted(answer.visible()[name], key=str) == sorted(documented, key=str)  # type: ignore[arg-type]


async def test_a_number_that_is_edited_keeps_its_undocumented_type(start: Start) -> None:
    account = await start(people=5)
    record = await a_candidate(account)
    await write(account, record, further_phones=[{"value": "+44 20 7946 0009", "type": "pager"}])
    assert row_of(account, record)["phone_numbers"] == [
        {"value": "+44 20 7946 0001", "type": "mobile"},
        {"value": "+44 20 7946 0009", "type": "pager"},
        {"value": "live:z", "type": "Skype"},
    ]


async def test_a_word_that_the_list_does_not_hold_is_other(start: Start) -> None:
    account = await start(people=5)
    record = await a_candidate(account)
    await write(account, record, further_phones=[{"value": "1", "type": "fax"}, {"value": "2", "type": "skype"}])
    assert [entry["type"] for entry in row_of(account, record)["phone_numbers"]] == [
        "mobile",
        "other",
        "other",
        "Skype",
    ]
    assert patches(account) == [200]


async def test_another_refusal_is_told_as_it_is(start: Start) -> None:
    account = await start(people=5)
    record = await a_candidate(account)
    with pytest.raises(Rejected) as refused:
        await write(account, record, addresses=with_one_more(record, "addresses"), current_title="x" * 256)
    assert refused.value.field == "current_title"
    assert patches(account) == [422, 422]
    assert row_of(account, record)["addresses"] == HELD["addresses"]
