"""What every test of the simulation stands on."""

from __future__ import annotations

import pytest

from shared.adapters import registry


@pytest.fixture(autouse=True)
def platforms_of_this_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """The vendors that a world registers are gone with its test: all tests of a process share the registry."""
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
