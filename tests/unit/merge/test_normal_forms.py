"""Normal forms: formatting never counts (S-197, S-200)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import JsonValue

from shared.merge import normal_forms
from shared.merge.merge import merge
from shared.merge.normal_forms import canonical_json, form_of, member_forms, normal, phone_version
from shared.merge.state import Ours
from shared.model.enums import EntityType
from shared.model.fields import FIELDS, UNITS, Field, Kind, NormalForm
from shared.model.records import JsonObject
from tests.unit.merge.lab import agreed, ours, rules, theirs


def form(name: NormalForm, value: JsonValue) -> str | None:
    return normal(Field("f", normal=name), value)


@pytest.mark.parametrize("name", list(NormalForm))
@pytest.mark.parametrize("value", [None, "", "  ", "\t\n", "\u00a0\u2003", []])
def test_what_holds_nothing_is_empty(name: NormalForm, value: JsonValue) -> None:
    assert form(name, value) is None


@pytest.mark.parametrize("value", [False, 0, [0], {"a": None}])
def test_no_and_nought_are_values(value: JsonValue) -> None:
    assert form(NormalForm.EXACT, value) is not None


SAME = [
    (NormalForm.TEXT, "  Baker  of\tbread\r\n", "Baker of bread", "Baker of bread"),
    (NormalForm.TEXT, "Zoe\u0308", "Zo\u00eb", "Zo\u00eb"),
    (NormalForm.NAME, " Ann\u00a0Lee ", "Ann Lee", "Ann Lee"),
    (NormalForm.EMAIL, " Ann@Example.ORG ", "ann@example.org", "ann@example.org"),
    (NormalForm.EMAIL, "STRASSE@x.de", "stra\u00dfe@x.de", "strasse@x.de"),
    (NormalForm.WORD, "In  Progress", "in progress", "in progress"),
    (NormalForm.WORD, "\u0130", "i\u0307", "i\u0307"),
    (NormalForm.PHONE, "+44 (0)20 7946 0018", "+442079460018", "+442079460018"),
    (NormalForm.PHONE, "+1 (415) 555-0100", "+14155550100", "+14155550100"),
    (NormalForm.PHONE, "+1 415 555 0100 ext. 7", "+14155550100 x7", "+14155550100x7"),
    (NormalForm.PHONE, "(020) 7946-0018 x7", "020 7946 0018 ext 7", "02079460018x7"),
    (NormalForm.PHONE, "555#12", "555 extension: 12", "555x12"),
    (NormalForm.PHONE, "555;ext=12", "555 X.12", "555x12"),
    (NormalForm.PHONE, "1-800-FLOWERS", "1 800 flowers", "1800flowers"),
    (NormalForm.PHONE, "\uff0b\uff14\uff14 20 7946 0018", "\uff0b442079460018", "+442079460018"),
    (NormalForm.PHONE, "\u0660\u0661\u0662 3", "0123", "0123"),
    (NormalForm.PHONE, "+999 12", "+99912", "+99912"),
    (NormalForm.PHONE, "-- ?", "-- ?", "-- ?"),
    (NormalForm.URL, "HTTPS://LinkedIn.com/in/Ann/", "https://linkedin.com/in/Ann", "https://linkedin.com/in/Ann"),
    (NormalForm.URL, "https://x.org:443", "https://X.org/", "https://x.org"),
    (NormalForm.URL, "http://x.org:80/a", "http://x.org/a", "http://x.org/a"),
    (NormalForm.URL, "LinkedIn.com/in/A", "linkedin.com/in/A/", "linkedin.com/in/A"),
    (NormalForm.URL, "https://X.org?q=A", "https://x.org?q=A", "https://x.org?q=A"),
    (NormalForm.URL, "https://X.org#A", "https://x.org#A", "https://x.org#A"),
    (NormalForm.URL, "https://x.org/X/", "https://X.org/X", "https://x.org/X"),
    (NormalForm.URL, "https://X.org?u=http://Y", "https://x.org?u=http://Y/", "https://x.org?u=http://Y"),
    (NormalForm.AMOUNT, "nan", " nan ", "nan"),
    (NormalForm.AMOUNT, "inf", " inf ", "inf"),
    (NormalForm.MOMENT, "2026-05-04T12:00:00Z", "2026-05-04T14:00:00.000400+02:00", "1777896000000"),
    (NormalForm.MOMENT, " 1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999+00:00", "-1"),
    (NormalForm.MOMENT, "2026-05-04T12:00:00", " 2026-05-04T12:00:00 ", "2026-05-04T12:00:00"),
    (NormalForm.MOMENT, "soon  enough", "soon enough", "soon enough"),
    (NormalForm.DATE, "2026-05-04", "20260504", "2026-05-04"),
    (NormalForm.DATE, "2026-05-04T23:00:00-05:00", " 2026-05-04 ", "2026-05-04"),
    (NormalForm.DATE, "next  May", "next May", "next May"),
    (NormalForm.MONTH, "spring  of 2018", "spring of 2018", "spring of 2018"),
    (NormalForm.EXACT, " A ", " A ", '" A '),
]


@pytest.mark.parametrize(("name", "one", "other", "expected"), SAME)
def test_two_spellings_of_one_value_are_one(name: NormalForm, one: str, other: str, expected: str) -> None:
    assert form(name, one) == form(name, other) == expected


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        (NormalForm.TEXT, "Baker", "baker"),
        (NormalForm.NAME, "Ann", "ann"),
        (NormalForm.EMAIL, "a@x.org", "a@y.org"),
        (NormalForm.PHONE, "+14155550100", "+14155550101"),
        (NormalForm.PHONE, "555 x1", "555 x2"),
        (NormalForm.PHONE, "+14155550100", "+14155550100 x7"),
        (NormalForm.URL, "https://x.org/A", "https://x.org/a"),
        (NormalForm.URL, "https://x.org:80", "https://x.org"),
        (NormalForm.URL, "http://x.org", "https://x.org"),
        (NormalForm.URL, "x.org:443", "x.org"),
        (NormalForm.MOMENT, "2026-05-04T12:00:00.001Z", "2026-05-04T12:00:00Z"),
        (NormalForm.DATE, "2026-05-04", "2026-05-05"),
        (NormalForm.EXACT, "true", True),
        (NormalForm.EXACT, "1", 1),
        (NormalForm.EXACT, "a", "A"),
        (NormalForm.EXACT, [1, 2], [2, 1]),
        (NormalForm.EXACT, ["a  b"], ["a b"]),
    ],
)
def test_two_values_are_two(name: NormalForm, one: JsonValue, other: JsonValue) -> None:
    assert form(name, one) != form(name, other)


def test_a_choice_of_several_has_no_order_and_no_empty_part() -> None:
    assert form(NormalForm.VALUE, ["b ", 1, "a", " "]) == form(NormalForm.VALUE, [1, "a", "b"]) == '["1","a","b"]'
    assert form(NormalForm.VALUE, ["a", {"b": 2, "a": 1}]) == '["a","{\\"a\\":1,\\"b\\":2}"]'
    assert form(NormalForm.VALUE, [" ", ""]) is None


def test_a_canadian_number_and_one_with_a_trunk_digit_go_the_long_way_round() -> None:
    # Only a full North American number is its own E.164 form; others are read properly.
    assert form(NormalForm.PHONE, "+4402079460018") == "+442079460018"
    assert form(NormalForm.PHONE, "+114155550100") == form(NormalForm.PHONE, "+1 1 415 555 0100")


def test_canonical_json_is_the_same_to_the_byte() -> None:
    # Digests and prints of it are stored: another library's way of writing a number would change them all.
    assert canonical_json({"b": 1e-7, "a": [1.0, None]}) == b'{"a":[1.0,null],"b":1e-7}'
    assert form(NormalForm.EXACT, ["half a pair \ud800"]) == '["half a pair \ud800"]'


def test_exact_values_are_canonical_json() -> None:
    assert form(NormalForm.EXACT, {"b": 1, "a": [True, None]}) == '{"a":[true,null],"b":1}'
    assert form(NormalForm.EXACT, {"a": 1, "b": 2}) == form(NormalForm.EXACT, {"b": 2, "a": 1})
    assert canonical_json({"b": 10**30, "a": "\ud800"}) == b'{"a":"\xed\xa0\x80","b":1' + b"0" * 30 + b"}"
    assert canonical_json({"z": 1, "a": "\u00e9 x"}) == '{"a":"\u00e9 x","z":1}'.encode()
    assert canonical_json({"b": 10**30, "a": "\u00e9"}).startswith('{"a":"\u00e9","b":'.encode())


def test_a_form_of_the_release_before_is_still_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(normal_forms.VERSIONS, NormalForm.TEXT, 2)
    monkeypatch.setitem(normal_forms.PREVIOUS, (NormalForm.TEXT, 1), str.upper)
    text = Field("f")
    assert normal(text, "a  b", version=1) == "A  B"
    assert normal(text, "a  b", version=2) == normal(text, "a  b") == "a b"
    with pytest.raises(LookupError):
        form_of(NormalForm.TEXT, 3)


def test_all_members_of_a_group_have_one_form_and_are_plain_values() -> None:
    # `norm_of` reads the version from the first member.
    for entity, units in UNITS.items():
        for unit in units.values():
            fields = [FIELDS[entity][member] for member in unit.members]
            assert len({field.normal for field in fields}) == 1
            assert len(fields) == 1 or all(field.kind is Kind.SCALAR for field in fields)


def test_phone_tables_are_loaded_only_when_a_number_needs_them() -> None:
    code = (
        "import sys; from shared.merge.merge import merge; from shared.merge.normal_forms import form_of;"
        "f = form_of('phone'); f('020 7946'); f('+14155550100'); print('phonenumbers' in sys.modules, end=' ');"
        "f('+54 9 11 2345 6789'); print('phonenumbers' in sys.modules)"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.split() == ["False", "True"]


def test_the_phone_cache_is_bounded() -> None:
    assert normal_forms._phone.cache_info().maxsize == 65_536


@pytest.mark.parametrize(
    ("region", "one", "other"),
    [
        ("GB", "(020) 7946-0018", "+44 20 7946 0018"),
        ("GB", "0044 20 7946 0018", "+442079460018"),
        ("DE", "030 901820", "+49 30 901820"),
        ("US", "415-555-2671 ext. 7", "+1 (415) 555-2671 x7"),
    ],
)
def test_a_phone_without_a_country_is_the_company_s(region: str, one: str, other: str) -> None:
    read = form_of(NormalForm.PHONE, phone_version(region))
    assert read(one) == read(other)
    assert form_of(NormalForm.PHONE)(one) != form_of(NormalForm.PHONE)(other)


@pytest.mark.parametrize("text", ["12", "7 ext. 3", "letters", "", "+44 20 7946 0018", "99999999999999999999"])
def test_what_is_no_number_of_the_region_reads_as_ever(text: str) -> None:
    assert form_of(NormalForm.PHONE, phone_version("GB"))(text) == form_of(NormalForm.PHONE)(text)


def test_the_version_says_the_region_and_the_form() -> None:
    assert len({phone_version(region) for region in ("GB", "DE", "ZZ")}) == 3
    with pytest.raises(LookupError):
        form_of(NormalForm.PHONE, phone_version("GB") + 1)


@pytest.mark.parametrize(("one", "other"), [("50,000.00", "50000"), ("1,234", "1234"), ("5e2", "500"), ("0.50", ".5")])
def test_amounts_are_numbers(one: str, other: str) -> None:
    read = form_of(NormalForm.AMOUNT)
    assert read(one) == read(other)


@pytest.mark.parametrize("text", ["NaN", "1,5", "about 50", "Infinity"])
def test_what_is_no_amount_stays_text(text: str) -> None:
    assert form_of(NormalForm.AMOUNT)(text) == text


@pytest.mark.parametrize(
    ("text", "month"), [("2018", "2018"), ("2018-09", "2018-09"), ("2018-09-30", "2018-09"), ("soon", "soon")]
)
def test_careers_are_dated_to_the_month(text: str, month: str) -> None:
    assert form_of(NormalForm.MONTH)(text) == month


def test_a_company_that_says_its_region_changes_nothing_of_what_was_agreed() -> None:
    """Stored prints are compared as they were made, then made anew."""
    values: JsonObject = {"phone": "020 7946 0018", "further_phones": [{"value": "030 1"}]}
    known, how = agreed(values), rules(forms={NormalForm.PHONE: phone_version("GB")})
    shown = {**values, "phone": "020 7946-0018"}
    outcome = merge(known, ours(values), theirs(shown), how)
    assert outcome.is_quiet
    assert outcome.base["phone"].norm == phone_version("GB")
    abroad = merge(outcome.base, ours(values), theirs({**shown, "phone": "+44 20 7946 0018"}, 70), how)
    assert abroad.is_quiet
    assert merge({}, ours({}), theirs(values), how) == merge({}, Ours({"phone": " "}, {}), theirs(values), how)


def test_members_have_one_version_of_their_forms() -> None:
    field = FIELDS[EntityType.CANDIDATE]["work_history"]
    with pytest.raises(LookupError) as missing:
        member_forms(field, {"employer": "Acme"}, version=9)
    assert missing.value.args == ("work_history", 9)
