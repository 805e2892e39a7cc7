"""What a machine lacks is said loudly, and CI must lack nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.fixtures.lacking import LACKS, lacking


@pytest.fixture
def config() -> pytest.Config:
    """A run's configuration of its own, so that the real run reports nothing."""
    stand_in: Any = SimpleNamespace(stash=pytest.Stash())
    return cast("pytest.Config", stand_in)


def test_ci_fails_where_a_part_is_lacking(config: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no PgBouncer"):
        lacking(config, "no PgBouncer")


@pytest.mark.parametrize("value", ["", "false", "0"])
def test_elsewhere_the_test_is_skipped_and_the_end_of_the_run_repeats_it(
    config: pytest.Config, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("CI", value)
    with pytest.raises(pytest.skip.Exception):
        lacking(config, "no PgBouncer")
    assert config.stash[LACKS] == ["no PgBouncer"]
