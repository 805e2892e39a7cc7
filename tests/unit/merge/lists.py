"""What a list holds, its order aside."""

from __future__ import annotations

from pydantic import JsonValue


def names(value: JsonValue) -> set[str]:
    assert isinstance(value, list)
    return {str(each) for each in value}
