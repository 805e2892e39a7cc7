"""Errors at the edge: status, code, field, remedy; never a value."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from functions.problem import STATUS, invalid, problem, status_of
from shared import errors
from shared.errors import InvalidInput, LiaisonError, SettingsError
from shared.security.identity import Forbidden, Unauthenticated


def every_error() -> list[type[LiaisonError]]:
    found, waiting = [], [LiaisonError]
    while waiting:
        kind = waiting.pop()
        found.append(kind)
        waiting += kind.__subclasses__()
    return found


FORESEEN = [
    (errors.NotFound, 404),
    (errors.Conflict, 409),
    (errors.LeaseLost, 409),
    (errors.InvalidInput, 422),
    (errors.PreviewNeeded, 409),
    (errors.Rejected, 422),
    (errors.Unavailable, 503),
    (errors.AuthFailed, 502),
    (errors.OutcomeUnknown, 504),
    (Unauthenticated, 401),
    (Forbidden, 403),
]


@pytest.mark.parametrize(("kind", "status"), FORESEEN)
def test_each_error_has_the_status_that_tells_a_client_what_to_do(kind: type[LiaisonError], status: int) -> None:
    assert status_of(kind("x")) == status


def test_every_error_that_can_reach_a_caller_has_a_status_of_its_own() -> None:
    nobody_waits_for = {
        LiaisonError,
        errors.Retryable,
        errors.Permanent,
        errors.NeedsHuman,
        errors.CursorExpired,
        errors.SettingsError,
    }
    without = {
        kind for kind in every_error() if kind.__module__ == "shared.errors" and not set(kind.__mro__) & set(STATUS)
    }
    assert without == nobody_waits_for


def test_our_own_trouble_is_told_by_its_id_alone() -> None:
    status, body = problem(SettingsError("DATABASE_URL has no host", remedy="set it"), "req-00000001")
    assert status == 500
    assert body["code"] == "internal_error"
    assert body["request_id"] == "req-00000001"
    assert "DATABASE_URL" not in str(body)


def test_a_problem_names_field_and_remedy() -> None:
    error = InvalidInput("platform: is not supported", field="platform", remedy="use one of: greenhouse")
    status, body = problem(error, "req-00000001")
    assert status == 422
    assert body["type"] == "urn:liaison:problem:invalid_input"
    assert (body["field"], body["remedy"]) == ("platform", "use one of: greenhouse")


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    limits: dict[str, int]


@pytest.mark.parametrize(
    ("given", "field"),
    [({}, "limits"), ({"limits": {"a": "hush-hush"}}, "limits.a"), ({"limits": {}, "other": "hush-hush"}, "other")],
)
def test_wrong_input_is_named_by_its_path_and_never_quoted(given: dict[str, object], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Body.model_validate(given)
    status, body = invalid(caught.value, "req-00000001")
    assert status == 422
    assert body["field"] == field
    assert body["errors"][0]["remedy"]
    assert "hush-hush" not in str(body)
