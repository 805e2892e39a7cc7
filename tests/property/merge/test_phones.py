"""The short way of reading a phone number gives what the tables of all countries give."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.merge import normal_forms

CODES = [str(each) for each in (1, 7, 27, 31, 32, 33, 34, 36, 39, *range(41, 50), 54, 61, 86, 91, 351, 353, 420, 421)]


@given(
    st.sampled_from(CODES),
    st.text("0123456789", min_size=5, max_size=12),
    st.lists(st.sampled_from(["", " ", "-", ".", "(", ")", "(0)"]), min_size=12, max_size=12),
)
@settings(max_examples=400, deadline=None)
def test_a_plain_number_is_read_as_the_tables_read_it(code: str, digits: str, signs: list[str]) -> None:
    text = "+" + code + "".join(sign + digit for sign, digit in zip(signs, digits, strict=False))
    assert normal_forms._phone(text) == normal_forms._international(text)
