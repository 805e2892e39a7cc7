"""What the portal may send of custom fields: the whole list, each field once, each with a value."""

from __future__ import annotations

from typing import Annotated, cast

from pydantic import AfterValidator, JsonValue
from pydantic_core import PydanticCustomError

from shared.merge.normal_forms import member_forms
from shared.model import FIELDS, EntityType
from shared.model.fields import CUSTOM_FIELDS
from shared.model.records import CustomField

MOST = 200
"""Fields of one record."""
LONGEST_NAME = 200
_FIELD = FIELDS[EntityType.CANDIDATE][CUSTOM_FIELDS]


def _check(value: list[CustomField]) -> list[CustomField]:
    if len(value) > MOST:
        raise PydanticCustomError("too_long", f"has more than {MOST} entries")
    seen: set[str] = set()
    for index, element in enumerate(value):
        forms = member_forms(_FIELD, cast("JsonValue", element))
        name = forms.get("name")
        if name is None or len(name) > LONGEST_NAME:
            raise PydanticCustomError("name", f"{index}: needs a name of at most {LONGEST_NAME} characters")
        if name in seen:
            raise PydanticCustomError("name", f"{index}: names a field twice")
        if "value" not in forms:
            raise PydanticCustomError("value", f"{index}: needs a value; leave the entry out to empty the field")
        seen.add(name)
    return value


CustomFields = Annotated[list[CustomField], AfterValidator(_check)]
