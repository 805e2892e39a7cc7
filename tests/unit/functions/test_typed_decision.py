"""A value that somebody types as their decision on a conflict."""

from __future__ import annotations

import pytest

from functions.conflicts import Resolution, typed_value
from shared.errors import InvalidInput
from shared.sync.editing.length_check import LONGEST


def test_too_long_a_text_is_refused_by_field() -> None:
    item = {"entity": "application", "unit": "stage"}
    decision = Resolution.model_validate({"choice": "value", "value": "x" * (LONGEST + 1)})
    with pytest.raises(InvalidInput, match="stage: has more than"):
        typed_value(item, decision)
