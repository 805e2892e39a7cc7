"""A field that vanishes from a vendor's answers is noticed; one that is rare, or a small pull, is not."""

from __future__ import annotations

import pytest

from shared.sync.coverage import fallen


def test_a_common_field_that_is_gone_has_fallen() -> None:
    assert fallen({"phone": 90, "email": 100}, 100, {"email": 100}, 100) == ["phone"]
    assert fallen({"b": 100, "a": 100}, 100, {}, 100) == ["a", "b"]


def test_a_field_that_nearly_all_lack_now_has_fallen_too() -> None:
    """Below a tenth of its share before."""
    assert fallen({"phone": 100}, 100, {"phone": 9}, 100) == ["phone"]
    assert fallen({"phone": 100}, 100, {"phone": 10}, 100) == []
    assert fallen({"phone": 50}, 100, {"phone": 5}, 100) == []
    assert fallen({"phone": 50}, 100, {"phone": 4}, 100) == ["phone"]


def test_shares_are_compared_and_not_counts() -> None:
    assert fallen({"phone": 900}, 1000, {"phone": 18}, 20) == []
    assert fallen({"phone": 18}, 20, {"phone": 18}, 1000) == ["phone"]


@pytest.mark.parametrize(("count", "expected"), [(19, []), (20, ["phone"])])
def test_a_rare_field_comes_and_goes(count: int, expected: list[str]) -> None:
    assert fallen({"phone": count}, 100, {}, 100) == expected


@pytest.mark.parametrize(("of", "records"), [(19, 100), (100, 19), (0, 0)])
def test_too_few_records_prove_nothing(of: int, records: int) -> None:
    assert fallen({"phone": of}, of, {}, records) == []


def test_twenty_records_are_enough() -> None:
    assert fallen({"phone": 20}, 20, {}, 20) == ["phone"]


def test_a_new_field_has_not_fallen() -> None:
    assert fallen({}, 100, {"phone": 100}, 100) == []
