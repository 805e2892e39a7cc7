"""What the engine writes of a newcomer, beside what the tables of the merge would have it write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters.greenhouse.adapter import GreenhouseAdapter
from shared.merge.base_codec import encode_base
from shared.model import EntityType
from shared.security.keys import Keys
from shared.sync.merging.observations import RuleBook
from shared.sync.merging.one_record import Merged, merge_observation, without_empty
from shared.sync.merging.stamps import decode_stamps
from tests.property.merge.long_way import the_long_way
from tests.unit.merge.lab import at
from tests.unit.sync.parts import integration, person, seen

JOB_ID = UUID(int=7)
BOOK = RuleBook(GreenhouseAdapter, integration(), EntityType.CANDIDATE, Keys(b"k" * 32))

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
