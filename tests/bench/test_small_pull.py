"""The bench at a tenth of its size: what holds on any machine. Times are noted in the report, never asserted."""

from __future__ import annotations

from collections.abc import Callable

from tests.bench.__main__ import MOST_RSS_BYTES
from tests.bench.floor import measure_floor
from tests.bench.pull import pull, versions
from tests.bench.stack import running_stack

PEOPLE = 2_000


def test_a_second_pull_rewrites_nothing_and_memory_stays_small(record_property: Callable[[str, object], None]) -> None:
    with running_stack(PEOPLE) as stack:
        first = pull(stack)
        before = versions(stack)
        floor = measure_floor(stack.admin_dsn, stack.owner_dsn, stack.simulator)
        second = pull(stack)
        after = versions(stack)
    record_property("seconds", {"floor": floor.seconds, "first": first.seconds, "second": second.seconds})
    assert first.figures["rows"] == PEOPLE
    assert first.figures["created"] == floor.rows == len(before["records"])
    assert first.peak_rss_bytes < MOST_RSS_BYTES
    assert second.peak_rss_bytes < MOST_RSS_BYTES
    assert (second.figures["created"], second.figures["updated"]) == (0, 0)
    assert after == before
