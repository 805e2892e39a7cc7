"""What follows an error: every class of the tree has its answer, and attempts are counted right."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared import errors
from shared.errors import LiaisonError, RateLimited, SettingsError, Unavailable
from shared.sync.jobs.next_step import (
    OVERTAKEN_WAIT_S,
    Abandon,
    Again,
    Backoff,
    DeadLetter,
    Defer,
    NextStep,
    Pause,
    Retry,
    next_step,
    wait_after,
)

WAIT_S = 720.0

FIRST_ANSWER: dict[str, NextStep] = {
    "LiaisonError": DeadLetter("error"),
    "Retryable": Retry(60, "retryable"),
    "RateLimited": Defer(WAIT_S, "rate_limited"),
    "BreakerOpen": Defer(WAIT_S, "breaker_open"),
    "Unavailable": Retry(60, "unavailable"),
    "OutcomeUnknown": Retry(60, "outcome_unknown"),
    "Permanent": DeadLetter("permanent"),
    "Rejected": DeadLetter("rejected"),
    "NotFound": DeadLetter("not_found"),
    "InvalidPayload": DeadLetter("invalid_payload"),
    "SignatureError": DeadLetter("signature_invalid"),
    "CursorExpired": DeadLetter("cursor_expired"),
    "InvalidInput": DeadLetter("invalid_input"),
    "PreviewNeeded": DeadLetter("preview_needed"),
    "NeedsHuman": Pause("needs_human"),
    "AuthFailed": Pause("auth_failed"),
    "Conflict": Again(OVERTAKEN_WAIT_S, "conflict"),
    "StaleVersion": Again(OVERTAKEN_WAIT_S, "conflict"),
    "LeaseLost": Abandon("lease_lost"),
    "SettingsError": DeadLetter("settings_invalid"),
}


def tree(root: type[LiaisonError] = LiaisonError) -> Iterator[type[LiaisonError]]:
    yield root
    for each in root.__subclasses__():
        if each.__module__ == errors.__name__:
            yield from tree(each)


def made(kind: type[LiaisonError]) -> LiaisonError:
    return kind("wait", wait_s=WAIT_S) if issubclass(kind, RateLimited) else kind("x")


KINDS = sorted({each.__name__: each for each in tree()}.items())


@pytest.mark.parametrize("kind", [kind for _, kind in KINDS])
def test_every_error_of_the_tree_has_its_answer_at_the_first_attempt(kind: type[LiaisonError]) -> None:
    assert next_step(made(kind), attempt=1, max_retries=3) == FIRST_ANSWER[kind.__name__]


def test_waits_double_from_one_minute_to_sixteen() -> None:
    assert [wait_after(attempt) for attempt in range(1, 6)] == [60.0, 120.0, 240.0, 480.0, 960.0]


@pytest.mark.parametrize("max_retries", range(6))
def test_an_integration_has_as_many_retries_as_it_says(max_retries: int) -> None:
    for attempt in range(1, max_retries + 1):
        assert next_step(Unavailable("x"), attempt=attempt, max_retries=max_retries) == Retry(
            wait_after(attempt), "unavailable"
        )
    assert next_step(Unavailable("x"), attempt=max_retries + 1, max_retries=max_retries) == DeadLetter("unavailable")


@pytest.mark.parametrize("attempt", [1, 4, 100])
def test_what_spends_no_attempt_is_never_a_dead_letter(attempt: int) -> None:
    for kind in (errors.RateLimited, errors.Conflict, errors.LeaseLost, errors.AuthFailed):
        assert next_step(made(kind), attempt=attempt, max_retries=3) == FIRST_ANSWER[kind.__name__]


def test_an_error_of_nobodys_kind_is_a_dead_letter() -> None:
    class Odd(LiaisonError):
        code = "odd"

    assert next_step(Odd("x"), attempt=1, max_retries=3) == DeadLetter("odd")
    assert next_step(SettingsError("x"), attempt=1, max_retries=0) == DeadLetter("settings_invalid")


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_jitter_only_ever_lengthens_a_wait_by_its_part(chance: float) -> None:
    backoff = Backoff(jitter=0.2, chance=lambda: chance)
    for attempt, wait_s in enumerate((60, 120, 240, 480, 960), 1):
        step = next_step(Unavailable("x"), attempt=attempt, max_retries=5, backoff=backoff)
        assert step == Retry(wait_s * (1 + 0.2 * chance), "unavailable")
