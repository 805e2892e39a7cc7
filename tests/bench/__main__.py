"""
`python -m tests.bench`: a pull of 20,000 candidates beside its floor, then a second one that must rewrite nothing.

`--people 2000` makes it small. Exit code 1 when the memory or the second pull is not as promised; times are printed
and judged by people, since machines differ.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tests.bench.floor import Floor, measure_floor
from tests.bench.pull import Pulled, pull, versions
from tests.bench.stack import running_stack

PEOPLE = 20_000
MOST_RATIO = 3.0
MOST_RSS_BYTES = 150 * 1024 * 1024


def main() -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--people", type=int, default=PEOPLE)
    asked = parser.parse_args()
    with running_stack(asked.people) as stack:
        first = pull(stack)
        before = versions(stack)
        floor = measure_floor(stack.admin_dsn, stack.owner_dsn, stack.simulator)
        second = pull(stack)
        rewritten = [table for table, rows in versions(stack).items() if rows != before[table]]
    sys.stdout.write(report(asked.people, first, second, floor, rewritten))
    return 1 if rewritten or first.peak_rss_bytes > MOST_RSS_BYTES or second.figures["updated"] else 0


def report(people: int, first: Pulled, second: Pulled, floor: Floor, rewritten: Sequence[str]) -> str:
    """Return the figures as lines for people."""
    size = floor.size_bytes / people
    lines = [
        f"{people} candidates, {size:.0f} bytes each, pages of 500; {floor.rows} rows of records written",
        f"{'':<24}{'seconds':>9}{'x floor':>9}{'CPU s':>9}{'RSS MB':>9}  figures",
        f"{'floor: fetch, parse':<24}{floor.fetch_s:>9.2f}",
        f"{'floor: COPY, INSERT':<24}{floor.write_s:>9.2f}",
        f"{'floor':<24}{floor.seconds:>9.2f}{1:>9.2f}",
    ]
    for name, pulled in (("first pull", first), ("second, nothing new", second)):
        ratio = pulled.seconds / floor.seconds
        told = ", ".join(f"{key} {pulled.figures[key]}" for key in ("created", "updated", "unchanged", "skipped"))
        lines.append(
            f"{name:<24}{pulled.seconds:>9.2f}{ratio:>9.2f}{pulled.cpu_s:>9.2f}"
            f"{pulled.peak_rss_bytes / 2**20:>9.0f}  {told}; own seconds {pulled.figures['seconds']:.2f}"
        )
    verdict = "within" if first.seconds <= MOST_RATIO * floor.seconds else "OVER"
    lines.append(f"first pull: {verdict} {MOST_RATIO} x the floor; memory: at most {MOST_RSS_BYTES // 2**20} MB")
    lines.append(f"second pull: rewrote {', '.join(rewritten) or 'no row of records or links'}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
