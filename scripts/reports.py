"""Read what pytest reported: how many tests passed, failed, were skipped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET


@dataclass(frozen=True)
class Tally:
    """Numbers of tests by outcome; an error in set-up or clean-up counts as failed."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.passed + other.passed,
            self.failed + other.failed,
            self.skipped + other.skipped,
        )


def read_report(path: Path) -> Tally:
    """Return the figures of pytest's JUnit report at *path*."""
    total = Tally()
    for suite in ET.parse(path).getroot().iter("testsuite"):  # noqa: S314 - our own report
        number = {key: int(suite.get(key, "0")) for key in ("tests", "failures", "errors", "skipped")}
        failed = number["failures"] + number["errors"]
        passed = number["tests"] - failed - number["skipped"]
        total += Tally(max(passed, 0), failed, number["skipped"])
    return total
