"""Three fixed points in CI: in a first sync, between a create's answer and our commit, between commit and knock."""

from __future__ import annotations

from sandbox.stack import running_stack
from tests.acceptance.kill_points.plan import table, waves
from tests.acceptance.kill_points.wave import run_wave


def test_after_a_killed_host_everything_comes_right_within_two_minutes_and_nothing_twice() -> None:
    (wave,) = waves(3, seed=1)
    with running_stack() as stack:
        results = run_wave(stack, wave.points, wave.seed)
    assert [each.wrong for each in results] == [[], [], []], table(results)
    assert [(each.creates, each.submissions) for each in results] == [(0, 0), (1, 1), (1, 1)], table(results)
