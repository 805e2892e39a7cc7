"""Greenhouse's payloads, plain and awkward, as canonical records."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.adapters.greenhouse.adapter import GreenhouseAdapter
from shared.errors import InvalidPayload
from shared.model import EntityType, Record, Reference
from tests.unit.adapters.greenhouse import payloads

CANDIDATE, APPLICATION, JOB = EntityType.CANDIDATE, EntityType.APPLICATION, EntityType.JOB
read = GreenhouseAdapter.to_canonical


def test_a_candidate_of_v3() -> None:
    record = read(CANDIDATE, payloads.CANDIDATE)
    assert record.visible() == payloads.CANDIDATE_FIELDS
    assert record.external_id == "9000000001"
    assert record.updated_at is not None
    assert record.updated_at.isoformat() == "2026-10-02T08:00:01.002000+00:00"
    assert record.warnings == ()
    assert not record.anonymized


def test_a_candidate_of_v1_shows_less() -> None:
    v1 = {k: v for k, v in payloads.CANDIDATE.items() if k not in {"private", "preferred_name", "time_zone"}}
    record = read(CANDIDATE, {**v1, "is_private": True, "applications": [], "last_activity": None})
    hidden = {"preferred_name", "time_zone"}
    assert record.visible() == {
        **{k: v for k, v in payloads.CANDIDATE_FIELDS.items() if k not in hidden},
        "restricted": True,
    }


@pytest.mark.parametrize("payload", [payloads.APPLICATION, payloads.V1_APPLICATION])
def test_an_application_of_either_version(payload: dict[str, Any]) -> None:
    record = read(APPLICATION, payload)
    assert record.visible() == payloads.APPLICATION_FIELDS
    assert record.references == {
        "candidate_id": Reference(CANDIDATE, "9000000001"),
        "job_id": Reference(JOB, "4410"),
    }


def test_the_last_activity_of_v1_is_no_time_of_a_change() -> None:
    """A note moves it: it only orders what v1 shows, and not against what v3 shows."""
    legacy = read(APPLICATION, payloads.V1_APPLICATION)
    assert legacy.updated_at is None
    assert legacy.vendor_version == "last_activity_at=2026-10-02T08:00:01.002000+00:00"
    record = read(APPLICATION, {**payloads.APPLICATION, "last_activity_at": "2027-01-01T00:00:00.000Z"})
    assert record.vendor_version is None
    assert record.updated_at is not None
    assert record.updated_at.isoformat() == "2026-10-02T08:00:01.002000+00:00"


@pytest.mark.parametrize("payload", [payloads.JOB, payloads.V1_JOB])
def test_a_job_of_either_version(payload: dict[str, Any]) -> None:
    assert read(JOB, payload).visible() == payloads.JOB_FIELDS


@pytest.mark.parametrize(
    ("entity", "payload"),
    [
        (CANDIDATE, payloads.CANDIDATE),
        (APPLICATION, payloads.APPLICATION),
        (APPLICATION, payloads.V1_APPLICATION),
        (JOB, payloads.JOB),
        (JOB, payloads.V1_JOB),
    ],
)
def test_what_is_kept_raw_reads_the_same_again(entity: EntityType, payload: dict[str, Any]) -> None:
    record = read(entity, payload)
    assert read(entity, record.raw) == record


def test_an_event_is_read_from_its_envelope() -> None:
    application = {k: v for k, v in payloads.V1_APPLICATION.items() if k != "candidate_id"}
    candidate = {"id": 9_000_000_001, "first_name": "Zoë"}
    envelope = {"action": "x", "payload": {"application": {**application, "candidate": candidate}}}
    assert read(APPLICATION, envelope).visible() == payloads.APPLICATION_FIELDS
    assert read(CANDIDATE, envelope).visible() == {"first_name": "Zoë"}
    job = {"action": "job_updated", "payload": {"job": {"id": 1, "name": "X"}}}
    assert read(JOB, job).visible() == {"title": "X"}


@pytest.mark.parametrize("entity", list(EntityType))
def test_pain_10_what_the_payload_does_not_carry_is_not_visible(entity: EntityType) -> None:
    assert read(entity, {"id": 1}).visible() == {}


@pytest.mark.parametrize("key", ["email_addresses", "phone_numbers", "addresses", "tags", "website_addresses"])
def test_pain_10_null_in_place_of_a_list_blanks_nothing(key: str) -> None:
    record = read(CANDIDATE, {**payloads.CANDIDATE, key: None})
    hidden = {
        "email_addresses": {"email", "further_emails"},
        "phone_numbers": {"phone", "further_phones"},
        "addresses": {"addresses"},
        "tags": {"tags"},
        "website_addresses": {"linkedin_url", "links"},
    }[key]
    assert record.visible().keys() == payloads.CANDIDATE_FIELDS.keys() - hidden
    assert record.warnings == (f"{key}: null where a list was promised",)


def test_empty_lists_are_empty() -> None:
    lists = ("email_addresses", "phone_numbers", "addresses", "website_addresses", "social_media_addresses", "tags")
    fields = read(CANDIDATE, {"id": 1, **{key: [] for key in lists}}).visible()
    assert fields["email"] is fields["phone"] is fields["linkedin_url"] is None
    assert fields["further_emails"] == fields["links"] == fields["tags"] == fields["addresses"] == []


@pytest.mark.parametrize(
    ("entries", "primary"),
    [
        ([("a", "other"), ("b", "work"), ("c", "personal"), ("d", "personal")], "c"),
        ([("a", "other"), ("b", "work")], "b"),
        ([("a", None), ("b", "other")], "a"),
        ([("a", "pager"), ("b", "WORK")], "b"),
    ],
)
def test_the_primary_address_is_the_first_of_the_best_type(entries: list[tuple[str, str]], primary: str) -> None:
    payload = {"id": 1, "email_addresses": [{"value": value, "type": kind} for value, kind in entries]}
    record = read(CANDIDATE, payload)
    assert record.visible()["email"] == primary
    others = record.visible()["further_emails"]
    assert isinstance(others, list)
    assert len(others) == len(entries) - 1


@pytest.mark.parametrize(
    ("url", "is_linkedin"),
    [
        ("https://www.linkedin.com/in/zoe", True),
        ("http://uk.LinkedIn.com", True),
        ("linkedin.com/in/zoe", True),
        ("//linkedin.cn/x", True),
        ("https://linkedin.co.uk:443/x?y#z", True),
        ("https://example.org/linkedin.com", False),
        ("https://notlinkedin.com/in/x", False),
        ("https://linkedin.com.evil.example/", False),
        ("@linkedin", False),
        ("linkedin", False),
    ],
)
def test_linkedin_is_told_by_its_host(url: str, is_linkedin: bool) -> None:
    payload = {"id": 1, "website_addresses": [{"value": url, "type": "other"}], "social_media_addresses": []}
    assert (read(CANDIDATE, payload).visible()["linkedin_url"] == url) is is_linkedin


@pytest.mark.parametrize("last_name", ["9000000001", 9_000_000_001])
def test_pain_22_an_anonymised_person_has_no_fields(last_name: Any) -> None:
    payload = {**payloads.CANDIDATE, "first_name": "Anonymized", "last_name": last_name}
    record = read(CANDIDATE, payload)
    assert record.anonymized
    assert record.visible() == {}


def test_somebody_really_called_anonymized_is_a_person() -> None:
    payload = {**payloads.CANDIDATE, "first_name": "Anonymized", "last_name": "Person"}
    assert read(CANDIDATE, payload).visible()["last_name"] == "Person"


@pytest.mark.parametrize(
    ("status", "kind", "expected", "warned"),
    [
        ("in_process", None, "active", False),
        ("active", None, "active", False),
        ("hired", None, "hired", False),
        ("converted", None, "converted", False),
        ("rejected", {"key": "WE_REJECTED_THEM"}, "rejected", False),
        ("rejected", {"key": "THEY_REJECTED_US"}, "withdrawn", False),
        ("rejected", {"id": 2, "name": "They rejected us"}, "withdrawn", False),
        ("rejected", None, "rejected", False),
        ("in_process", {"key": "THEY_REJECTED_US"}, "active", False),
        ("paused", None, "paused", True),
        (None, None, None, False),
    ],
)
def test_the_status_of_an_application(status: str, kind: Any, expected: str, warned: bool) -> None:
    extras = {"rejection_reason": {"name": "Reason", "type": kind}}
    record = read(APPLICATION, {**payloads.APPLICATION, "status": status, "_liaison": extras})
    assert record.visible()["status"] == expected
    assert ("status: unknown word, kept as it came" in record.warnings) is warned


def test_names_that_were_not_looked_up_are_not_visible() -> None:
    application = {**payloads.APPLICATION, "rejection_reason_id": 4, "_liaison": {}}
    record = read(APPLICATION, application)
    assert record.visible().keys() == payloads.APPLICATION_FIELDS.keys() - {"source", "rejection_reason"}
    assert record.warnings == ("rejection_reason_id: its name can't be read", "source_id: its name can't be read")
    record = read(APPLICATION, {**application, "status": "rejected"})
    assert "status" not in record.visible()
    assert record.warnings[2:] == ("status: rejected or withdrawn, which its reason alone tells",)
    record = read(APPLICATION, {**application, "status": "rejected", "rejection_reason_id": None})
    assert record.visible()["status"] == "rejected"
    job = read(JOB, {k: v for k, v in payloads.JOB.items() if k != "_liaison"})
    assert job.visible().keys() == payloads.JOB_FIELDS.keys() - {"department", "location", "stages"}
    assert read(JOB, {"id": 1, "department_id": None, "office_ids": []}).visible() == {
        "department": None,
        "location": None,
    }


def test_a_prospect_has_no_job_of_its_own() -> None:
    payload = {**payloads.V1_APPLICATION, "prospect": True, "jobs": [{"id": 1}, {"id": 2}], "current_stage": None}
    record = read(APPLICATION, payload)
    assert record.visible()["job_id"] is None
    assert record.visible()["stage"] is None
    assert "job_id" not in record.references


def test_a_v1_job_without_department_lists_null() -> None:
    assert read(JOB, {"id": 1, "departments": [None], "offices": []}).visible() == {
        "department": None,
        "location": None,
    }


def test_rich_text_is_made_harmless() -> None:
    notes = (
        '<p onclick="x()">Hi<script>alert(1)</script> <a href="javascript:x">a</a><a href="https://b.example">b</a></p>'
    )
    description = read(JOB, {"id": 1, "notes": notes}).visible()["description"]
    assert description == '<p>Hi <a>a</a><a href="https://b.example">b</a></p>'
    assert read(JOB, {"id": 1, "notes": "plain text"}).visible()["description"] == "plain text"
    assert read(JOB, {"id": 1, "notes": "<script>x</script>"}).visible()["description"] is None


@pytest.mark.parametrize(
    ("entity", "payload", "path"),
    [
        (CANDIDATE, {}, "id"),
        (CANDIDATE, {"id": None}, "id"),
        (CANDIDATE, {"id": 1, "first_name": ["A"]}, "first_name"),
        (CANDIDATE, {"id": 1, "email_addresses": "secret@example.org"}, "email_addresses"),
        (CANDIDATE, {"id": 1, "email_addresses": ["secret@example.org"]}, "email_addresses[0]"),
        (CANDIDATE, {"id": 1, "phone_numbers": [{"value": {"a": 1}}]}, "phone_numbers[0].value"),
        (CANDIDATE, {"id": 1, "private": "secret"}, "private"),
        (CANDIDATE, {"id": 1, "tags": [True]}, "tags[0]"),
        (CANDIDATE, {"id": 1, "updated_at": "2026-10-02T08:00:01"}, "updated_at"),
        (APPLICATION, {"id": 1, "candidate_id": "secret"}, "candidate_id"),
        (APPLICATION, {"id": 1, "current_stage": "secret"}, "current_stage"),
        (APPLICATION, {"id": 1, "jobs": ["secret"]}, "jobs[0]"),
        (JOB, {"id": 1, "created_at": "secret"}, "created_at"),
        (JOB, {"id": 1, "_liaison": {"stages": [{"id": "secret"}]}}, "_liaison.stages[0].id"),
    ],
)
def test_pain_26_what_cant_be_mapped_is_named_by_path_and_not_shown(
    entity: EntityType, payload: dict[str, Any], path: str
) -> None:
    with pytest.raises(InvalidPayload) as raised:
        read(entity, payload)
    assert str(raised.value).startswith(f"{path}: ")
    assert "secret" not in str(raised.value)


def test_awkward_people_are_people() -> None:
    payload = {
        "id": "18446744073709551616",
        "first_name": "李" * 300,
        "last_name": "\u202eعلي\u202c 👩🏽\u200d💻",
        "email_addresses": [None, {"value": 5, "type": 7, "new": {}}],
        "phone_numbers": [{"value": 4420, "type": None}],
        "unknown": {"deep": [{}]},
        "updated_at": "2026-10-02T08:00:01+05:45",
    }
    record = read(CANDIDATE, payload)
    assert record.external_id == "18446744073709551616"
    assert record.visible()["first_name"] == "李" * 300
    assert record.visible()["last_name"] == "\u202eعلي\u202c 👩🏽\u200d💻"
    assert record.visible()["email"] == "5"
    assert record.visible()["phone"] == "4420"
    assert "email_addresses[].type: unknown word, kept as it came" in record.warnings


KEYS = sorted(
    {*payloads.CANDIDATE, *payloads.APPLICATION, *payloads.V1_APPLICATION, *payloads.JOB, *payloads.V1_JOB}
    | {"payload", "action", "application", "candidate", "job", "value", "type", "name", "key", "stages", "department"}
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["2026-10-02T08:00:01Z", "rejected", "Anonymized", "<b>", "linkedin.com", "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=12,
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(EntityType), st.dictionaries(st.sampled_from(KEYS), JSON, max_size=8), st.booleans())
@example(JOB, {"id": 1, "office_ids": {}}, False)
def test_any_json_is_a_record_or_a_reason(entity: EntityType, payload: dict[str, Any], has_id: bool) -> None:
    try:
        record = read(entity, {**payload, "id": 7} if has_id else payload)
    except InvalidPayload:
        return
    assert isinstance(record, Record)
    assert record.entity is entity
    assert record.visible().keys() <= payloads_fields(entity)


def payloads_fields(entity: EntityType) -> set[str]:
    return {
        CANDIDATE: set(payloads.CANDIDATE_FIELDS),
        APPLICATION: set(payloads.APPLICATION_FIELDS),
        JOB: set(payloads.JOB_FIELDS),
    }[entity]
