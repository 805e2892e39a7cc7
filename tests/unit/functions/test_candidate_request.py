"""What the portal may send of a candidate."""

from __future__ import annotations

import orjson
import pytest
from pydantic import JsonValue, ValidationError

from functions.candidate_request import MOST, CandidateRequest

WHOLE: dict[str, JsonValue] = {
    "experience_years": 6.5,
    "work_history": [{"employer": "Acme", "title": "Baker", "start": "2018-09", "end": None, "current": True}],
    "education": [{"institution": "IIT Delhi", "degree": "B.Tech", "field": "Computer Science", "year": 2018}],
    "skills": ["Python", "Django"],
    "qualifications": [{"name": "First aid", "issuer": "Red Cross", "number": "7", "issue_date": "2024-05-04"}],
    "languages": [{"language": "German", "level": "C1"}],
    "desired_roles": ["Engineer"],
    "desired_locations": ["Berlin", "remote"],
    "work_mode": "hybrid",
    "employment_types": ["full_time"],
    "salary_expectation": {"amount_min": 50000, "amount_max": 60000.5, "currency": "EUR", "period": "year"},
    "notice_period": "3 months",
    "earliest_start": "2026-09-01",
    "relocation": False,
    "work_authorisation": "EU citizen",
}


def test_careers_and_wishes_are_taken_as_they_are() -> None:
    assert CandidateRequest.model_validate(WHOLE).model_dump(mode="json", exclude_unset=True) == WHOLE


def test_every_field_can_be_emptied() -> None:
    emptied: dict[str, JsonValue] = dict.fromkeys(WHOLE)
    assert CandidateRequest.model_validate(emptied).model_dump(mode="json", exclude_unset=True) == emptied


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("work_history", [{"title": "Baker"}], "0: needs employer"),
        ("work_history", [{"employer": "Acme"}, {"employer": " "}], "1: needs employer"),
        ("work_history", [{"employer": "Acme", "start": "09/2018"}], "0.start: must be a date"),
        ("work_history", [{"employer": "Acme", "salary": 1}], "Extra inputs"),
        ("education", [{"degree": "B.Tech"}], "0: needs institution"),
        ("qualifications", [{"name": "First aid", "expiry_date": "2024-05"}], "0.expiry_date: must be a date"),
        ("languages", [{"level": "C1"}], "0: needs language"),
        ("skills", ["x"] * (MOST + 1), f"more than {MOST}"),
        ("salary_expectation", {"amount_min": -1}, "must not be negative"),
        ("salary_expectation", {"amount_min": 2, "amount_max": 1}, "must not be above"),
        ("salary_expectation", {"currency": "Euro"}, "three letters"),
        ("earliest_start", "soon", "valid date"),
        ("experience_years", "nan", "finite number"),
        ("salary_expectation", {"amount_min": "inf"}, "finite number"),
    ],
)
def test_what_nobody_could_tell_apart_or_compare_is_refused(field: str, value: JsonValue, fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        CandidateRequest.model_validate({field: value})


def test_custom_fields_are_of_any_type() -> None:
    given: list[JsonValue] = [
        {"name": "Notice", "value": "1 month"},
        {"name": "Level", "value": 3},
        {"name": "Rate", "value": 62.5},
        {"name": "Remote", "value": False},
        {"name": "Languages", "value": ["German", "Hindi"]},
    ]
    taken = CandidateRequest.model_validate({"custom_fields": given}).model_dump(mode="json", exclude_unset=True)
    assert taken == {"custom_fields": given}
    assert [type(each["value"]) for each in taken["custom_fields"]] == [str, int, float, bool, list]


@pytest.mark.parametrize(
    ("element", "fault"),
    [
        ({"name": " ", "value": "x"}, "1: needs a name"),
        ({"name": "n" * 201, "value": "x"}, "1: needs a name"),
        ({"name": "first ", "value": "x"}, "1: names a field twice"),
        ({"name": "x", "value": []}, "1: needs a value"),
        ({"name": "x", "value": " "}, "1: needs a value"),
        ({"name": "x", "value": None}, "valid"),
        ({"name": "x", "value": {"amount": 1}}, "valid"),
        ({"name": "x"}, "required"),
        ({"name": "x", "value": 1, "type": "number"}, "Extra inputs"),
    ],
)
def test_a_custom_field_has_a_name_and_a_value(element: JsonValue, fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        CandidateRequest.model_validate({"custom_fields": [{"name": "First", "value": 1}, element]})


def test_custom_fields_have_an_end() -> None:
    many = [{"name": f"field {number}", "value": number} for number in range(MOST + 1)]
    with pytest.raises(ValidationError, match=f"more than {MOST}"):
        CandidateRequest.model_validate({"custom_fields": many})


@pytest.mark.parametrize("digits", ["9" * 19, "-" + "9" * 300])
def test_a_number_beyond_64_bits_is_one_that_can_be_stored(digits: str) -> None:
    """As a whole one it could not be written as JSON: the request failed."""
    taken = CandidateRequest.model_validate({"experience_years": digits, "salary_expectation": {"period": "year"}})
    assert orjson.loads(orjson.dumps(taken.model_dump(mode="json")))["experience_years"] == float(digits)
