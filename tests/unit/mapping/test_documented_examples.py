"""docs/mapping.md: its examples are run, and its lists are those of the code."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from shared.adapters.greenhouse.adapter import GreenhouseAdapter
from shared.adapters.mapped import MappedAdapter, mapped
from shared.mapping.expressions import CUSTOM, DEEPEST, FUNCTIONS, LONGEST, LONGEST_TEXT
from shared.mapping.reading import _KEYS, mapping_of, mappings_of
from shared.model import EntityType
from shared.model.records import record_type

PAGE = Path(__file__).parents[3] / "docs" / "mapping.md"
TEXT = PAGE.read_text("utf-8")


def table(header: str) -> list[list[str]]:
    lines = TEXT[TEXT.index(f"| {header}") :].splitlines()[2:]
    rows = lines[: next(index for index, line in enumerate(lines) if not line.startswith("|"))]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


@pytest.mark.parametrize("cells", table("entity | mapping |"), ids="/".join)
def test_an_example_of_the_page(cells: list[str]) -> None:
    entity = EntityType(cells[0])
    given, shown = (json.loads(cell.strip("`")) for cell in cells[1:3])
    mapping = mapping_of(entity, given, "x")
    values = mapping.inbound(shown)
    expected = None if cells[3] == "left out" else json.loads(cells[3].strip("`"))
    assert (mapping.visible(values) if mapping.admits(values, {}, None) else None) == expected
    if "custom_fields" not in shown:
        seen = mapped(GreenhouseAdapter, {entity: mapping})
        assert issubclass(seen, MappedAdapter)
        record = seen.seen(record_type(entity)(external_id="1", **shown))
        assert (None if record.left_out else record.visible()) == expected


def test_the_mapping_at_the_head_of_the_page_is_one() -> None:
    example = TEXT[TEXT.index('    {"candidate": {"since"') : TEXT.index("| key | is | says |")]
    assert mappings_of({"mapping": json.loads(example)}).keys() == {EntityType.CANDIDATE, EntityType.APPLICATION}


def test_its_lists_are_those_of_the_code() -> None:
    assert [row[0].strip("`") for row in table("key | is | says |")] == [
        key for key in ("since", "where", "exclude", "read_only", "values", "set", "custom_fields") if key in _KEYS
    ]
    assert len(table("key | is | says |")) == len(_KEYS)
    named = {name for row in table("function |") for name in re.findall(r"`(\w+)\(", row[0])}
    assert named == {*FUNCTIONS, CUSTOM}
    assert f"at most {LONGEST}\ncharacters and {DEEPEST} parts" in TEXT
    assert f"{LONGEST_TEXT:,} characters" in TEXT
