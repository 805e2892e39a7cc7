"""An adapter round the vendor's: what it hides, translates and refuses to write."""

# ruff: noqa: ARG002 - the signatures are the protocol's

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from shared.adapters.greenhouse.adapter import GreenhouseAdapter
from shared.adapters.mapped import MappedAdapter, mapped
from shared.adapters.protocol import Adapter, Cursor, Page, Refused, Written
from shared.errors import InvalidPayload
from shared.mapping.reading import mappings_of
from shared.model import Application, Candidate, EntityType, JsonValue, Record, Reference

CANDIDATE, APPLICATION, JOB = EntityType.CANDIDATE, EntityType.APPLICATION, EntityType.JOB


class Vendor(GreenhouseAdapter):
    """Greenhouse with its answers given, which notes what it is asked to write."""

    def __init__(self, shown: Sequence[Record]) -> None:
        self.shown = shown
        self.written: list[Mapping[str, JsonValue]] = []

    async def pages(self, entity: EntityType, cursor: Cursor | None) -> AsyncIterator[Page]:
        yield Page(self.shown, [Refused("0", "unreadable")], None)

    async def fetch(self, entity: EntityType, external_id: str) -> Record:
        return self.shown[0]

    async def find(self, entity: EntityType, fields: Mapping[str, JsonValue]) -> Sequence[Record]:
        return self.shown

    async def create(self, entity: EntityType, fields: Mapping[str, JsonValue]) -> Written:
        self.written.append(fields)
        return Written("7", self.shown[0])

    async def update(
        self, entity: EntityType, record: Record, changes: Mapping[str, JsonValue]
    ) -> AsyncIterator[tuple[frozenset[str], Written]]:
        self.written.append(changes)
        yield frozenset(changes), Written("7", self.shown[0])


def around(shown: Sequence[Record], mapping: Mapping[str, Any]) -> tuple[MappedAdapter, Vendor]:
    seen = mapped(GreenhouseAdapter, mappings_of({"mapping": dict(mapping)}))
    assert issubclass(seen, MappedAdapter)
    vendor = Vendor(shown)
    return seen(vendor), vendor


async def test_where_nothing_is_mapped_records_are_handed_on_untouched() -> None:
    people = [Candidate(external_id="1", current_title="4")]
    adapter, vendor = around(people, {})
    (page,) = [page async for page in adapter.pages(CANDIDATE, None)]
    assert page.records is people
    assert adapter.seen(people[0]) is people[0]
    fields = adapter.capabilities.entities[CANDIDATE].fields
    assert [
        name for name, known in fields.items() if known != vendor.capabilities.entities[CANDIDATE].fields[name]
    ] == ["custom_fields"]
    assert not fields["custom_fields"].writable
    assert not fields["custom_fields"].readable


def test_a_vendor_without_custom_fields_and_mappings_is_itself() -> None:
    class Plain(GreenhouseAdapter):
        capabilities = replace(GreenhouseAdapter.capabilities, entities={})

    assert mapped(Plain, {}) is Plain


def test_our_names_of_custom_fields_go_out_in_any_case() -> None:
    adapter, _ = around([], {"candidate": {"custom_fields": {"notice_period": "Notice period"}}})
    mapping = adapter.mappings[CANDIDATE]
    ours: JsonValue = [{"name": " NOTICE  period", "value": "1 month"}, {"name": "Other", "value": 1}]
    assert mapping.outbound({"custom_fields": ours}, {}) == {
        "custom_fields": [{"name": "notice_period", "value": "1 month"}]
    }


async def test_pages_are_mapped_and_what_can_not_be_is_refused_with_its_path() -> None:
    people = [
        Candidate(external_id="1", current_title="4", tags=["a"], raw={"id": 1}),
        Candidate(external_id="2", current_title="four"),
        Candidate(external_id="3", anonymized=True),
    ]
    adapter, _ = around(
        people,
        {
            "candidate": {
                "set": {"experience_years": "number(current_title)"},
                "exclude": ["tags"],
                "where": "experience_years > 3",
            }
        },
    )
    (page,) = [page async for page in adapter.pages(CANDIDATE, None)]
    assert [each.visible() for each in page.records] == [{"current_title": "4", "experience_years": 4}, {}]
    assert [each.left_out for each in page.records] == [False, False]
    assert page.records[0].raw == {"id": 1}
    assert [each.external_id for each in page.refused] == ["0", "2"]
    assert page.refused[1].reason.startswith("config.mapping.candidate.set.experience_years: ")
    assert "four" not in page.refused[1].reason
    (other,) = [page async for page in adapter.pages(JOB, None)]
    assert other.records is people


async def test_what_is_fetched_and_found_is_mapped_and_a_filter_only_tells() -> None:
    one = Application(external_id="1", stage="Telefon", references={"job_id": Reference(JOB, "9")})
    adapter, _ = around([one], {"application": {"values": {"stage": {"Telefon": "Screen"}}, "where": 'job_id == "8"'}})
    for record in (await adapter.fetch(APPLICATION, "1"), *await adapter.find(APPLICATION, {})):
        assert record.visible() == {"stage": "Screen"}
        assert record.left_out
        assert record.references == one.references


def test_an_expression_has_to_come_to_a_value_of_the_fields_type() -> None:
    adapter, _ = around([], {"candidate": {"set": {"tags": "current_title"}}})
    with pytest.raises(InvalidPayload, match=r"config\.mapping\.candidate\.set\.tags"):
        adapter.seen(Candidate(external_id="1", current_title="x"))


async def test_changes_go_out_in_their_words_and_answers_come_back_in_ours() -> None:
    adapter, vendor = around(
        [Application(external_id="7", stage="Telefon")], {"application": {"values": {"stage": {"Telefon": "Screen"}}}}
    )
    steps = [each async for each in adapter.update(APPLICATION, vendor.shown[0], {"stage": "Screen"})]
    assert vendor.written == [{"stage": "Telefon"}]
    ((names, written),) = steps
    assert names == {"stage"}
    assert written.record is not None
    assert written.record.visible() == {"stage": "Screen"}


async def test_a_create_takes_along_what_may_go_out_and_its_applications_words() -> None:
    adapter, vendor = around(
        [Candidate(external_id="7", email="a@x.org")],
        {
            "candidate": {"exclude": ["phone"], "set": {"time_zone": "'UTC'"}, "read_only": ["tags"]},
            "application": {"values": {"source": {"Agentur": "Agency"}}},
        },
    )
    fields: dict[str, JsonValue] = {
        "first_name": "Ada",
        "phone": "1",
        "time_zone": "UTC",
        "tags": ["a"],
        "custom_fields": [{"name": "Notice", "value": "1 month"}],
        "job_id": "9",
        "source": "Agency",
    }
    await adapter.create(CANDIDATE, fields)
    assert vendor.written == [{"first_name": "Ada", "job_id": "9", "source": "Agentur"}]


def test_what_does_not_go_out_is_no_longer_writable() -> None:
    adapter, _ = around(
        [],
        {"candidate": {"exclude": ["phone"], "read_only": ["tags"], "set": {"current_title": "tags"}}},
    )
    fields = adapter.capabilities.entities[CANDIDATE].fields
    assert [fields[name].writable for name in ("phone", "tags", "current_title", "email")] == [
        False,
        False,
        False,
        True,
    ]
    assert [fields[name].readable for name in ("phone", "tags", "current_title")] == [False, True, True]
    known = GreenhouseAdapter.capabilities.entities
    assert adapter.capabilities.entities[JOB].fields["title"] == known[JOB].fields["title"]


def test_what_the_vendor_makes_of_a_value_is_told_in_our_words() -> None:
    adapter, _ = around([], {"application": {"values": {"stage": {"Telefon": "Screen"}}}, "candidate": {"exclude": []}})
    assert adapter.expected(APPLICATION, "stage", "Screen") == "Screen"
    assert adapter.expected(APPLICATION, "stage", " Onsite ") == "Onsite"
    assert adapter.expected(APPLICATION, "stage", "Telefon") == "Telefon"
    assert adapter.expected(JOB, "title", " x ") == GreenhouseAdapter.expected(JOB, "title", " x ")


def test_it_is_an_adapter() -> None:
    seen: type[Adapter] = mapped(GreenhouseAdapter, mappings_of({"mapping": {"candidate": {"exclude": ["tags"]}}}))
    assert seen.platform == GreenhouseAdapter.platform
    with pytest.raises(InvalidPayload):
        seen.to_canonical(CANDIDATE, {})
