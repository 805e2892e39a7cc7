"""docs/specification.md: every row of a finished issue has a file that builds it and a test that proves it."""

from __future__ import annotations

import re

import pytest

from tests.unit.documents.pages import DECISIONS, DOCS, ROOT, decisions, is_a_test, names, rows, table

PAGE = DOCS / "specification.md"
LAST = 274
ISSUE_1 = frozenset(
    {
        *(1, 2, 3, 5, 15, 16, 17, 18, 19, 20, 21, 23, 24, 26, 30, 32, 33, 34, 35, 41),
        *range(55, 84),
        *range(85, 107),
        *(109, 110, 111, 112, 115, 116, 117, 120, 121, 122, 123, 124, 127, 128, 129, 130, 131, 132),
        *(140, 141, 156, 239, 245, 257, 258, 259),
    }
)
"""Numbers of the rows that issue 1 builds; a number, once given, stays for good."""

ISSUE_2 = frozenset(
    {
        *(4, 6, 10, 11, 36, 37, 38, 39, 113, 125, 126, 133, 135, 136, 138, 139, 167),
        *(191, 192, 193, 194, 195, 196, 197, 198, 199, 200, 238),
    }
)
"""Numbers of the rows that issue 2 has built so far."""

ROWS = {int(cells[0].removeprefix("S-")): cells for cells in rows(PAGE, r"S-\d{3}")}


def test_the_roadmap_counts_the_rows_of_each_step() -> None:
    later = [cells[2] for number, cells in ROWS.items() if number not in ISSUE_1 | ISSUE_2]
    told = {cells[0]: int(cells[2]) for cells in table(DOCS / "roadmap.md", "step")}
    assert told == {
        "1": len(ISSUE_1),
        "2": len(ISSUE_2) + later.count("issue 2"),
        **{str(step): later.count(f"issue {step}") for step in range(3, 11)},
    }
    assert f"Of its {LAST} rows, {LAST - len(later)} are built" in (DOCS / "roadmap.md").read_text("utf-8")
    assert f"the other {len(later)} belong" in (DOCS / "roadmap.md").read_text("utf-8")


def test_every_number_has_its_row_once_and_in_order() -> None:
    listed = [int(cells[0].removeprefix("S-")) for cells in rows(PAGE, r"S-\d{3}")]
    assert len(listed) == len(set(listed))
    assert sorted(listed) == list(range(1, LAST + 1))


def test_issue_1_has_97_rows() -> None:
    assert len(ISSUE_1) == 97


@pytest.mark.parametrize("number", sorted(ISSUE_1 | ISSUE_2), ids="S-{:03}".format)
def test_a_row_of_a_finished_issue_is_built_and_proved(number: int) -> None:
    _, asked, built, proved = ROWS[number]
    assert asked
    files = names(built)
    assert [each for each in files if not (ROOT / each).is_file()] == []
    tests, pages = names(proved), decisions(proved)
    assert [each for each in tests if not is_a_test(each)] == []
    assert [each for each in pages if not (DECISIONS / each).is_file()] == []
    assert (files and tests) or pages, "neither a file with a test nor a decision"


@pytest.mark.parametrize("number", sorted(set(range(1, LAST + 1)) - ISSUE_1 - ISSUE_2), ids="S-{:03}".format)
def test_a_row_of_a_later_issue_names_it(number: int) -> None:
    _, asked, issue = ROWS[number]
    assert asked
    assert re.fullmatch(r"issue ([2-9]|10)", issue), issue
