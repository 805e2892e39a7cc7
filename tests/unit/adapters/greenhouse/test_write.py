"""A patch, applied by the vendor's rules and read again, shows the changes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.greenhouse.adapter import GreenhouseAdapter
from shared.errors import Rejected
from shared.model import EntityType, JsonValue, Record
from tests.unit.adapters.greenhouse import payloads

CANDIDATE, APPLICATION, JOB = EntityType.CANDIDATE, EntityType.APPLICATION, EntityType.JOB
VENDORS_TYPES: dict[str, set[str]] = {
    "email_addresses": {"personal", "work", "other"},
    "phone_numbers": {"mobile", "home", "work", "skype", "other"},
    "addresses": {"home", "work", "other"},
    "website_addresses": {"personal", "company", "portfolio", "blog", "other"},
}


def shown() -> Record:
    return GreenhouseAdapter.to_canonical(CANDIDATE, payloads.CANDIDATE)


def applied(changes: dict[str, JsonValue], record: Record) -> dict[str, Any]:
    """The vendor's record after the patch: lists are replaced wholesale, and `is_private` sets `private`."""
    body = GreenhouseAdapter.from_canonical(CANDIDATE, changes, record)
    row = dict(record.raw)
    for name, value in body.items():
        if name == "is_private":
            row["private"] = value
        elif name in VENDORS_TYPES:
            assert all(entry["type"] in VENDORS_TYPES[name] and entry["value"] for entry in value)
            row[name] = value
        elif name == "social_media_addresses":
            assert all(entry.keys() == {"value"} for entry in value)
            row[name] = value
        else:
            row[name] = None if value == "" else value
    return row


def as_set(value: JsonValue) -> JsonValue:
    return sorted(value, key=str) if isinstance(value, list) else value


WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).filter(str.strip)
TYPES = st.sampled_from([None, "personal", "work", "other", "mobile", "home", "blog", "pager", "PERSONAL"])
ENTRIES = st.lists(
    st.fixed_dictionaries({"value": WORDS, "type": TYPES}),
    max_size=4,
    unique_by=lambda entry: str(entry["value"]).strip().casefold(),
)
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "first_name": WORDS | st.none(),
        "preferred_name": WORDS | st.none(),
        "email": WORDS,
        "further_emails": ENTRIES,
        "phone": WORDS,
        "further_phones": ENTRIES,
        "addresses": ENTRIES,
        "links": ENTRIES,
        "tags": st.lists(WORDS, max_size=4),
        "current_title": WORDS | st.none(),
        "restricted": st.booleans() | st.none(),
        "can_email": st.booleans() | st.none(),
    },
)


@given(CHANGES)
def test_what_is_written_is_read_as_expected(changes: dict[str, JsonValue]) -> None:
    for first, rest in (("email", "further_emails"), ("phone", "further_phones")):
        given_rest = changes.get(rest)
        # An entry that is first and further at once is first alone.
        if first in changes and isinstance(given_rest, list):
            taken = str(changes[first]).strip().casefold()
            changes[rest] = [
                e for e in given_rest if isinstance(e, dict) and str(e["value"]).strip().casefold() != taken
            ]
    record = shown()
    after = GreenhouseAdapter.to_canonical(CANDIDATE, applied(changes, record)).visible()
    for name, value in changes.items():
        assert as_set(after[name]) == as_set(GreenhouseAdapter.expected(CANDIDATE, name, value)), name
    touched = set(changes) | {"linkedin_url" if "links" in changes else ""}
    touched |= {"further_emails"} if "email" in changes else set()
    touched |= {"further_phones"} if "phone" in changes else set()
    before = record.visible()
    for name in before.keys() - touched:
        assert before[name] == after[name] or name in {"email", "phone"}


@given(CHANGES)
def test_expected_is_at_rest(changes: dict[str, JsonValue]) -> None:
    for name, value in changes.items():
        once = GreenhouseAdapter.expected(CANDIDATE, name, value)
        assert GreenhouseAdapter.expected(CANDIDATE, name, once) == once


@pytest.mark.parametrize(("name", "rest"), [("email", "further_emails"), ("phone", "further_phones")])
def test_a_primary_stays_primary_beside_any_further_ones(name: str, rest: str) -> None:
    further: JsonValue = [{"value": "x", "type": "personal"}, {"value": "y", "type": "mobile"}]
    row = applied({name: "new", rest: further}, shown())
    assert GreenhouseAdapter.to_canonical(CANDIDATE, row).visible()[name] == "new"


def test_a_new_primary_takes_the_place_and_type_of_the_old_one() -> None:
    row = applied({"phone": "+1 2"}, shown())
    assert row["phone_numbers"] == [
        {"value": "+1 2", "type": "mobile"},
        {"value": "020 1", "type": "work"},
        {"value": "live:zoe", "type": "skype"},
    ]


def test_a_further_address_that_becomes_primary_is_not_doubled() -> None:
    row = applied({"email": "zoe.work@example.org"}, shown())
    assert row["email_addresses"] == [{"value": "zoe.work@example.org", "type": "work"}]


def test_linkedin_stays_where_it_stood() -> None:
    row = applied({"linkedin_url": "https://linkedin.com/in/z"}, shown())
    assert row["social_media_addresses"] == [{"value": "https://linkedin.com/in/z"}, {"value": "@zoe"}]
    assert row["website_addresses"] == payloads.CANDIDATE["website_addresses"]
    typed = {
        **payloads.CANDIDATE,
        "social_media_addresses": [],
        "website_addresses": [{"value": "linkedin.com/a", "type": "blog"}],
    }
    row = applied({"linkedin_url": "linkedin.com/b"}, GreenhouseAdapter.to_canonical(CANDIDATE, typed))
    assert row["website_addresses"] == [{"value": "linkedin.com/b", "type": "blog"}]
    assert row["social_media_addresses"] == []


def test_an_address_elsewhere_is_no_linkedin_address() -> None:
    with pytest.raises(Rejected) as raised:
        applied({"linkedin_url": "https://example.org"}, shown())
    assert raised.value.field == "linkedin_url"


def test_only_what_changes_is_sent() -> None:
    assert GreenhouseAdapter.from_canonical(CANDIDATE, {"current_title": "X"}, shown()) == {"title": "X"}
    assert GreenhouseAdapter.from_canonical(CANDIDATE, {}, shown()) == {}


@pytest.mark.parametrize(
    ("changes", "patch"),
    [
        ({"stage": "Offer"}, {"stage_name": "Offer"}),
        ({"status": "active"}, {"status": "in_process", "withdrawn": False}),
        ({"status": "withdrawn"}, {"status": "rejected", "withdrawn": True}),
        ({"rejection_reason": None}, {"rejection_reason": None}),
    ],
)
def test_an_applications_patch_speaks_the_vendors_words(changes: dict[str, JsonValue], patch: dict[str, Any]) -> None:
    record = GreenhouseAdapter.to_canonical(APPLICATION, payloads.APPLICATION)
    assert GreenhouseAdapter.from_canonical(APPLICATION, changes, record) == patch


@pytest.mark.parametrize("status", ["converted", "paused", None, 7])
def test_a_status_that_cant_be_set_is_refused(status: JsonValue) -> None:
    record = GreenhouseAdapter.to_canonical(APPLICATION, payloads.APPLICATION)
    with pytest.raises(Rejected) as raised:
        GreenhouseAdapter.from_canonical(APPLICATION, {"status": status}, record)
    assert raised.value.field == "status"


def test_a_job_is_never_written() -> None:
    record = GreenhouseAdapter.to_canonical(JOB, payloads.JOB)
    with pytest.raises(Rejected) as raised:
        GreenhouseAdapter.from_canonical(JOB, {"title": "X"}, record)
    assert raised.value.field == "title"
