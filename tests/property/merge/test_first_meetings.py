"""The short way of a first sync, field by field and rule by rule, beside the long way through every table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from shared.adapters.greenhouse.adapter import GreenhouseAdapter
from shared.merge.base_codec import encode_base
from shared.merge.first import introduce
from shared.merge.merge import merge
from shared.merge.normal_forms import VERSIONS
from shared.merge.state import Ours, Outcome, Rules, Theirs
from shared.model import EntityType
from shared.model.fields import FIELDS, Field, Kind, NormalForm, Policy
from shared.security.keys import Keys
from shared.sync.merging import Merged, merge_observation, without_empty
from shared.sync.observations import RuleBook
from shared.sync.stamps import decode_stamps
from tests.unit.merge.lab import HASHER, at, theirs
from tests.unit.sync.parts import integration, person, seen

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
JOB_ID = UUID(int=7)
BOOK = RuleBook(GreenhouseAdapter, integration(), EntityType.CANDIDATE, Keys(b"k" * 32))


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


def the_long_way(seen: Theirs, rules: Rules) -> Outcome:
    """Decide by the tables. White space is empty as well, but only they know that."""
    blank: dict[str, JsonValue] = {
        name: [" "] if field.kind is Kind.SET else " " for name, field in FIELDS[rules.entity].items()
    }
    return merge({}, Ours(blank, {}), seen, rules)


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


contacts = st.lists(
    st.fixed_dictionaries({"value": st.sampled_from(["a", "b", "B "]), "type": st.sampled_from([None, "home"])}),
    max_size=3,
)
people = st.fixed_dictionaries(
    {},
    optional={
        "first_name": st.sampled_from([None, "", "Ada"]),
        "last_name": st.sampled_from([None, "Lovelace "]),
        "email": st.sampled_from([None, "a@example.org"]),
        "further_emails": contacts,
        "tags": st.lists(st.sampled_from(["x", " ", "y"]), max_size=3),
        "restricted": st.sampled_from([None, True, False]),
    },
)


@given(people, st.booleans())
@settings(max_examples=60, deadline=None)
def test_the_rows_of_a_newcomer_are_those_of_the_tables(shown: Mapping[str, Any], is_dated: bool) -> None:
    observation = seen(person(updated_at=at(5) if is_dated else None, **shown))
    merged = merge_observation(observation, observation.values, book=BOOK, record=None, link=None, job_id=JOB_ID)
    long = the_long_way(BOOK.theirs(observation, observation.values), merged.rules)
    assert merged.record_write is not None
    assert merged.link_write is not None
    assert merged.record_write.data == without_empty(long.take)
    assert decode_stamps(merged.record_write.stamps) == {
        each.unit: replace(each.stamp, job_id=str(JOB_ID), rule=str(each.stamp.rule))
        for each in long.decisions
        if each.stamp is not None
    }
    assert merged.link_write.base == encode_base(long.base)
    assert merged.link_write.digest == observation.digest
    assert told(merged) == told(replace(merged, decided=long))


def told(merged: Merged) -> tuple[object, ...]:
    """All that is asked of what was merged."""
    taken = {(str(rule), unit) for rule, units in merged.taken_by for unit in units}
    return merged.outcome, merged.take, merged.push, merged.held, merged.wants_fetch, taken, {*merged.taken_units}
