"""Expressions: what they come to, and what nobody gets to say in one."""

from __future__ import annotations

from typing import Any

import pytest

from shared.errors import InvalidInput, InvalidPayload
from shared.mapping.expressions import DEEPEST, LONGEST, Expression
from shared.model import FIELDS, EntityType, JsonValue

KNOWN = {**FIELDS[EntityType.CANDIDATE], **FIELDS[EntityType.JOB]}
PERSON: dict[str, JsonValue] = {
    "first_name": "  ada ",
    "last_name": "Lovelace",
    "current_company": None,
    "experience_years": 3,
    "tags": ["python", "sql"],
    "restricted": False,
    "earliest_start": "2026-03-01",
}
CUSTOM: dict[str, JsonValue] = {"Notice period": "1 month"}


def value(text: str, **more: JsonValue) -> Any:
    return Expression(text, path="set.x", known=KNOWN).value({**PERSON, **more}, CUSTOM)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('last_name == "Lovelace"', True),
        ('last_name in ("Byron", "Lovelace")', True),
        ('"python" in tags and "go" not in tags', True),
        ('not restricted or last_name == "x"', True),
        ("experience_years * 2 + 1 - 2 / 2", 6),
        ("-experience_years < 0", True),
        ('earliest_start >= "2026-01-01"', True),
        ('title(trim(first_name)) + " " + upper(last_name)', "Ada LOVELACE"),
        ('lower(last_name) if experience_years > 2 else "junior"', "lovelace"),
        ('coalesce(current_company, preferred_name, "none")', "none"),
        ('coalesce(current_company, "")', ""),
        ("coalesce()", None),
        ('replace(last_name, "Love", "Hate")', "Hatelace"),
        ('starts_with(last_name, "Love") and ends_with(last_name, "lace")', True),
        ('starts_with(current_company, "A")', False),
        ("first(tags)", "python"),
        ("first(current_company)", None),
        ("length(tags) + length(current_company)", 2),
        ("text(experience_years)", "3"),
        ("text(restricted)", "no"),
        ('number("4") + number("0.5") + number(experience_years)', 7.5),
        ('custom("Notice period")', "1 month"),
        ('custom("Salary")', None),
        ("None", None),
        ("True and 1", 1),
    ],
)
def test_what_an_expression_comes_to(text: str, expected: JsonValue) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("current_company == None", True),
        ('current_company == "x"', False),
        ("phone == None", True),
        ("current_company < 3", False),
        ("current_company >= 3", False),
        ('"x" in current_company', False),
        ('"x" not in current_company', True),
        ("current_company in tags", False),
        ("lower(current_company)", None),
        ("replace(current_company, 'a', 'b')", None),
        ("text(current_company)", None),
        ("number(current_company)", None),
    ],
)
def test_what_is_empty_or_not_shown_breaks_no_comparison(text: str, expected: JsonValue) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "().__class__.__bases__[0].__subclasses__()",
        "last_name.upper()",
        "'{0.__class__}'.format(last_name)",
        "f'{last_name.__class__}'",
        "__import__('os').system('true')",
        "open('/etc/passwd')",
        "eval('1')",
        "exec('1')",
        "getattr(last_name, 'upper')",
        "list(tags)",
        "[each for each in tags]",
        "(each for each in tags)",
        "{each: 1 for each in tags}",
        "{'a': 1}",
        "{1, 2}",
        "lambda: 1",
        "(lambda: 1)()",
        "9 ** 9 ** 9",
        "1 << 99999",
        "10 % 3",
        "tags[0]",
        "tags[:1]",
        "last_name = 'x'",
        "(last_name := 'x')",
        "import os",
        "1; 2",
        "del last_name",
        "yield 1",
        "await last_name",
        "replace(*tags)",
        "replace(last_name, old='a', new='b')",
        "lower",
        "lower(lower)",
        "b'bytes'",
        "1j",
        "...",
        "__builtins__",
        "no_such_field == 1",
        "no_such_function(1)",
        "lower(no_such_field)",
        "lower(last_name.upper())",
        "",
        "   ",
        "status ==",
        "status == \x00",
        "(" * 300,
        "-" * 400 + "1",
        "not " * 100 + "True",
        "1" + " + 1" * 200,
        "[" * 60 + "]" * 60,
        "x" * (LONGEST + 1),
    ],
)
def test_what_nobody_gets_to_say(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Expression(text, path="config.mapping.candidate.where", known=KNOWN)
    assert refused.value.field == "config.mapping.candidate.where"
    assert refused.value.remedy


def test_a_fault_names_the_part_and_what_there_is() -> None:
    with pytest.raises(InvalidInput, match="there is no salary") as refused:
        Expression("salary > 3", path="w", known={"tags": 1, "title": 1})
    assert refused.value.remedy == "choose one of: tags, title"
    with pytest.raises(InvalidInput, match="Attribute can't be used"):
        Expression("title.x", path="w", known={"title": 1})


def test_depth_is_bounded_and_what_is_allowed_is_computed() -> None:
    assert value("not " * (DEEPEST - 1) + "True") is False
    assert value("(" * 150 + "1" + ")" * 150) == 1


@pytest.mark.parametrize(
    "text",
    [
        "last_name + 1",
        "first_name + current_company",
        "last_name * 100000",
        "1 / 0",
        "number(last_name)",
        "lower(3)",
        "text(tags)",
        "length(3)",
        "first(3)",
        "last_name < 3",
        "3 in last_name",
        'replace(last_name, "", "x")',
        "lower()",
        "custom()",
        "custom(tags)",
        "-last_name",
        "current_company - 1",
    ],
)
def test_what_can_not_be_computed_is_told_without_the_value(text: str) -> None:
    with pytest.raises(InvalidPayload) as failed:
        value(text)
    assert str(failed.value).startswith("set.x: ")
    assert "Lovelace" not in str(failed.value)
    assert failed.value.__cause__ is None


def test_texts_do_not_grow_without_bound() -> None:
    doubled = 'replace(replace(replace(description, "a", "aaaaaaaaaa"), "a", "aaaaaaaaaa"), "a", "aaaaaaaaaa")'
    assert len(value(doubled, description="a" * 99)) == 99_000
    with pytest.raises(InvalidPayload):
        value(doubled, description="a" * 101)
    with pytest.raises(InvalidPayload):
        value("description + description", description="a" * 60_000)


def test_an_expression_remembers_nothing_of_the_record_before() -> None:
    asked = Expression("last_name", path="w", known=KNOWN)
    assert asked.value({"last_name": "Lovelace"}, {}) == "Lovelace"
    assert asked.value({}, {}) is None
    named = Expression('custom("a")', path="w", known=KNOWN)
    assert (named.value({}, {"a": 1}), named.value({}, {})) == (1, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("10", 10), (" -7 ", -7), ("+0.5", 0.5), (".5", 0.5), ("5.", 5.0), ("1e3", 1000.0), (str(2**63 - 1), 2**63 - 1)],
)
def test_a_number_is_read_from_its_digits(text: str, expected: float) -> None:
    assert value("number(preferred_name)", preferred_name=text) == expected


@pytest.mark.parametrize("text", ["1_0", "nan", "inf", "-Infinity", "1e999", "٤٢", "0x10", "1 0", "", "9" * 5_000])
def test_what_is_no_plain_number_is_not_read_as_one(text: str) -> None:
    with pytest.raises(InvalidPayload, match="can't be computed"):
        value("number(preferred_name)", preferred_name=text)


@pytest.mark.parametrize(
    "text",
    [
        "experience_years * 4611686018427387904",
        "-experience_years * 4611686018427387904",
        "1e308 * 10",
        "[1e999]",
        "'\\ud800'",
        "last_name + '\\0'",
        "number(preferred_name)",
    ],
)
def test_what_json_or_the_database_can_not_hold_is_no_result(text: str) -> None:
    with pytest.raises(InvalidPayload, match=r"^set\.x: comes to what can't be kept") as refused:
        value(text, preferred_name="9" * 30)
    assert refused.value.remedy
