"""What health says of troubles that are no illness, and of those that are."""

from __future__ import annotations

from shared.health import health_view
from shared.store.listings import Health

WELL = Health(processing=1, due=0, oldest_due_age_s=0.0, sweep_age_s=5.0)


def test_lost_tables_are_a_problem_and_no_reason_to_take_the_app_out() -> None:
    view = health_view(WELL, 20, has_tables=False)
    assert (view["healthy"], view["problems"]) == (True, ["tables_unreachable"])


def test_knocks_that_vanish_are_an_illness_by_the_queues_name() -> None:
    sick = Health(processing=0, due=3, oldest_due_age_s=60.0, sweep_age_s=5.0, vanishing=("sync-bulk",))
    view = health_view(sick, 20)
    assert (view["healthy"], view["running"]) == (False, True)
    assert view["problems"] == ["knocks_vanish:sync-bulk"]


def test_all_troubles_are_told_at_once() -> None:
    assert health_view(None, 20, has_tables=False)["problems"] == ["database_unreachable", "tables_unreachable"]
