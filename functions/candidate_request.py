"""What the portal may send of a candidate: stricter than what vendors show, since somebody can correct it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from functions.custom_fields import CustomFields
from shared.model import FIELDS, EntityType
from shared.model.fields import NormalForm
from shared.model.records import CandidateFields, Salary

_MONTH = re.compile(r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?", re.ASCII)
_DAY = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", re.ASCII)
_CURRENCY = re.compile(r"[A-Za-z]{3}", re.ASCII)
_DATES = {
    NormalForm.MONTH: (_MONTH, "must be a date: 2018, 2018-09 or 2018-09-01"),
    NormalForm.DATE: (_DAY, "must be a date: 2018-09-01"),
}
MOST = 200
"""Elements of one list."""


class CandidateRequest(CandidateFields):
    """`POST /candidates` and `PATCH /candidates/{id}`: null empties a field, absent leaves it."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    custom_fields: CustomFields | None = None

    @field_validator("work_history", "education", "qualifications", "languages")
    @classmethod
    def _elements_can_be_told_apart(
        cls, value: list[Mapping[str, Any]] | None, info: ValidationInfo
    ) -> list[Mapping[str, Any]] | None:
        field = FIELDS[EntityType.CANDIDATE][info.field_name or ""]
        named = field.identity[0]
        for index, element in enumerate(value or ()):
            if not (element.get(named) or "").strip():
                raise PydanticCustomError("identity", f"{index}: needs {named}: entries are told apart by it")
            for name, form in field.members.items():
                pattern, fault = _DATES.get(form, (None, ""))
                given = element.get(name)
                if pattern is not None and given and not pattern.fullmatch(given):
                    raise PydanticCustomError("date", f"{index}.{name}: {fault}")
        return value

    @field_validator("work_history", "education", "qualifications", "languages", "skills", "desired_roles")
    @classmethod
    def _lists_have_an_end(cls, value: list[Any] | None) -> list[Any] | None:
        if value is not None and len(value) > MOST:
            raise PydanticCustomError("too_long", f"has more than {MOST} entries")
        return value

    @field_validator("salary_expectation")
    @classmethod
    def _salary_makes_sense(cls, value: Salary | None) -> Salary | None:
        if value is None:
            return None
        least, most, currency = value.get("amount_min"), value.get("amount_max"), value.get("currency")
        if any(amount is not None and amount < 0 for amount in (least, most)):
            raise PydanticCustomError("amount", "amount_min and amount_max must not be negative")
        if least is not None and most is not None and least > most:
            raise PydanticCustomError("amount", "amount_min must not be above amount_max")
        if currency and not _CURRENCY.fullmatch(currency):
            raise PydanticCustomError("currency", "currency must be a code of three letters, like EUR")
        return value


class CandidateCreation(CandidateRequest):
    """`POST /candidates`. *consent*: they have registered themselves, and agreed to be kept."""

    consent: bool = False
