"""
Values that tell where they come from: each edit writes one that exists nowhere else and carries its number.

Whatever a vendor makes of it (lower case, a cut at 24 signs), the number stays readable, so that the oracle knows which
edit a place shows without asking the rules that it judges.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from shared.model import EntityType
from shared.model.fields import UNITS, Policy

SCALARS = ("first_name", "last_name", "preferred_name", "email", "phone", "current_title", "current_company")
TAGS = "tags"
FURTHER = "further_emails"
SETS = (TAGS, FURTHER)
FIELDS = (*SCALARS, *SETS)
MOVES = ("stage", "status")
"""What moves of an application."""
OWN_FIELDS = {
    EntityType.CANDIDATE: FIELDS,
    EntityType.APPLICATION: MOVES,
    EntityType.JOB: ("title",),
}
"""Fields of each entity that systems show, references aside."""
SCALARS_OF = {EntityType.CANDIDATE: SCALARS, EntityType.APPLICATION: MOVES, EntityType.JOB: ()}
"""Fields of each entity that people edit and the oracle follows, sets aside."""
FIRST_APPLICATION, FIRST_JOB = 100_000, 200_000
"""Beyond every person's number: applications and jobs are counted from here."""
IDENTITY = ("first_name", "last_name", "email")
"""By these two systems' records of one person are known to be one; so they are never edited before they are linked."""

CUT_AT = 24
_DIGITS = re.compile(r"\d+")
_PHONE_DIGITS = 7

UNIT_OF = {
    name: unit
    for entity in (EntityType.CANDIDATE, EntityType.APPLICATION)
    for unit in UNITS[entity].values()
    for name in unit.members
    if name in OWN_FIELDS[entity]
}
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
    "stage": "Stage {} of the Long Way Round",
    "status": "status{}",
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


def combined_of(members: Sequence[str], values: Mapping[str, JsonValue]) -> tuple[int, ...]:
    """Return the numbers of the *members* of a group, in order."""
    return tuple(number_of(name, values.get(name)) for name in members)


def who(subject: int) -> str:
    """Return how a story names a person, an application or a job."""
    if subject >= FIRST_JOB:
        return f"job {subject - FIRST_JOB}"
    return f"application {subject - FIRST_APPLICATION}" if subject >= FIRST_APPLICATION else f"person {subject}"


def numbers_of(value: JsonValue) -> frozenset[int]:
    """Return the numbers of the elements of a set."""
    return frozenset(list_of(value))


def list_of(value: JsonValue) -> list[int]:
    """Return the numbers of the elements of a set, sorted; one that stands there in two spellings counts twice."""
    return sorted(number_of(TAGS, text_of(each)) for each in value) if isinstance(value, list) else []


def text_of(element: JsonValue) -> str:
    """Return what an element of a set says: a tag itself, an address its value."""
    return str(element["value"]) if isinstance(element, dict) else str(element)


def made_of(kind: str, value: JsonValue) -> JsonValue:
    """Return what a normaliser of *kind* makes of *value*."""
    if value is None or kind == "keeps":
        return value
    if isinstance(value, list):
        return [made_of(kind, each) for each in value]
    if isinstance(value, dict):
        return {**value, "value": made_of(kind, value["value"])}
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
