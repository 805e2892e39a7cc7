"""What people type into a field that records are looked up by."""

from __future__ import annotations

import pytest

from shared.errors import InvalidInput
from shared.model import EntityType
from shared.sync.editing.length_check import LONGEST, check_lengths


@pytest.mark.parametrize(
    ("entity", "field"),
    [
        (EntityType.CANDIDATE, "first_name"),
        (EntityType.CANDIDATE, "last_name"),
        (EntityType.CANDIDATE, "email"),
        (EntityType.CANDIDATE, "phone"),
        (EntityType.APPLICATION, "stage"),
        (EntityType.APPLICATION, "status"),
        (EntityType.JOB, "status"),
    ],
)
def test_too_long_a_text_is_refused_by_field(entity: EntityType, field: str) -> None:
    check_lengths(entity, {field: "x" * LONGEST})
    with pytest.raises(InvalidInput, match=f"{field}: has more than {LONGEST} characters") as raised:
        check_lengths(entity, {field: "x" * (LONGEST + 1)})
    assert raised.value.field == field
    assert raised.value.remedy


def test_what_is_not_looked_up_may_be_as_long_as_it_likes() -> None:
    check_lengths(EntityType.CANDIDATE, {"current_company": "x" * 10_000, "first_name": None})
