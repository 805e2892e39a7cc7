"""The short way of a first sync, field by field and rule by rule, beside the long way through every table."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from shared.merge.base_codec import encode_base
from shared.merge.first import introduce
from shared.merge.normal_forms import VERSIONS
from shared.merge.state import Rules
from shared.model import EntityType
from shared.model.fields import FIELDS, Field, Kind, NormalForm, Policy
from tests.property.merge.long_way import the_long_way
from tests.unit.merge.lab import HASHER, at, theirs

TEXTS = st.sampled_from(
    [None, "", "  ", "a", "A ", "a  b", "é", "e\u0301", "+1 (415) 555-0100", "http://B.org:80/c/", "2026-05-04", "b\0"]
)
ANYTHING: st.SearchStrategy[Any] = st.one_of(
    TEXTS, st.booleans(), st.just(0), st.just([]), st.lists(st.just({"id": "1", "name": "a"}))
)
ELEMENTS = st.one_of(
    TEXTS,
    st.fixed_dictionaries(
        {"value": TEXTS}, optional={"type": st.sampled_from([None, "", "home", "work"]), "id": st.integers(0, 2)}
    ),
)


def values_of(field: Field) -> st.SearchStrategy[Any]:
    """Anything that a vendor may show of *field*, well-formed or not."""
    elements = st.one_of(ELEMENTS, objects_of(field)) if field.members else ELEMENTS
    values = st.lists(elements, max_size=5) if field.kind is Kind.SET else st.one_of(ANYTHING, objects_of(field))
    return st.one_of(st.none(), values)


def objects_of(field: Field) -> st.SearchStrategy[Any]:
    """Objects with some of the field's members."""
    return st.fixed_dictionaries({}, optional=dict.fromkeys(field.members, TEXTS))


def shown_of(entity: EntityType) -> st.SearchStrategy[dict[str, JsonValue]]:
    """Any fields of a record with any values."""
    return st.fixed_dictionaries({}, optional={name: values_of(field) for name, field in FIELDS[entity].items()})


def as_shown(_name: str, value: JsonValue) -> JsonValue:
    return value


def in_capitals(_name: str, value: JsonValue) -> JsonValue:
    return value.upper() if isinstance(value, str) else value


def trimmed(_name: str, value: JsonValue) -> JsonValue:
    return value.strip() or None if isinstance(value, str) else [*value][:1] if isinstance(value, list) else value


policies = st.dictionaries(
    st.sampled_from(["tags", "further_phones", "links", "work_history", "email"]), st.sampled_from(Policy)
)
times = st.dictionaries(st.sampled_from(["name", "email", "tags", "status"]), st.integers(0, 90).map(at))


@pytest.mark.parametrize("entity", EntityType)
@given(st.data(), policies, times, st.sampled_from([as_shown, in_capitals, trimmed]), st.sampled_from([1, 9]))
@settings(max_examples=60, deadline=None)
def test_a_newcomer_is_what_the_tables_decide(
    entity: EntityType, data: st.DataObject, policy: dict[str, Policy], when: Any, expected: Any, key_id: int
) -> None:
    seen = theirs(data.draw(shown_of(entity)), field_times=when, updated_at=data.draw(st.sampled_from([None, at(5)])))
    rules = Rules(entity, HASHER, policies=policy, expected=expected, key_id=key_id)
    newcomer, long = introduce(seen, rules), the_long_way(seen, rules)
    assert newcomer.outcome == long
    assert newcomer.base == encode_base(long.base)


@given(shown_of(EntityType.CANDIDATE))
@settings(max_examples=60, deadline=None)
def test_so_it_is_while_a_normal_form_has_a_later_version(shown: dict[str, JsonValue]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for form in (NormalForm.URL, NormalForm.NAME):
            patch.setitem(VERSIONS, form, 2)
        rules = Rules(EntityType.CANDIDATE, HASHER)
        newcomer, long = introduce(theirs(shown), rules), the_long_way(theirs(shown), rules)
        assert newcomer.outcome == long
        assert newcomer.base == encode_base(long.base)
