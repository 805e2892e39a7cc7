"""What comes in by a one-to-one map and goes out again is what it was."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.mapping.reading import mapping_of
from shared.model import EntityType, JsonValue

WORDS = st.text("abcdef", min_size=1, max_size=3)
ONE_TO_ONE = st.dictionaries(WORDS, WORDS.map(str.upper), max_size=6).filter(
    lambda words: len(set(words.values())) == len(words)
)
"""Ours are written otherwise than any word of theirs, so that a word that passes is never one of ours."""


@given(ONE_TO_ONE, st.lists(WORDS))
def test_words_come_back(words: dict[str, JsonValue], tags: list[JsonValue]) -> None:
    mapping = mapping_of(EntityType.CANDIDATE, {"values": {"tags": words, "current_title": words}}, "x")
    shown: dict[str, JsonValue] = {"tags": tags, "current_title": tags[0] if tags else None}
    assert mapping.outbound(mapping.inbound(shown), shown) == shown


@given(ONE_TO_ONE, st.dictionaries(WORDS, st.integers() | st.text() | st.booleans() | st.none()))
def test_custom_fields_come_back_and_none_is_lost(names: dict[str, JsonValue], shown: dict[str, JsonValue]) -> None:
    mapping = mapping_of(EntityType.CANDIDATE, {"custom_fields": names}, "x")
    record: dict[str, JsonValue] = {"custom_fields": [{"name": key, "value": each} for key, each in shown.items()]}
    inbound = mapping.inbound(record)
    if not names:
        assert inbound == {}
        return
    outbound = mapping.outbound(inbound, record)["custom_fields"]
    assert isinstance(outbound, list)
    assert {each["name"]: each["value"] for each in outbound if isinstance(each, dict)} == shown
    assert len(outbound) == len(shown)
    assert {key for key in shown if key in names} == {
        key for key, ours in names.items() if ours in mapping.custom_values(inbound)
    }
