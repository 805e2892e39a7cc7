"""Who a vendor's record is: by a verified e-mail, never by a guess."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import JsonValue

from shared.merge.matching import (
    Ambiguous,
    Arrival,
    Match,
    Matched,
    New,
    NewButPossibleDuplicate,
    Person,
    contradict,
    identity_keys,
    match,
    match_by_phone,
    match_page,
    phone_digits,
    phone_identity,
    phone_lock,
    suggested,
    valid_email,
)

ANN: dict[str, JsonValue] = {"first_name": "Ann", "last_name": "Lee", "email": "Ann@Example.org"}


@pytest.mark.parametrize(
    "value",
    ["a@x.org", "ann.lee+jobs@mail.example.co.uk", " a@x.org ", "o'neil@x.org", "j\u00f6rg@b\u00fccher.de", "a@x-1.io"],
)
def test_a_well_formed_address(value: str) -> None:
    assert valid_email(value)


@pytest.mark.parametrize(
    "value",
    [
        None, 7, "", "unknown", "a@x", "a@@x.org", "@x.org", "a@.org", "a@x..org", "a..b@x.org", "a b@x.org",
        "Ann <a@x.org>", "a@x.org, b@x.org", "a@x.org;b@x.org", "a@-x.org", "a@x-.org", "a@x.1", "mailto:a@x.org",
        "a@" + "x" * 250 + ".org", "l" * 65 + "@x.org", "a@x.org/", "a@x.org.",
    ],
)  # fmt: skip
def test_no_well_formed_address(value: JsonValue) -> None:
    assert not valid_email(value)


def test_the_longest_addresses() -> None:
    domain = ".".join(["d" * 61] * 3)
    assert valid_email("l" * 64 + "@" + domain + ".ab")
    assert valid_email("l" * 64 + "@" + domain + ".abc")
    assert not valid_email("l" * 64 + "@" + domain + ".abcd")


def test_only_a_well_formed_primary_address_identifies() -> None:
    assert identity_keys({"email": " Ann@Example.ORG"}) == [("email", "ann@example.org")]
    assert identity_keys({"email": "unknown"}) == identity_keys({"email": None}) == identity_keys({}) == []
    assert identity_keys({"email": ["ann@example.org"]}) == identity_keys({"email": 7}) == []


def person(
    record_id: str = "p1", first: str | None = "Ann", last: str | None = "Lee", *, linked: bool = False
) -> Person:
    return Person(record_id, first, last, linked)


CASES = [
    ([], New()),
    ([person()], Matched("p1")),
    ([person(first=" ann ", last="LEE")], Matched("p1")),
    ([person(first="Anne")], Matched("p1")),
    ([person(last="Smith")], Matched("p1")),
    ([person(first=None, last=None)], Matched("p1")),
    ([person(first="Lee", last="Ann")], Matched("p1")),
    ([person(first="Bob", last="Ray")], Ambiguous(("p1",), "name_differs")),
    ([person(first="Bob", last=None)], Ambiguous(("p1",), "name_differs")),
    ([person(linked=True)], NewButPossibleDuplicate(("p1",))),
    ([person(first="Bob", last="Ray", linked=True)], NewButPossibleDuplicate(("p1",))),
    ([person("p2"), person("p1")], Ambiguous(("p1", "p2"), "several_records")),
    ([person("p2", linked=True), person("p1")], Ambiguous(("p1", "p2"), "several_records")),
    ([person("p1"), person("p1")], Matched("p1")),
]


@pytest.mark.parametrize(("people", "expected"), CASES)
def test_whom_an_address_finds(people: list[Person], expected: Match) -> None:
    assert match(ANN, people) == expected


def test_a_name_that_the_vendor_does_not_give_contradicts_nobody() -> None:
    assert match({"email": "a@x.org"}, [person()]) == Matched("p1")


def test_without_an_address_everybody_is_new() -> None:
    assert match({"first_name": "Ann", "last_name": "Lee"}, [person()]) == New()


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (("Ann", "Lee"), ("Ann", "Lee"), False),
        (("Ann", None), (None, "Lee"), True),
        (("", ""), ("Ann", "Lee"), False),
        (("Ann", "Lee"), (None, " "), False),
        (("Zo\u00eb", "X"), ("ZOE\u0308", "Y"), False),
        (("", "Lee"), ("", "Ray"), True),
    ],
)
def test_names_that_contradict(
    one: tuple[str | None, str | None], other: tuple[str | None, str | None], *, expected: bool
) -> None:
    names = [{"first_name": first, "last_name": last} for first, last in (one, other)]
    assert contradict(names[0], names[1]) is expected
    assert contradict(names[1], names[0]) is expected


def test_pain_19_one_address_twice_on_a_page_is_one_person_and_a_possible_duplicate() -> None:
    arrivals = [
        Arrival("10", ANN),
        Arrival("9", ANN),
        Arrival("11", {"email": "b@x.org"}),
        Arrival("12", {"email": None}),
    ]
    expected = {
        "9": New(),
        "10": NewButPossibleDuplicate((), ("9",)),
        "11": New(),
        "12": New(),
    }
    assert match_page(arrivals) == match_page(arrivals[::-1]) == expected


def test_only_the_first_of_a_page_takes_the_record_that_is_found() -> None:
    found = match_page([Arrival("1", ANN, [person()]), Arrival("2", ANN, [person()])])
    assert found == {"1": Matched("p1"), "2": NewButPossibleDuplicate(("p1",), ("1",))}


def test_an_ambiguous_one_stays_ambiguous_on_any_place_of_the_page() -> None:
    two = [person("p1"), person("p2")]
    assert set(match_page([Arrival("1", ANN, two), Arrival("2", ANN, two)]).values()) == {
        Ambiguous(("p1", "p2"), "several_records")
    }


PHONE = "+442079460018"
BY_PHONE: dict[str, JsonValue] = {"first_name": "Ann", "last_name": "Lee", "phone": "+44 (0)20 7946 0018"}


def caller(record_id: str = "p1", first: str | None = "Ann", last: str | None = "Lee", **more: Any) -> Person:
    return Person(record_id, first, last, phone=more.pop("phone", PHONE), **more)


@pytest.mark.parametrize(
    ("phone", "expected"),
    [
        ("+44 (0)20 7946-0018", PHONE),
        ("+1 (202) 555-0143", "+12025550143"),
        ("020 7946 0018", None),
        ("+44 20 7946 0018 ext. 7", None),
        ("+123", None),
        ("unknown", None),
        (None, None),
        (7, None),
    ],
)
def test_only_a_whole_number_with_its_country_identifies(phone: JsonValue, expected: str | None) -> None:
    assert phone_identity({"phone": phone}) == expected


@pytest.mark.parametrize(
    ("phone", "stored"),
    [
        ("+12025550143", "+1 202 555 0143"),
        ("+442079460018", "+44 (0)20 7946 0018"),
        ("+442079460018", "+44 20 7946 0018"),
        ("+353861234567", "+353 (0)86 123 4567"),
        ("+79161234567", "+7 (0)916 123 45 67"),
    ],
)
def test_a_number_is_found_however_its_digits_are_stored(phone: str, stored: str) -> None:
    assert "".join(sign for sign in stored if sign.isdigit()) in phone_digits(phone)


@pytest.mark.parametrize(
    ("phone", "digits"),
    [
        ("+12025550143", ("12025550143",)),
        ("+79161234567", ("79161234567", "709161234567")),
        ("+442079460018", ("442079460018", "4402079460018", "4420079460018")),
    ],
)
def test_no_more_ways_of_storing_a_number_are_asked_for_than_there_are(phone: str, digits: tuple[str, ...]) -> None:
    assert phone_digits(phone) == digits


PHONES = [
    ([], New()),
    ([caller()], Matched("p1")),
    ([caller(first="ANN")], Matched("p1")),
    ([caller(first="A.")], Matched("p1")),
    ([caller(first="An")], NewButPossibleDuplicate(("p1",))),
    ([caller(first=None)], Matched("p1")),
    ([caller(email="any@x.org")], Matched("p1")),
    ([caller(phone="+44 20 7946 0018")], Matched("p1")),
    ([caller(phone="+442079460019")], New()),
    ([caller(first="Anne")], NewButPossibleDuplicate(("p1",))),
    ([caller(first="Bob")], NewButPossibleDuplicate(("p1",))),
    ([caller(last="Smith")], NewButPossibleDuplicate(("p1",))),
    ([caller(first=None, last=None)], NewButPossibleDuplicate(("p1",))),
    ([caller(is_linked=True)], NewButPossibleDuplicate(("p1",))),
    ([caller(first="Bob", last="Ray")], New()),
    ([caller("p2"), caller("p1")], NewButPossibleDuplicate(("p1", "p2"))),
    ([caller("p2"), caller("p1", first="Bob", last="Ray")], NewButPossibleDuplicate(("p2",))),
    ([caller("p1"), caller("p2"), caller("p3")], New()),
]


@pytest.mark.parametrize(("people", "expected"), PHONES)
def test_whom_a_number_finds(people: list[Person], expected: Match) -> None:
    assert match_by_phone(BY_PHONE, people) == expected


def test_a_number_never_matches_where_the_addresses_differ_or_a_page_shares_it() -> None:
    with_email = {**BY_PHONE, "email": "ann@x.org"}
    assert match_by_phone(with_email, [caller(email="Ann@X.org")]) == Matched("p1")
    assert match_by_phone(with_email, [caller(email="other@x.org")]) == NewButPossibleDuplicate(("p1",))
    assert match_by_phone(BY_PHONE, [caller()], 2) == NewButPossibleDuplicate(("p1",))
    assert match_by_phone(BY_PHONE, [caller()], 3) == New()


def test_an_initial_agrees_on_either_side() -> None:
    for first in ("A", "A."):
        assert match_by_phone({**BY_PHONE, "first_name": first}, [caller()]) == Matched("p1")
        assert match_by_phone(BY_PHONE, [caller(first=first)]) == Matched("p1")


def test_a_number_that_stands_twice_on_a_page_matches_neither() -> None:
    found = match_page([Arrival(each, BY_PHONE, (), [caller()]) for each in "12"])
    assert found["1"] == NewButPossibleDuplicate(("p1",))


def test_the_first_rung_that_finds_anybody_decides() -> None:
    values = {**ANN, "phone": PHONE}
    assert match_page([Arrival("1", values, [person()], [caller("p1")])]) == {"1": Matched("p1")}
    apart = match_page([Arrival("1", values, [person("p1")], [caller("p2")])])
    assert apart == {"1": Ambiguous(("p1", "p2"), "keys_disagree")}
    family = match_page([Arrival("1", values, [person("p1")], [caller("p2", first="Bob")])])
    assert family == {"1": Matched("p1")}
    assert match_page([Arrival("1", BY_PHONE, (), [caller()], [at_work("p9")])]) == {"1": Matched("p1")}


def test_a_number_twice_on_a_page_is_two_people_and_a_possible_duplicate() -> None:
    arrivals = [Arrival(each, BY_PHONE) for each in ("2", "10")]
    expected = {"2": New(), "10": NewButPossibleDuplicate((), ("2",))}
    assert match_page(arrivals) == match_page(arrivals[::-1]) == expected
    stranger = Arrival("3", {**BY_PHONE, "first_name": "Bob", "last_name": "Ray"})
    assert set(match_page([arrivals[0], stranger]).values()) == {New()}
    assert set(match_page([Arrival(each, BY_PHONE) for each in "123"]).values()) == {New()}


WORKING: dict[str, JsonValue] = {"first_name": "Ann", "last_name": "Lee", "current_company": "Acme  Ltd"}


def at_work(record_id: str = "p1", company: str | None = "ACME Ltd", **more: Any) -> Person:
    return Person(record_id, "ann", "LEE", current_company=company, **more)


def test_name_and_employer_suggest_and_never_match() -> None:
    assert suggested(WORKING, [at_work()]) == NewButPossibleDuplicate(("p1",))
    assert suggested(WORKING, [at_work(email="a@x.org", phone=PHONE)]) == NewButPossibleDuplicate(("p1",))
    assert suggested({**WORKING, "email": "a@x.org"}, [at_work(email="b@x.org")]) == NewButPossibleDuplicate(("p1",))


def test_a_name_alone_suggests_nobody() -> None:
    assert suggested(WORKING, []) == New()
    assert suggested(WORKING, [at_work(company=None)]) == New()
    assert suggested(WORKING, [at_work(company="Initech")]) == New()
    assert suggested(WORKING, [at_work(is_linked=True)]) == New()
    assert suggested({**WORKING, "last_name": None}, [at_work()]) == New()
    assert suggested({**WORKING, "current_company": None}, [at_work(company=None)]) == New()
    assert suggested({**WORKING, "email": "a@x.org", "phone": PHONE}, [at_work()]) == New()
    assert suggested(WORKING, [at_work(str(number)) for number in range(6)]) == New()
    assert suggested(WORKING, [at_work(str(number)) for number in range(5)]) == NewButPossibleDuplicate(tuple("01234"))


@pytest.mark.parametrize("part", ["first_name", "last_name", "current_company"])
def test_what_neither_side_says_of_a_name_or_an_employer_makes_nobody_alike(part: str) -> None:
    ours = {"first_name": "ann", "last_name": "LEE", "current_company": "ACME Ltd", part: None}
    person = Person("p1", ours["first_name"], ours["last_name"], current_company=ours["current_company"])
    assert suggested({**WORKING, part: None}, [person]) == New()


def test_a_page_suggests_the_namesakes_of_each_record() -> None:
    stranger: dict[str, JsonValue] = {**WORKING, "first_name": "Bob"}
    page = [Arrival("1", WORKING, namesakes=[at_work()]), Arrival("2", stranger, namesakes=[at_work()])]
    assert match_page(page) == {"1": NewButPossibleDuplicate(("p1",)), "2": New()}


def test_a_page_holds_few_locks_on_numbers() -> None:
    locks = {phone_lock(f"+4420794{number:05}") for number in range(5_000)}
    assert len(locks) <= 64
    assert phone_lock(PHONE) == phone_lock(PHONE)
