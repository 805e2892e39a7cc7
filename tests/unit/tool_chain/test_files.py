"""The files that tools and hosts read say what the project promises."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from scripts.stages import ROOT
from shared.setting_list import declared

REQUIREMENTS = sorted(ROOT.glob("requirements*.txt"))


@pytest.fixture(scope="module")
def host() -> dict[str, Any]:
    """The content of host.json."""
    content: dict[str, Any] = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))
    return content


def test_an_instance_takes_as_many_messages_as_the_setting_says(host: dict[str, Any]) -> None:
    queues = host["extensions"]["queues"]
    (batch_size,) = (each.default for each in declared() if each.variable == "SYNC_BATCH_SIZE")
    assert queues["batchSize"] + queues["newBatchThreshold"] == int(str(batch_size))


def test_queues_are_polled_and_given_up_as_designed(host: dict[str, Any]) -> None:
    queues = host["extensions"]["queues"]
    assert queues["maxDequeueCount"] == 5
    assert queues["maxPollingInterval"] == "00:00:01"
    assert queues["visibilityTimeout"] == "00:00:30"
    assert queues["messageEncoding"] == "base64"


def test_routes_have_no_prefix(host: dict[str, Any]) -> None:
    assert host["extensions"]["http"]["routePrefix"] == ""


def test_host_json_has_only_keys_that_the_host_knows(host: dict[str, Any]) -> None:
    # The host ignores unknown keys in silence, so a typing error would do nothing.
    assert set(host) == {"version", "functionTimeout", "extensions", "logging", "extensionBundle"}
    assert set(host["extensions"]) == {"http", "queues"}
    assert set(host["extensions"]["queues"]) == {
        "batchSize",
        "newBatchThreshold",
        "maxDequeueCount",
        "visibilityTimeout",
        "maxPollingInterval",
        "messageEncoding",
    }


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.name)
def test_requirements_are_pinned_with_hashes_and_name_no_host(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"https?://|file:|--(extra-)?index|--find-links", text)
    entries = re.findall(r"^[a-z0-9].*(?:\n    .*)*", text, flags=re.MULTILINE)
    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9.-]+==[\w.]+( ; .+)? \\\n    --hash=sha256:", entry), entry


def test_the_library_of_functions_follows_the_version_of_python() -> None:
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert re.search(r"^azure-functions==1\.\S+ ; python_full_version < '3.13'", text, flags=re.MULTILINE)
    assert re.search(r"^azure-functions==2\.\S+ ; python_full_version >= '3.13'", text, flags=re.MULTILINE)


def test_blobs_sign_with_a_version_that_azurite_verifies() -> None:
    # requirements.in says why.
    found = re.search(r"^azure-storage-blob==12\.(\d+)", (ROOT / "requirements.txt").read_text(), flags=re.MULTILINE)
    assert found is not None
    assert int(found[1]) <= 28


def test_what_tests_share_stands_in_no_file_of_tests() -> None:
    """What several files need has a module of its own, which says by its name what it is."""
    borrowed = re.compile(r"^\s*(?:from|import) tests\.\S*\btest_\w+", flags=re.MULTILINE)
    found = [path for path in (ROOT / "tests").rglob("*.py") if borrowed.search(path.read_text(encoding="utf-8"))]
    assert found == []
