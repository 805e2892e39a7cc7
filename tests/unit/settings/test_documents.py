"""What is written about the settings, held against the settings."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from scripts.generate_settings_docs import written_files
from shared.setting_list import declared
from shared.settings import load_settings

ROOT = Path(__file__).parents[3]
SECRET = "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg="


def test_the_page_and_the_sample_are_what_the_declarations_say() -> None:
    for path, text in written_files().items():
        assert path.read_text() == text, f"{path.name} is out of date: run python -m scripts.generate_settings_docs"


def test_the_script_says_so_too() -> None:
    command = [sys.executable, "-m", "scripts.generate_settings_docs", "--check"]
    subprocess.run(command, cwd=ROOT, check=True, timeout=120)  # noqa: S603  # our own script


def test_the_sample_starts_once_its_secrets_are_filled_in() -> None:
    values = json.loads((ROOT / "local.settings.sample.json").read_text())["Values"]
    settings = load_settings({**values, "ENCRYPTION_SECRET": SECRET, "AUTH_JWT_SECRET": SECRET})
    assert settings.storage_connection.get_secret_value() == "UseDevelopmentStorage=true"


def test_every_setting_has_a_meaning_a_number_has_a_unit_and_no_secret_has_a_sample_that_works() -> None:
    for setting in declared():
        assert setting.description.endswith("."), setting.variable
        if (setting.default or "").isdigit():
            assert setting.unit, setting.variable
    secrets = {setting.variable for setting in declared() if setting.is_secret}
    assert {"ENCRYPTION_SECRET", "ENCRYPTION_SECRET_PREVIOUS", "AUTH_JWT_SECRET", "DATABASE_URL"} <= secrets
    assert not {"LOG_FORMAT", "SYNC_BATCH_SIZE", "PUBLIC_BASE_URL"} & secrets


def test_nobody_else_reads_the_environment() -> None:
    reading = re.compile(r"os\.(?:environ|getenv)")
    sources = [path for folder in ("shared", "functions") for path in (ROOT / folder).rglob("*.py")]
    readers = {path.relative_to(ROOT).as_posix() for path in sources if reading.search(path.read_text())}
    assert readers == {"shared/settings.py"}


def host_queues() -> dict[str, Any]:
    path = ROOT / "host.json"
    if not path.exists():
        pytest.fail("host.json is missing")
    queues: dict[str, Any] = json.loads(path.read_text())["extensions"]["queues"]
    return queues


def span(text: str) -> timedelta:
    hours, minutes, seconds = text.split(":")
    return timedelta(hours=int(hours), minutes=int(minutes), seconds=float(seconds))


def test_host_json_agrees_with_the_settings() -> None:
    settings = load_settings(
        {
            "DATABASE_URL": "postgresql://localhost/liaison",
            "AzureWebJobsStorage": "UseDevelopmentStorage=true",
            "ENCRYPTION_SECRET": SECRET,
            "AUTH_JWT_SECRET": SECRET,
        }
    )
    queues = host_queues()
    assert (queues["batchSize"], queues["newBatchThreshold"]) == (6, 4)
    assert queues["batchSize"] + queues["newBatchThreshold"] == settings.sync_batch_size
    assert span(queues["maxPollingInterval"]) <= timedelta(milliseconds=settings.sync_poll_interval_ms)
    assert span(queues["maxPollingInterval"]) == timedelta(seconds=1)
    assert queues["maxDequeueCount"] == 5
    assert queues["messageEncoding"] == "base64"
    assert span(queues["visibilityTimeout"]) == timedelta(seconds=settings.sync_visibility_seconds)
