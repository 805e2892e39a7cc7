"""`python -m sandbox demo --once` with fewer people than `make demo` has."""

from __future__ import annotations

import re

from sandbox.demo.steps import STEPS
from tests.acceptance.stack.running import sandbox


def test_the_story_is_told_and_every_step_is_good() -> None:
    told = sandbox("demo", "--once", "--people=120")
    assert told.returncode == 0, told.stdout + told.stderr
    rows = re.findall(r"^(ok|FAIL) {2,3}(\S.*?)  +\d+\.\d  ", told.stdout, re.MULTILINE)
    titles = ["stack up", "company connected", *(title for title, _ in STEPS), "both sides compared"]
    assert rows == [("ok", title) for title in titles]


def test_a_story_that_can_not_be_told_ends_with_1() -> None:
    told = sandbox("demo", "--once", "--people=0")
    assert told.returncode == 1
    assert re.search(r"^FAIL company connected .* NobodyFits", told.stdout, re.MULTILINE)
