"""Platforms and the adapters behind them."""

from __future__ import annotations

from typing import Any

import pytest

from shared import adapters
from shared.adapters import registry
from shared.errors import InvalidInput


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))


def test_an_unknown_platform_is_refused_with_the_known_names() -> None:
    with pytest.raises(InvalidInput) as raised:
        adapters.get("taleo")
    assert raised.value.field == "platform"
    assert "greenhouse" in str(raised.value.remedy)


@pytest.mark.usefixtures("clean")
def test_an_adapter_is_added_by_registering_it() -> None:
    made: Any = type("Other", (), {"platform": "other"})
    registry.register(made)
    assert adapters.get("other") is made
    assert "other" in adapters.platforms()


def test_every_platform_opens_under_its_own_name() -> None:
    assert [adapters.get(name).platform for name in adapters.platforms()] == list(adapters.platforms())
