"""docs/adapters.md and the declared capabilities, held against the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.generate_adapter_docs import written_files
from shared.adapters import get, platforms
from shared.model import FIELDS, EntityType

ROOT = Path(__file__).parents[3]


def test_the_page_is_what_the_capabilities_say() -> None:
    for path, text in written_files().items():
        assert path.read_text() == text, f"{path.name} is out of date: run python -m scripts.generate_adapter_docs"


@pytest.mark.parametrize("platform", platforms())
def test_every_field_is_declared_and_a_refusal_has_its_reason(platform: str) -> None:
    capabilities = get(platform).capabilities
    assert set(capabilities.entities) == set(EntityType)
    for entity, capability in capabilities.entities.items():
        assert list(capability.fields) == list(FIELDS[entity])
        for name, field in capability.fields.items():
            assert field.note or (field.readable and field.writable), f"{entity}.{name} gives no reason"


@pytest.mark.parametrize("platform", platforms())
def test_the_sections_that_are_cited_exist(platform: str) -> None:
    sheet = (ROOT / "docs" / "vendors" / f"{platform}.md").read_text()
    cited = {
        number
        for capability in get(platform).capabilities.entities.values()
        for field in capability.fields.values()
        for group in re.findall(r"\(([0-9., ]+)\)", field.note)
        for number in group.split(", ")
    }
    assert cited
    for number in cited:
        assert f"**{number} " in sheet or f"**{number}**" in sheet, number
