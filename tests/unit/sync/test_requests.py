"""Requests that meet in one batch, messages as workers read them, and faults to order."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from shared.model import Direction
from shared.store.jobs import JobRequest, Knock, coalesced
from shared.store.queues import knock_body
from shared.sync.workers.faults import OrderedFault, fault_from
from shared.sync.workers.runner import read_knock
from tests.unit.sync.parts import CANDIDATE, INTEGRATION, NOON, job


def request(**changes: Any) -> JobRequest:
    return JobRequest(**{
        "integration_id": INTEGRATION,
        "action": "pull",
        "entity": CANDIDATE,
        "record_key": "all",
        "direction": Direction.INBOUND,
        "priority": 5,
        **changes,
    })  # fmt: skip


def test_two_requests_become_the_more_urgent_and_the_fuller() -> None:
    full, other = (
        request(priority=8, payload={"mode": "full", "a": 1}),
        request(priority=3, payload={"mode": "x", "b": 2}),
    )
    for found in (coalesced(full, other), coalesced(other, full)):
        assert found.priority == 3
        assert found.payload == {"mode": "full", "a": 1, "b": 2}
    assert coalesced(other, other).payload["mode"] == "x"


def test_the_earlier_time_counts_and_no_time_means_now() -> None:
    soon, late = request(due_at=NOON), request(due_at=NOON + timedelta(hours=1))
    assert coalesced(soon, late).due_at == coalesced(late, soon).due_at == NOON
    assert coalesced(soon, request()).due_at is None
    assert coalesced(request(), soon).due_at is None


def test_it_waits_for_an_event_only_if_both_do() -> None:
    held, free = request(hold_reason="parent:7"), request(due_at=NOON)
    assert coalesced(held, request(hold_reason="parent:8")).hold_reason == "parent:7"
    for found in (coalesced(held, free), coalesced(free, held)):
        assert (found.hold_reason, found.due_at) == (None, NOON)


def test_the_run_of_either_is_kept() -> None:
    run, other = UUID(int=5), UUID(int=6)
    assert coalesced(request(), request(run_id=run)).run_id == run
    assert coalesced(request(run_id=run), request(run_id=other)).run_id == run


def test_a_message_is_read_as_it_was_written() -> None:
    knock = Knock(UUID(int=1), UUID(int=2), 3, 9)
    found = read_knock(knock_body(knock, "00-trace"))
    assert found is not None
    assert (found.company_id, found.job_id, found.epoch) == (UUID(int=1), UUID(int=2), 3)
    assert read_knock(knock_body(knock, None)) is not None


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b"null", b"[1]", b"{}", b'{"company_id": 1, "job_id": 2, "epoch": 3}', b'{"v": 1}']
)
def test_a_message_that_names_no_job_is_no_knock(body: bytes) -> None:
    assert read_knock(body) is None


def test_unknown_keys_of_a_newer_release_are_passed_over() -> None:
    body = knock_body(Knock(UUID(int=1), UUID(int=2), 3, 9), None).replace(b'"v":1', b'"v":2,"more":{}')
    assert read_knock(body) is not None


def test_a_fault_is_raised_for_the_jobs_that_the_file_names_until_it_is_gone(tmp_path: Path) -> None:
    file = tmp_path / "faults"
    fault = fault_from(str(file))
    assert fault is not None
    one = job()
    fault(one)  # no file, no fault
    for marker in (str(one.id), one.record_key):
        file.write_text(f"other\n{marker}\n", encoding="utf-8")
        with pytest.raises(OrderedFault):
            fault(one)
    file.write_text("other", encoding="utf-8")
    fault(one)
    file.unlink()
    fault(one)


def test_without_a_setting_there_are_no_faults() -> None:
    assert fault_from(None) is None
