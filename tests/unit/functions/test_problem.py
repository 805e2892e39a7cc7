"""Errors at the edge: status, code, field, remedy; never a value."""

from __future__ import annotations

import importlib

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from functions.problem import OURS, STATUS, headers, invalid, problem, status_of
from shared import errors
from shared.errors import InvalidInput, LiaisonError, SettingsError
from shared.security.identity import Forbidden, Unauthenticated
from shared.security.sealing import SealBroken


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
    (errors.CursorExpired, 503),
    (errors.NeedsHuman, 502),
    (errors.StaleVersion, 409),
    (SealBroken, 500),
    (errors.AuthFailed, 502),
    (errors.OutcomeUnknown, 504),
    (Unauthenticated, 401),
    (Forbidden, 403),
]


@pytest.mark.parametrize(("kind", "status"), FORESEEN)
def test_each_error_has_the_status_that_tells_a_client_what_to_do(kind: type[LiaisonError], status: int) -> None:
    assert status_of(kind("x")) == status


def test_every_error_has_a_status_that_was_decided() -> None:
    """One that nobody thought of would be a bare 500, its text and remedy lost."""
    importlib.import_module("function_app")
    ours = {kind for kind in every_error() if kind.__module__.split(".")[0] in ("shared", "functions")}
    assert {kind for kind in ours if not set(kind.__mro__) & set(STATUS)} == OURS
    assert len(ours) > len(FORESEEN)


def test_what_a_vendor_needs_people_for_is_told_with_its_remedy() -> None:
    error = errors.NeedsHuman("Greenhouse doesn't offer this API here", remedy="ask Greenhouse for access")
    status, body = problem(error, "req-00000001")
    assert (status, body["code"]) == (502, "needs_human")
    assert (body["detail"], body["remedy"]) == ("Greenhouse doesn't offer this API here", "ask Greenhouse for access")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (errors.RateLimited(wait_s=41.2), "42"),
        (errors.BreakerOpen(wait_s=300.0), "300"),
        (errors.RateLimited(wait_s=0.0), "1"),
        (errors.Unavailable(), "5"),
        (errors.CursorExpired(), "5"),
    ],
)
def test_whoever_is_to_try_again_is_told_when(error: LiaisonError, told: str) -> None:
    assert headers(error) == {"Retry-After": told}


def test_a_conflict_names_no_moment_to_try_again() -> None:
    assert headers(errors.Conflict()) == {}


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
