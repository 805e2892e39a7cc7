"""The host's settings (docs/local-host.md, section 1)."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.host.settings import BadSettings, environment_with_local, read_settings, time_span


def _app(root: Path, host: dict[str, Any]) -> Path:
    (root / "host.json").write_text(json.dumps(host))
    return root


def test_what_is_not_stated_is_as_in_the_cloud(tmp_path: Path) -> None:
    settings = read_settings(_app(tmp_path, {"version": "2.0"}), {})
    assert settings.route_prefix == "api"
    assert settings.function_timeout == timedelta(minutes=30)
    assert settings.body_limit_bytes == 104_857_600
    assert settings.queues.batch_size == 16
    assert settings.queues.max_dequeue_count == 5
    assert settings.queues.visibility_timeout == timedelta(0)
    assert settings.queues.encodes_base64
    assert (settings.timings.lease, settings.timings.lock, settings.timings.lock_retry) == (
        600,
        60,
        60,
    )


def test_the_environment_overrides_host_json_without_regard_to_case(tmp_path: Path) -> None:
    root = _app(tmp_path, {"extensions": {"Queues": {"batchSize": 8}}})
    override = {
        "AzureFunctionsJobHost__extensions__queues__BATCHSIZE": "4",
        "azurefunctionsjobhost__functionTimeout": "00:00:10",
        "AzureFunctionsJobHost__extensions__http__routePrefix": "",
    }
    settings = read_settings(root, override)
    assert settings.function_timeout == timedelta(seconds=10)
    assert settings.route_prefix == ""
    given = json.loads((root / "host.json").read_text())
    assert given == {"extensions": {"Queues": {"batchSize": 8}}}
    lower = _app(tmp_path, {"extensions": {"queues": {"batchSize": 8}}})
    assert read_settings(lower, override).queues.batch_size == 4


def test_values_of_the_file_lie_under_the_environment(tmp_path: Path) -> None:
    values = {"IsEncrypted": False, "Values": {"A": "file", "B": "file"}}
    (tmp_path / "local.settings.json").write_text(json.dumps(values))
    assert environment_with_local(tmp_path, {"B": "environment"}) == {
        "A": "file",
        "B": "environment",
        "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
    }


def test_references_are_replaced_and_missing_ones_named(tmp_path: Path) -> None:
    settings = read_settings(_app(tmp_path, {}), {"QUEUE": "jobs"})
    assert settings.resolve("%QUEUE%-urgent") == "jobs-urgent"
    with pytest.raises(BadSettings, match="%OTHER%"):
        settings.resolve("%OTHER%")


@pytest.mark.parametrize(
    ("name", "value", "disabled"),
    [
        ("AzureWebJobs.f.Disabled", "true", True),
        ("AzureWebJobs__f__Disabled", "1", True),
        ("AzureWebJobs.f.Disabled", "false", False),
        ("AzureWebJobs.g.Disabled", "true", False),
    ],
)
def test_a_function_is_disabled_by_setting(tmp_path: Path, name: str, value: str, disabled: bool) -> None:
    assert read_settings(_app(tmp_path, {}), {name: value}).is_disabled("f") is disabled


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("00:00:01", 1),
        ("00:00:00.500", 0.5),
        ("1.02:03:04", 93_784),
        ("00:05", 300),
        (1, 86_400),
        ("2", 172_800),
    ],
)
def test_durations(text: object, seconds: float) -> None:
    assert time_span(text).total_seconds() == seconds


@pytest.mark.parametrize(
    "host",
    [
        {"extensions": {"queues": {"batchSize": 33}}},
        {"extensions": {"queues": {"batchSize": 0}}},
        {"extensions": {"queues": {"newBatchThreshold": -1}}},
        {"extensions": {"queues": {"maxDequeueCount": 0}}},
        {"extensions": {"queues": {"maxPollingInterval": "00:00:00.050"}}},
        {"extensions": {"queues": {"messageEncoding": "hex"}}},
        {"extensions": {"queues": {"visibilityTimeout": "soon"}}},
        {"functionTimeout": "00:00:00"},
    ],
)
def test_values_out_of_the_hosts_bounds_are_refused(tmp_path: Path, host: dict[str, Any]) -> None:
    with pytest.raises(BadSettings):
        read_settings(_app(tmp_path, host), {})


def test_no_timeout_is_minus_one(tmp_path: Path) -> None:
    assert read_settings(_app(tmp_path, {"functionTimeout": "-1"}), {}).function_timeout is None


def test_the_host_id_is_the_same_every_time_and_short_enough(tmp_path: Path) -> None:
    root = tmp_path / ("Long App " * 9)
    root.mkdir()
    first, second = (read_settings(root, {}).host_id for _ in range(2))
    assert first == second
    assert len(first) <= 32
    assert read_settings(root, {"AzureFunctionsWebHost__hostid": "Mine"}).host_id == "mine"
