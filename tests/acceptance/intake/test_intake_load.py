"""Two minutes of `make intake`: the app in the local host, PostgreSQL stopped, every kind of integration."""

from __future__ import annotations

import pytest

from scripts.intake_load import main


def test_with_postgresql_stopped_nothing_is_lost_and_forgeries_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--rate", "200", "--duration", "120", "--rounds", "3"])

    said = capsys.readouterr().out
    assert code == 0, said
    assert "forged 401" in said
    assert "intake: passed" in said
