"""Tests of telemetry look at every line: none may be of what other tests of the process counted."""

from __future__ import annotations

import pytest

from shared import telemetry


@pytest.fixture(autouse=True)
def _nothing_is_counted_yet() -> None:
    telemetry.write_counts()
