"""
What people type into a field by which records are looked up has to fit its index, also at four bytes a character.

Only what is new is judged. What a vendor holds comes in as long as the index takes it, and stays; what the index does
not take is set aside (`quarantine.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from shared.errors import InvalidInput
from shared.model import EntityType

LONGEST = 255
"""Characters. An entry of an index holds two such fields at most, and some 2,700 bytes."""

_LOOKED_UP: Mapping[EntityType, tuple[str, ...]] = {
    EntityType.JOB: ("status",),
    EntityType.CANDIDATE: ("first_name", "last_name", "email", "phone"),
    EntityType.APPLICATION: ("stage", "status"),
}


def check_lengths(entity: EntityType, values: Mapping[str, JsonValue]) -> None:
    """Raise InvalidInput, which names the field, for a text of *values* that is too long."""
    for name in _LOOKED_UP[entity]:
        value = values.get(name)
        if isinstance(value, str) and len(value) > LONGEST:
            raise InvalidInput(
                f"{name}: has more than {LONGEST} characters",
                field=name,
                remedy=f"records are looked up by it: send {LONGEST} characters at most",
            )
