"""Phone numbers of a company that says which country it means: one number, however either side writes it."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from shared.merge.elements import told_apart
from shared.merge.fingerprints import print_of
from shared.merge.merge import merge
from shared.merge.normal_forms import form_of, phone_forms, phone_version
from shared.merge.settle import settle, with_intents
from shared.model.fields import FIELDS, UNITS, NormalForm
from tests.unit.merge.lab import CANDIDATE, agreed, ours, rules, theirs

PHONES = "further_phones"
NATIONAL, ABROAD = "030 23125000", "+49 30 23125000"
GERMAN, FRENCH = ({NormalForm.PHONE: phone_version(region)} for region in ("DE", "FR"))


def numbers(*values: str) -> list[JsonValue]:
    return [{"value": value, "type": "home"} for value in values]


@pytest.mark.parametrize(
    ("number", "region", "forms"),
    [
        (NATIONAL, None, {"03023125000"}),
        (NATIONAL, "DE", {"03023125000", "+493023125000"}),
        (ABROAD, "DE", {"03023125000", "+493023125000"}),
        (ABROAD, None, {"+493023125000"}),
        ("+1 415 200 0100", "DE", {"+14152000100"}),
        ("+49 1", "DE", {"+491"}),
        ("+999 12", "DE", {"+99912"}),
        ("flowers", "DE", {"flowers"}),
        ("(415) 200-0100 ext. 7", "US", {"4152000100x7", "+14152000100x7"}),
    ],
)
def test_every_form_that_a_number_may_have(number: str, region: str | None, forms: set[str]) -> None:
    assert phone_forms(number, region) == forms


def test_only_the_form_of_phones_knows_regions() -> None:
    with pytest.raises(LookupError):
        form_of(NormalForm.TEXT, 1001)


def test_elements_are_told_apart_as_the_company_writes_numbers() -> None:
    field = FIELDS[CANDIDATE][PHONES]
    assert set(told_apart(field, numbers(NATIONAL), GERMAN[NormalForm.PHONE])) == {"+493023125000"}
    assert set(told_apart(field, numbers(NATIONAL))) == {"03023125000"}


@pytest.mark.parametrize(("written", "shown"), [(NATIONAL, ABROAD), (ABROAD, NATIONAL)])
def test_a_number_that_was_sent_one_way_and_is_shown_another_is_agreed_on(written: str, shown: str) -> None:
    how = rules(forms=GERMAN)
    mine = ours({PHONES: numbers(written)}, 5)
    sent = merge(agreed({PHONES: []}, forms=GERMAN), mine, theirs({PHONES: []}), how)
    answer = theirs({PHONES: numbers(shown)}, 70)
    known = settle(with_intents(sent.base, sent.intents), sent.intents, sent.push, answer, how)
    assert known[PHONES].ours == known[PHONES].theirs == sent.intents[PHONES]
    assert merge(known, mine, answer, how).decisions == ()


def test_what_the_vendor_makes_of_a_detail_is_known_as_the_company_writes_numbers() -> None:
    def loud(_name: str, value: JsonValue) -> JsonValue:
        return (
            [{**each, "type": "HOME"} for each in value if isinstance(each, dict)] if isinstance(value, list) else value
        )

    mine, seen = ours({PHONES: numbers(NATIONAL)}), theirs({PHONES: loud(PHONES, numbers(ABROAD))})
    assert merge({}, mine, seen, rules(forms=GERMAN, expected=loud)).is_quiet
    nothing = rules(forms=GERMAN, expected=lambda _name, _value: [])
    assert merge({}, mine, seen, nothing) == merge({}, mine, seen, rules(forms=GERMAN))


def test_a_number_that_the_vendor_cuts_is_known_as_the_company_writes_numbers() -> None:
    def without_extension(_name: str, value: JsonValue) -> JsonValue:
        return (
            [{**each, "value": str(each["value"]).partition(" ext")[0]} for each in value if isinstance(each, dict)]
            if isinstance(value, list)
            else value
        )

    how, seen = rules(forms=GERMAN, expected=without_extension), theirs({PHONES: numbers(ABROAD)})
    one, two = numbers(f"{NATIONAL} ext. 7"), numbers(f"{NATIONAL} ext. 7", f"{ABROAD} ext. 8")
    assert merge({}, ours({PHONES: one}), seen, how).is_quiet
    assert merge({}, ours({PHONES: two}), seen, how).is_quiet


@pytest.mark.parametrize("before", [{}, FRENCH], ids=["none", "another"])
def test_when_a_company_names_its_country_nothing_has_changed(before: dict[NormalForm, int]) -> None:
    both: dict[str, JsonValue] = {PHONES: numbers(NATIONAL, "030 23125001"), "phone": NATIONAL}
    outcome = merge(agreed(both, forms=before), ours(both), theirs(both), rules(forms=GERMAN))
    assert (outcome.is_quiet, outcome.decisions) == (True, ())
    for name in both:
        now = print_of(rules(forms=GERMAN), UNITS[CANDIDATE][name], both, (name,))
        assert (outcome.base[name].ours, outcome.base[name].theirs, outcome.base[name].norm) == (
            now,
            now,
            GERMAN[NormalForm.PHONE],
        )


@pytest.mark.parametrize(("before", "after"), [(FRENCH, GERMAN), (GERMAN, FRENCH)])
def test_a_removal_is_known_across_a_change_of_country(
    before: dict[NormalForm, int], after: dict[NormalForm, int]
) -> None:
    kept, gone = numbers(NATIONAL), numbers(NATIONAL, "030 23125001")
    base, how = agreed({PHONES: gone}, forms=before), rules(forms=after)
    outcome = merge(base, ours({PHONES: kept}), theirs({PHONES: gone}), how)
    assert (outcome.take, outcome.push) == ({}, {PHONES: kept})
    assert outcome.base[PHONES].norm == after[NormalForm.PHONE]
