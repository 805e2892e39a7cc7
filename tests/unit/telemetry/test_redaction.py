"""What may leave the process."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import RateLimited
from shared.security.identity import Role
from shared.telemetry.redaction import FREE_TEXT, MASKED, MAX_TEXT, Redactor

REDACTOR = Redactor(["canary-database-password"])
SENSITIVE_KEYS = (
    *("email", "candidate_email", "phones", "full_name", "name", "birth_date", "payload", "body", "query"),
    *("api_key", "client_secret", "Authorization", "webhook_secret", "signature", "access_token", "token"),
)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("external_id", "67890123456"),
        ("integration_id", "6f0e1c1e-5d0c-4a0e-9a52-000000000001"),
        ("outcome", "complete"),
        ("moved_at", "2026-03-02T09:30:00.123+00:00"),
        ("correlation_id", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("run_id", "run_20260302"),
        ("path", "candidates/17/applications"),
        ("version", "1.26.0"),
        ("function_name", "sync_urgent"),
        ("token_id", "0f0e0d0c0b0a09080706050403020100"),
        ("body_bytes", 4711),
        ("attempt", 3),
        ("signature_valid", True),
        ("reason", "emails[1].value: not a string"),
        ("changed", ["stage", "phone"]),
    ],
)
def test_what_operators_need_stays_as_it_is(key: str, value: object) -> None:
    assert REDACTOR.fields({key: value}) == {key: value}


@pytest.mark.parametrize(
    "text",
    [
        "jane.canary@example.com",
        "Jané.Canáry+x@exämple.com",
        "jane.canary%40example.com",
        "+49 (30) 555-123-4567",
        "+4930555123456",
        "555-123-4567",
        "(555) 123-4567",
        "030 1234567",
        "00493055512345",
        "Bearer canary.token-value",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl",
        "https://x.blob.core.windows.net/docs/1?sv=2024&sig=canary%3D",
        "https://api.example.com/v1/candidates?email=canary",
        "GET /candidates?search=canary",
        "postgresql://app:canary@localhost/liaison",
        "AccountKey=canary==",
        "password: canary",
        "canary-database-password",
    ],
)
def test_people_and_secrets_are_masked_wherever_they_stand(text: str) -> None:
    fields = REDACTOR.fields({"reason": f"refused {text} here", "given": text, "several": [text]})
    shown = str(fields)
    assert MASKED in str(fields["reason"])
    assert "canary" not in shown.lower()
    assert "Canáry" not in shown
    assert "1234" not in shown
    assert "c2lnbmF0dXJl" not in shown


@pytest.mark.parametrize("key", SENSITIVE_KEYS)
def test_a_key_that_names_a_person_or_a_secret_is_masked_whatever_it_holds(key: str) -> None:
    assert REDACTOR.fields({key: "canary"}) == {key: MASKED}
    assert REDACTOR.fields({key: 4930555123456}) == {key: MASKED}
    assert REDACTOR.fields({key: ["canary"]}) == {key: MASKED}


def test_free_text_and_objects_are_never_written() -> None:
    class Candidate:
        def __repr__(self) -> str:
            return "canary"

    fields = REDACTOR.fields({"title": "Jane Canary", "record": Candidate(), "data": {"email": "canary"}})
    assert fields == {"title": FREE_TEXT, "record": "<Candidate>", "data": "<dict>"}


def test_values_of_our_kinds_have_a_spelling() -> None:
    moment = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
    fields = REDACTOR.fields(
        {
            "integration_id": UUID(int=1),
            "at": moment,
            "on": moment.date(),
            "waited": timedelta(milliseconds=1500),
            "role": Role.HR,
            "error": RateLimited("canary", wait_s=1.0),
            "unforeseen": KeyError("canary"),
            "kind": KeyError,
            "nothing": None,
        }
    )
    assert fields == {
        "integration_id": "00000000-0000-0000-0000-000000000001",
        "at": "2026-03-02T09:30:00+00:00",
        "on": "2026-03-02",
        "waited": 1.5,
        "role": "hr",
        "error": "rate_limited",
        "unforeseen": "KeyError",
        "kind": "KeyError",
    }


def test_a_value_whose_own_code_fails_costs_nothing() -> None:
    class Broken(str):
        __slots__ = ()

        def split(self, *_: object, **__: object) -> list[str]:
            raise RuntimeError("canary")

    assert REDACTOR.fields({"broken": Broken("x"), "fine": 1}) == {"broken": MASKED, "fine": 1}


def test_long_lists_and_texts_are_cut() -> None:
    assert REDACTOR.value("ids", list(range(50))) == [*range(20), "… 50 in all"]
    assert len(str(REDACTOR.value("path", "x/" * 5000))) == MAX_TEXT


@given(st.text(max_size=3000))
def test_no_text_raises_or_survives_beyond_the_bound(text: str) -> None:
    assert len(REDACTOR.text(text)) <= MAX_TEXT


@pytest.mark.parametrize("piece", ["a", "1", "1 ", "a.", "?a=", "eyJaaaaaa.", "://", "+1", "-"])
def test_no_text_makes_a_pattern_run_long(piece: str) -> None:
    started = time.process_time()
    REDACTOR.text(piece * 20_000)
    assert time.process_time() - started < 0.5
