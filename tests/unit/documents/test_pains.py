"""docs/pains.md: each pain has its tests or the issue that builds them; no test of a pain is left out."""

from __future__ import annotations

import re

import pytest

from tests.unit.documents.pages import DOCS, every_test, is_a_test, names, rows

PAGE = DOCS / "pains.md"
PAINS = 32
ROWS = {int(cells[0]): cells for cells in rows(PAGE, r"\d{1,2}")}
HOSTS = rows(PAGE, r"H\d")


def test_every_pain_has_its_row() -> None:
    assert sorted(ROWS) == list(range(1, PAINS + 1))
    assert HOSTS


@pytest.mark.parametrize("cells", [*ROWS.values(), *HOSTS], ids=lambda cells: cells[0])
def test_a_pain_has_tests_or_the_issue_that_builds_them(cells: list[str]) -> None:
    _, pain, answer, proof = cells
    assert pain
    assert answer
    tests = names(proof)
    assert [each for each in tests if not is_a_test(each)] == []
    assert tests or re.search(r"\bissue \d+\b", proof), "neither a test nor an issue"


@pytest.mark.parametrize("cells", ROWS.values(), ids=lambda cells: cells[0])
def test_a_pain_that_has_tests_has_one_that_bears_its_number(cells: list[str]) -> None:
    """So that it is found by the number alone."""
    tests = names(cells[3])
    assert not tests or any(f"::test_pain_{int(cells[0]):02}_" in each for each in tests)


def test_every_test_of_a_pain_stands_in_its_row() -> None:
    for named in sorted(every_test()):
        if found := re.search(r"::test_pain_(\d\d)_", named):
            assert named in names(ROWS[int(found[1])][3]), f"{named} is not in row {int(found[1])}"
