"""What is written arrives, shows what `expected` says, and leaves the rest alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from shared.adapters.protocol import Written
from shared.errors import (
    AuthFailed,
    Conflict,
    InvalidInput,
    InvalidPayload,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Rejected,
)
from shared.model import EntityType, JsonValue, Record
from tests.contract.greenhouse.conftest import Account, Start, connect

CANDIDATE, APPLICATION, JOB = EntityType.CANDIDATE, EntityType.APPLICATION, EntityType.JOB

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


async def written(account: Account, record: Record, changes: Mapping[str, JsonValue]) -> list[tuple[set[str], Written]]:
    return [(set(sent), answer) async for sent, answer in account.adapter.update(record.entity, record, changes)]


async def a_candidate(account: Account) -> Record:
    """A candidate with several e-mail addresses, a Skype handle and a LinkedIn link."""
    row = account.rows("candidates")[3]
    await account.control(
        "PATCH",
        f"/candidates/{row['id']}",
        {
            "email_addresses": [
                {"value": "w@example.org", "type": "work"},
                {"value": "p@example.org", "type": "personal"},
            ],
            "phone_numbers": [{"value": "live:z", "type": "skype"}, {"value": "123456", "type": "work"}],
            "website_addresses": [{"value": "https://linkedin.com/in/old", "type": "other"}],
            "social_media_addresses": [{"value": "@z"}],
            "first_name": "Zed",
            "private": False,
        },
    )
    return await account.adapter.fetch(CANDIDATE, str(row["id"]))


async def an_application(account: Account, **wanted: Any) -> Record:
    status = wanted.get("status", "in_process")
    row = next(
        row for row in account.rows("applications") if row["status"] == status and not row["prospect"] and row["job_id"]
    )
    return await account.adapter.fetch(APPLICATION, str(row["id"]))


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


@pytest.mark.parametrize("version", ["v3", "v1"])
async def test_a_stage_is_moved_by_name_from_where_it_is(start: Start, version: str) -> None:
    account = await start(version)
    record = await an_application(account)
    [(sent, _)] = await written(account, record, {"stage": "offer"})
    assert sent == {"stage"}
    after = await account.adapter.fetch(APPLICATION, record.external_id)
    assert after.visible()["stage"] == "Offer"


def overtaken(account: Account, act: str, record: Record, verb: str, body: Mapping[str, Any]) -> None:
    """Let a recruiter do *verb* to an application just before our own *act* arrives."""
    meanwhile = {"method": "POST", "path": f"/applications/{record.external_id}/{verb}", "body": body}
    account.fault("overtaken", method="POST", path=f".*/applications/.*/{act}", meanwhile=meanwhile)


async def another_stage(account: Account, record: Record) -> str:
    row = next(r for r in account.rows("applications") if str(r["id"]) == record.external_id)
    return "Offer" if row["stage_name"] != "Offer" else "Reference Check"


@pytest.mark.parametrize("version", ["v3", "v1"])
async def test_a_move_that_a_recruiter_was_faster_with_is_to_be_decided_anew(start: Start, version: str) -> None:
    """No refusal of the stage that we wanted: another guard, and Greenhouse takes it."""
    account = await start(version)
    record = await an_application(account)
    overtaken(account, "move", record, "move", {"stage_name": await another_stage(account, record)})
    with pytest.raises(Conflict) as raised:
        await written(account, record, {"stage": "Face to Face"})
    assert raised.value.status == 422
    again = await account.adapter.fetch(APPLICATION, record.external_id)
    await written(account, again, {"stage": "Face to Face"})
    after = await account.adapter.fetch(APPLICATION, record.external_id)
    assert after.visible()["stage"] == "Face to Face"


@pytest.mark.parametrize("version", ["v3", "v1"])
@pytest.mark.parametrize(
    ("act", "changes", "verb"),
    [
        ("hire", {"status": "hired", "stage": None}, "reject"),
        ("hire", {"status": "hired", "stage": "Offer"}, "reject"),
        ("reject", {"status": "rejected", "stage": None}, "hire"),
        ("move", {"stage": "Face to Face"}, "reject"),
    ],
)
async def test_an_end_that_a_recruiter_was_faster_with_is_to_be_decided_anew(
    start: Start, version: str, act: str, changes: Mapping[str, JsonValue], verb: str
) -> None:
    account = await start(version)
    record = await an_application(account)
    overtaken(account, act, record, verb, {})
    with pytest.raises(Conflict):
        await written(account, record, changes)


@pytest.mark.parametrize("version", ["v3", "v1"])
async def test_a_reopening_that_a_recruiter_was_faster_with_is_to_be_decided_anew(start: Start, version: str) -> None:
    account = await start(version)
    record = await an_application(account)
    await written(account, record, {"status": "rejected", "stage": None})
    rejected = await account.adapter.fetch(APPLICATION, record.external_id)
    overtaken(account, "unreject", record, "unreject", {})
    with pytest.raises(Conflict):
        await written(account, rejected, {"status": "active", "rejection_reason": None})


async def test_an_application_that_is_gone_when_its_move_is_refused_is_to_be_looked_at_anew(start: Start) -> None:
    account = await start()
    record = await an_application(account)
    account.fault("error", status=422, method="POST", path=".*/move")
    account.fault("error", status=404, method="GET", path=".*/applications.*")
    with pytest.raises(Conflict):
        await written(account, record, {"stage": await another_stage(account, record)})


@pytest.mark.parametrize(
    ("act", "changes", "unit"),
    [
        ("move", {"stage": "Offer"}, "stage"),
        ("hire", {"status": "hired", "stage": "Offer"}, "status"),
        ("hire", {"status": "hired", "stage": None}, "status"),
        ("reject", {"status": "rejected", "stage": None}, "status"),
    ],
)
async def test_an_act_that_is_refused_though_nobody_was_faster_is_refused(
    start: Start, act: str, changes: Mapping[str, JsonValue], unit: str
) -> None:
    """Our own move before a hire is no change of somebody else's."""
    account = await start()
    record = await an_application(account)
    account.fault("error", status=422, method="POST", path=f".*/applications/.*/{act}")
    with pytest.raises(Rejected) as raised:
        await written(account, record, changes)
    assert raised.value.field == unit


@pytest.mark.parametrize("stage", ["No such stage", None])
async def test_a_stage_that_is_none_is_refused(start: Start, stage: str | None) -> None:
    account = await start()
    record = await an_application(account)
    with pytest.raises(Rejected) as raised:
        await written(account, record, {"stage": stage})
    assert raised.value.field == "stage"


@pytest.mark.parametrize("version", ["v3", "v1"])
@pytest.mark.parametrize("status", ["rejected", "withdrawn"])
async def test_a_rejection_has_a_reason_of_its_kind_and_can_be_taken_back(
    start: Start, version: str, status: str
) -> None:
    account = await start(version)
    record = await an_application(account)
    [(sent, _)] = await written(account, record, {"status": status, "stage": None})
    assert sent == {"status", "stage"}
    rejected = await account.adapter.fetch(APPLICATION, record.external_id)
    assert rejected.visible()["status"] == status
    assert rejected.visible()["rejection_reason"] is not None
    assert rejected.visible()["stage"] is None
    steps = await written(account, rejected, {"status": "active", "rejection_reason": None, "stage": "Offer"})
    assert [sent for sent, _ in steps] == [{"status", "rejection_reason"}, {"stage"}]
    after = (await account.adapter.fetch(APPLICATION, record.external_id)).visible()
    assert (after["status"], after["stage"], after["rejection_reason"]) == ("active", "Offer", None)


async def test_a_named_reason_is_taken_and_an_unknown_one_refused(start: Start) -> None:
    account = await start()
    names: dict[str, list[str]] = {}
    for row in account.rows("rejection_reasons"):
        names.setdefault(row["type"]["key"], []).append(row["name"])
    ours, theirs = names["WE_REJECTED_THEM"], names["THEY_REJECTED_US"]
    record = await an_application(account)
    with pytest.raises(Rejected, match="contradicts") as raised:
        await written(account, record, {"status": "rejected", "rejection_reason": theirs[0]})
    assert raised.value.field == "rejection_reason"
    [(sent, _)] = await written(account, record, {"status": "rejected", "rejection_reason": ours[-1].upper()})
    assert sent == {"status", "rejection_reason"}
    record = await account.adapter.fetch(APPLICATION, record.external_id)
    assert record.visible()["rejection_reason"] == ours[-1]
    for wrong in ("No such reason", None):
        with pytest.raises(Rejected) as raised:
            await written(account, record, {"rejection_reason": wrong})
        assert raised.value.field == "rejection_reason"


async def test_a_rejection_turns_into_a_withdrawal_by_its_reason_alone(start: Start) -> None:
    account = await start()
    record = await an_application(account)
    await written(account, record, {"status": "rejected", "stage": None})
    rejected = await account.adapter.fetch(APPLICATION, record.external_id)
    [(sent, _)] = await written(account, rejected, {"status": "withdrawn"})
    assert sent == {"status"}
    after = (await account.adapter.fetch(APPLICATION, record.external_id)).visible()
    assert after["status"] == "withdrawn"
    assert after["rejection_reason"] != rejected.visible()["rejection_reason"]


async def test_without_the_permission_for_reasons_a_rejection_says_so(start: Start) -> None:
    account = await start()
    record = await an_application(account)
    account.simulator.simulator.authority.denied_scopes = {"harvest:rejection_reasons:list"}
    other = connect(account.simulator, account.http, "v3")
    with pytest.raises(AuthFailed, match="harvest:rejection_reasons:list"):
        await other.update(APPLICATION, record, {"status": "rejected"}).__anext__()


async def test_a_hire_fills_an_opening_and_is_final(start: Start) -> None:
    account = await start()
    record = await an_application(account)
    job_id = int(record.raw["job_id"])
    for _ in range(2):
        await account.control("POST", "/openings", await _opening(account, job_id))
    steps = await written(account, record, {"status": "hired", "stage": "Offer"})
    assert [sent for sent, _ in steps] == [{"stage"}, {"status"}]
    hired = await account.adapter.fetch(APPLICATION, record.external_id)
    assert (hired.visible()["status"], hired.visible()["stage"]) == ("hired", None)
    for status in ("active", "rejected", "converted", None):
        with pytest.raises(Rejected) as raised:
            await written(account, hired, {"status": status})
        assert raised.value.field == "status"


async def _opening(account: Account, job_id: int) -> dict[str, Any]:
    known = next(row for row in account.rows("openings") if row["job_id"] == job_id)
    return {name: value for name, value in known.items() if name not in {"id", "created_at", "updated_at"}} | {
        "open": True,
        "application_id": None,
        "closed_at": None,
    }


NEW: Mapping[str, JsonValue] = {
    "first_name": "Ann",
    "last_name": "Ågren",
    "email": "ann@example.org",
    "phone": "+46 8 1",
    "tags": ["new"],
}


def an_open_job(account: Account) -> str:
    return str(next(row["id"] for row in account.rows("jobs") if row["status"] == "open" and not row["is_template"]))


@pytest.mark.parametrize("version", ["v3", "v1"])
async def test_a_candidate_is_created_with_its_application(start: Start, version: str) -> None:
    account = await start(version)
    job_id = an_open_job(account)
    made = await account.adapter.create(CANDIDATE, {**NEW, "job_id": job_id})
    record = await account.adapter.fetch(CANDIDATE, made.external_id)
    for name, value in NEW.items():
        assert record.visible()[name] == value
    application = await account.adapter.fetch(APPLICATION, made.related[APPLICATION])
    assert application.visible()["candidate_id"] == made.external_id
    assert application.visible()["job_id"] == job_id


async def test_a_candidate_without_a_job_becomes_a_prospect(start: Start) -> None:
    account = await start()
    made = await account.adapter.create(CANDIDATE, NEW)
    application = await account.adapter.fetch(APPLICATION, made.related[APPLICATION])
    assert application.visible()["prospect"] is True
    assert application.visible()["job_id"] is None


async def test_a_candidate_that_is_made_later_is_waited_for(start: Start) -> None:
    account = await start(async_create=True, async_create_delay_s=0.1)
    made = await account.adapter.create(CANDIDATE, {**NEW, "job_id": an_open_job(account)})
    assert (await account.adapter.fetch(CANDIDATE, made.external_id)).visible()["email"] == NEW["email"]
    assert APPLICATION in made.related
    with pytest.raises(OutcomeUnknown):
        await account.adapter.create(CANDIDATE, {"first_name": "No", "last_name": "Address"})


@pytest.mark.parametrize("version", ["v3", "v1"])
async def test_an_application_is_created_on_a_stage_with_a_source(start: Start, version: str) -> None:
    account = await start(version)
    made = await account.adapter.create(CANDIDATE, NEW)
    source = account.rows("sources")[0]["name"]
    job_id = an_open_job(account)
    fields = {"candidate_id": made.external_id, "job_id": job_id, "stage": "Phone Interview", "source": source}
    application = await account.adapter.create(APPLICATION, fields)
    shown = (await account.adapter.fetch(APPLICATION, application.external_id)).visible()
    assert {name: shown[name] for name in fields} == fields
    assert application.record is not None
    assert application.record.visible() == shown
    with pytest.raises(Rejected, match="already has"):
        await account.adapter.create(APPLICATION, fields)


@pytest.mark.parametrize("kind", ["cut", "lost_answer", "error"])
async def test_a_create_whose_answer_is_lost_is_found_again(start: Start, kind: str) -> None:
    account = await start()
    account.fault(kind, method="POST", path="/v3/candidates", seconds=0.1)
    fields = {**NEW, "job_id": an_open_job(account)}
    with pytest.raises(OutcomeUnknown):
        await account.adapter.create(CANDIDATE, fields)
    found = await account.adapter.find(CANDIDATE, {"email": "ann@example.org"})
    assert len(found) == (0 if kind == "error" else 1)
    posts = [entry for entry in account.requests() if entry["path"] == "/v3/candidates" and entry["method"] == "POST"]
    assert len(posts) == 1


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


@pytest.mark.parametrize("version", ["v3", "v1"])
async def test_a_deleted_candidate_is_gone_with_all_below(start: Start, version: str) -> None:
    account = await start(version)
    record = await a_candidate(account)
    below = [str(row["id"]) for row in account.rows("applications") if str(row["candidate_id"]) == record.external_id]
    assert below
    await account.adapter.delete(CANDIDATE, record.external_id)
    for entity, external_id in ((CANDIDATE, record.external_id), *((APPLICATION, each) for each in below)):
        with pytest.raises(NotFound):
            await account.adapter.fetch(entity, external_id)
    with pytest.raises(NotFound):
        await account.adapter.delete(CANDIDATE, record.external_id)


@pytest.mark.parametrize("version", ["v3", "v1"])
async def test_a_deleted_application_is_gone_and_its_candidate_is_not(start: Start, version: str) -> None:
    account = await start(version)
    record = await an_application(account)
    await account.adapter.delete(APPLICATION, record.external_id)
    with pytest.raises(NotFound):
        await account.adapter.fetch(APPLICATION, record.external_id)
    await account.adapter.fetch(CANDIDATE, str(record.raw["candidate_id"]))


async def test_what_can_be_deleted_is_what_is_declared(start: Start) -> None:
    account = await start()
    declared = {entity for entity, offered in account.adapter.capabilities.entities.items() if offered.delete}
    assert declared == {CANDIDATE, APPLICATION}
    with pytest.raises(Rejected):
        await account.adapter.delete(JOB, str(account.rows("jobs")[0]["id"]))


async def test_without_the_permission_to_delete_it_is_named(start: Start) -> None:
    account = await start()
    record = await an_application(account)
    account.simulator.simulator.authority.denied_scopes = {"harvest:applications:destroy"}
    with pytest.raises(AuthFailed, match="harvest:applications:destroy") as refused:
        await account.adapter.delete(APPLICATION, record.external_id)
    assert refused.value.status == 403


async def test_a_delete_whose_answer_is_lost_may_have_happened(start: Start) -> None:
    account = await start()
    record = await a_candidate(account)
    account.fault("lost_answer", method="DELETE", path=f"/v3/candidates/{record.external_id}", times=1)
    with pytest.raises(OutcomeUnknown):
        await account.adapter.delete(CANDIDATE, record.external_id)
    with pytest.raises(NotFound):
        await account.adapter.fetch(CANDIDATE, record.external_id)


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
