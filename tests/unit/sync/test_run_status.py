"""What a live view is told of a run, and for how long."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from shared.model import Direction, EntityType, RunStatus
from shared.store.runs import Counts, Run
from shared.sync.runs.run_status import entry_of

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
COMPANY = uuid4()
RUN = Run(
    id=uuid4(),
    integration_id=uuid4(),
    parent_id=None,
    entity=EntityType.CANDIDATE,
    direction=Direction.INBOUND,
    mode="full",
    trigger="manual",
    status=RunStatus.RUNNING,
    started_at=NOW - timedelta(minutes=1),
    ended_at=None,
    counts=Counts(read=500),
    coverage={},
    evidence=None,
    error=None,
    is_cancel_requested=False,
)


def test_s_127_a_running_sync_is_shown_for_an_hour() -> None:
    assert entry_of(COMPANY, RUN, NOW) == {
        "sync_id": str(RUN.id),
        "company_id": str(COMPANY),
        "entity": "candidates",
        "status": "running",
        "started_at": "2026-11-22T11:59:00+00:00",
        "records_synced": 500,
        "expires_at": "2026-11-22T13:00:00+00:00",
    }


@pytest.mark.parametrize(
    ("status", "key"),
    [
        (RunStatus.COMPLETE, "completed_at"),
        (RunStatus.PARTIAL, "completed_at"),
        (RunStatus.FAILED, "failed_at"),
        (RunStatus.CANCELLED, "failed_at"),
    ],
)
def test_s_127_an_ended_sync_is_shown_for_a_day(status: RunStatus, key: str) -> None:
    told = entry_of(COMPANY, replace(RUN, status=status, ended_at=NOW, error="why"), NOW)
    assert told["status"] == status.value
    assert told[key] == NOW.isoformat()
    assert ({"completed_at", "failed_at"} & told.keys()) == {key}
    assert told["error"] == "why"
    assert told["expires_at"] == "2026-11-23T12:00:00+00:00"


def test_a_run_over_several_entities_is_shown_as_all() -> None:
    assert entry_of(COMPANY, replace(RUN, entity=None), NOW)["entity"] == "all"
