"""
Values that tell where they come from: each edit writes one that exists nowhere else and carries its number.

Whatever a vendor makes of it (lower case, a cut at 24 signs), the number stays readable, so that the oracle knows which
edit a place shows without asking the rules that it judges.
"""

from __future__ import annotations

import re

from pydantic import JsonValue

from shared.model import EntityType
from shared.model.fields import UNITS, Policy

SCALARS = ("first_name", "last_name", "preferred_name", "email", "phone", "current_title", "current_company")
TAGS = "tags"
FIELDS = (*SCALARS, TAGS)
IDENTITY = ("first_name", "last_name", "email")
"""By these two systems' records of one person are known to be one; so they are never edited before they are linked."""

CUT_AT = 24
_DIGITS = re.compile(r"\d+")
_PHONE_DIGITS = 7

UNIT_OF = {name: unit for unit in UNITS[EntityType.CANDIDATE].values() for name in unit.members if name in FIELDS}
CRITICAL = frozenset(name for name, unit in UNIT_OF.items() if unit.policy is Policy.CRITICAL)

_FORMS = {
    "first_name": "Fen{} Äda",
    "last_name": "Lo{} MacÖrst",
    "preferred_name": "Pip{} Él",
    "email": "Mail{}@Example.test",
    "phone": "+4930{:07d}",
    "current_title": "Title {} Keeper of the Grand Ledger",
    "current_company": "Firm {} and Sons of Long Standing",
    "tags": "Tag{}",
}


def value_of(name: str, number: int) -> str:
    """Return what edit *number* writes into the field *name*; of a set, its element."""
    return _FORMS[name].format(number)


def number_of(name: str, value: JsonValue) -> int:
    """Return the number of the edit that wrote *value*, however a vendor has spelled it since; 0 for none."""
    if value is None or value == "":
        return 0
    found = _DIGITS.search(str(value))
    if found is None:
        return -1
    digits = found.group()
    return int(digits[-_PHONE_DIGITS:]) if name == "phone" else int(digits)


def numbers_of(value: JsonValue) -> frozenset[int]:
    """Return the numbers of the elements of a set."""
    return frozenset(number_of(TAGS, each) for each in value) if isinstance(value, list) else frozenset()


def made_of(kind: str, value: JsonValue) -> JsonValue:
    """Return what a normaliser of *kind* makes of *value*."""
    if value is None or kind == "keeps":
        return value
    if isinstance(value, list):
        return [made_of(kind, each) for each in value]
    text = str(value)
    match kind:
        case "lower":
            return text.lower()
        case "upper":
            return text.upper()
        case "cut":
            return text[:CUT_AT]
        case _:
            raise ValueError(kind)
