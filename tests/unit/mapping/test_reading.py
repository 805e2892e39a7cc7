"""What a customer says of a mapping is judged when it is saved: the fault names the path and what to do."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from shared.errors import InvalidInput
from shared.mapping.reading import LONGEST_NAME, MOST, filters_of, mapping_of, mappings_of, remapped
from shared.model import EntityType, JsonValue

CANDIDATE, APPLICATION, JOB = EntityType.CANDIDATE, EntityType.APPLICATION, EntityType.JOB


def test_a_mapping_is_read_by_entity() -> None:
    found = mappings_of(
        {
            "mapping": {
                "candidate": {
                    "since": "2026-01-31",
                    "where": '"python" in tags',
                    "exclude": ["addresses"],
                    "read_only": ["time_zone"],
                    "values": {"current_title": {"Dev": "Developer"}},
                    "set": {"notice_period": 'custom("Notice")'},
                    "custom_fields": {"notice_period": "Notice"},
                },
                "role": {"values": {"stages": {"Telefon": "Phone screen"}}},
                "application": {},
            }
        }
    )
    assert found.keys() == {CANDIDATE, JOB}
    person = found[CANDIDATE]
    assert person.since == date(2026, 1, 31)
    assert (set(person.excluded), set(person.read_only)) == ({"addresses"}, {"time_zone"})
    assert person.where is not None
    assert person.words["current_title"].to_ours == {"Dev": "Developer"}
    assert person.words["current_title"].to_theirs == {"Developer": "Dev"}
    assert person.custom_fields == {"notice_period": "Notice"}
    assert person.unwritable == {"addresses", "time_zone", "notice_period"}


@pytest.mark.parametrize("config", [{}, {"mapping": None}, {"mapping": {}}, {"mapping": {"candidate": None}}])
def test_nothing_said_is_nothing_mapped(config: dict[str, JsonValue]) -> None:
    assert mappings_of(config) == {}


def test_without_names_no_custom_field_goes_out() -> None:
    assert mapping_of(CANDIDATE, {"exclude": []}, "x").unwritable == {"custom_fields"}


@pytest.mark.parametrize(
    ("mapping", "path"),
    [
        ([], ""),
        ({"person": {}}, ".person"),
        ({"role": {"exclude": ["title"]}, "job": {"exclude": ["title"]}}, ".job"),
        ({"candidate": []}, ".candidate"),
        ({"candidate": {"filter": "x"}}, ".candidate.filter"),
        ({"candidate": {"since": "yesterday"}}, ".candidate.since"),
        ({"candidate": {"since": 20260101.5}}, ".candidate.since"),
        ({"candidate": {"where": ""}}, ".candidate.where"),
        ({"candidate": {"where": 3}}, ".candidate.where"),
        ({"candidate": {"where": "salary > 3"}}, ".candidate.where"),
        ({"candidate": {"where": "first_name.x"}}, ".candidate.where"),
        ({"candidate": {"exclude": "addresses"}}, ".candidate.exclude"),
        ({"candidate": {"exclude": ["salary"]}}, ".candidate.exclude"),
        ({"candidate": {"exclude": [["email"]]}}, ".candidate.exclude"),
        ({"application": {"exclude": ["job_id"]}}, ".application.exclude"),
        ({"candidate": {"read_only": ["salary"]}}, ".candidate.read_only"),
        ({"candidate": {"values": {"salary": {}}}}, ".candidate.values.salary"),
        ({"candidate": {"values": {"work_history": {"a": "b"}}}}, ".candidate.values.work_history"),
        ({"candidate": {"values": {"earliest_start": {"a": "b"}}}}, ".candidate.values.earliest_start"),
        ({"candidate": {"values": {"email": {"a": "b"}}}}, ".candidate.values.email"),
        ({"application": {"values": {"job_id": {"1": "2"}}}}, ".application.values.job_id"),
        ({"application": {"values": {"stage": ["a"]}}}, ".application.values.stage"),
        ({"application": {"values": {"stage": {"a": 3}}}}, ".application.values.stage"),
        ({"application": {"values": {"stage": {"a": " "}}}}, ".application.values.stage"),
        ({"application": {"values": {"stage": {"": "b"}}}}, ".application.values.stage"),
        ({"application": {"values": {"stage": {"a": "b" * (LONGEST_NAME + 1)}}}}, ".application.values.stage"),
        (
            {"application": {"values": {"stage": {f"{n}": f"{n}" for n in range(MOST + 1)}}}},
            ".application.values.stage",
        ),
        ({"application": {"values": {"stage": {"a": "c", "b": "c"}}}}, ".application.values.stage"),
        ({"candidate": {"set": "x"}}, ".candidate.set"),
        ({"candidate": {"set": {"salary": "1"}}}, ".candidate.set.salary"),
        ({"candidate": {"set": {"custom_fields": "1"}}}, ".candidate.set.custom_fields"),
        ({"application": {"set": {"job_id": "'1'"}}}, ".application.set.job_id"),
        ({"candidate": {"set": {"first_name": "nope(1)"}}}, ".candidate.set.first_name"),
        ({"candidate": {"set": {"email": "''"}, "exclude": ["email"]}}, ".candidate.set"),
        ({"candidate": {"set": {"email": "''"}, "read_only": ["email"]}}, ".candidate.read_only"),
        ({"candidate": {"read_only": ["email"], "exclude": ["email"]}}, ".candidate.read_only"),
        ({"candidate": {"values": {"tags": {"a": "b"}}, "exclude": ["tags"]}}, ".candidate.values"),
        ({"candidate": {"values": {"tags": {"a": "b"}}, "set": {"tags": "tags"}}}, ".candidate.values"),
        ({"candidate": {"custom_fields": ["a"]}}, ".candidate.custom_fields"),
        ({"candidate": {"custom_fields": {"a": "Notice", "b": "notice "}}}, ".candidate.custom_fields"),
    ],
)
def test_a_fault_names_its_path_and_a_remedy(mapping: Any, path: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        mappings_of({"mapping": mapping})
    assert refused.value.field == f"config.mapping{path}"
    assert str(refused.value).startswith(f"config.mapping{path}")
    assert refused.value.remedy


def test_two_words_that_become_one_are_only_read() -> None:
    map_: JsonValue = {"Telefon": "Screen", "Phone": "Screen"}
    with pytest.raises(InvalidInput) as refused:
        mapping_of(APPLICATION, {"values": {"stage": map_}}, "x")
    assert "Screen" in str(refused.value)
    assert refused.value.remedy is not None
    assert "read_only" in refused.value.remedy
    known = mapping_of(APPLICATION, {"values": {"stage": map_}, "read_only": ["stage"]}, "x")
    assert known.inbound({"stage": "Telefon"}) == known.inbound({"stage": "Phone"}) == {"stage": "Screen"}


def test_a_filter_has_a_name_and_another_filter_another() -> None:
    one: dict[str, JsonValue] = {"mapping": {"role": {"where": "title != 'x'"}, "candidate": {"exclude": ["tags"]}}}
    other: dict[str, JsonValue] = {"mapping": {"job": {"where": "title != 'y'"}, "candidate": {"since": "2026-01-01"}}}
    assert filters_of(one).keys() == {JOB}
    assert filters_of(other).keys() == {JOB, CANDIDATE}
    assert filters_of(one)[JOB] != filters_of(other)[JOB]
    assert filters_of({}) == filters_of({"mapping": {"job": {}}}) == {}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {}, []),
        ({"job": {}}, {}, []),
        ({"job": {"exclude": ["title"]}}, {"role": {"exclude": ["title"]}}, []),
        ({}, {"candidate": {"exclude": ["tags"]}}, [CANDIDATE]),
        ({"candidate": {"where": "True"}}, {}, [CANDIDATE, APPLICATION]),
        ({"job": {"since": "2026-01-01"}}, {"job": {"since": "2026-01-02"}}, [JOB, APPLICATION]),
        ({"application": {"where": "True"}}, {}, [APPLICATION]),
    ],
)
def test_what_is_looked_at_again_after_a_change(
    before: dict[str, JsonValue], after: dict[str, JsonValue], expected: list[EntityType]
) -> None:
    assert remapped({"mapping": before}, {"mapping": after}) == expected
