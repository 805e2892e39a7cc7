"""How urgent what is, and which queue carries it. That docs/ledger.md says the same: tests/integration/ledger."""

from __future__ import annotations

import pytest

from shared.model import UNITS, EntityType
from shared.store.queues import QUEUE_BY_PRIORITY, queue_for
from shared.sync.jobs import priorities
from shared.sync.jobs.priorities import OTHER_EDIT, UNIT_PRIORITY, priority_of


def test_every_unit_with_a_priority_exists() -> None:
    for entity, table in UNIT_PRIORITY.items():
        assert set(table) <= set(UNITS[entity])


@pytest.mark.parametrize("entity", list(EntityType))
def test_units_of_every_entity_are_edits_like_others_unless_they_are_named(entity: EntityType) -> None:
    assert priority_of(entity, ["custom_fields"]) == OTHER_EDIT


@pytest.mark.parametrize("unit", ["name", "email", "phone"])
def test_what_the_specification_calls_urgent_is(unit: str) -> None:
    assert queue_for(priority_of(EntityType.CANDIDATE, [unit])) == "sync-urgent"
    for each in ("stage", "status"):
        assert queue_for(priority_of(EntityType.APPLICATION, [each])) == "sync-urgent"
    assert queue_for(priorities.WEBHOOK_SIGNAL) == queue_for(priorities.MANUAL_RECORD) == "sync-urgent"


def test_other_edits_and_increments_are_normal_and_first_syncs_are_bulk() -> None:
    for each in (OTHER_EDIT, priorities.INCREMENTAL_PULL, priorities.OUTBOUND_SWEEP, priorities.PARENT_FETCH):
        assert queue_for(each) == "sync-normal"
    for each in (priorities.FIRST_SYNC, priorities.FULL_COMPARISON):
        assert queue_for(each) == "sync-bulk"


def test_a_job_is_as_urgent_as_its_most_urgent_unit() -> None:
    assert priority_of(EntityType.APPLICATION, ["source", "rejection_reason", "stage"]) == 2
    assert priority_of(EntityType.CANDIDATE, ["current_title"]) == OTHER_EDIT
    assert priority_of(EntityType.CANDIDATE, []) == OTHER_EDIT
    assert priority_of(EntityType.JOB, ["status"]) == 3
    # The same word at another entity is another unit.
    assert priority_of(EntityType.JOB, ["stage"]) == OTHER_EDIT


def test_one_to_ten_has_a_queue_and_nothing_else_has() -> None:
    found = [queue_for(priority) for priority in range(1, 11)]
    assert found == ["sync-urgent"] * 3 + ["sync-normal"] * 4 + ["sync-bulk"] * 3
    assert list(QUEUE_BY_PRIORITY.values()) == ["sync-urgent", "sync-normal", "sync-bulk"]
    for priority in (0, 11, -1):
        with pytest.raises(ValueError, match=str(priority)):
            queue_for(priority)


def test_names_of_handlers_are_told_apart() -> None:
    names = (priorities.RECONCILE, priorities.PULL, priorities.PUBLISH, priorities.PUSH_MOVED)
    assert names == ("reconcile", "pull", "publish_webhook_state", "push_moved")  # they stand in rows
