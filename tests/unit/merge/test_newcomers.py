"""The short way of a first sync, where chance seldom leads: lists as one value, a company's country, normalisers."""

from __future__ import annotations

from datetime import datetime

import pytest
from pydantic import JsonValue

from shared.merge.base_codec import encode_base
from shared.merge.fingerprints import print_of
from shared.merge.first import introduce
from shared.merge.merge import merge
from shared.merge.normal_forms import phone_version
from shared.merge.state import Ours
from shared.model.fields import FIELDS, UNITS, Kind, NormalForm, Policy
from shared.model.records import JsonObject
from tests.unit.merge.lab import CANDIDATE, PHONE, TAGS, TITLE, agreed, at, ours, rules, theirs

PHONES, WORK = "further_phones", "work_history"
BLANK: JsonObject = {
    name: [" "] if field.kind is Kind.SET else " " for name, field in FIELDS[CANDIDATE].items() if name != PHONE
}
"""White space is nothing, but only the tables know that."""
SHOWN: JsonObject = {
    "first_name": "Ann",
    "last_name": None,
    TITLE: "Baker",
    PHONE: "030 23125000",
    TAGS: ["a", "b"],
    PHONES: [{"value": "030 23125001", "type": "home"}],
    WORK: [{"employer": "Acme", "title": "Baker"}, {"employer": "Bolt"}],
}
MADE: JsonObject = {
    "first_name": "ANN",
    TITLE: "BAKER",
    PHONE: "(030) 231-25000",
    TAGS: ["a"],
    PHONES: [],
    WORK: [{"employer": "Acme"}],
}
"""What a vendor makes of it; the number is the same, only written otherwise."""


def made(name: str, value: JsonValue) -> JsonValue:
    return MADE.get(name, value)


@pytest.mark.parametrize("policy", [Policy.LWW, Policy.UNION])
@pytest.mark.parametrize("forms", [{}, {NormalForm.PHONE: phone_version("DE")}])
@pytest.mark.parametrize("expected", [made, lambda _name, value: value])
@pytest.mark.parametrize("when", [{}, {TITLE: at(40), TAGS: at(50)}])
def test_a_newcomer_is_decided_as_by_the_tables(
    policy: Policy, forms: dict[NormalForm, int], expected: object, when: dict[str, datetime]
) -> None:
    how = rules(policies=dict.fromkeys((TAGS, PHONES, WORK), policy), forms=forms, expected=expected, inbound=True)
    seen = theirs(SHOWN, field_times=when)
    newcomer, long = introduce(seen, how), merge({}, Ours(BLANK, {}), seen, how)
    assert newcomer.outcome == long
    assert newcomer.base == encode_base(long.base)
    assert newcomer.outcome.take == {**SHOWN}
    kept = {name for name, unit in long.base.items() if unit.expects is not None}
    lists = {TAGS, PHONES, WORK} if policy is Policy.LWW else set()
    assert kept == ({"name", TITLE} | lists if expected is made else set())


def respelled(name: str, value: JsonValue) -> JsonValue:
    """What a vendor makes of lists, element by element: it shows each as another one."""
    part = {PHONES: "value", WORK: "title"}.get(name)
    if not isinstance(value, list) or (part is None and name != TAGS):
        return value
    return [{**each, part: f"{each[part]}9"} if part and isinstance(each, dict) else f"{each}9" for each in value]


def test_what_a_vendor_shows_elements_under_is_kept_of_a_newcomer_as_by_the_tables() -> None:
    """Numbers are read in the company's country, and two posts at one employer are told apart."""
    posts: JsonValue = [{"employer": "Acme", "title": "Baker"}, {"employer": "Acme", "title": "Chef"}]
    how = rules(forms={NormalForm.PHONE: phone_version("DE")}, expected=respelled, inbound=True)
    seen = theirs({**SHOWN, WORK: posts})
    newcomer, long = introduce(seen, how), merge({}, Ours(BLANK, {}), seen, how)
    assert newcomer.base == encode_base(long.base)
    assert {name: len(long.base[name].aliases or ()) for name in (TAGS, PHONES, WORK)} == {TAGS: 2, PHONES: 1, WORK: 2}


def test_what_a_vendor_makes_nothing_of_is_not_kept_beside_what_was_taken() -> None:
    how = rules(expected=lambda _name, value: value)
    outcome = merge(agreed({TITLE: "Baker"}), ours({TITLE: "Baker"}, -60), theirs({TITLE: "Cook"}), how)
    assert (outcome.take, outcome.base[TITLE].expects) == ({TITLE: "Cook"}, None)


@pytest.mark.parametrize("policy", [Policy.LWW, Policy.UNION])
@pytest.mark.parametrize("expected", [made, lambda _name, value: value])
@pytest.mark.parametrize("when", [{}, {TITLE: at(40), TAGS: at(50)}])
def test_what_a_known_record_lacks_is_taken_as_a_newcomer_s(
    policy: Policy, expected: object, when: dict[str, datetime]
) -> None:
    how = rules(policies=dict.fromkeys((TAGS, PHONES, WORK), policy), expected=expected)
    seen = theirs({**SHOWN, TAGS: ["a", "b", "a"], "links": []}, field_times=when)
    newcomer = merge({}, ours({}), seen, how)
    assert merge({}, ours({"summary": "Bakes."}), seen, how) == newcomer
    assert newcomer.base["links"].ours == {}


def test_a_known_record_that_holds_nothing_any_more_is_no_newcomer() -> None:
    outcome = merge(agreed({TITLE: "Baker"}), Ours({}, {}), theirs({TITLE: "Baker"}), rules())
    assert (outcome.take, outcome.push) == ({}, {TITLE: None})


def test_a_list_that_shows_itself_later_is_met_in_the_company_s_country() -> None:
    how = rules(forms={NormalForm.PHONE: phone_version("DE")})
    seen = theirs({TITLE: "Baker", PHONES: SHOWN[PHONES], TAGS: [" "], "first_name": ""})
    outcome = merge(agreed({TITLE: "Baker"}), ours({TITLE: "Baker"}), seen, how)
    unit = UNITS[CANDIDATE][PHONES]
    assert outcome.base[PHONES].theirs == print_of(
        how, unit, {PHONES: [{"value": "+493023125001", "type": "home"}]}, (PHONES,)
    )
    assert outcome.take == {PHONES: SHOWN[PHONES]}
    assert outcome.base["name"].theirs == ".?"


def test_a_group_of_a_form_that_is_gone_has_no_print() -> None:
    unit = UNITS[CANDIDATE]["name"]
    with pytest.raises(LookupError):
        print_of(rules(), unit, {"first_name": "Ann"}, unit.members, version=9)
