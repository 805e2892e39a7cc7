"""A field that vanishes from a vendor's answers is noticed; one that is rare, or a small pull, is not."""

from __future__ import annotations

import pytest

from shared.store.runs import Shown
from shared.sync.pulling.coverage import fallen, returned, together


def lost(before: dict[str, int], of: int, now: dict[str, int], records: int) -> list[str]:
    return fallen(Shown(before, of), Shown(now, records))


def test_a_common_field_that_is_gone_has_fallen() -> None:
    assert lost({"phone": 90, "email": 100}, 100, {"email": 100}, 100) == ["phone"]
    assert lost({"b": 100, "a": 100}, 100, {}, 100) == ["a", "b"]


def test_a_field_that_nearly_all_lack_now_has_fallen_too() -> None:
    """Below a tenth of its share before."""
    assert lost({"phone": 100}, 100, {"phone": 9}, 100) == ["phone"]
    assert lost({"phone": 100}, 100, {"phone": 10}, 100) == []
    assert lost({"phone": 50}, 100, {"phone": 5}, 100) == []
    assert lost({"phone": 50}, 100, {"phone": 4}, 100) == ["phone"]


def test_shares_are_compared_and_not_counts() -> None:
    assert lost({"phone": 900}, 1000, {"phone": 18}, 20) == []
    assert lost({"phone": 18}, 20, {"phone": 18}, 1000) == ["phone"]


@pytest.mark.parametrize(("count", "expected"), [(19, []), (20, ["phone"])])
def test_a_rare_field_comes_and_goes(count: int, expected: list[str]) -> None:
    assert lost({"phone": count}, 100, {}, 100) == expected


@pytest.mark.parametrize(("of", "records"), [(19, 100), (100, 19), (0, 0)])
def test_too_few_records_prove_nothing(of: int, records: int) -> None:
    assert lost({"phone": of}, of, {}, records) == []


def test_twenty_records_are_enough() -> None:
    assert lost({"phone": 20}, 20, {}, 20) == ["phone"]


def test_a_new_field_has_not_fallen() -> None:
    assert lost({}, 100, {"phone": 100}, 100) == []


def test_what_is_common_again_has_come_back_and_what_few_show_has_not() -> None:
    assert returned(Shown({"email": 100, "phone": 20, "tags": 19}, 100)) == ["email", "phone"]
    assert returned(Shown({"email": 19}, 19)) == []


def test_small_runs_are_taken_together_until_they_are_enough() -> None:
    """What is left is for whoever asks next."""
    runs = iter([Shown({"a": 9}, 9), Shown({"a": 1, "b": 10}, 10), Shown({"b": 1}, 1), Shown({"c": 500}, 500)])
    assert together(runs) == Shown({"a": 10, "b": 11}, 20)
    assert together(runs) == Shown({"c": 500}, 500)
    assert together(runs) == Shown({}, 0)
