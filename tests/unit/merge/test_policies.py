"""What a customer decides about merging is checked when it is saved: the fault names the unit and what to do."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from shared.errors import InvalidInput
from shared.merge.policies import first_link_of, overrides_of
from shared.model.enums import EntityType
from shared.model.fields import Party, Policy

GIVEN: dict[str, JsonValue] = {
    "candidate": {
        "current_title": "critical",
        "tags": "append",
        "phone": {"policy": "lww", "loosen": True},
        "email": "critical",
    },
    "role": {"department": {"policy": "authority", "authority": "portal"}},
    "application": {"stage": {"policy": "authority", "authority": "integration"}},
}


def test_policies_are_read_by_entity_and_unit() -> None:
    found = overrides_of({"policies": GIVEN})
    assert found[EntityType.CANDIDATE].policies == {
        "current_title": Policy.CRITICAL,
        "tags": Policy.APPEND,
        "phone": Policy.LWW,
        "email": Policy.CRITICAL,
    }
    assert found[EntityType.APPLICATION].policies == {"stage": Policy.AUTHORITY}
    assert found[EntityType.APPLICATION].authorities == {"stage": Party.INTEGRATION}
    assert found[EntityType.JOB].authorities == {"department": Party.PORTAL}


def test_nothing_said_is_nothing_otherwise() -> None:
    assert (overrides_of({}), overrides_of({"policies": None}), first_link_of({})) == ({}, {}, None)
    assert first_link_of({"first_link": "portal"}) is Party.PORTAL


def test_the_system_at_the_other_end_may_be_named_by_its_kind() -> None:
    assert first_link_of({"first_link": "ats"}) is Party.INTEGRATION
    found = overrides_of({"policies": {"application": {"stage": {"policy": "authority", "authority": "ats"}}}})
    assert found[EntityType.APPLICATION].authorities == {"stage": Party.INTEGRATION}


@pytest.mark.parametrize(
    ("policies", "field", "remedy"),
    [
        ([], "config.policies", "candidate"),
        ({"person": {}}, "config.policies.person", "candidate"),
        ({"candidate": "lww"}, "config.policies.candidate", "phone"),
        ({"candidate": {"shoe_size": "lww"}}, "config.policies.candidate.shoe_size", "current_title"),
        ({"candidate": {"last_name": "lww"}}, "config.policies.candidate.last_name", "policy of name"),
        ({"candidate": {"tags": "merge"}}, "config.policies.candidate.tags", "union"),
        ({"candidate": {"tags": 7}}, "config.policies.candidate.tags", "lww"),
        ({"candidate": {"tags": {"policy": "lww", "why": "x"}}}, "config.policies.candidate.tags", "authority"),
        ({"candidate": {"current_title": "union"}}, "config.policies.candidate.current_title", "critical"),
        ({"candidate": {"current_title": "append"}}, "config.policies.candidate.current_title", "critical"),
        ({"candidate": {"phone": "lww"}}, "config.policies.candidate.phone", "loosen"),
        (
            {"candidate": {"name": {"policy": "authority", "authority": "portal"}}},
            "config.policies.candidate.name",
            "loo",
        ),
        ({"application": {"stage": "authority"}}, "config.policies.application.stage.authority", "integration"),
        (
            {"application": {"stage": {"policy": "lww", "authority": "portal"}}},
            "config.policies.application.stage.authority",
            "leave it out",
        ),
    ],
)
def test_a_fault_names_the_unit_and_the_remedy(policies: JsonValue, field: str, remedy: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        overrides_of({"policies": policies})
    assert raised.value.field == field
    assert raised.value.remedy is not None
    assert remedy in raised.value.remedy
    assert field in str(raised.value)


@pytest.mark.parametrize(
    ("policies", "message", "remedy"),
    [
        ([], ": must be an object by entity", '{"candidate": {…}}'),
        ({"person": {}}, ".person: there is no such entity", "choose one of: application, candidate, job"),
        ({"candidate": "lww"}, ".candidate: must be an object by unit", '{"phone": "critical"}'),
        ({"candidate": {"shoe_size": "lww"}}, ".candidate.shoe_size: a candidate has no such unit", None),
        (
            {"candidate": {"tags": "merge"}},
            ".candidate.tags: must be one of the listed",
            "choose one of: append, authority, critical, lww, union",
        ),
        (
            {"candidate": {"tags": {"policy": "lww", "why": "x"}}},
            ".candidate.tags: must be a policy, or an object with policy, authority and loosen",
            '"lww", or {"policy": "authority", "authority": "integration"}',
        ),
        (
            {"candidate": {"current_title": "union"}},
            ".candidate.current_title: union is for lists, and current_title is none",
            "choose one of: authority, critical, lww",
        ),
        (
            {"application": {"stage": {"policy": "lww", "authority": "portal"}}},
            ".application.stage.authority: only the policy authority has one",
            'leave it out, or make the policy "authority"',
        ),
    ],
)
def test_a_fault_is_told_in_these_words(policies: JsonValue, message: str, remedy: str | None) -> None:
    with pytest.raises(InvalidInput) as raised:
        overrides_of({"policies": policies})
    assert str(raised.value) == f"config.policies{message}"
    assert remedy in (None, raised.value.remedy)


def test_all_that_may_be_said_of_one_unit_may_be_said_together() -> None:
    asked: JsonValue = {"phone": {"policy": "authority", "authority": "portal", "loosen": True}}
    assert overrides_of({"policies": {"candidate": asked}})[EntityType.CANDIDATE].authorities == {"phone": Party.PORTAL}


def test_a_preference_on_first_link_is_one_of_two() -> None:
    with pytest.raises(InvalidInput, match=r"^config\.first_link: must be one of the listed$"):
        first_link_of({"first_link": "greenhouse"})
