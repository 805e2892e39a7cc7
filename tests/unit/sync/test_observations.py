"""What one request showed of a record: told apart by content, ordered by ticket and version."""

from __future__ import annotations

from datetime import timedelta, timezone

import pytest

from shared.adapters import registry
from shared.adapters.greenhouse.adapter import GreenhouseAdapter
from shared.adapters.mapped import mapped
from shared.mapping.reading import mappings_of
from shared.model import UNITS, Candidate, JsonObject, JsonValue
from shared.security.keys import Keys
from shared.store.links import Ticket
from shared.sync.merging.observations import RuleBook, is_admitted, observe, references_of, resolved, writable_units
from tests.unit.sync.parts import (
    APPLICATION,
    CANDIDATE,
    JOB,
    NOON,
    RECORD,
    application,
    integration,
    link,
    person,
    seen,
)


@pytest.mark.parametrize(("number", "admitted"), [(9, False), (10, True), (11, True)])
def test_what_was_asked_for_before_our_last_write_is_not_admitted(number: int, admitted: bool) -> None:
    assert is_admitted(seen(person(email="a@x.org"), number=number), link(fence=10)) is admitted


@pytest.mark.parametrize(("minutes", "admitted"), [(-1, False), (0, True), (1, True)])
def test_a_lagging_replica_is_not_admitted_though_it_was_asked_later(minutes: int, admitted: bool) -> None:
    known = seen(person(updated_at=NOON)).version
    shown = seen(person(updated_at=NOON + timedelta(minutes=minutes)), number=999)
    assert is_admitted(shown, link(vendor_version=known)) is admitted


def test_a_vendor_without_versions_is_ordered_by_tickets_alone() -> None:
    assert is_admitted(seen(person()), link(vendor_version="2026"))
    assert is_admitted(seen(person(updated_at=NOON)), link(vendor_version=None))


def test_versions_of_two_kinds_tell_nothing_of_one_another() -> None:
    """Greenhouse's v1 shows an application's last activity, v3 the time of its last change, which is earlier."""
    activity = seen(person(vendor_version="last_activity_at=2026-11-02")).version
    assert is_admitted(seen(person(updated_at=NOON)), link(vendor_version=activity))
    assert is_admitted(seen(person(vendor_version="last_activity_at=2000-01-01")), link(vendor_version="2026-11-02"))
    assert not is_admitted(seen(person(vendor_version="last_activity_at=2026-11-01")), link(vendor_version=activity))


def test_versions_are_compared_as_moments_whatever_their_zone() -> None:
    there = NOON.astimezone(timezone(timedelta(hours=-11)))
    assert seen(person(updated_at=there)).version == seen(person(updated_at=NOON)).version
    assert seen(person(updated_at=NOON, vendor_version="0042")).version == "0042"


def test_pain_26_only_what_a_merge_looks_at_changes_the_digest() -> None:
    base = seen(person(email="a@x.org")).digest
    same = [
        person(email="a@x.org", updated_at=NOON),
        person(email="a@x.org", raw={"applications_count": 3}),
        person(email="a@x.org", warnings=("phone: odd",)),
    ]
    other = [
        person(email="b@x.org"),
        person(email="a@x.org", phone=None),  # shown and empty is not the same as not shown
        person(email="a@x.org", anonymized=True),
        person(),
    ]
    assert {seen(each).digest for each in same} == {base}
    assert base not in {seen(each).digest for each in other}
    assert len({seen(each).digest for each in other}) == len(other)
    assert seen(person(email="a@x.org"), context=b"1/11").digest != base


def test_a_context_goes_by_what_was_decided_not_by_how_it_is_written() -> None:
    """Customers may order and spell their policies otherwise; nothing is looked at again for that."""

    def context(policies: JsonObject, **more: JsonValue) -> bytes:
        row = integration(config={"policies": {"candidate": policies}, **more}, default_region="GB")
        return RuleBook(GreenhouseAdapter, row, CANDIDATE, Keys(b"k" * 32)).context

    base = context({"tags": "append", "current_title": {"policy": "authority", "authority": "integration"}})
    assert context({"current_title": {"policy": "authority", "authority": "ats"}, "tags": {"policy": "append"}}) == base
    others = [
        context({"tags": "append"}),
        context({"tags": "append", "current_title": {"policy": "authority", "authority": "portal"}}),
        context({"tags": "append"}, first_link="portal"),
        context({"tags": "append"}, first_link="integration"),
    ]
    assert len({base, *others}) == 1 + len(others)
    assert max(map(len, [base, *others])) <= 16, "it personalises a BLAKE2b"


def test_custom_fields_count_where_a_mapping_names_some_of_that_entity_and_nowhere_else() -> None:
    def book(**mapping: JsonValue) -> RuleBook:
        row = integration(config={"mapping": mapping} if mapping else {})
        seen = mapped(GreenhouseAdapter, mappings_of(row.config))
        return RuleBook(seen, row, CANDIDATE, Keys(b"k" * 32))

    def named(**names: str) -> JsonValue:
        return {"custom_fields": {**names}}

    plain, of_jobs = book(), book(job=named(level="Level"))
    assert plain.context == of_jobs.context
    for each in (plain, of_jobs):
        assert "custom_fields" not in each.for_link("1").writable
        assert each.for_link("1").fields == {}
    one, other = book(candidate=named(level=" Seniority Level ")), book(candidate=named(level="Level"))
    assert len({plain.context, one.context, other.context}) == 3
    rules = one.for_link("1")
    assert "custom_fields" in rules.writable
    assert rules.field_of("custom_fields").only == frozenset({"seniority level"})


def test_a_reference_is_part_of_the_digest() -> None:
    assert seen(application(of="7")).digest != seen(application(of="8")).digest
    assert seen(application(of="7")).digest == seen(application(of="7")).digest


def test_a_record_that_a_page_shows_twice_counts_once_as_it_came_last() -> None:
    page = [person("1", email="a@x.org"), person("2"), person("1", email="b@x.org")]
    found = observe(page, Ticket(5, NOON), context=b"")
    assert [(each.external_id, each.values) for each in found] == [("1", {"email": "b@x.org"}), ("2", {})]
    assert not any(each.is_fresh_fetch for each in found)
    assert seen(person(), is_fresh_fetch=True).is_fresh_fetch


def test_references_are_collected_by_entity() -> None:
    found = references_of([seen(application("1", of="7")), seen(application("2", of="8")), seen(person())])
    assert found == {CANDIDATE: {"7", "8"}, JOB: {"1"}}


def test_references_become_our_ids_and_missing_ones_are_named() -> None:
    shown = seen(application(of="7", on="1"))
    values, missing = resolved(shown, {CANDIDATE: {"7": RECORD}})
    assert values["candidate_id"] == str(RECORD)
    assert "job_id" not in values
    assert [(each.entity, each.external_id) for each in missing] == [(JOB, "1")]
    assert resolved(shown, {CANDIDATE: {"7": RECORD}, JOB: {"1": RECORD}})[1] == []
    assert "candidate_id" not in shown.values


def test_a_unit_is_writable_if_all_its_members_are() -> None:
    adapter = registry.get("greenhouse")
    capability = adapter.capabilities.entities[CANDIDATE]
    found = writable_units(adapter, CANDIDATE)
    assert found
    assert found["name"].value
    for name, unit in UNITS[CANDIDATE].items():
        fields = [capability.fields.get(member) for member in unit.members]
        assert (name in found) is all(field is not None and field.writable for field in fields), name
    assert "candidate_id" not in writable_units(adapter, APPLICATION)


def test_an_entity_that_the_vendor_lets_nobody_change_has_no_writable_unit() -> None:
    adapter = registry.get("greenhouse")
    assert not adapter.capabilities.entities[JOB].update
    assert writable_units(adapter, JOB) == {}


def test_a_record_says_no_more_than_its_id_when_it_is_printed() -> None:
    assert "x.org" not in repr(Candidate(external_id="7", email="a@x.org"))


def test_a_vendor_s_field_times_reach_the_merge_by_unit_and_by_our_clock() -> None:
    """The merge knew of them and nobody handed them on; a group is as young as its youngest member."""
    book = RuleBook(GreenhouseAdapter, integration(clock_skew_ms=60_000), CANDIDATE, Keys(b"k" * 32))
    times = {"first_name": NOON, "last_name": NOON + timedelta(minutes=5), "phone": NOON}
    record = person(first_name="Ada", last_name="King", phone="+1 202 555 0143", field_times=times)
    theirs = book.theirs(seen(record), {})
    assert theirs.field_times == {"name": NOON + timedelta(minutes=4), "phone": NOON - timedelta(minutes=1)}
    assert book.theirs(seen(person()), {}).field_times == {}
