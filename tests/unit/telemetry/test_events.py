"""Events, their context, and how they are written."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from shared import telemetry
from shared.telemetry.events import EventRecord
from shared.telemetry.lines import Columns, JsonLines
from shared.telemetry.metrics import MAX_SERIES, PERIOD_S, Counts

log = telemetry.get_logger("shared.sync.workers.runner")


class Keeper(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def only(events: list[telemetry.Captured]) -> telemetry.Captured:
    assert len(events) == 1
    return events[0]


def test_an_event_carries_its_fields_and_what_is_bound() -> None:
    with telemetry.captured() as events, telemetry.bound(job_id="j1", platform="greenhouse"):
        with telemetry.bound(job_id="j2"):
            log.info("job_finished", outcome="complete", duration_ms=12)
        log.warning("job_retried")
    assert events[0].fields == {"job_id": "j2", "platform": "greenhouse", "outcome": "complete", "duration_ms": 12}
    assert events[0].level == "info"
    assert events[1].fields == {"job_id": "j1", "platform": "greenhouse"}
    assert not telemetry.bound_fields()


async def test_tasks_that_run_side_by_side_do_not_share_what_they_bind() -> None:
    async def work(job: str) -> None:
        with telemetry.bound(job_id=job):
            await asyncio.sleep(0)
            log.info("job_finished", own=job)

    with telemetry.captured() as events:
        await asyncio.gather(*(work(f"j{number}") for number in range(10)))
    assert len(events) == 10
    assert all(event.fields["job_id"] == event.fields["own"] for event in events)


def test_an_exception_tells_class_and_place_and_not_what_it_quotes() -> None:
    with telemetry.captured() as events:
        try:
            {"Jane Canary": 1}["jane@canary.example"]
        except KeyError:
            log.exception("job_crashed", job_id="j1")
    event = only(events)
    assert event.level == "error"
    assert event.fields["error_class"] == "KeyError"
    (place,) = event.fields["stack"] if isinstance(event.fields["stack"], list) else []
    assert str(place).startswith("test_events.py:")
    assert "canary" not in str(event.fields).lower()


def test_a_name_that_is_built_from_data_is_not_written() -> None:
    with telemetry.captured() as events:
        log.info("candidate Jane Canary updated")
    assert only(events).event == "event_name_invalid"


def test_a_level_that_is_off_costs_nothing_and_writes_nothing() -> None:
    with telemetry.captured(logging.INFO) as events:
        log.debug("page_read")
    assert not events


def test_json_lines_are_one_object_each_whose_head_no_field_can_take() -> None:
    keeper = Keeper()
    logger = logging.getLogger("liaison.sync.workers.runner")
    logger.addHandler(keeper)
    try:
        with telemetry.captured(), telemetry.continued(None) as span:
            log.info("job_finished", level="canary", event_count=1, logger="canary", path="ü\n{}")
            telemetry.get_logger("sync.workers.runner").metric("job_ms", 12.5, {"entity": "candidate"})
    finally:
        logger.removeHandler(keeper)
    lines = [json.loads(JsonLines().format(record)) for record in keeper.records]
    assert lines[0]["level"] == "info"
    assert lines[0]["logger"] == "liaison.sync.workers.runner"
    assert lines[0]["trace_id"] == span.trace_id
    assert lines[0]["time"].endswith("+00:00")
    assert lines[1] | {"value": 12.5, "entity": "candidate", "event": "job_ms"} == lines[1]
    text = Columns().format(keeper.records[1])
    assert " info    job_ms " in text
    assert text.endswith("value=12.5 entity=candidate")


def test_text_of_libraries_is_not_repeated() -> None:
    record = logging.LogRecord("liaison.x", logging.INFO, "", 0, "GET %s", ("jane@canary.example",), None)
    assert "canary" not in JsonLines().format(record) + Columns().format(record)


def test_a_handler_that_knows_nothing_of_events_shows_them_whole() -> None:
    record = EventRecord("liaison.x", logging.INFO, "job_finished", {"outcome": "complete"}, None)
    assert logging.Formatter("%(message)s").format(record) == "job_finished outcome=complete"


def test_counts_are_added_up_and_written_together() -> None:
    with telemetry.captured() as events:
        for _ in range(1000):
            telemetry.count("webhook_rejected", platform="greenhouse")
        telemetry.count("webhook_rejected", 5, platform="lever")
        assert not events
    assert [(event.event, event.value, event.fields) for event in events] == [
        ("webhook_rejected", 1000, {"platform": "greenhouse"}),
        ("webhook_rejected", 5, {"platform": "lever"}),
    ]


def test_counts_leave_when_they_are_old_or_many() -> None:
    written: list[tuple[str, float]] = []
    now = 0.0
    counts = Counts(lambda name, value, _: written.append((name, value)), lambda: now)
    counts.add("a", 1, {})
    now = PERIOD_S
    counts.add("a", 2, {})
    assert written == [("a", 3)]
    for number in range(MAX_SERIES):
        counts.add("b", 1, {"n": number})
    assert len(written) == 1 + MAX_SERIES


def test_a_measurement_is_an_event_of_its_own() -> None:
    with telemetry.captured() as events:
        telemetry.measure("page_ms", 31.5, entity="candidate", integration_id="i1")
    assert only(events).value == 31.5
    assert only(events).fields == {"entity": "candidate", "integration_id": "i1"}


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


def test_a_trace_is_continued_in_a_child_and_restored_after() -> None:
    with telemetry.captured() as events:
        with telemetry.continued(f"00-{TRACE}-{SPAN}-01") as outer:
            with telemetry.continued(None) as inner:
                log.info("job_finished")
            assert telemetry.current_trace() == outer
        log.info("job_finished")
    assert outer.trace_id == inner.trace_id == events[0].trace_id == TRACE
    assert len({outer.span_id, inner.span_id, SPAN}) == 3
    assert telemetry.current_trace() is None
    assert events[1].trace_id == "0" * 32
    assert telemetry.parse_trace(str(outer)) == outer


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "canary",
        f"00-{TRACE}-{SPAN}",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
    ],
)
def test_a_malformed_traceparent_begins_a_new_trace(header: str | None) -> None:
    assert telemetry.parse_trace(header) is None
    with telemetry.continued(header) as span:
        assert span.trace_id != TRACE
        assert telemetry.parse_trace(str(span)) == span


def test_a_later_version_may_carry_more() -> None:
    trace = telemetry.parse_trace(f"01-{TRACE}-{SPAN}-00-more")
    assert trace is not None
    assert trace.flags == "00"
