"""What a client may say of an integration."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from shared.integrations.requests import CreateIntegration, PatchIntegration, platform_name


def refused(model: type[CreateIntegration | PatchIntegration], body: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(body)
    return ".".join(str(step) for step in caught.value.errors()[0]["loc"] if step != "[key]")


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "platform"),
        ({"platform": "greenhouse", "webhook_url": "https://mine.example/hook"}, "webhook_url"),
        ({"platform": "greenhouse", "webhook_url": None}, "webhook_url"),
        ({"platform": "greenhouse", "api_keys": "x"}, "api_keys"),
        ({"platform": "greenhouse", "max_retries": 6}, "max_retries"),
        ({"platform": "greenhouse", "schedules": [{"entity": "job", "every_s": 299}]}, "schedules.0.every_s"),
        ({"platform": "greenhouse", "schedules": [{"entity": "job", "every_s": 86401}]}, "schedules.0.every_s"),
        (
            {"platform": "g", "schedules": [{"entity": "job", "every_s": 300, "time_zone": "Mars"}]},
            "schedules.0.time_zone",
        ),
    ],
)
def test_a_create_that_can_not_be_meant_is_refused_by_path(body: dict[str, Any], path: str) -> None:
    assert refused(CreateIntegration, body) == path


@pytest.mark.parametrize("directions", [{"candidate": "sideways"}, {"cat": "inbound"}, "both"])
def test_unknown_directions_are_refused(directions: object) -> None:
    body = {"platform": "greenhouse", "config": {"directions": directions}}
    assert refused(CreateIntegration, body).startswith("config")


def test_role_means_job_in_directions_and_schedules() -> None:
    request = CreateIntegration.model_validate(
        {
            "platform": "greenhouse",
            "config": {"directions": {"role": "inbound", "candidate": "both"}, "user_id": "7"},
            "schedules": [{"entity": "role", "every_s": 300}],
        }
    )
    assert request.config.given() == {"directions": {"job": "inbound", "candidate": "both"}, "user_id": "7"}
    assert request.schedules[0].entity == "job"


def test_platforms_have_synonyms() -> None:
    assert [platform_name(name) for name in ("sap", "mock", " Greenhouse ", "lever")] == [
        "sap_successfactors",
        "generic",
        "greenhouse",
        "lever",
    ]


def test_credentials_are_not_printed() -> None:
    assert "hush" not in repr(CreateIntegration.model_validate({"platform": "greenhouse", "api_key": "hush"}))
