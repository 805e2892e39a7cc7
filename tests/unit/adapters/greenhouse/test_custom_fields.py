"""Custom fields: Greenhouse's shapes of every type, and the ones that no document names."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from shared.adapters.greenhouse.adapter import GreenhouseAdapter
from shared.adapters.greenhouse.custom_values import body_of, respelled, value_of
from shared.adapters.greenhouse.read import read
from shared.errors import InvalidPayload, Rejected
from shared.model import EntityType
from shared.model.custom_fields import named_in
from tests.unit.adapters.greenhouse import payloads

CANDIDATE, APPLICATION, JOB = EntityType.CANDIDATE, EntityType.APPLICATION, EntityType.JOB
OPTIONS = {"None": 1, "1 month": 2, "日本語": 3}

VALUES: list[tuple[str | None, Any, JsonValue]] = [
    ("short_text", " a\u0000b ", "ab"),
    ("short_text", "007", "007"),
    ("long_text", "a\nb", "a\nb"),
    ("short_text", " ", None),
    ("url", "just a text", "just a text"),
    ("yes_no", False, False),
    ("boolean", True, True),
    ("boolean", "Yes", True),
    ("boolean", "perhaps", "perhaps"),
    ("single_select", "1 month", "1 month"),
    ("multi_select", ["日本語", " English ", "日本語", ""], ["日本語", "English"]),
    ("multi_select", [{"id": 3, "name": "日本語"}], ["日本語"]),
    ("multi_select", [], None),
    ("number", 0, 0),
    ("number", 12.0, 12),
    ("number", "12.0", 12),
    ("number", "62500.5", 62500.5),
    ("number", "many", "many"),
    ("number", 10**30, str(10**30)),
    ("number", True, True),
    ("currency", {"amount": "45000.0", "currency_code": "EUR"}, "45000 EUR"),
    ("currency", {"amount": 62500.5, "unit": "USD"}, "62500.5 USD"),
    ("currency", {"amount": "0", "unit": None}, "0"),
    ("currency", {"amount": 1e12, "unit": "EUR"}, "1000000000000 EUR"),
    ("currency_range", {"min_amount": "1.0", "max_amount": "2.5", "currency_code": "GBP"}, "1..2.5 GBP"),
    ("currency_range", {"min_value": "10000.0", "max_value": None, "unit": None}, "10000.."),
    ("number_range", {"min_value": None, "max_value": 40}, "..40"),
    ("date", "2026-02-28", "2026-02-28"),
    ("user", {"user_id": 7, "name": "Ann", "email": "ann@example.org", "employee_id": None}, "ann@example.org"),
    ("user", {"user_id": 7, "name": "Service", "email": ""}, "Service"),
    ("user", {"user_id": 7}, "7"),
    ("rich_text", "<p onclick=x>Hi<script>1</script></p>", "<p>Hi</p>"),
    ("star_rating", 4, 4),
    ("star_rating", "four", "four"),
    (None, "bare", "bare"),
    (None, None, None),
]


@pytest.mark.parametrize(("kind", "shown", "value"), VALUES)
def test_a_value_becomes_ours(kind: str | None, shown: Any, value: JsonValue) -> None:
    found = value_of(kind, shown)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("attachment", "https://files.example/1"),
        ("short_text_hris", "****"),
        ("star_rating", {"stars": "secret"}),
        ("number_range", {"min_value": "secret"}),
        ("multi_select", [{"deep": ["secret"]}]),
        ("multi_select", [{"name": {"a": "secret"}}]),
        ("short_text", "\ud800secret"),
        ("number", float("nan")),
    ],
)
def test_what_can_t_be_read_is_no_value_and_not_told(kind: str, shown: Any) -> None:
    with pytest.raises(InvalidPayload) as raised:
        value_of(kind, shown)
    assert "secret" not in str(raised.value)


FIELDS: dict[str, Any] = {
    "notice_period": {"name": "Notice period", "type": "single_select", "value": "1 month"},
    "level": {"name": "Level", "type": "number", "value": "3.0"},
    "headline": {"name": "Headline", "type": "short_text", "value": None},
    "rating": {"name": "Rating", "type": "star_rating", "value": {"stars": 4}},
}


def test_without_a_mapping_no_custom_field_is_taken() -> None:
    payload = {**payloads.CANDIDATE, "custom_fields": FIELDS}
    assert GreenhouseAdapter.to_canonical(CANDIDATE, payload).visible() == payloads.CANDIDATE_FIELDS
    assert read(CANDIDATE, payload) == read(CANDIDATE, payload, ())
    assert not any("custom_fields" in warning for warning in read(CANDIDATE, payload).warnings)


@pytest.mark.parametrize("entity", EntityType)
@pytest.mark.parametrize("wrapped", [False, True])
def test_the_named_ones_are_taken_in_every_shape(entity: EntityType, wrapped: bool) -> None:
    plain = {CANDIDATE: payloads.CANDIDATE, APPLICATION: payloads.APPLICATION, JOB: payloads.JOB}[entity]
    legacy = {CANDIDATE: payloads.CANDIDATE, APPLICATION: payloads.V1_APPLICATION, JOB: payloads.V1_JOB}[entity]
    v3 = {**plain, "custom_fields": FIELDS}
    v1 = {
        **legacy,
        "custom_fields": {key: field["value"] for key, field in FIELDS.items()},
        "keyed_custom_fields": FIELDS,
    }
    webhook = {"action": "event", "payload": {entity.value: {**legacy, "custom_fields": FIELDS}}}
    for payload in (webhook,) if wrapped else (v3, v1):
        record = read(entity, payload, ("notice_period", "level", "headline"))
        assert record.visible()["custom_fields"] == [
            {"name": "level", "value": 3},
            {"name": "notice_period", "value": "1 month"},
        ]
        assert not record.warnings


@pytest.mark.parametrize(
    ("shown", "warning"),
    [
        ({}, "custom_fields: are not shown"),
        ({"custom_fields": None}, "custom_fields: are not shown"),
        ({"custom_fields": []}, "custom_fields: are not shown"),
    ],
)
def test_what_is_not_shown_clears_nothing(shown: dict[str, Any], warning: str) -> None:
    plain = {key: value for key, value in payloads.CANDIDATE.items() if key != "custom_fields"}
    record = read(CANDIDATE, {**plain, **shown}, ("notice_period", "level"))
    assert record.visible() == payloads.CANDIDATE_FIELDS
    assert record.warnings == (warning,)


@pytest.mark.parametrize(
    ("shown", "warning"),
    [
        ({"level": FIELDS["level"]}, "custom_fields.notice_period: is not shown"),
        (
            {**FIELDS, "notice_period": {"type": "x", "value": {}}},
            "custom_fields.notice_period: its value has a shape that is not known",
        ),
    ],
)
def test_one_that_is_not_shown_costs_itself_alone(shown: dict[str, Any], warning: str) -> None:
    record = read(CANDIDATE, {**payloads.CANDIDATE, "custom_fields": shown}, ("notice_period", "level"))
    assert record.visible()["custom_fields"] == [{"name": "level", "value": 3}]
    assert record.unseen_custom_fields == ("notice_period",)
    assert record.warnings == (warning,)


WRITES: list[tuple[str, JsonValue, Any, Any]] = [
    ("short_text", " a ", {"value": "a"}, None),
    ("long_text", 7, {"value": "7"}, None),
    ("url", True, {"value": "true"}, None),
    ("yes_no", False, {"value": False}, None),
    ("yes_no", "No", {"value": False}, None),
    ("number", "12.0", {"value": 12}, None),
    ("number", 0, {"value": 0}, None),
    ("date", " 2026-02-28 ", {"value": "2026-02-28"}, None),
    ("single_select", "1 month", {"value": 2}, None),
    ("single_select", " 1 MONTH", {"value": 2}, None),
    ("single_select", ["None"], {"value": 1}, None),
    ("multi_select", ["日本語", "None"], {"value": [3, 1]}, None),
    ("multi_select", "None", {"value": [1]}, None),
    ("currency", "45000 eur", {"value": {"amount": 45000, "currency_code": "EUR"}}, {"value": 45000, "unit": "EUR"}),
    (
        "currency_range",
        "1..2.5 GBP",
        {"value": {"min_amount": 1, "max_amount": 2.5, "currency_code": "GBP"}},
        {"min_value": 1, "max_value": 2.5, "unit": "GBP"},
    ),
    (
        "number_range",
        "-20 .. 40",
        {"value": {"min_value": -20, "max_value": 40}},
        {"min_value": -20, "max_value": 40},
    ),
    ("number_range", "..40", {"value": {"min_value": None, "max_value": 40}}, {"min_value": None, "max_value": 40}),
    ("short_text", None, {"value": None}, {"delete_value": "true"}),
    ("multi_select", None, {"value": []}, {"delete_value": "true"}),
]


@pytest.mark.parametrize(("kind", "value", "v3", "v1"), WRITES)
def test_a_value_becomes_theirs(kind: str, value: JsonValue, v3: Any, v1: Any) -> None:
    assert body_of(kind, value, OPTIONS, is_legacy=False) == v3
    assert body_of(kind, value, OPTIONS, is_legacy=True) == (v3 if v1 is None else v1)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("short_text", ["a"]),
        ("yes_no", "perhaps"),
        ("yes_no", 1),
        ("number", "many"),
        ("number", ["3"]),
        ("date", "28.02.2026"),
        ("single_select", "secret"),
        ("single_select", ["None", "1 month"]),
        ("multi_select", ["None", "secret"]),
        ("currency", "45000"),
        ("currency", 45000),
        ("currency_range", "1..2"),
        ("currency_range", "1-2 EUR"),
        ("number_range", "1..2 EUR"),
        ("number_range", ".."),
        ("user", "secret"),
        ("rich_text", "secret"),
        ("star_rating", "secret"),
    ],
)
def test_what_greenhouse_would_not_take_is_refused_aloud(kind: str, value: JsonValue) -> None:
    with pytest.raises(Rejected) as raised:
        body_of(kind, value, OPTIONS, is_legacy=False)
    assert raised.value.field == "custom_fields"
    assert str(raised.value)
    assert "secret" not in str(raised.value)


NUMBERS = st.integers(-(10**12), 10**12) | st.decimals(-(10**6), 10**6, places=2, allow_nan=False).map(float)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["number", "currency", "currency_range", "number_range"]), NUMBERS, NUMBERS, st.booleans())
def test_what_is_written_is_what_is_read(kind: str, one: float, other: float, is_legacy: bool) -> None:
    least, most = sorted((one, other))
    shapes: dict[str, Any] = {
        "number": one,
        "currency": {"amount": one, "currency_code": "EUR"},
        "currency_range": {"min_amount": least, "max_amount": most, "currency_code": "EUR"},
        "number_range": {"min_value": least, "max_value": most},
    }
    ours = value_of(kind, shapes[kind])
    said = body_of(kind, ours, {}, is_legacy=is_legacy)
    if is_legacy and kind == "currency":
        said = {"value": {"amount": said["value"], "unit": said["unit"]}}
    assert value_of(kind, said.get("value", said)) == ours


SPELLINGS: list[tuple[str, str, JsonValue]] = [
    ("currency", " 45000.0 eur", "45000 EUR"),
    ("currency", "-0.50  Gbp ", "-0.5 GBP"),
    ("currency", "0.10000000000000000001 EUR", "0.1 EUR"),
    ("currency_range", "1.0 .. 2.50 gbp", "1..2.5 GBP"),
    ("currency_range", "1 .. usd", "1.. USD"),
    ("number_range", " ..  40.0", "..40"),
    ("yes_no", " YES ", True),
    ("yes_no", "False", False),
]


@pytest.mark.parametrize(("kind", "ours", "theirs"), SPELLINGS)
def test_a_value_is_known_in_greenhouse_s_spelling(kind: str, ours: str, theirs: JsonValue) -> None:
    said = body_of(kind, ours, {}, is_legacy=False)["value"]
    assert value_of(kind, said) == respelled(ours) == respelled(theirs) == theirs


@pytest.mark.parametrize(
    "value",
    [None, True, 3, 3.5, ["45000 eur", "yes"], "3.0", "007", "..", "45000", "45000 euro", "1-2 eur", f"{'9' * 50} eur"],
)
def test_what_may_be_any_text_is_known_as_it_is(value: JsonValue) -> None:
    assert respelled(value) == value


def test_the_whole_set_is_known_in_greenhouse_s_spelling() -> None:
    mine: JsonValue = [{"name": "pay", "value": "1 eur"}, {"name": "x"}, {"name": "y", "value": "a"}, "odd"]
    known: JsonValue = [
        {"name": "pay", "value": "1 EUR"},
        {"name": "x", "value": None},
        {"name": "y", "value": "a"},
        "odd",
    ]
    assert GreenhouseAdapter.expected(APPLICATION, "custom_fields", mine) == known


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("\ud800"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["amount", "unit", "name", "min_value", "value", "email"]), inner, max_size=4)
    ),
    max_leaves=8,
)
KINDS = sorted({str(kind) for kind, *_ in VALUES} | {"attachment", "x_hris"})


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(KINDS), JSON)
def test_any_json_is_a_value_or_a_warning(kind: str, value: Any) -> None:
    record = read(CANDIDATE, {"id": 1, "custom_fields": {"x": {"type": kind, "value": value}}}, ("x",))
    shown = record.visible()["custom_fields"]
    assert bool(record.unseen_custom_fields) == bool(record.warnings)
    assert isinstance(shown, list)
    assert not (shown and record.warnings)
    for element in shown:
        assert isinstance(element, dict)
        assert isinstance(element["value"], str | int | float | list)
        assert element["value"] not in ("", [])


@pytest.mark.parametrize(
    ("config", "names"),
    [
        ({}, {}),
        ({"mapping": None}, {}),
        ({"mapping": {"candidate": "x"}}, {}),
        ({"mapping": {"candidate": {"custom_fields": ["x"]}}}, {}),
        ({"mapping": {"job": {"custom_fields": {"x": "X"}}}}, {}),
        ({"mapping": {"nothing": {"custom_fields": {"x": "X"}}}}, {}),
        ({"mapping": {"role": {"custom_fields": {"x": "X"}}}}, {}),
        ({"mapping": {"candidate": {"custom_fields": {"x": "X", "y": " ", "": "Z", "z": 1}}}}, {"x": "X"}),
    ],
)
def test_what_a_mapping_names(config: dict[str, JsonValue], names: dict[str, str]) -> None:
    assert named_in(config, CANDIDATE) == names


def test_a_job_is_a_role_as_well() -> None:
    assert named_in({"mapping": {"role": {"custom_fields": {"x": "X"}}}}, JOB) == {"x": "X"}
