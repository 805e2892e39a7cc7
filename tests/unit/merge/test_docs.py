"""docs/merge.md says what the rules do: its examples are run and its names are all of them."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import JsonValue

from shared.merge.merge import merge
from shared.merge.normal_forms import form_of
from shared.merge.rows import Row
from shared.model.fields import NormalForm
from tests.unit.merge.lab import NOON, TAGS, agreed, ours, rows, rules, theirs

PAGE = Path(__file__).parents[3] / "docs" / "merge.md"
TEXT = PAGE.read_text("utf-8")


def table(header: str) -> list[list[str]]:
    """The cells of the table whose first line starts with *header*."""
    lines = TEXT[TEXT.index(f"| {header}") :].splitlines()
    found = []
    for line in lines[2:]:
        if not line.startswith("|"):
            break
        found.append([cell.strip() for cell in line.strip("|").split("|")])
    return found


EXAMPLES = table("unit | base | ours | ours at |")
SETS = table("base | ours | theirs | ours then |")
FORMS = table("form | two spellings |")


def value(cell: str) -> JsonValue:
    return None if cell == "\u2205" else cell


@pytest.mark.parametrize("cells", EXAMPLES, ids="/".join)
def test_an_example_of_the_page(cells: list[str]) -> None:
    unit, base, mine, edited_at, their, take, push, held, row = cells
    hours, minutes = map(int, edited_at.split(":"))
    minute = timedelta(hours=hours - NOON.hour, minutes=minutes) / timedelta(minutes=1)
    outcome = merge(
        {} if base == "never" else agreed({unit: value(base)}),
        ours({unit: value(mine)}, minute),
        theirs({} if their == "\u2013" else {unit: value(their)}, 60),
        rules(),
    )
    assert outcome.take == ({unit: value(take)} if take else {})
    assert outcome.push == ({unit: value(push)} if push else {})
    assert bool(outcome.held) is (held == "yes")
    assert rows(outcome) == ({unit: row} if row else {})


@pytest.mark.parametrize("cells", SETS, ids="/".join)
def test_an_example_of_a_set(cells: list[str]) -> None:
    base, mine, their, then, theirs_then = (each.split() for each in cells)
    known = {} if base == ["never"] else agreed({TAGS: [*base]})
    outcome = merge(known, ours({TAGS: [*mine]}), theirs({TAGS: [*their]}), rules())
    taken, pushed = outcome.take.get(TAGS, [*mine]), outcome.push.get(TAGS, [*their])
    assert isinstance(taken, list)
    assert isinstance(pushed, list)
    assert (set(taken), set(pushed)) == (set(then), set(theirs_then))


@pytest.mark.parametrize("cells", FORMS, ids="/".join)
def test_an_example_of_a_normal_form(cells: list[str]) -> None:
    names, spelling, form = cells
    for name in names.split(", "):
        assert form_of(NormalForm(name))(spelling.strip("`")) == form.strip("`")


def test_the_page_has_its_examples() -> None:
    assert (len(EXAMPLES), len(SETS), len(FORMS)) == (16, 5, 7)


def test_every_row_is_named_on_the_page() -> None:
    named = set(re.findall(r"`(\w+)`", TEXT))
    assert {str(row) for row in Row} <= named
