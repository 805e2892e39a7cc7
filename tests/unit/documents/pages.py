"""The project's pages, and the tests that they name, read as text."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
TESTS = ROOT / "tests"
DOCS = ROOT / "docs"
DECISIONS = DOCS / "decisions"

_CODE = re.compile(r"`([^`]+)`")
_DECISION = re.compile(r"\[[^\]]*\]\(decisions/([0-9]{4}-[a-z0-9-]+\.md)\)")


def rows(page: Path, pattern: str) -> list[list[str]]:
    """Return the cells of each table row of *page* whose first cell matches *pattern*."""
    found = []
    for line in page.read_text("utf-8").splitlines():
        if line.startswith("|"):
            cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
            cells = [cell.strip() for cell in cells]
            if re.fullmatch(pattern, cells[0]):
                found.append(cells)
    return found


def table(page: Path, first: str) -> list[list[str]]:
    """Return the rows of the table of *page* whose header starts with the cell *first*."""
    lines = page.read_text("utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {first} |"))
    found = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        found.append([cell.strip() for cell in line.strip().strip("|").split("|")])
    return found


def names(cell: str) -> list[str]:
    """Return what stands in backticks in *cell*."""
    return _CODE.findall(cell)


def decisions(cell: str) -> list[str]:
    """Return the decisions' pages that *cell* links to."""
    return _DECISION.findall(cell)


@cache
def tests_of(path: Path) -> frozenset[str]:
    """Return the names of the test functions in the file at *path*, those of classes as `Class::name`."""
    tree = ast.parse(path.read_text("utf-8"))
    return frozenset(_tests(tree.body))


def _tests(body: list[ast.stmt], prefix: str = "") -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield prefix + node.name
        elif isinstance(node, ast.ClassDef):
            yield from _tests(node.body, f"{prefix}{node.name}::")


def is_a_test(named: str) -> bool:
    """Whether *named* (`integration/sync/test_pull.py::test_…`, below `tests/`) is a test function that exists."""
    path, _, name = named.partition("::")
    file = TESTS / path
    return file.name.startswith("test_") and file.is_file() and name in tests_of(file)


@cache
def every_test() -> frozenset[str]:
    """Return every test of the tree as `path::name`, below `tests/`."""
    return frozenset(
        f"{path.relative_to(TESTS).as_posix()}::{name}" for path in TESTS.rglob("test_*.py") for name in tests_of(path)
    )
