"""What the `Date` header tells of a vendor's clock."""

from __future__ import annotations

import pytest

from shared.adapters.greenhouse.checking import skew_s

NOW = 1_800_000_000.9


@pytest.mark.parametrize("told", [1_799_999_999, 1_800_000_000])
def test_a_header_that_clocks_in_step_can_send_tells_no_skew(told: int) -> None:
    assert skew_s(told, NOW - 0.02, NOW) == 0.0


@pytest.mark.parametrize(("told", "expected"), [(1_800_000_060, 59.1), (1_799_999_940, -58.9)])
def test_a_clock_that_is_off_is_off_by_the_least_that_explains_its_header(told: int, expected: float) -> None:
    assert skew_s(told, NOW, NOW) == expected


def test_a_slow_answer_widens_what_can_be_explained() -> None:
    assert skew_s(1_799_999_994, NOW - 5.0, NOW) == 0.0
