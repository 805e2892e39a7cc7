"""What is written arrives, shows what `expected` says, and leaves the rest alone."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from shared.errors import InvalidInput, InvalidPayload, OutcomeUnknown, RateLimited, Rejected
from shared.model import EntityType, JsonValue
from tests.contract.greenhouse.conftest import Start
from tests.contract.greenhouse.writing import a_candidate, written

CANDIDATE = EntityType.CANDIDATE

VALUES: Mapping[str, JsonValue] = {
    "first_name": " Zoe\u0301 ",
    "last_name": "Ñandú-O'Neill 李",
    "preferred_name": "Z",
    "email": "New.Primary@Example.org",
    "further_emails": [{"value": "a@example.org", "type": "work"}, {"value": "b@example.org", "type": "odd"}],
    "phone": "+44 20 7946 0099",
    "further_phones": [{"value": "+44 20 7946 0098", "type": "home"}, {"value": "12", "type": None}],
    "addresses": [{"value": "1 Mill Lane\nLeeds", "type": "home"}, {"value": "Elsewhere"}],
    "linkedin_url": "https://www.linkedin.com/in/new-one",
    "links": [
        {"value": "https://a.example", "type": "blog"},
        {"value": "@handle"},
        {"value": "x.example", "type": "gh"},
    ],
    "current_company": "Hollow Oak & Söhne",
    "current_title": " Chief ",
    "tags": ["Python", " C++ ", "Python"],
    "time_zone": "London",
    "restricted": True,
    "can_email": False,
}
"""For each writable field a value that the vendor may well change."""


def of_rows(value: JsonValue) -> JsonValue:
    """Sets have no order."""
    return sorted(value, key=str) if isinstance(value, list) else value


def is_writable(name: str, version: str) -> bool:
    return version == "v3" or name not in {"preferred_name", "time_zone"}


@pytest.mark.parametrize("version", ["v3", "v1"])
async def test_every_writable_field_of_a_candidate_round_trips_alone(start: Start, version: str) -> None:
    account = await start(version, people=5)
    fields = account.adapter.capabilities.entities[CANDIDATE].fields
    # Custom fields are written only where a mapping names them: test_custom_fields.py.
    assert {name for name, field in fields.items() if field.writable} == VALUES.keys() | {"custom_fields"}
    for name, value in VALUES.items():
        if not is_writable(name, version):
            continue
        record = await a_candidate(account)
        before = record.visible()
        [(sent, answer)] = await written(account, record, {name: value})
        assert sent == {name}
        after = (await account.adapter.fetch(CANDIDATE, record.external_id)).visible()
        assert answer.record is not None
        assert answer.record.visible() == after
        expected = account.adapter.expected(CANDIDATE, name, value)
        assert of_rows(after[name]) == of_rows(expected), name
        moved = {"further_emails"} if name == "email" else set()
        assert {other for other in before if before[other] != after[other]} <= {name, *moved}


async def test_all_fields_at_once_round_trip(start: Start) -> None:
    account = await start(people=5)
    record = await a_candidate(account)
    await written(account, record, VALUES)
    after = (await account.adapter.fetch(CANDIDATE, record.external_id)).visible()
    for name, value in VALUES.items():
        assert of_rows(after[name]) == of_rows(account.adapter.expected(CANDIDATE, name, value)), name


@pytest.mark.parametrize("name", [name for name in VALUES if name not in {"restricted", "can_email"}])
async def test_a_field_can_be_cleared(start: Start, name: str) -> None:
    account = await start(people=5)
    record = await a_candidate(account)
    clear: dict[str, JsonValue] = {name: None}
    if name in {"email", "phone"}:
        clear[f"further_{name}s"] = None
    await written(account, record, clear)
    after = (await account.adapter.fetch(CANDIDATE, record.external_id)).visible()
    assert not after[name]


async def test_a_skype_handle_and_other_lists_survive(start: Start) -> None:
    account = await start(people=5)
    record = await a_candidate(account)
    await written(account, record, {"phone": "+49 30 1", "linkedin_url": "linkedin.com/in/new"})
    row = next(row for row in account.rows("candidates") if str(row["id"]) == record.external_id)
    assert {"value": "live:z", "type": "skype"} in row["phone_numbers"]
    assert {"value": "+49 30 1", "type": "work"} in row["phone_numbers"]
    assert row["website_addresses"] == [{"value": "linkedin.com/in/new", "type": "other"}]
    assert row["social_media_addresses"] == [{"value": "@z"}]
    assert len(row["email_addresses"]) == 2


async def test_a_value_that_the_vendor_refuses_is_told_by_our_name(start: Start) -> None:
    account = await start(people=5)
    record = await a_candidate(account)
    with pytest.raises(Rejected) as raised:
        await written(account, record, {"email": "no address"})
    assert raised.value.field == "email"
    assert raised.value.status == 422
    with pytest.raises(Rejected) as raised:
        await written(account, record, {"linkedin_url": "https://example.org/z"})
    assert raised.value.field == "linkedin_url"


async def test_what_the_vendor_cant_take_is_never_tried(start: Start) -> None:
    account = await start(people=5)
    for entity in EntityType:
        record = (await account.everything(entity))[0]
        account.simulator.simulator.journal.reset()
        for name, field in account.adapter.capabilities.entities[entity].fields.items():
            if not field.writable:
                with pytest.raises(Rejected) as raised:
                    await written(account, record, {name: "x"})
                assert raised.value.field == name
        assert account.requests() == []


async def test_a_write_that_was_throttled_had_no_effect(start: Start) -> None:
    account = await start()
    record = await a_candidate(account)
    account.fault("throttle", method="PATCH")
    with pytest.raises(RateLimited):
        await written(account, record, {"current_title": "X"})
    assert (await account.adapter.fetch(CANDIDATE, record.external_id)).visible() == record.visible()


async def test_v1_writes_need_a_user(start: Start) -> None:
    account = await start("v1", config={"user_id": None})
    record = (await account.everything(CANDIDATE))[0]
    with pytest.raises(InvalidInput) as raised:
        await written(account, record, {"current_title": "X"})
    assert raised.value.field == "config.user_id"
    report = await account.adapter.check()
    assert [check.name for check in report.checks if not check.ok] == ["write"]


async def test_an_answer_with_half_a_character_tells_only_that_something_was_written(start: Start) -> None:
    """Greenhouse may cut our own emoji in two: the next look says what is there now."""
    account = await start()
    record = await a_candidate(account)
    account.fault("garble", path="/v3/candidates/.*", times=None, old="Baker of fire", new=r"Baker \ud83d")
    with pytest.raises(OutcomeUnknown, match="title: is not valid Unicode"):
        await written(account, record, {"current_title": "Baker of fire"})
    with pytest.raises(InvalidPayload, match="title: is not valid Unicode"):
        await account.adapter.fetch(CANDIDATE, record.external_id)
    account.fault("garble", path="/v3/candidates", old="Baker of fire", new=r"Baker \ud83d")
    with pytest.raises(OutcomeUnknown, match="title: is not valid Unicode"):
        await account.adapter.create(CANDIDATE, {"first_name": "A", "last_name": "B", "current_title": "Baker of fire"})


async def test_the_words_of_a_refusal_are_unicode_whatever_they_quote(start: Start) -> None:
    account = await start()
    record = await a_candidate(account)
    account.fault("garble", path="/v3/candidates/.*", old="is not an e-mail", new=r"\ud83d is not an e-mail")
    with pytest.raises(Rejected) as raised:
        await written(account, record, {"email": "no address"})
    assert "?" in str(raised.value)
    assert raised.value.field == "email"
