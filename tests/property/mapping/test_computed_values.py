"""Whatever an expression comes to, its record is observed or set aside alone: nothing of it ends the page."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import JsonValue

from shared.adapters.greenhouse.adapter import GreenhouseAdapter
from shared.adapters.mapped import MappedAdapter, mapped
from shared.errors import InvalidInput, InvalidPayload
from shared.mapping.reading import mapping_of
from shared.model import Candidate, EntityType
from shared.store.links import Ticket
from shared.sync.merging.observations import observe

CANDIDATE = EntityType.CANDIDATE
TICKET = Ticket(1, datetime(2026, 11, 23, tzinfo=UTC))
NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.floats().map(repr).filter(lambda text: text not in {"nan", "inf", "-inf"}),
    st.sampled_from(["1e999", "9" * 300, "1_0", '"nan"', '"-inf"', '"1_0"', '"9" * 2', '"٤"', '" 4 "', '"1e308"']),
)
TEXTS = st.one_of(st.text(max_size=5).map(ascii), st.sampled_from(["'\\ud800'", "'\\x00'", "preferred_name"]))
FIELDS = st.sampled_from(["experience_years", "current_title", "tags", "restricted", "preferred_name"])
EXPRESSIONS = st.recursive(
    NUMBERS | TEXTS | FIELDS,
    lambda parts: st.one_of(
        st.tuples(parts, st.sampled_from("+-*/"), parts).map(lambda three: f"({' '.join(three)})"),
        parts.map(lambda part: f"number({part})"),
        parts.map(lambda part: f"text({part})"),
        st.lists(parts, min_size=1, max_size=3).map(lambda each: f"[{', '.join(each)}]"),
    ),
    max_leaves=8,
)
SET = ("experience_years", "current_title", "tags", "restricted", "earliest_start", "work_history")


def observed(mapping: Mapping[str, JsonValue], shown: Mapping[str, JsonValue]) -> None:
    """See a record through *mapping* as a pull does."""
    try:
        judged = mapping_of(CANDIDATE, dict(mapping), "config.mapping.candidate")
    except InvalidInput:
        return
    adapter = mapped(GreenhouseAdapter, {CANDIDATE: judged})
    assert issubclass(adapter, MappedAdapter)
    try:
        record = adapter.seen(Candidate.model_validate({"external_id": "1", **shown}))
    except InvalidPayload:
        return
    (observation,) = observe([record], TICKET, context=b"")
    assert len(observation.digest) == 16


@given(
    st.sampled_from(SET),
    EXPRESSIONS,
    st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
)
@example("experience_years", "number(preferred_name)", 0, "9" * 30)
@example("experience_years", "experience_years * experience_years", 2**62, "")
@example("experience_years", "number(preferred_name)", 0, "inf")
@example("experience_years", "1e308 * 10", 0, "")
@example("current_title", "'\\ud800'", 0, "")
def test_no_result_of_an_expression_breaks_the_digest(field: str, text: str, years: float, name: str) -> None:
    shown: dict[str, JsonValue] = {"experience_years": years, "preferred_name": name, "tags": ["a"], "restricted": True}
    observed({"set": {field: text}}, shown)
