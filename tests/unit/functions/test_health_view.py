"""What health says."""

from __future__ import annotations

import pytest

from shared.health import health_view
from shared.store.listings import Health

KEYS = {"healthy", "running", "processingCount", "queueDepth", "oldestJobAgeSeconds", "problems"}


def test_a_late_sweep_is_not_healthy() -> None:
    view = health_view(Health(2, 15, 3.25, 61.0), sweep_s=20)
    assert view["healthy"] is False
    assert view["problems"] == ["sweep_late"]


@pytest.mark.parametrize("age", [0.0, 20.0, 60.0])
def test_a_sweep_within_three_periods_is_running(age: float) -> None:
    view = health_view(Health(2, 15, 3.25, age), sweep_s=20)
    assert view == {
        "healthy": True,
        "running": True,
        "processingCount": 2,
        "queueDepth": 15,
        "oldestJobAgeSeconds": 3.2,
        "problems": [],
    }


def test_a_worker_that_never_swept_does_not_run() -> None:
    assert health_view(Health(0, 0, 0.0, None), sweep_s=20)["running"] is False


def test_what_is_not_known_is_not_claimed_to_be_zero() -> None:
    view = health_view(None, 20)
    assert set(view) == KEYS
    assert view["healthy"] is False
    assert view["queueDepth"] is None
